//! What payments tell the world.

use holdfast_types::{Message, Money, Version};
use serde::Serialize;
use uuid::Uuid;

use super::{Payment, ProviderName, Refund, RefundItem, RefundStatus, Status};

impl Payment {
    /// The type of the event that it became what it is. A buyer who was declined may try again.
    const fn event_type(&self) -> &'static str {
        match self.status {
            Status::Pending if self.version.0 == Version::FIRST.0 => "payment.created",
            status if status.is_open() && self.failure.is_some() => "payment.declined",
            Status::Pending => "payment.pending",
            Status::RequiresAction => "payment.requires_action",
            Status::Processing => "payment.processing",
            Status::Authorized => "payment.authorized",
            Status::Captured => "payment.captured",
            Status::Failed => "payment.failed",
            Status::Cancelled => "payment.cancelled",
        }
    }
}

impl RefundStatus {
    /// The type of the event that a refund became this.
    const fn event_type(self) -> &'static str {
        match self {
            Self::Pending => "refund.created",
            Self::Succeeded => "refund.succeeded",
            Self::Failed => "refund.failed",
        }
    }
}

/// A payment, as events show it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PaymentData<'a> {
    payment_id: Uuid,
    order_id: Uuid,
    user_id: Uuid,
    status: Status,
    amount: Money,
    provider: ProviderName,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'a str>,
}

/// A refund, as events show it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RefundData<'a> {
    refund_id: Uuid,
    payment_id: Uuid,
    order_id: Uuid,
    status: RefundStatus,
    amount: Money,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    items: &'a [RefundItem],
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'a str>,
}

impl Payment {
    /// Says that the payment has become what it is.
    pub(crate) fn message(&self) -> Message {
        let data = PaymentData {
            payment_id: self.id.uuid(),
            order_id: self.order.uuid(),
            user_id: self.user.uuid(),
            status: self.status,
            amount: self.amount,
            provider: self.provider,
            reference: self.intent.as_deref(),
            failure: self.failure.as_deref(),
        };
        Message {
            kind: self.event_type().into(),
            subject: self.id.uuid(),
            version: self.version,
            at: self.updated_at,
            data: serde_json::to_value(&data).ok(),
        }
    }
}

impl Refund {
    /// Says that the refund has become what it is.
    pub(super) fn message(&self) -> Message {
        let data = RefundData {
            refund_id: self.id.uuid(),
            payment_id: self.payment.uuid(),
            order_id: self.order.uuid(),
            status: self.status,
            amount: self.amount,
            items: &self.items,
            reason: self.reason.as_deref(),
            failure: self.failure.as_deref(),
        };
        Message {
            kind: self.status.event_type().into(),
            subject: self.id.uuid(),
            version: self.version,
            at: self.updated_at,
            data: serde_json::to_value(&data).ok(),
        }
    }
}
