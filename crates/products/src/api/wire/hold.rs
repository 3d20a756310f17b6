//! What holds look like on the wire.

use holdfast_types::{
    Answer, HoldId, Money, OrderId, OrderItem, OrderLine, ProductId, Result, Timestamp, UserId,
    Validation, check_items, sum_items,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::{Hold, HoldStatus};

/// What is to be held.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HoldBody {
    /// 1 to 200; items of one product are summed.
    #[schema(min_items = 1, max_items = 200)]
    items: Vec<OrderItem>,
}

impl HoldBody {
    /// Products and units, each product once.
    pub(crate) fn check(&self) -> Result<Vec<(ProductId, i64)>> {
        let mut validation = Validation::default();
        check_items(&self.items, &mut validation);
        validation.finish()?;
        Ok(sum_items(&self.items))
    }
}

/// Stock that is kept for somebody for a while.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HoldView<'a> {
    #[schema(value_type = uuid::Uuid)]
    id: HoldId,
    /// Whose it is.
    #[schema(value_type = uuid::Uuid)]
    user_id: UserId,
    status: HoldStatus,
    /// With the prices of that moment: those of the order are those of its own.
    items: Vec<HeldLineView<'a>>,
    total: Money,
    /// The first moment at which it is over.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    /// The order that it gave way to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    order_id: Option<OrderId>,
    /// When it ended, where it did not by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// Units of a product that are held.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct HeldLineView<'a> {
    #[schema(value_type = uuid::Uuid)]
    product_id: ProductId,
    #[serde(skip_serializing_if = "Option::is_none")]
    sku: Option<&'a str>,
    name: &'a str,
    unit_price: Money,
    quantity: i64,
    total: Money,
}

impl<'a> HoldView<'a> {
    pub(crate) fn at(hold: &'a Hold, now: Timestamp) -> Self {
        let line = |line: &'a OrderLine| HeldLineView {
            product_id: line.product_id,
            sku: line.sku.as_deref(),
            name: &line.name,
            unit_price: line.unit_price,
            quantity: line.quantity,
            total: line.total,
        };
        Self {
            id: hold.id,
            user_id: hold.customer,
            status: hold.status(now),
            items: hold.lines.iter().map(line).collect(),
            total: hold.total,
            expires_at: hold.expires_at,
            order_id: hold.end.and_then(|end| end.order),
            ended_at: hold.ended_at(),
            created_at: hold.created_at,
        }
    }

    /// The answer about a new one.
    pub(crate) fn held(hold: &Hold, now: Timestamp) -> Result<Answer> {
        Ok(Answer { status: 201, ..Self::shown(hold, now)? })
    }

    /// The answer about one.
    pub(crate) fn shown(hold: &Hold, now: Timestamp) -> Result<Answer> {
        Answer::untagged(&HoldView::at(hold, now))
    }
}

/// Part of one's holds.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes a list to readers of the API")]
pub(crate) struct HoldPage {
    items: Vec<HoldView<'static>>,
    /// Where the next page begins; null on the last. A page may be shorter than was asked for, and still not be the last.
    next_cursor: Option<String>,
}
