//! What merchants do with webhooks.

use std::time::Duration;

use holdfast_types::{Answer, Authority, Error, IdempotentAnswer, Operation, Result, Timestamp};

use super::Events;
use crate::{
    model::{Delivery, EventRef, NewWebhook, Pattern, Replay, SigningSecret, Webhook, WebhookId},
    store::{Render, RenderDelivery},
};

/// How long the name of a new endpoint may take to be looked up.
const PROBE_TIME: Duration = Duration::from_secs(2);
/// How far the clocks of a shop's machines may be apart.
const CLOCKS: Duration = Duration::from_secs(60);
/// The type of what is sent to try a webhook out.
const TEST: &str = "webhook.test";

/// What is to be delivered once more.
#[derive(Clone, Debug)]
pub(crate) struct ReplayOrder {
    pub(crate) from: Timestamp,
    /// Until now where it is left out.
    pub(crate) to: Option<Timestamp>,
    pub(crate) types: Vec<Pattern>,
    pub(crate) only_failed: bool,
}

impl Events {
    /// Refuses an address that is not the world's, by what can be told of it now.
    pub(crate) async fn check_url(&self, url: &str) -> std::result::Result<(), String> {
        let target = self.0.webhooks.policy.check(url)?;
        self.0.outbound.probe(&target, PROBE_TIME).await
    }

    /// Keeps a webhook, once per operation.
    pub(crate) async fn create_webhook(
        &self,
        new: NewWebhook,
        operation: &Operation,
        render: Render,
    ) -> Result<IdempotentAnswer> {
        let secret = SigningSecret::new(self.0.random.bytes());
        let webhook = Webhook::new(operation.id, new, secret, self.now());
        let created = self.0.store.create_webhook(webhook, operation, render).await;
        self.0.nudge.notify_one();
        created
    }

    /// Changes a webhook, once per operation.
    pub(crate) async fn change_webhook(
        &self,
        id: WebhookId,
        operation: &Operation,
        render: Render,
        judge: impl Fn(&mut Webhook) -> Result<()> + Send + Sync + 'static,
    ) -> Result<IdempotentAnswer> {
        let changed = self.0.store.change_webhook(id, operation, self.now(), render, judge).await;
        self.0.nudge.notify_one();
        changed
    }

    /// Gives a webhook another secret, which `holder` may know, once per operation; the one before signs as well for `overlap`.
    pub(crate) async fn rotate(
        &self,
        id: WebhookId,
        overlap: Duration,
        holder: Authority,
        operation: &Operation,
        render: Render,
    ) -> Result<IdempotentAnswer> {
        let (secret, now) = (SigningSecret::new(self.0.random.bytes()), self.now());
        let rotate = move |webhook: &mut Webhook| {
            webhook.admits(&holder)?;
            webhook.rotate(secret.clone(), overlap, now);
            Ok(())
        };
        self.change_webhook(id, operation, render, rotate).await
    }

    /// Deletes a webhook with all its deliveries as `judge` permits, once per operation.
    pub(crate) async fn delete_webhook(
        &self,
        id: WebhookId,
        operation: &Operation,
        judge: impl Fn(&Webhook) -> Result<()> + Send + Sync + 'static,
    ) -> Result<IdempotentAnswer> {
        let deleted = self.0.store.delete_webhook(id, operation, self.now(), judge).await?;
        self.0.nudge.notify_one();
        let events = self.clone();
        tokio::spawn(async move {
            if let Err(error) = events.0.store.sweep_deliveries(id).await {
                tracing::warn!(%error, "deliveries of a deleted webhook stay until they are old");
            }
        });
        Ok(deleted)
    }

    /// Sends something that is no event, once per operation.
    pub(crate) async fn try_webhook(
        &self,
        webhook: WebhookId,
        operation: &Operation,
        render: RenderDelivery,
    ) -> Result<IdempotentAnswer> {
        let now = self.now();
        let id = self.0.random.uuid_v7(now);
        let event = EventRef { id, kind: TEST.to_owned(), position: 0, at: now };
        let delivery = Delivery::new(id, webhook, event, now);
        let added = self.0.store.add_delivery(delivery, operation, render).await;
        self.0.nudge.notify_one();
        added
    }

    /// Begins a delivery again, once per operation.
    pub(crate) async fn retry(
        &self,
        webhook: WebhookId,
        delivery: crate::model::DeliveryId,
        operation: &Operation,
        render: RenderDelivery,
    ) -> Result<IdempotentAnswer> {
        let store = &self.0.store;
        let begun = store.retry_delivery(webhook, delivery, operation, self.now(), render).await;
        self.0.nudge.notify_one();
        begun
    }

    /// Delivers once more, once per operation.
    pub(crate) async fn replay(
        &self,
        webhook: WebhookId,
        order: ReplayOrder,
        operation: &Operation,
        answer: impl FnOnce(&Replay) -> Result<Answer>,
    ) -> Result<IdempotentAnswer> {
        let now = self.now();
        let ReplayOrder { from, to, types, only_failed } = order;
        let to = to.unwrap_or(now);
        if to <= from {
            return Err(Error::invalid("#/to", "expected a time after `from`"));
        }
        let replay = Replay {
            id: self.0.random.uuid_v7(now),
            webhook,
            from,
            to,
            types,
            only_failed,
            // When something happened and when it was written down is told by several clocks.
            after: self.0.store.position_before(from.minus(CLOCKS)).await?,
            until: self.0.store.position_before(to.plus(CLOCKS)).await?,
            last: None,
        };
        let answer = answer(&replay)?;
        let begun = self.0.store.begin_replay(replay, operation, now, answer).await;
        self.0.nudge.notify_one();
        begun
    }
}
