//! What products has not acknowledged of an order.

use holdfast_types::{Result, StockAction};
use serde::{Deserialize, Deserializer, Serialize};

/// What becomes of the reservation of an order, and how many of its units are back in the stock by now, where that has to be told:
/// with each step and each return it is another, so what was told before strikes out nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct PendingStock {
    pub(crate) action: StockAction,
    pub(crate) returned: i64,
}

impl From<StockAction> for PendingStock {
    fn from(action: StockAction) -> Self {
        Self { action, returned: 0 }
    }
}

impl PendingStock {
    /// The number in a database.
    pub(crate) const fn code(self) -> i64 {
        self.returned * 4 + self.action.code()
    }

    /// Reads what [`Self::code`] gave.
    pub(crate) fn from_code(code: i64) -> Result<Self> {
        Ok(Self { action: StockAction::from_code(code % 4)?, returned: code / 4 })
    }

    /// The same where the reservation becomes that.
    pub(crate) fn with(before: Option<Self>, action: StockAction) -> Self {
        Self { action, returned: before.map_or(0, |pending| pending.returned) }
    }
}

/// It was the action alone at first.
impl<'de> Deserialize<'de> for PendingStock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            First(StockAction),
            Today { action: StockAction, returned: i64 },
        }
        Ok(match Form::deserialize(deserializer)? {
            Form::First(action) => action.into(),
            Form::Today { action, returned } => Self { action, returned },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_back_and_both_forms_are() {
        for action in [StockAction::Keep, StockAction::Release, StockAction::Ship] {
            for returned in [0, 1, 200_000_000] {
                let pending = PendingStock { action, returned };
                assert_eq!(PendingStock::from_code(pending.code()).unwrap(), pending);
                let text = serde_json::to_string(&pending).unwrap();
                assert_eq!(serde_json::from_str::<PendingStock>(&text).unwrap(), pending);
            }
            let first = serde_json::to_string(&action).unwrap();
            assert_eq!(serde_json::from_str::<PendingStock>(&first).unwrap(), action.into());
            assert_eq!(PendingStock::from(action).code(), action.code());
        }
        PendingStock::from_code(7).unwrap_err();
    }
}
