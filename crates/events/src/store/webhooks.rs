//! What merchants do with webhooks.

use std::{collections::HashMap, sync::Arc};

use holdfast_storage::record::{Fault, Scan, Stored, Tx};
use holdfast_types::{Answer, Code, Error, IdempotentAnswer, Operation, Result, Timestamp};
use uuid::Uuid;

use super::{EventStore, Head};
use crate::model::{ConsumerName, Delivery, Progress, Replay, Webhook, WebhookId};

/// Webhooks of a shop.
pub(super) const WEBHOOKS: usize = 50;
/// Consumers that are read at once: those, the broker, and room for what an import has left over until it ends.
pub(super) const CONSUMERS: usize = 4 * WEBHOOKS;
/// Replays of a webhook that have not ended.
const REPLAYS: usize = 10;
/// Stands for all webhooks: whoever decides by how many there are locks it.
const ALL: Uuid = Uuid::nil();

/// Shapes the answer about a webhook, so that it can be kept with the change.
pub(crate) type Render = fn(&Webhook, &Progress) -> Result<Answer>;

impl EventStore {
    /// Keeps a webhook, for which events begin after the last there is; once per operation. Refuses with `limit-reached` more than fifty.
    pub(crate) async fn create_webhook(
        &self,
        webhook: Webhook,
        operation: &Operation,
        render: Render,
    ) -> Result<IdempotentAnswer> {
        let now = webhook.created_at;
        let create = move |tx: Tx| {
            let webhook = webhook.clone();
            async move {
                tx.lock::<Webhook>([ALL.into()]).await?;
                if tx.scan::<Webhook>(Scan::of_keys(WEBHOOKS)).await?.len() == WEBHOOKS {
                    let why = format!("a shop has {WEBHOOKS} webhooks at most: delete one");
                    return Err(Error::new(Code::LimitReached, why).into());
                }
                let head = tx.get::<Head>(Uuid::nil()).await?;
                let progress = Progress::new(webhook.id.uuid(), head.map_or(0, |head| head.end));
                tx.insert(&webhook).await??;
                tx.insert(&progress).await??;
                Ok(render(&webhook, &progress)?)
            }
        };
        self.outbox.once(operation, now, create).await
    }

    /// All webhooks, each with its progress.
    pub(crate) async fn webhooks(&self) -> Result<Vec<(Webhook, Progress)>> {
        let read = |tx: Tx| async move {
            let webhooks = tx.scan::<Webhook>(Scan::of_keys(WEBHOOKS)).await?;
            let progress = tx.scan::<Progress>(Scan::of_keys(CONSUMERS)).await?;
            let progress = progress.into_iter().map(Stored::into_inner);
            let mut progress: HashMap<Uuid, Progress> =
                progress.map(|progress| (progress.consumer, progress)).collect();
            let with_progress = |webhook: Stored<Webhook>| {
                let progress = progress.remove(&webhook.id.uuid())?;
                Some((webhook.into_inner(), progress))
            };
            Ok(webhooks.into_iter().filter_map(with_progress).collect())
        };
        self.db.read(read).await
    }

    /// The webhook with that id, and its progress.
    pub(crate) async fn webhook(&self, id: WebhookId) -> Result<Option<(Webhook, Progress)>> {
        let read = move |tx: Tx| async move {
            let Some(webhook) = tx.get::<Webhook>(id).await? else { return Ok(None) };
            let progress = tx.get::<Progress>(id).await?;
            Ok(progress.map(|progress| (webhook.into_inner(), progress.into_inner())))
        };
        self.db.read(read).await
    }

    /// Changes a webhook as `judge` says, and lets whoever delivers look at it; once per operation. One that is asked again, or at
    /// another address, has its five days anew. Refuses with `not-found`.
    pub(crate) async fn change_webhook(
        &self,
        id: WebhookId,
        operation: &Operation,
        now: Timestamp,
        render: Render,
        judge: impl Fn(&mut Webhook) -> Result<()> + Send + Sync + 'static,
    ) -> Result<IdempotentAnswer> {
        let judge = Arc::new(judge);
        let change = move |tx: Tx| {
            let judge = Arc::clone(&judge);
            async move {
                let (mut webhook, mut progress) = lock(&tx, id).await?;
                let (was_disabled, url) = (webhook.disabled.is_some(), webhook.url.clone());
                judge(&mut webhook)?;
                if was_disabled && webhook.disabled.is_none() || webhook.url != url {
                    progress.failing_since = None;
                }
                progress.wake += 1;
                tx.put(&webhook).await??;
                tx.put(&progress).await??;
                Ok(render(&webhook, &progress)?)
            }
        };
        self.outbox.once(operation, now, change).await
    }

