//! Delivering for one webhook: what is due is sent, at most eight deliveries at a time, or one where order is asked for; and
//! the events that have come meanwhile become deliveries.

use std::{collections::HashSet, iter, sync::Arc, time::Duration};

use holdfast_types::{Code, Error, Result, Seldom};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use super::{Inner, attempt::Tried, dispatch::News, log::Part};
use crate::{
    model::{Delivery, DeliveryId, EventRef, Replay, Told, Webhook, WebhookId},
    store::{HandOut, Outcome, Settled},
};

/// Deliveries under way at a time.
const UNDER_WAY: usize = 8;
/// Events that become deliveries at a time.
const HAND_OUT: usize = 100;
/// Deliveries of a webhook that wait, and of one that takes nothing; beyond that, events stay in the log.
const PENDING: usize = 10_000;
const PENDING_OF_FAILING: usize = 1_000;
/// Between two notes of how far the log was read where nothing in it was wanted.
const NOTE_PAUSE: Duration = Duration::from_secs(5);
/// Between two looks where nothing is due, and after one that failed.
const IDLE_PAUSE: Duration = Duration::from_secs(30);
const FAILURE_PAUSE: Duration = Duration::from_secs(1);
/// Between two lines in the log.
const FAILURES_PAUSE: Duration = Duration::from_secs(60);

/// One webhook, for as long as this process holds it.
pub(super) struct Deliverer {
    inner: Arc<Inner>,
    news: watch::Receiver<News>,
    end: watch::Receiver<i64>,
    running: JoinSet<Tried>,
    under_way: HashSet<DeliveryId>,
    /// How many may be under way by now: halved by an endpoint that is busy, one more with each success.
    window: usize,
    /// Until when the endpoint wants to be left alone.
    rest: Option<Instant>,
    /// How far the log was read, how far that is kept, and since when.
    read: i64,
    kept: i64,
    kept_at: Instant,
    /// Deliveries that wait, near enough, and since when that is known.
    pending: usize,
    counted_at: Instant,
    /// Whether the endpoint has taken nothing lately.
    is_failing: bool,
    /// The wake that was seen last.
    woken: Option<i64>,
    has_replay: bool,
    /// Whether it waits for the log, having done everything else.
    reads: bool,
    look_at: Instant,
    failures: Seldom,
}

impl Deliverer {
    pub(super) fn new(inner: Arc<Inner>, news: watch::Receiver<News>) -> Self {
        let (end, now) = (inner.end.subscribe(), Instant::now());
        Self {
            inner,
            news,
            end,
            running: JoinSet::new(),
            under_way: HashSet::new(),
            window: UNDER_WAY,
            rest: None,
            read: 0,
            kept: 0,
            kept_at: now,
            pending: 0,
            counted_at: now,
            is_failing: false,
            woken: None,
            has_replay: false,
            reads: false,
            look_at: now,
            failures: Seldom::new(FAILURES_PAUSE),
        }
    }

    /// Delivers until it may not any more: whatever is under way then ends with it.
    pub(super) async fn run(self) {
        let news = self.news.clone();
        tokio::select! {
            () = self.deliver() => {}
            () = lease_ends(news) => {}
        }
    }

