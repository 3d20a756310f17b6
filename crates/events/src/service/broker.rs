//! Events for NATS JetStream: one more consumer of the log. One event comes after the other, each when the server has acknowledged
//! the one before, so the order is that of the log whatever breaks; the place in the log moves after them, so each comes at least
//! once. The server drops doubles by `Nats-Msg-Id` within its window, two minutes as a rule.

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use async_nats::{
    Client, ConnectOptions, HeaderMap,
    connection::State,
    jetstream::{self, Context, stream},
};
use async_trait::async_trait;
use holdfast_types::{Code, Error, Result};
use percent_encoding::percent_decode_str;
use tokio::{
    sync::OnceCell,
    time::{Instant, timeout_at},
};
use url::Url;

use super::{Consumer, Event, Events};
use crate::{
    model::ConsumerName,
    wire::{payload, whole},
};

/// Before each type in a subject.
const SUBJECT: &str = "holdfast.events";
/// The stream that is made where no stream has the subject.
const STREAM: &str = "HOLDFAST_EVENTS";
/// How long that one keeps events.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Bytes of our headers, with room.
const HEADER_BYTES: usize = 256;
/// How long a connection, a question and an acknowledgement may take.
const TIME: Duration = Duration::from_secs(2);

/// Where NATS is, and who we are there.
#[derive(Clone)]
pub struct NatsServer {
    /// Without credentials: it may be logged.
    url: String,
    user: String,
    password: Option<String>,
}

impl fmt::Debug for NatsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsServer").field("url", &self.url).finish_non_exhaustive()
    }
}

impl FromStr for NatsServer {
    type Err = String;

    /// Reads `nats://user:password@host:4222`, or `tls://`; a user alone is a token.
    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "expected an address such as nats://user:password@host:4222".to_owned();
        let url = Url::parse(text).map_err(|_| expected())?;
        let host = url.host_str().filter(|_| matches!(url.scheme(), "nats" | "tls"));
        let (host, scheme) = (host.ok_or_else(expected)?, url.scheme());
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        Ok(Self {
            url: format!("{scheme}://{host}:{}", url.port().unwrap_or(4222)),
            user: decoded(url.username()),
            password: url.password().map(decoded),
        })
    }
}

impl NatsServer {
    /// A connection that mends itself, and a stream that has our subjects, unless another has them already.
    async fn connect(&self) -> Result<(Client, Context)> {
        let options = match (&self.user, &self.password) {
            (user, Some(password)) => {
                ConnectOptions::with_user_and_password(user.clone(), password.clone())
            }
            (token, None) if !token.is_empty() => ConnectOptions::with_token(token.clone()),
            _ => ConnectOptions::new(),
        };
        let options = options.name("holdfast").connection_timeout(TIME).request_timeout(Some(TIME));
        let client = options.connect(&self.url).await.map_err(away)?;
        let context = jetstream::new(client.clone());
        let config = stream::Config {
            name: STREAM.to_owned(),
            subjects: vec![format!("{SUBJECT}.>")],
            max_age: KEPT,
            ..stream::Config::default()
        };
        if let Err(error) = context.get_or_create_stream(config).await {
            tracing::info!(%error, "the stream {STREAM} is not made: another may have its subjects");
        }
        Ok((client, context))
    }
}

impl Events {
    /// Publishes to the broker, where there is one, until the process ends.
    pub fn publish(&self) {
        if let Some(server) = self.0.nats.clone() {
            self.follow(Arc::new(Broker { server, connected: OnceCell::new() }));
        }
    }
}

/// NATS, as a consumer of the log.
struct Broker {
    server: NatsServer,
    /// For good, once it has come about.
    connected: OnceCell<(Client, Context)>,
}

impl Broker {
    async fn connected(&self) -> Result<&(Client, Context)> {
        self.connected.get_or_try_init(|| self.server.connect()).await
    }
}

#[async_trait]
impl Consumer for Broker {
    fn name(&self) -> ConsumerName {
        ConsumerName::Broker
    }

    fn types(&self) -> &'static str {
        "*"
    }

    async fn prepare(&self) -> Result<()> {
        let (client, _) = self.connected().await?;
        match client.connection_state() {
            State::Connected => Ok(()),
            _ => Err(Error::new(Code::Unavailable, "the broker is away")),
        }
    }

    async fn take(&self, events: &[Event], until: Instant) -> (usize, Result<()>) {
        let (client, context) = match self.connected().await {
            Ok(connected) => connected,
            Err(error) => return (0, Err(error)),
        };
        for (count, event) in events.iter().enumerate() {
            let sent = timeout_at(until, send(context, event, client.max_payload())).await;
            if let Err(error) = sent.unwrap_or_else(|_| Err(away("it does not acknowledge"))) {
                return (count, Err(error));
            }
            metrics::counter!("broker_events_total").increment(1);
        }
        (events.len(), Ok(()))
    }
}

/// Publishes an event, and waits until the server has it. What is larger than `limit` comes as a webhook delivers it.
async fn send(context: &Context, event: &Event, limit: usize) -> Result<()> {
    let subject = format!("{SUBJECT}.{}", event.message.kind);
    let mut headers = HeaderMap::new();
    let id = event.id().to_string();
    headers.insert("Nats-Msg-Id", id.as_str());
    let mut body = whole(event)?;
    if body.len() + HEADER_BYTES > limit {
        body = payload(event)?;
    }
    let sent = context.publish_with_headers(subject, headers, body.into()).await;
    sent.map_err(away)?.await.map_err(away).map(|_| ())
}

fn away(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(Code::Unavailable, "the broker cannot be reached").with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        let server: NatsServer = "nats://shop:s%40same@nats.example".parse().unwrap();
        assert_eq!((server.user.as_str(), server.password.as_deref()), ("shop", Some("s@same")));
        assert_eq!(server.url, "nats://nats.example:4222");
        assert!(!format!("{server:?}").contains("same"));
        let server: NatsServer = "tls://sesame@[::1]:4333".parse().unwrap();
        assert_eq!((server.user.as_str(), server.url.as_str()), ("sesame", "tls://[::1]:4333"));
        for wrong in ["", "nats", "http://a:1", "nats://", "a:4222"] {
            assert!(wrong.parse::<NatsServer>().is_err(), "{wrong}");
        }
    }
}
