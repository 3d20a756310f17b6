//! Amounts of money in minor units.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Currency;

/// The largest total of an order: 2^53−1 minor units, the largest integer that every JSON reader keeps exact.
pub const TOTAL_MAX: i64 = (1 << 53) - 1;

/// An amount in minor units of a currency: `{"amount": 1999, "currency": "USD"}` is 19.99 dollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// Minor units, for example cents: 0 to 2^53−1.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 1999)]
    pub amount: i64,
    /// Which currency.
    pub currency: Currency,
}

impl Money {
    /// The price of `quantity` units, or `None` past [`TOTAL_MAX`].
    #[must_use]
    pub fn times(self, quantity: i64) -> Option<Self> {
        let amount = self.amount.checked_mul(quantity).filter(|amount| *amount <= TOTAL_MAX)?;
        Some(Self { amount, ..self })
    }

    /// The sum, or `None` past [`TOTAL_MAX`]. Both must be of one currency.
    #[must_use]
    pub fn plus(self, other: Self) -> Option<Self> {
        assert_eq!(self.currency, other.currency, "sums are of one currency");
        let amount = self.amount.checked_add(other.amount).filter(|amount| *amount <= TOTAL_MAX)?;
        Some(Self { amount, ..self })
    }
}