    async fn deliver(mut self) {
        loop {
            let News { webhook, wake, .. } = self.news.borrow_and_update().clone();
            match self.go_on(&webhook, wake).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => self.complain(&error),
            }
            let (read, reads) = (self.read, self.reads);
            let tried = tokio::select! {
                Some(tried) = self.running.join_next(), if !self.running.is_empty() => Some(tried),
                changed = self.news.changed() => match changed {
                    Ok(()) => None,
                    Err(_) => return,
                },
                _ = self.end.wait_for(|end| *end > read), if reads => None,
                () = sleep_until(self.look_at) => None,
            };
            let Some(first) = tried else { continue };
            let (mut all, mut is_whole) = (Vec::new(), true);
            for tried in iter::once(first).chain(iter::from_fn(|| self.running.try_join_next())) {
                is_whole &= tried.is_ok();
                all.extend(tried.ok());
            }
            self.finish(&webhook, all).await;
            if !is_whole {
                // With what an attempt was under way that broke is not known: whoever comes next begins anew.
                return;
            }
        }
    }

    fn limit(&self, webhook: &Webhook) -> usize {
        if webhook.ordered { 1 } else { self.window }
    }

    fn complain(&mut self, error: &Error) {
        self.look_at = Instant::now() + FAILURE_PAUSE;
        if let Some(times) = self.failures.happened(Instant::now().into_std()) {
            tracing::warn!(%error, times, "cannot deliver to a webhook");
        }
    }

    /// Begins what is due, as much as there is room for. Says whether the webhook is still this process's.
    async fn go_on(&mut self, webhook: &Arc<Webhook>, wake: i64) -> Result<bool> {
        if self.woken != Some(wake) {
            self.look_around(webhook.id).await?;
            self.woken = Some(wake);
        }
        self.reads = false;
        let (now, limit) = (Instant::now(), self.limit(webhook));
        self.look_at = now + IDLE_PAUSE;
        if self.running.len() >= limit {
            return Ok(true);
        }
        if let Some(rest) = self.rest.filter(|rest| *rest > now) {
            self.look_at = rest;
            return Ok(true);
        }
        let is_held = self.begin_due(webhook, limit).await?;
        if is_held || self.running.len() >= limit || self.is_full(webhook.id).await? {
            return Ok(true);
        }
        let has_news = self.read < *self.end.borrow();
        if has_news && !self.hand_out(webhook).await? {
            return Ok(false);
        }
        if self.has_replay {
            self.replay(webhook).await?;
        }
        match has_news || self.has_replay {
            // What has ended meanwhile has its turn first.
            true => self.look_at = Instant::now(),
            false => self.reads = true,
        }
        Ok(true)
    }

    /// Whether so much waits that events stay in the log. What waits is counted anew now and then, since it is known near enough
    /// only.
    async fn is_full(&mut self, id: WebhookId) -> Result<bool> {
        let limit = if self.is_failing { PENDING_OF_FAILING } else { PENDING };
        if self.pending < limit {
            return Ok(false);
        }
        if self.counted_at.elapsed() >= IDLE_PAUSE {
            self.pending = self.inner.store.count_pending(id, PENDING).await?;
            self.counted_at = Instant::now();
        }
        Ok(self.pending >= limit)
    }

    /// Learns what others have changed.
    async fn look_around(&mut self, id: WebhookId) -> Result<()> {
        let found = self.inner.store.webhook(id).await?;
        let (_, progress) = found.ok_or_else(|| Error::not_found("webhook"))?;
        if self.woken.is_none() {
            (self.read, self.kept) = (progress.after, progress.after);
        }
        // Somebody wants it to be asked, perhaps elsewhere.
        (self.rest, self.window) = (None, UNDER_WAY);
        self.is_failing = progress.failing_since.is_some();
        self.pending = self.inner.store.count_pending(id, PENDING).await?;
        self.counted_at = Instant::now();
        self.has_replay = self.inner.store.next_replay(id).await?.is_some();
        Ok(())
    }

    /// Sends what is due. Says whether one that is not due yet holds up all others.
    async fn begin_due(&mut self, webhook: &Arc<Webhook>, limit: usize) -> Result<bool> {
        let count = limit + self.running.len();
        let next = self.inner.store.due(webhook.id, webhook.ordered, count).await?;
        let (now, mut is_held) = (self.inner.clock.now(), false);
        for delivery in next {
            if self.under_way.contains(&delivery.id) {
                continue;
            }
            if delivery.due > now {
                let wait = delivery.due.as_millis().saturating_sub(now.as_millis());
                let wait = Duration::from_millis(wait.unsigned_abs());
                self.look_at = self.look_at.min(Instant::now() + wait);
                is_held = webhook.ordered;
                break;
            }
            if self.running.len() < limit {
                self.begin(webhook, delivery);
            }
        }
        Ok(is_held)
    }

    fn begin(&mut self, webhook: &Arc<Webhook>, delivery: Delivery) {
        self.under_way.insert(delivery.id);
        let (inner, webhook) = (Arc::clone(&self.inner), Arc::clone(webhook));
        self.running.spawn(async move { inner.attempt(&webhook, &delivery).await });
    }

    /// Makes deliveries of what has come into the log. Says whether the webhook is still this process's.
    async fn hand_out(&mut self, webhook: &Webhook) -> Result<bool> {
        let read = self.inner.log.read(Some(self.read), &webhook.filter(), HAND_OUT).await;
        let (events, upto, skipped) = match read {
            Ok(Part { events, upto, .. }) => (events, upto, 0),
            Err(error) => {
                let upto = kept_after(&error, self.read).ok_or(error)?;
                let skipped = upto - self.read;
                tracing::warn!(webhook = %webhook.id, skipped, "events were not delivered in thirty days");
                (Vec::new(), upto, skipped)
            }
        };
        let has_news = !events.is_empty() || skipped > 0;
        if !has_news && self.kept_at.elapsed() < NOTE_PAUSE {
            self.read = upto;
            return Ok(true);
        }
        let deliveries = events.iter().map(|event| self.delivery(webhook.id, event.into()));
        let hand_out = HandOut {
            consumer: webhook.id.uuid(),
            process: self.inner.process,
            before: self.kept,
            after: upto,
            skipped,
            deliveries: deliveries.collect(),
        };
        if !self.inner.store.hand_out(hand_out).await? {
            return Ok(false);
        }
        self.pending += events.len();
        // Not before it is so.
        (self.read, self.kept, self.kept_at) = (upto, upto, Instant::now());
        Ok(true)
    }

    fn delivery(&self, webhook: WebhookId, event: EventRef) -> Delivery {
        let now = self.inner.clock.now();
        Delivery::new(self.inner.random.uuid_v7(now), webhook, event, now)
    }

    /// Delivers some of what is wanted once more.
    async fn replay(&mut self, webhook: &Webhook) -> Result<()> {
        let Some(replay) = self.inner.store.next_replay(webhook.id).await? else {
            self.has_replay = false;
            return Ok(());
        };
        if replay.only_failed {
            let begun = self.inner.store.replay_failed(&replay, self.inner.clock.now()).await?;
            self.pending += begun;
            return Ok(());
        }
        let (upto, deliveries) = self.replayed(webhook, &replay).await?;
        let count = deliveries.len();
        if self.inner.store.replay_events(&replay, upto, deliveries).await? {
            self.pending += count;
        }
        Ok(())
    }

    /// The next deliveries of a replay, and up to where they are.
    async fn replayed(&self, webhook: &Webhook, replay: &Replay) -> Result<(i64, Vec<Delivery>)> {
        if replay.after >= replay.until {
            return Ok((replay.until, Vec::new()));
        }
        match self.inner.log.read(Some(replay.after), &webhook.filter(), HAND_OUT).await {
            Ok(part) => {
                let is_wanted = |event: &EventRef| {
                    event.position <= replay.until && replay.wants(&event.kind, event.at)
                };
                let events = part.events.iter().map(EventRef::from).filter(is_wanted);
                let deliveries = events.map(|event| self.delivery(webhook.id, event)).collect();
                Ok((part.upto, deliveries))
            }
            Err(error) => Ok((kept_after(&error, replay.after).ok_or(error)?, Vec::new())),
        }
    }

    /// Notes how attempts went.
    async fn finish(&mut self, webhook: &Webhook, all: Vec<Tried>) {
        let mut settled = Vec::with_capacity(all.len());
        for Tried { delivery, attempt, rest } in all {
            self.under_way.remove(&delivery);
            let Some(attempt) = attempt else {
                self.look_at = Instant::now() + FAILURE_PAUSE;
                self.rest = Some(self.look_at);
                continue;
            };
            self.learn(attempt.told, rest);
            let jitter = f64::from(u16::from_be_bytes(self.inner.random.bytes()));
            let jitter = jitter / f64::from(u16::MAX);
            settled.push(Settled { delivery, attempt, rest, jitter });
        }
        // What cannot be noted is sent again, so it is worth patience, until the webhook is another process's.
        while !settled.is_empty() {
            let (schedule, now) = (&self.inner.webhooks.schedule, self.inner.clock.now());
            match self.inner.store.settle(webhook.id, settled.clone(), schedule, now).await {
                Ok(Outcome { over, is_failing }) => {
                    self.pending = self.pending.saturating_sub(over);
                    self.is_failing = is_failing;
                    if settled.iter().any(|one| one.attempt.told == Told::Gone) {
                        self.inner.nudge.notify_one();
                    }
                    return;
                }
                Err(error) => {
                    self.complain(&error);
                    sleep(FAILURE_PAUSE).await;
                }
            }
        }
    }

    /// Additive increase, multiplicative decrease (RFC 5681, §3.1).
    fn learn(&mut self, told: Told, rest: Option<Duration>) {
        match told {
            Told::Taken => self.window = (self.window + 1).min(UNDER_WAY),
            Told::Busy => self.window = (self.window / 2).max(1),
            Told::Refused | Told::Lost => {}
            // It is about to be disabled.
            Told::Gone => self.rest = Some(Instant::now() + FAILURE_PAUSE),
        }
        if let Some(rest) = rest {
            let until = Instant::now() + rest;
            self.rest = Some(self.rest.map_or(until, |known| known.max(until)));
        }
    }
}

/// The place after which events are kept, where those after `place` are not.
pub(super) fn kept_after(error: &Error, place: i64) -> Option<i64> {
    let oldest = error.extras().get("oldest")?.as_i64()?;
    (error.code() == Code::EventsExpired).then_some(place.max(oldest - 1))
}

/// Ends when the process may not deliver any more.
async fn lease_ends(news: watch::Receiver<News>) {
    loop {
        let until = news.borrow().until;
        if Instant::now() >= until {
            return;
        }
        sleep_until(until).await;
    }
}
