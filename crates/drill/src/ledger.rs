//! The ledger: what the shop has acknowledged and refused, written down outside of it.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

/// Units by product id.
pub type Lines = BTreeMap<String, i64>;

/// An order that the shop acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// Whose it is.
    pub user: String,
    /// What was ordered.
    pub lines: Lines,
}

/// A product that was too short for an order, as the refusal said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Short {
    /// The product.
    pub product: String,
    /// What was asked for.
    pub requested: i64,
    /// What the shop said was left.
    pub available: i64,
}

/// Everything that the shop said.
#[derive(Debug, Default)]
pub struct Ledger {
    /// By order id.
    pub acknowledged: HashMap<String, Acknowledged>,
    /// Acknowledgements that named an order which another request had been given already.
    pub given_twice: Vec<String>,
    /// What refusals for want of stock said.
    pub short: Vec<Short>,
    /// Orders refused for want of stock.
    pub refused: u64,
    /// Answers that nobody expected.
    pub unexpected: Vec<String>,
}

impl Ledger {
    /// Writes an acknowledgement down.
    pub fn acknowledge(&mut self, order: &Value, user: &str, lines: Lines) {
        let id = order["id"].as_str().unwrap_or_default().to_owned();
        let entry = Acknowledged { user: user.to_owned(), lines };
        if self.acknowledged.insert(id.clone(), entry).is_some() {
            self.given_twice.push(id);
        }
    }

    /// Writes a refusal for want of stock down.
    pub fn refuse(&mut self, problem: &Value) {
        self.refused += 1;
        for item in problem["items"].as_array().into_iter().flatten() {
            self.short.push(Short {
                product: item["productId"].as_str().unwrap_or_default().to_owned(),
                requested: item["requested"].as_i64().unwrap_or_default(),
                available: item["available"].as_i64().unwrap_or(-1),
            });
        }
    }

    /// Units acknowledged, by product.
    #[must_use]
    pub fn units(&self) -> HashMap<&str, i64> {
        let mut units = HashMap::new();
        for (product, quantity) in self.acknowledged.values().flat_map(|order| &order.lines) {
            *units.entry(product.as_str()).or_default() += quantity;
        }
        units
    }
}
