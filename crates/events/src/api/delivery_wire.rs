//! What deliveries look like on the wire.

use holdfast_types::{Answer, Result, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::model::{Attempt, Delivery, DeliveryStatus, EventRef};

/// The event of a delivery.
#[derive(Debug, Serialize, ToSchema)]
struct DeliveredEvent {
    /// What the endpoint gets as `webhook-id`.
    id: Uuid,
    #[serde(rename = "type")]
    #[schema(example = "order.placed")]
    kind: String,
    /// 0 for one that is only for trying out.
    #[schema(minimum = 0)]
    position: i64,
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
}

impl From<&EventRef> for DeliveredEvent {
    fn from(EventRef { id, kind, position, at }: &EventRef) -> Self {
        Self { id: *id, kind: kind.clone(), position: *position, timestamp: *at }
    }
}

/// An event on its way to an endpoint.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeliverySummary {
    id: Uuid,
    event: DeliveredEvent,
    status: DeliveryStatus,
    /// Present while it is pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Timestamp>,
    /// How many there were, as far as they are kept.
    attempt_count: usize,
    /// What the last attempt was answered, or why it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_result: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<&Delivery> for DeliverySummary {
    fn from(delivery: &Delivery) -> Self {
        let last = delivery.attempts.last();
        Self {
            id: delivery.id.uuid(),
            event: (&delivery.event).into(),
            status: delivery.status,
            next_attempt_at: next_attempt(delivery),
            attempt_count: delivery.attempts.len(),
            last_result: last.and_then(|last| match last.status {
                Some(status) => Some(status.to_string()),
                None => last.error.clone(),
            }),
            created_at: delivery.created_at,
        }
    }
}

fn next_attempt(delivery: &Delivery) -> Option<Timestamp> {
    (delivery.status == DeliveryStatus::Pending).then_some(delivery.due)
}

/// Part of the deliveries.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes a list to readers of the API")]
pub(super) struct DeliveryPage {
    items: Vec<DeliverySummary>,
    /// Where the next page begins; null on the last.
    next_cursor: Option<String>,
}

/// The same with its attempts.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeliveryView {
    id: Uuid,
    webhook_id: Uuid,
    event: DeliveredEvent,
    status: DeliveryStatus,
    /// Present while it is pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Timestamp>,
    /// The last twenty, oldest first.
    attempts: Vec<AttemptView>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// One attempt at a delivery.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AttemptView {
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// How long it took, in milliseconds.
    duration_ms: u64,
    /// What was answered: only 2xx says that the endpoint has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// The first KiB of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<String>,
    /// Why nothing was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl From<&Attempt> for AttemptView {
    fn from(attempt: &Attempt) -> Self {
        let Attempt { at, millis, status, answer, error, .. } = attempt.clone();
        Self { at, duration_ms: millis, status, answer, error }
    }
}

impl From<&Delivery> for DeliveryView {
    fn from(delivery: &Delivery) -> Self {
        Self {
            id: delivery.id.uuid(),
            webhook_id: delivery.webhook.uuid(),
            event: (&delivery.event).into(),
            status: delivery.status,
            next_attempt_at: next_attempt(delivery),
            attempts: delivery.attempts.iter().map(AttemptView::from).collect(),
            created_at: delivery.created_at,
        }
    }
}

impl DeliveryView {
    /// The answer to a retry.
    pub(super) fn shown(delivery: &Delivery) -> Result<Answer> {
        Answer::untagged(&Self::from(delivery))
    }

    /// The answer to a test.
    pub(super) fn created(delivery: &Delivery) -> Result<Answer> {
        Ok(Answer { status: 201, ..Self::shown(delivery)? })
    }
}
