//! Amounts of money in minor units.

use std::fmt;

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

/// For people: `19.99 USD`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { amount, currency } = self;
        let digits = currency.digits();
        match 10_i64.pow(u32::try_from(digits).unwrap_or_default()) {
            1 => write!(f, "{amount} {currency}"),
            unit => write!(f, "{}.{:0digits$} {currency}", amount / unit, amount % unit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_shown_in_the_units_of_their_currency() {
        for (amount, currency, shown) in [
            (1999, "USD", "19.99 USD"),
            (5, "EUR", "0.05 EUR"),
            (1999, "JPY", "1999 JPY"),
            (1999, "KWD", "1.999 KWD"),
            (TOTAL_MAX, "EUR", "90071992547409.91 EUR"),
        ] {
            assert_eq!(Money { amount, currency: currency.parse().unwrap() }.to_string(), shown);
        }
    }
}
