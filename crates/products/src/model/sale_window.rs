//! When a product is on sale.

use holdfast_types::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// When a product may be ordered: by the clock of the shop, to the millisecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SaleWindow {
    /// The first moment; always before, where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) opens_at: Option<Timestamp>,
    /// The first moment at which it is over, after `opensAt`; never, where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) closes_at: Option<Timestamp>,
}

impl SaleWindow {
    /// Whether it is open.
    pub(crate) fn is_open(&self, now: Timestamp) -> bool {
        self.opens_at.is_none_or(|at| at <= now) && self.closes_at.is_none_or(|at| now < at)
    }

    /// Whether it is ever open.
    pub(crate) fn is_sound(&self) -> bool {
        self.opens_at.is_none_or(|opens| self.closes_at.is_none_or(|closes| opens < closes))
    }

    /// The window, as it is shown: nothing where that is always.
    pub(crate) fn shown(self) -> Option<Self> {
        (self != Self::default()).then_some(self)
    }
}
