//! Deliveries: made with the place in the log that they are of, noted, shown, and begun again.

use std::{sync::Arc, time::Duration};

use holdfast_storage::record::{Fault, Position, Scan, Stored, Tx, Value};
use holdfast_types::{
    Answer, Error, IdempotentAnswer, Operation, Page, PageRequest, Result, Timestamp,
};
use uuid::Uuid;

use super::{EventStore, webhooks::lock_enabled};
use crate::model::{
    Attempt, Delivery, DeliveryId, DeliveryStatus, Progress, Replay, Schedule, Told, Webhook,
    WebhookId,
};

/// Deliveries that were given up of which one transaction begins some again.
const AGAIN_ROWS: usize = 100;

/// Deliveries that are read at once to be counted.
const COUNTED_ROWS: usize = 200;

/// Shapes the answer about a delivery.
pub(crate) type RenderDelivery = fn(&Delivery) -> Result<Answer>;

/// What lies between two places of the log, for one who takes it: as deliveries, or having taken it already.
#[derive(Clone, Debug)]
pub(crate) struct HandOut {
    pub(crate) consumer: Uuid,
    pub(crate) process: Uuid,
    pub(crate) before: i64,
    pub(crate) after: i64,
    /// Positions between them that the log has lost.
    pub(crate) skipped: i64,
    pub(crate) deliveries: Vec<Delivery>,
}

/// How an attempt at a delivery went.
#[derive(Clone, Debug)]
pub(crate) struct Settled {
    pub(crate) delivery: DeliveryId,
    pub(crate) attempt: Attempt,
    /// How long the endpoint asks to be left alone.
    pub(crate) rest: Option<Duration>,
    /// 0 to 1.
    pub(crate) jitter: f64,
}

/// What came of attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Deliveries that are over.
    pub(crate) over: usize,
    /// Whether the endpoint has taken nothing lately.
    pub(crate) is_failing: bool,
}

impl EventStore {
    /// Moves the place of a consumer in the log, and makes the deliveries of what is passed: all of it, once, and only by the
    /// process that holds the consumer. Says whether it was so.
    pub(crate) async fn hand_out(&self, hand_out: HandOut) -> Result<bool> {
        let hand_out = Arc::new(hand_out);
        let apply = move |tx: Tx| {
            let hand_out = Arc::clone(&hand_out);
            async move {
                let found = tx.get::<Progress>(hand_out.consumer).await?;
                let ours = found.filter(|progress| {
                    (progress.holder, progress.after) == (Some(hand_out.process), hand_out.before)
                });
                let Some(mut progress) = ours else { return Ok(false) };
                progress.after = hand_out.after;
                progress.skipped += hand_out.skipped;
                tx.put(&progress).await??;
                tx.insert_all(&hand_out.deliveries).await??;
                Ok(true)
            }
        };
        self.db.transact(apply).await
    }

    /// The next deliveries of a webhook: in the order of the log where it is `ordered`, else in that of their time.
    pub(crate) async fn due(
        &self,
        webhook: WebhookId,
        ordered: bool,
        limit: usize,
    ) -> Result<Vec<Delivery>> {
        let index = if ordered { "order" } else { "due" };
        let read = move |tx: Tx| async move {
            let found = tx.scan::<Delivery>(Scan::of(index, limit).equal(webhook)).await?;
            Ok(found.into_iter().map(Stored::into_inner).collect())
        };
        self.db.read(read).await
    }

    /// How many deliveries of a webhook are pending, counted up to `limit`.
    pub(crate) async fn count_pending(&self, webhook: WebhookId, limit: usize) -> Result<usize> {
        let (mut count, mut after) = (0, None);
        loop {
            let scan = Scan::of("due", COUNTED_ROWS).equal(webhook).after(after.take());
            let read = move |tx: Tx| {
                let scan = scan.clone();
                async move {
                    let some = tx.scan::<Delivery>(scan).await?;
                    Ok((some.len(), some.last().map(|last| last.position(Some("due")))))
                }
            };
            let (some, last) = self.db.read(read).await?;
            (count, after) = (count + some, last);
            if some < COUNTED_ROWS || count >= limit {
                return Ok(count.min(limit));
            }
        }
    }

