//! Taking all events out of the log, one after the other: the place in the log moves after them, so whoever takes them sees each
//! at least once, in order, whatever breaks. One process at a time does it for each consumer.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use holdfast_types::{Code, Error, Result, Seldom};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{
    Event, Events, Inner,
    deliverer::kept_after,
    lease::{LEASE, RENEWAL, Seen},
    log::Part,
};
use crate::{
    model::{ConsumerName, Filter, Progress},
    store::HandOut,
};

/// Events that are read at a time.
const PART: usize = 100;
/// Positions without any that it wants after which the place of a consumer moves all the same.
const UNWANTED: i64 = 1000;
/// The same after so long.
const UNMOVED: Duration = Duration::from_secs(600);
/// Between two looks where there is nothing to do, and after a failure.
const PAUSE: Duration = Duration::from_secs(1);
/// A process that has had nothing taken for so long although there was something lets another try, and waits for as long.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two lines in the log.
const FAILURES_PAUSE: Duration = Duration::from_secs(60);

/// Takes events.
#[async_trait]
pub trait Consumer: Send + Sync + 'static {
    /// Under which name its place in the log is kept.
    fn name(&self) -> ConsumerName;

    /// Of which types, as a list of `order.placed`, `order.*` or `*` with commas between them.
    fn types(&self) -> &'static str;

    /// Gets ready to take events. It may be asked again and again.
    async fn prepare(&self) -> Result<()> {
        Ok(())
    }

    /// Takes these events in their order, some of them perhaps once more, and begins with none after `until`. Says how many it has
    /// taken for good, and why not all.
    async fn take(&self, events: &[Event], until: Instant) -> (usize, Result<()>);
}

impl Events {
    /// Lets a consumer take events until the process ends.
    pub fn follow(&self, consumer: Arc<dyn Consumer>) {
        let (inner, now) = (self.0.clone(), Instant::now());
        let types = Filter::read_types(consumer.types()).expect("a consumer knows what it wants");
        let filter = Filter { types, subject: None, audit: true };
        let seen = Seen::default();
        let follower = Follower { consumer, filter, seen, renewed: now, moved: now };
        tokio::spawn(async move { inner.follow(follower).await });
    }
}

/// What the task of a consumer knows.
struct Follower {
    consumer: Arc<dyn Consumer>,
    filter: Filter,
    seen: Seen,
    /// The last sign of life.
    renewed: Instant,
    /// When the place moved last.
    moved: Instant,
}

impl Inner {
    async fn follow(&self, mut follower: Follower) {
        let (mut end, mut failures) = (self.end.subscribe(), Seldom::new(FAILURES_PAUSE));
        let (mut well, name) = (Instant::now(), follower.consumer.name());
        while !self.is_over() {
            match self.follow_some(&mut follower).await {
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
                        let consumer = name.as_str();
                        tracing::warn!(%error, times, consumer, "events are not taken");
                    }
                    sleep(PAUSE).await;
                }
            }
            if well.elapsed() >= PATIENCE {
                let _ = self.store.drop_leases(self.process, vec![name.id()]).await;
                sleep(PATIENCE).await;
                well = Instant::now();
            }
        }
    }

    /// Lets what comes next be taken; says up to where it has come, or nothing where another process does it.
    async fn follow_some(&self, follower: &mut Follower) -> Result<Option<i64>> {
        let progress = self.progress(follower.consumer.name()).await?;
        if !self.holds(&progress, follower).await? {
            return Ok(None);
        }
        let (until, consumer) = (follower.renewed + LEASE, &follower.consumer);
        let ready = async {
            consumer.prepare().await?;
            self.next(follower, progress.after).await
        };
        let late = |_| Error::new(Code::Unavailable, "it takes too long");
        let (events, upto, skipped) = timeout_at(until, ready).await.map_err(late)??;
        let (count, taken) = consumer.take(&events, until).await;
        let after = match (&taken, count.checked_sub(1)) {
            (Ok(()), _) => upto,
            (Err(_), None) => progress.after,
            (Err(_), Some(last)) => events[last].position,
        };
        let is_far = after - progress.after >= UNWANTED || follower.moved.elapsed() >= UNMOVED;
        if count > 0 || skipped > 0 || (is_far && after > progress.after) {
            follower.moved = Instant::now();
            let hand_out = HandOut {
                consumer: progress.consumer,
                process: self.process,
                before: progress.after,
                after,
                skipped,
                deliveries: Vec::new(),
            };
            if !self.store.hand_out(hand_out).await? {
                return Ok(None);
            }
        }
        match taken {
            Err(error) if count == 0 => Err(error),
            _ => Ok(Some(after)),
        }
    }

    /// How far a consumer is. One that begins sees what comes, or what is kept too.
    async fn progress(&self, name: ConsumerName) -> Result<Progress> {
        if let Some(progress) = self.store.consumer(name.id()).await? {
            return Ok(progress);
        }
        let after = match name.wants_the_past() {
            true => self.oldest().await? - 1,
            false => self.store.end().await?,
        };
        self.store.begin_consumer(name.id(), after).await
    }

    /// Whether this process is the one; it shows signs of life then.
    async fn holds(&self, progress: &Progress, follower: &mut Follower) -> Result<bool> {
        let (now, id) = (Instant::now(), progress.consumer);
        if progress.holder != Some(self.process) {
            let is_free = follower.seen.is_free(progress, now);
            let is_ours = is_free && self.store.take_lease(progress, self.process).await?;
            if is_ours && self.is_over() {
                self.store.drop_leases(self.process, vec![id]).await?;
                return Ok(false);
            }
            follower.renewed = now;
            return Ok(is_ours);
        }
        if now.duration_since(follower.renewed) < RENEWAL {
            return Ok(true);
        }
        follower.renewed = now;
        Ok(!self.store.renew_leases(self.process, vec![id]).await?.is_empty())
    }

    /// What comes after a place: events, up to where, and how many positions the log has lost.
    async fn next(&self, follower: &Follower, after: i64) -> Result<(Vec<Event>, i64, i64)> {
        match self.log.read(Some(after), &follower.filter, PART).await {
            Ok(Part { events, upto, .. }) => Ok((events, upto, 0)),
            Err(error) => {
                let upto = kept_after(&error, after).ok_or(error)?;
                let (skipped, consumer) = (upto - after, follower.consumer.name().as_str());
                tracing::warn!(skipped, consumer, "events were not taken in thirty days");
                Ok((Vec::new(), upto, skipped))
            }
        }
    }
}
