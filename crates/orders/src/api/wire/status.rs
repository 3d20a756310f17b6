//! An order, as whoever has a letter about it sees it.

use holdfast_types::{Money, OrderLines, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::LineView;
use crate::model::{Number, Order, ReturnedUnits, Status};

/// What came by letter.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct OrderStatusBody {
    /// The end of the link.
    #[schema(min_length = 1, max_length = 100)]
    pub(crate) token: String,
}

/// How an order stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderStatusView<'a> {
    /// Short, for people.
    #[schema(example = "7KQ2-M9XD-04TR")]
    number: String,
    status: Status,
    /// Names and prices are those of the moment of ordering.
    #[schema(value_type = Vec<LineView>)]
    items: &'a OrderLines,
    total: Money,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    paid_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    shipped_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    delivered_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    cancelled_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expired_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    carrier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracking_number: Option<&'a str>,
    /// Units that were refunded and are back in the stock: those are not sent, or have come back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    returned: Vec<ReturnedUnits>,
}

impl<'a> From<&'a Order> for OrderStatusView<'a> {
    fn from(order: &'a Order) -> Self {
        let progress = &order.progress;
        Self {
            number: Number::of(order.id).to_string(),
            status: order.status,
            items: &order.lines,
            total: order.total,
            created_at: order.created_at,
            paid_at: progress.at(Status::Paid),
            shipped_at: progress.at(Status::Shipped),
            delivered_at: progress.at(Status::Delivered),
            cancelled_at: progress.at(Status::Cancelled),
            expired_at: progress.at(Status::Expired),
            carrier: progress.carrier.as_deref(),
            tracking_number: progress.tracking_number.as_deref(),
            returned: order.returned(),
        }
    }
}
