//! Events for NATS JetStream: one more consumer of the log. What is published has been acknowledged by the server before the place
//! in the log moves, so it comes at least once; the server drops doubles by `Nats-Msg-Id` within its window, two minutes as a rule.

use std::time::Duration;

use async_nats::{
    ConnectOptions, HeaderMap,
    jetstream::{self, Context, stream},
};
use holdfast_types::{Code, Error, Result, Seldom};
use tokio::time::{Instant, sleep, timeout};

use super::{
    Event, Events, Inner,
    deliverer::kept_after,
    lease::{LEASE, RENEWAL, Seen},
    log::Part,
};
use crate::{
    model::{BROKER, Filter, Progress, id_of},
    store::HandOut,
    wire::whole,
};

/// Before each type in a subject.
const SUBJECT: &str = "holdfast.events";
/// The stream that is made where no stream has the subject.
const STREAM: &str = "HOLDFAST_EVENTS";
/// How long that one keeps events.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Events that are published at a time.
const PART: usize = 100;
/// How long a connection, a question, and the acknowledgement of a part may take: less than the lease.
const TIME: Duration = Duration::from_secs(2);
/// Between two looks where there is nothing to do, and after a failure.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two lines in the log.
const FAILURES_PAUSE: Duration = Duration::from_secs(60);

impl Events {
    /// Publishes to the broker, where there is one, until the process ends.
    pub fn publish(&self) {
        if let Some(url) = self.0.nats.clone() {
            let events = self.clone();
            tokio::spawn(async move { events.0.publish(&url).await });
        }
    }
}

/// What the publishing process knows.
#[derive(Default)]
struct Publishing {
    context: Option<Context>,
    seen: Seen,
    renewed: Option<Instant>,
}

impl Inner {
    async fn publish(&self, url: &str) {
        let (mut publishing, mut failures) = (Publishing::default(), Seldom::new(FAILURES_PAUSE));
        let mut end = self.end.subscribe();
        while !self.is_over() {
            match self.publish_some(url, &mut publishing).await {
                Ok(Some(upto)) => {
                    let _ = timeout(PAUSE, end.wait_for(|end| *end > upto)).await;
                }
                Ok(None) => sleep(PAUSE).await,
                Err(error) => {
                    if let Some(times) = failures.happened(Instant::now().into_std()) {
                        tracing::warn!(%error, times, "cannot publish events to the broker");
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Publishes what comes next; says up to where it has come, or nothing where another process does it.
    async fn publish_some(&self, url: &str, publishing: &mut Publishing) -> Result<Option<i64>> {
        let now = Instant::now();
        let oldest = self.oldest().await?;
        let progress = self.store.consumer(BROKER, oldest - 1).await?;
        if !self.holds(&progress, publishing, now).await? {
            return Ok(None);
        }
        let context = match publishing.context.take() {
            Some(context) => context,
            None => connect(url).await?,
        };
        let (events, upto, skipped) = self.next(progress.after).await?;
        let published = timeout(TIME, send(&context, &events)).await;
        published.map_err(|_| away("the broker does not acknowledge"))??;
        publishing.context = Some(context);
        if upto > progress.after {
            let (before, after) = (progress.after, upto);
            let (consumer, process, deliveries) = (BROKER, self.process, Vec::new());
            let hand_out = HandOut { consumer, process, before, after, skipped, deliveries };
            if now.elapsed() >= LEASE || !self.store.hand_out(hand_out).await? {
                return Ok(None);
            }
            metrics::counter!("broker_events_total").increment(events.len() as u64);
        }
        Ok(Some(upto))
    }

    /// Whether this process is the one that publishes; it shows signs of life then.
    async fn holds(
        &self,
        progress: &Progress,
        publishing: &mut Publishing,
        now: Instant,
    ) -> Result<bool> {
        if progress.holder != Some(self.process) {
            let is_free = publishing.seen.is_free(progress, now);
            return Ok(is_free && self.store.take_lease(progress, self.process).await?);
        }
        if publishing.renewed.is_some_and(|renewed| now.duration_since(renewed) < RENEWAL) {
            return Ok(true);
        }
        publishing.renewed = Some(now);
        Ok(!self.store.renew_leases(self.process, vec![BROKER]).await?.is_empty())
    }

    /// What comes after a place: events, up to where, and how many positions the log has lost.
    async fn next(&self, after: i64) -> Result<(Vec<Event>, i64, i64)> {
        match self.log.read(Some(after), &Filter::default(), PART).await {
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

/// A connection, and a stream that has our subjects, unless another stream has them already.
async fn connect(url: &str) -> Result<Context> {
    let options =
        ConnectOptions::new().name("holdfast").connection_timeout(TIME).request_timeout(Some(TIME));
    let client = options.connect(url).await.map_err(away)?;
    let context = jetstream::new(client);
    let config = stream::Config {
        name: STREAM.to_owned(),
        subjects: vec![format!("{SUBJECT}.>")],
        max_age: KEPT,
        ..stream::Config::default()
    };
    if let Err(error) = context.get_or_create_stream(config).await {
        tracing::info!(%error, "the stream {STREAM} is not made: another may have its subjects");
    }
    Ok(context)
}

/// Publishes events one after the other, and waits until the server has all of them.
async fn send(context: &Context, events: &[Event]) -> Result<()> {
    let mut acknowledged = Vec::with_capacity(events.len());
    for event in events {
        let subject = format!("{SUBJECT}.{}", event.message.kind);
        let mut headers = HeaderMap::new();
        let id = id_of(event.position, &event.message).to_string();
        headers.insert("Nats-Msg-Id", id.as_str());
        let sent = context.publish_with_headers(subject, headers, whole(event)?.into()).await;
        acknowledged.push(sent.map_err(away)?);
    }
    for acknowledgement in acknowledged {
        acknowledgement.await.map_err(away)?;
    }
    Ok(())
}

fn away(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(Code::Unavailable, "the broker cannot be reached").with_source(error)
}
