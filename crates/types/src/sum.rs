//! Sums of money.

use serde::Serialize;
use utoipa::ToSchema;

use crate::Currency;

/// A sum of money in minor units. It may be larger than any amount can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Sum {
    /// Minor units, for example cents.
    #[schema(value_type = i64, minimum = 0, example = 1_234_500)]
    pub amount: i128,
    /// Which currency.
    pub currency: Currency,
}

impl Sum {
    /// One for each currency.
    #[must_use]
    pub fn of(sums: impl IntoIterator<Item = (Currency, i128)>) -> Vec<Self> {
        sums.into_iter().map(|(currency, amount)| Self { amount, currency }).collect()
    }
}
