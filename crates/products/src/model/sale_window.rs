//! When a product is on sale.

use holdfast_types::Timestamp;
use serde::{Deserialize, Serialize};

/// From when on it may be ordered, and until when: by the clock of the shop, to the millisecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SaleWindow {
    /// The first moment; always before, where there is none.
    pub(crate) opens_at: Option<Timestamp>,
    /// The first moment at which it is over; never, where there is none.
    pub(crate) closes_at: Option<Timestamp>,
}

impl SaleWindow {
    /// Whether it is open.
    pub(crate) fn is_open(&self, now: Timestamp) -> bool {
        self.opens_at.is_none_or(|at| at <= now) && !self.is_over(now)
    }

    /// Whether it does not open any more.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        self.closes_at.is_some_and(|at| at <= now)
    }

    /// Whether it is ever open.
    pub(crate) fn is_sound(&self) -> bool {
        self.opens_at.is_none_or(|opens| self.closes_at.is_none_or(|closes| opens < closes))
    }
}
