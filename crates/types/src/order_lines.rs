//! The lines of an order with their text.

use std::{ops::Deref, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::value::{RawValue, to_raw_value};

use crate::{Error, Money, OrderLine, ProductId, Result};

/// The lines of an order and their JSON, which rows keep and answers say: it is made once. Clones share both.
#[derive(Clone, Debug)]
pub struct OrderLines {
    lines: Arc<[OrderLine]>,
    json: Arc<RawValue>,
}

impl OrderLines {
    /// Writes the lines down.
    pub fn new(lines: Vec<OrderLine>) -> Result<Self> {
        let json = to_raw_value(&lines).map_err(Error::internal)?;
        Ok(Self { lines: lines.into(), json: json.into() })
    }

    /// Reads what a row has kept.
    pub fn from_json(text: &str) -> serde_json::Result<Self> {
        let lines: Vec<OrderLine> = serde_json::from_str(text)?;
        let json = RawValue::from_string(text.to_owned())?;
        Ok(Self { lines: lines.into(), json: json.into() })
    }

    /// The same lines where so many units stand; a line that is not named, or has fewer, stays as it is.
    pub fn keeping(&self, kept: &[(ProductId, i64)]) -> Result<Self> {
        let keep = |line: &OrderLine| {
            let named = kept.iter().find(|(product, _)| *product == line.product_id);
            let quantity = named.map_or(line.quantity, |(_, units)| line.quantity.min(*units));
            let Money { amount, currency } = line.unit_price;
            let total = Money { amount: amount * quantity, currency };
            OrderLine { quantity, total, ..line.clone() }
        };
        Self::new(self.lines.iter().map(keep).collect())
    }

    /// What a row keeps.
    #[must_use]
    pub fn json(&self) -> &str {
        self.json.get()
    }
}

impl Deref for OrderLines {
    type Target = [OrderLine];

    fn deref(&self) -> &[OrderLine] {
        &self.lines
    }
}

impl PartialEq for OrderLines {
    fn eq(&self, other: &Self) -> bool {
        self.lines == other.lines
    }
}

impl Eq for OrderLines {}

impl Serialize for OrderLines {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json.serialize(serializer)
    }
}

/// From any form, also one that has no text of its own.
impl<'de> Deserialize<'de> for OrderLines {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Vec::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lines_are_said_as_they_were_written() {
        let line = json!({
            "productId": "0190a3f0-0000-7000-8000-000000000001", "name": "Tea", "quantity": 2, "stockSequence": 7,
            "unitPrice": {"amount": 450, "currency": "EUR"}, "total": {"amount": 900, "currency": "EUR"}
        });
        let lines: OrderLines = serde_json::from_value(json!([line])).unwrap();
        assert_eq!(serde_json::to_value(&lines).unwrap(), json!([line]));
        assert_eq!(serde_json::to_string(&lines).unwrap(), lines.json());
        let fewer = lines.keeping(&[(lines[0].product_id, 1)]).unwrap();
        assert_eq!((fewer[0].quantity, fewer[0].total.amount), (1, 450));
        assert_eq!(fewer.keeping(&[(lines[0].product_id, 2)]).unwrap(), fewer);
        let kept = OrderLines::from_json(lines.json()).unwrap();
        assert_eq!((kept[0].quantity, kept.json()), (2, lines.json()));
        assert_eq!(kept, lines);
        for damaged in ["", "[", "{}", r#"[{"name":"Tea"}]"#] {
            OrderLines::from_json(damaged).unwrap_err();
        }
    }
}