    /// Notes how attempts went, and what comes of it for each delivery; a webhook that is gone, or that has failed for five
    /// days, is disabled, and the world is told.
    pub(crate) async fn settle(
        &self,
        webhook: WebhookId,
        settled: Vec<Settled>,
        schedule: &Schedule,
        now: Timestamp,
    ) -> Result<Outcome> {
        let (settled, schedule) = (Arc::new(settled), schedule.clone());
        let store = self.clone();
        let settle = move |tx: Tx| {
            let (store, settled, schedule) =
                (store.clone(), Arc::clone(&settled), schedule.clone());
            async move {
                let mut over = 0;
                for one in settled.iter() {
                    over += usize::from(note(&tx, one, &schedule).await?);
                }
                let is_failing = store.judge(&tx, webhook, &settled, now).await?;
                Ok(Outcome { over, is_failing })
            }
        };
        self.db.transact(settle).await
    }

    /// Notes what attempts say about their endpoint; says whether it takes nothing.
    async fn judge(
        &self,
        tx: &Tx,
        id: WebhookId,
        settled: &[Settled],
        now: Timestamp,
    ) -> Result<bool, Fault> {
        let Some(mut progress) = tx.get::<Progress>(id).await? else { return Ok(false) };
        let told = settled.iter().map(|one| one.attempt.told);
        let told: Vec<Told> = told.filter(|told| *told != Told::Lost).collect();
        if told.is_empty() {
            return Ok(progress.failing_since.is_some());
        }
        let before = progress.failing_since;
        let is_lost = progress.note(told.contains(&Told::Taken), now);
        if progress.failing_since != before {
            tx.put(&progress).await??;
        }
        let is_failing = progress.failing_since.is_some();
        let reason = if told.contains(&Told::Gone) {
            "the endpoint answered 410 Gone"
        } else if is_lost {
            "every attempt of the last five days has failed"
        } else {
            return Ok(is_failing);
        };
        let found: Option<Stored<Webhook>> = tx.get(id).await?;
        let Some(mut webhook) = found.filter(|webhook| webhook.disabled.is_none()) else {
            return Ok(is_failing);
        };
        webhook.disable(reason, now);
        let message = webhook.disabled.as_ref().map(|disabled| webhook.was_disabled(disabled));
        tx.put(&webhook).await??;
        self.outbox.put(tx, message).await?;
        Ok(is_failing)
    }

    /// A page of the deliveries of a webhook, newest first.
    pub(crate) async fn deliveries(
        &self,
        webhook: WebhookId,
        status: Option<DeliveryStatus>,
        request: &PageRequest,
    ) -> Result<Page<Delivery>> {
        let scan = match status {
            Some(status) => Scan::of("status", 0).equal(webhook).equal(status.as_str()),
            None => Scan::of("webhook", 0).equal(webhook),
        };
        let list = format!("deliveries {webhook} {status:?}");
        self.db.page(scan.descending(), &list, request).await
    }

    /// The delivery with that id.
    pub(crate) async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>> {
        self.db.get(id).await
    }

    /// Keeps a delivery that is of no event, to try a webhook out; once per operation. Refuses with `not-found`, and with
    /// `webhook-disabled`.
    pub(crate) async fn add_delivery(
        &self,
        delivery: Delivery,
        operation: &Operation,
        render: RenderDelivery,
    ) -> Result<IdempotentAnswer> {
        let now = delivery.created_at;
        let add = move |tx: Tx| {
            let delivery = delivery.clone();
            async move {
                let mut progress = lock_enabled(&tx, delivery.webhook).await?;
                progress.wake += 1;
                tx.put(&progress).await??;
                tx.insert(&delivery).await??;
                Ok(render(&delivery)?)
            }
        };
        self.outbox.once(operation, now, add).await
    }

