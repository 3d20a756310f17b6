//! Events for NATS JetStream: one more consumer of the log. One event comes after the other, each when the server has acknowledged
//! the one before, so the order is that of the log whatever breaks; the place in the log moves after them, so each comes at least
//! once. The server drops doubles by `Nats-Msg-Id` within its window, two minutes as a rule.

use std::{fmt, str::FromStr, time::Duration};

use async_nats::{
    Client, ConnectOptions, HeaderMap,
    connection::State,
    jetstream::{self, Context, stream},
};
use holdfast_types::{Code, Error, Result, Seldom};
use percent_encoding::percent_decode_str;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use url::Url;

use super::{
    Event, Events, Inner,
    deliverer::kept_after,
    lease::{LEASE, RENEWAL, Seen},
    log::Part,
};
use crate::{
    model::{BROKER, Filter, Progress, id_of},
    store::HandOut,
    wire::{payload, whole},
};

/// Before each type in a subject.
const SUBJECT: &str = "holdfast.events";
/// The stream that is made where no stream has the subject.
const STREAM: &str = "HOLDFAST_EVENTS";
/// How long that one keeps events.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Events that are read at a time.
const PART: usize = 100;
/// Bytes of our headers, with room.
const HEADER_BYTES: usize = 256;
/// How long a connection, a question and an acknowledgement may take.
const TIME: Duration = Duration::from_secs(2);
/// Between two looks where there is nothing to do, and after a failure.
const PAUSE: Duration = Duration::from_secs(1);
/// A process that has published nothing for so long although there was something lets another try, and waits for as long.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two lines in the log.
const FAILURES_PAUSE: Duration = Duration::from_secs(60);

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
            let (inner, now) = (self.0.clone(), Instant::now());
            let publisher =
                Publisher { server, connected: None, seen: Seen::default(), renewed: now };
            tokio::spawn(async move { inner.publish(publisher).await });
        }
    }
}

/// What the publishing task knows.
struct Publisher {
    server: NatsServer,
    /// For good, once it has come about.
    connected: Option<(Client, Context)>,
    seen: Seen,
    /// The last sign of life.
    renewed: Instant,
}

impl Inner {
    async fn publish(&self, mut publisher: Publisher) {
        let (mut end, mut failures) = (self.end.subscribe(), Seldom::new(FAILURES_PAUSE));
        let mut well = Instant::now();
        while !self.is_over() {
            match self.publish_some(&mut publisher).await {
                Ok(Some(upto)) => {
                    well = Instant::now();
                    let _ = timeout(PAUSE, end.wait_for(|end| *end > upto)).await;
                }
                Ok(None) => {
                    well = Instant::now();
                    sleep(PAUSE).await;
                }
                Err(error) => {
                    if let Some(times) = failures.happened(Instant::now().into_std()) {
                        tracing::warn!(%error, times, "cannot publish events to the broker");
                    }
                    sleep(PAUSE).await;
                }
            }
            if well.elapsed() >= PATIENCE {
                let _ = self.store.drop_leases(self.process, vec![BROKER]).await;
                sleep(PATIENCE).await;
                well = Instant::now();
            }
        }
    }

    /// Publishes what comes next; says up to where it has come, or nothing where another process does it.
    async fn publish_some(&self, publisher: &mut Publisher) -> Result<Option<i64>> {
        let progress = match self.store.consumer(BROKER).await? {
            Some(progress) => progress,
            None => self.store.begin_consumer(BROKER, self.oldest().await? - 1).await?,
        };
        if !self.holds(&progress, publisher).await? {
            return Ok(None);
        }
        let until = publisher.renewed + LEASE;
        let publish = async {
            if publisher.connected.is_none() {
                publisher.connected = Some(publisher.server.connect().await?);
            }
            let (client, context) = publisher.connected.as_ref().expect("it is connected");
            if client.connection_state() != State::Connected {
                return Err(Error::new(Code::Unavailable, "the broker is away"));
            }
            let (events, upto, skipped) = self.next(progress.after).await?;
            Ok((context.clone(), client.max_payload(), events, upto, skipped))
        };
        let ready = timeout_at(until, publish).await;
        let (context, limit, events, upto, skipped) =
            ready.map_err(|_| away("it takes too long"))??;
        let (mut after, mut failed, mut count) = (progress.after, None, 0);
        for event in &events {
            let sent = timeout_at(until, send(&context, event, limit)).await;
            match sent.unwrap_or_else(|_| Err(away("it does not acknowledge"))) {
                Ok(()) => (after, count) = (event.position, count + 1),
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        let after = if failed.is_none() { upto } else { after };
        if after > progress.after {
            let (consumer, process, before) = (BROKER, self.process, progress.after);
            let deliveries = Vec::new();
            let hand_out = HandOut { consumer, process, before, after, skipped, deliveries };
            if !self.store.hand_out(hand_out).await? {
                return Ok(None);
            }
            metrics::counter!("broker_events_total").increment(count);
        }
        match failed {
            Some(error) if count == 0 => Err(error),
            _ => Ok(Some(after)),
        }
    }

    /// Whether this process is the one that publishes; it shows signs of life then.
    async fn holds(&self, progress: &Progress, publisher: &mut Publisher) -> Result<bool> {
        let now = Instant::now();
        if progress.holder != Some(self.process) {
            let is_free = publisher.seen.is_free(progress, now);
            let is_ours = is_free && self.store.take_lease(progress, self.process).await?;
            if is_ours && self.is_over() {
                self.store.drop_leases(self.process, vec![BROKER]).await?;
                return Ok(false);
            }
            publisher.renewed = now;
            return Ok(is_ours);
        }
        if now.duration_since(publisher.renewed) < RENEWAL {
            return Ok(true);
        }
        publisher.renewed = now;
        Ok(!self.store.renew_leases(self.process, vec![BROKER]).await?.is_empty())
    }

    /// What comes after a place: events, up to where, and how many positions the log has lost.
    async fn next(&self, after: i64) -> Result<(Vec<Event>, i64, i64)> {
        match self.log.read(Some(after), &Filter { audit: true, ..Filter::default() }, PART).await {
            Ok(Part { events, upto, .. }) => Ok((events, upto, 0)),
            Err(error) => {
                let upto = kept_after(&error, after).ok_or(error)?;
                let skipped = upto - after;
                tracing::warn!(skipped, "events were not published in thirty days");
                Ok((Vec::new(), upto, skipped))
            }
        }
    }
}

/// Publishes an event, and waits until the server has it. What is larger than `limit` comes as a webhook delivers it.
async fn send(context: &Context, event: &Event, limit: usize) -> Result<()> {
    let subject = format!("{SUBJECT}.{}", event.message.kind);
    let mut headers = HeaderMap::new();
    let id = id_of(event.position, &event.message).to_string();
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
