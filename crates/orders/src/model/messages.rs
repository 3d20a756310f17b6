//! What orders tell the world, and what there is to say about it. Never who the buyer is: a message cannot be taken back.

use holdfast_types::{Message, Money, OrderId, OrderLines, UserId};
use serde::Serialize;

use super::{Number, Order, ReturnedUnits, Status};

impl Status {
    /// What an order is said to have become with it.
    pub(crate) const fn event_type(self) -> &'static str {
        match self {
            Self::Placed => "order.placed",
            Self::Paid => "order.paid",
            Self::Shipped => "order.shipped",
            Self::Delivered => "order.delivered",
            Self::Cancelled => "order.cancelled",
            Self::Expired => "order.expired",
        }
    }

    /// Reads what [`Self::event_type`] said.
    pub(crate) fn of_event_type(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.event_type() == name)
    }
}

impl Order {
    /// Says that the order has become what it is. What there is to say more is asked of the order when somebody wants to know.
    pub(crate) fn message(&self) -> Message {
        Message {
            kind: self.status.event_type().into(),
            subject: self.id.uuid(),
            version: self.version,
            at: self.updated_at,
            data: None,
        }
    }

    /// What there is to say about the order having become `status`, whatever it has become since.
    pub(crate) fn data(&self, status: Status) -> EventData<'_> {
        let has_left = matches!(status, Status::Shipped | Status::Delivered);
        let shown = |text| if has_left { text } else { None };
        EventData {
            order_id: self.id,
            number: Number::of(self.id).to_string(),
            user_id: self.user,
            status,
            items: &self.lines,
            total: self.total,
            carrier: shown(self.progress.carrier.as_deref()),
            tracking_number: shown(self.progress.tracking_number.as_deref()),
            returned: self.returned(),
        }
    }
}

/// An order, as events show it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventData<'a> {
    order_id: OrderId,
    number: String,
    user_id: UserId,
    status: Status,
    items: &'a OrderLines,
    total: Money,
    #[serde(skip_serializing_if = "Option::is_none")]
    carrier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracking_number: Option<&'a str>,
    /// Units of those items that are back in the stock by now: they are not sent, or have come back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    returned: Vec<ReturnedUnits>,
}