    /// Begins a delivery again, now; once per operation. One that has arrived comes once more. Refuses with `not-found`, and with
    /// `webhook-disabled`.
    pub(crate) async fn retry_delivery(
        &self,
        webhook: WebhookId,
        id: DeliveryId,
        operation: &Operation,
        now: Timestamp,
        render: RenderDelivery,
    ) -> Result<IdempotentAnswer> {
        let retry = move |tx: Tx| async move {
            let mut progress = lock_enabled(&tx, webhook).await?;
            let found: Option<Stored<Delivery>> = tx.get(id).await?;
            let found = found.filter(|delivery| delivery.webhook == webhook);
            let mut delivery = found.ok_or_else(|| Error::not_found("delivery"))?;
            delivery.begin_again(now);
            progress.wake += 1;
            tx.put(&progress).await??;
            tx.put(&delivery).await??;
            Ok(render(&delivery)?)
        };
        self.outbox.once(operation, now, retry).await
    }

    /// What of a webhook is to be replayed next.
    pub(crate) async fn next_replay(&self, webhook: WebhookId) -> Result<Option<Replay>> {
        let read = move |tx: Tx| async move {
            let found = tx.scan::<Replay>(Scan::of("webhook", 1).equal(webhook)).await?;
            Ok(found.into_iter().next().map(Stored::into_inner))
        };
        self.db.read(read).await
    }

    /// Moves a replay on to the position `upto`, with deliveries of what is passed: all of it, once. It ends where it has come to
    /// its end. Says whether somebody else was faster.
    pub(crate) async fn replay_events(
        &self,
        replay: &Replay,
        upto: i64,
        deliveries: Vec<Delivery>,
    ) -> Result<bool> {
        let (replay, deliveries) = (replay.clone(), Arc::new(deliveries));
        let step = move |tx: Tx| {
            let (before, deliveries) = (replay.clone(), Arc::clone(&deliveries));
            async move {
                let found: Option<Stored<Replay>> = tx.get(before.id).await?;
                let Some(mut replay) = found.filter(|found| **found == before) else {
                    return Ok(false);
                };
                replay.after = upto;
                tx.insert_all(&*deliveries).await??;
                match upto >= replay.until {
                    true => tx.delete(replay).await?,
                    false => tx.put(&replay).await??,
                }
                Ok(true)
            }
        };
        self.db.transact(step).await
    }

    /// Begins some of the deliveries again that were given up and that a replay is of, and says how many; it ends where
    /// there are no more.
    pub(crate) async fn replay_failed(&self, replay: &Replay, now: Timestamp) -> Result<usize> {
        let replay = replay.clone();
        let step = move |tx: Tx| {
            let before = replay.clone();
            async move {
                let found: Option<Stored<Replay>> = tx.get(before.id).await?;
                let Some(mut replay) = found.filter(|found| **found == before) else {
                    return Ok(0);
                };
                let failed = DeliveryStatus::Failed.as_str();
                let place = |last: Uuid| Position {
                    values: vec![replay.webhook.into(), failed.into()],
                    key: Value::Id(last),
                };
                let scan = Scan::of("status", AGAIN_ROWS).equal(replay.webhook).equal(failed);
                let some: Vec<Stored<Delivery>> =
                    tx.scan(scan.after(replay.last.map(place))).await?;
                let is_last = some.len() < AGAIN_ROWS;
                replay.last = some.last().map(|delivery| delivery.id.uuid());
                let wants = |delivery: &Stored<Delivery>| {
                    replay.wants(&delivery.event.kind, delivery.event.at)
                };
                let mut begun = 0;
                for mut delivery in some.into_iter().filter(wants) {
                    delivery.begin_again(now);
                    tx.put(&delivery).await??;
                    begun += 1;
                }
                match is_last {
                    true => tx.delete(replay).await?,
                    false => tx.put(&replay).await??,
                }
                Ok(begun)
            }
        };
        self.db.transact(step).await
    }
}

/// Notes one attempt; says whether its delivery is over.
async fn note(tx: &Tx, settled: &Settled, schedule: &Schedule) -> Result<bool, Fault> {
    let found: Option<Stored<Delivery>> = tx.get(settled.delivery).await?;
    let Some(mut delivery) = found else { return Ok(true) };
    // Another process may have seen to it meanwhile.
    if delivery.status == DeliveryStatus::Pending {
        let Settled { attempt, rest, jitter, .. } = settled;
        delivery.note(attempt.clone(), schedule, *rest, *jitter);
        tx.put(&delivery).await??;
    }
    Ok(delivery.status != DeliveryStatus::Pending)
}
