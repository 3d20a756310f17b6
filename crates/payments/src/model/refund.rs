//! Refunds: claimed from what was taken before the provider is asked, so that no two claim the same money.

use std::time::Duration;

use holdfast_types::{Money, OrderId, ProductId, Timestamp, UserId, Version};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{PaymentId, RefundId};

/// How long a provider is sure to know a key again; later a refund is looked for by its mark before it is asked for once more.
const KEY_TIME: Duration = Duration::from_secs(23 * 60 * 60);

/// Where a refund stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RefundStatus {
    /// The money is claimed, and on its way back.
    Pending,
    /// It is back.
    Succeeded,
    /// The provider refused: the money is still there.
    Failed,
}

/// Units of an order for which money goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RefundItem {
    #[schema(value_type = uuid::Uuid)]
    pub(crate) product_id: ProductId,
    /// Of those that were ordered and not refunded yet.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub(crate) quantity: i64,
    /// Whether they are for sale again: before the parcel has left they are not sent, later they have come back.
    #[serde(default)]
    #[schema(required = false)]
    pub(crate) restock: bool,
}

/// Money that goes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Refund {
    pub(crate) id: RefundId,
    pub(crate) payment: PaymentId,
    pub(crate) order: OrderId,
    pub(crate) version: Version,
    pub(crate) amount: Money,
    /// For what, where that was said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) items: Vec<RefundItem>,
    pub(crate) reason: Option<String>,
    /// Who asked for it; nobody where the shop owes it.
    pub(crate) by: Option<UserId>,
    /// Names it to the provider, however often it is asked.
    pub(crate) key: String,
    pub(crate) status: RefundStatus,
    /// What the provider calls it, once it has answered.
    pub(crate) reference: Option<String>,
    pub(crate) failure: Option<String>,
    /// Where it is asked for again that was refused: not earlier.
    pub(crate) not_before: Option<Timestamp>,
    /// When the provider was asked first.
    pub(crate) asked_at: Option<Timestamp>,
    /// Whether the provider has answered with a failure of its own.
    pub(crate) has_failed: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

impl Refund {
    /// Whether the key leads no further: the provider may have forgotten it, or keeps a failure under it.
    pub(crate) fn is_key_stale(&self, now: Timestamp) -> bool {
        self.has_failed || self.asked_at.is_some_and(|at| now > at.plus(KEY_TIME))
    }
}