    /// Lets consumers and replays that came from another database go no further than the log does, gives a webhook its progress
    /// that has none, and forgets consumers without a webhook: parts of a shop are exported one after the other.
    pub(crate) async fn fit_consumers(&self) -> Result<()> {
        let fit = |tx: Tx| async move {
            let end = tx.get::<Head>(Uuid::nil()).await?.map_or(0, |head| head.end);
            let webhooks = tx.scan::<Webhook>(Scan::of_keys(WEBHOOKS)).await?;
            let mut missing: Vec<Uuid> = webhooks.iter().map(|one| one.id.uuid()).collect();
            for mut progress in tx.scan::<Progress>(Scan::of_keys(CONSUMERS)).await? {
                let is_of_webhook = missing.contains(&progress.consumer);
                missing.retain(|id| *id != progress.consumer);
                if !is_of_webhook && !ConsumerName::is_id(progress.consumer) {
                    tx.delete(progress).await?;
                } else if progress.after > end {
                    progress.after = end;
                    tx.put(&progress).await??;
                }
            }
            for id in missing {
                tx.insert(&Progress::new(id, end)).await??;
            }
            for mut replay in tx.scan::<Replay>(Scan::of_keys(WEBHOOKS * REPLAYS)).await? {
                (replay.after, replay.until) = (replay.after.min(end), replay.until.min(end));
                tx.put(&replay).await??;
            }
            Ok(())
        };
        self.db.transact(fit).await
    }

    /// Deletes a webhook with what is to be replayed for it, as `judge` permits; once per operation. Its deliveries go by
    /// [`Self::sweep_deliveries`]. Refuses with `not-found`.
    pub(crate) async fn delete_webhook(
        &self,
        id: WebhookId,
        operation: &Operation,
        now: Timestamp,
        judge: impl Fn(&Webhook) -> Result<()> + Send + Sync + 'static,
    ) -> Result<IdempotentAnswer> {
        let judge = Arc::new(judge);
        let delete = move |tx: Tx| {
            let judge = Arc::clone(&judge);
            async move {
                let (webhook, progress) = lock(&tx, id).await?;
                judge(&webhook)?;
                let replays = tx.scan::<Replay>(Scan::of("webhook", REPLAYS).equal(id)).await?;
                tx.delete_all(replays).await?;
                tx.delete(progress).await?;
                tx.delete(webhook).await?;
                Ok(Answer { status: 204, etag: None, body: Vec::new() })
            }
        };
        self.outbox.once(operation, now, delete).await
    }

    /// Deletes all deliveries of a webhook, some hundred in each transaction.
    pub(crate) async fn sweep_deliveries(&self, id: WebhookId) -> Result<()> {
        self.db.sweep::<Delivery>(Scan::of("webhook", usize::MAX).equal(id)).await
    }

    /// Notes what is to be delivered once more; once per operation. Refuses with `limit-reached` more than ten replays at a
    /// time, with `webhook-disabled` and with `not-found`.
    pub(crate) async fn begin_replay(
        &self,
        replay: Replay,
        operation: &Operation,
        now: Timestamp,
        answer: Answer,
    ) -> Result<IdempotentAnswer> {
        let begin = move |tx: Tx| {
            let (replay, answer) = (replay.clone(), answer.clone());
            async move {
                let mut progress = lock_enabled(&tx, replay.webhook).await?;
                let scan = Scan::of("webhook", REPLAYS).equal(replay.webhook);
                if tx.scan::<Replay>(scan).await?.len() == REPLAYS {
                    let why = format!("{REPLAYS} replays of the webhook have not ended: wait");
                    return Err(Error::new(Code::LimitReached, why).into());
                }
                progress.wake += 1;
                tx.insert(&replay).await??;
                tx.put(&progress).await??;
                Ok(answer)
            }
        };
        self.outbox.once(operation, now, begin).await
    }
}

/// Reads a webhook that nobody changes meanwhile.
pub(super) async fn lock(
    tx: &Tx,
    id: WebhookId,
) -> Result<(Stored<Webhook>, Stored<Progress>), Fault> {
    tx.lock::<Webhook>([id.into()]).await?;
    let webhook = tx.get::<Webhook>(id).await?;
    let progress = tx.get::<Progress>(id).await?;
    Ok(webhook.zip(progress).ok_or_else(|| Error::not_found("webhook"))?)
}

/// The same of one that is asked. Refuses with `webhook-disabled`.
pub(super) async fn lock_enabled(tx: &Tx, id: WebhookId) -> Result<Stored<Progress>, Fault> {
    let (webhook, progress) = lock(tx, id).await?;
    match webhook.disabled {
        None => Ok(progress),
        Some(_) => {
            let why = "the webhook is disabled: enable it first";
            Err(Error::new(Code::WebhookDisabled, why).into())
        }
    }
}
