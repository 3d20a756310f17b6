//! What an audit finds of orders: the statistics are the sums of the orders that are there.

use std::collections::BTreeMap;

use holdfast_types::{Result, Tally};

use super::{Orders, Portable};
use crate::{model::figures, store::portable::Record};

/// Sums up the orders that it is shown.
#[derive(Debug, Default)]
pub struct Audit {
    sums: BTreeMap<(i64, String), Tally>,
}

impl Audit {
    /// Takes an order into account.
    pub fn show(&mut self, record: &Portable) {
        if let Record::Order(order) = &record.0 {
            figures::recorded(order).for_each(|tally| tally.add_to(&mut self.sums));
        }
    }

    /// What the shop has counted otherwise than it was shown, a sentence each.
    pub async fn finish(self, orders: &Orders) -> Result<Vec<String>> {
        let mut counted = orders.store().tallies(i64::MIN..i64::MAX).await?;
        counted.retain(figures::is_of_orders);
        Ok(Tally::differences(counted, self.sums).iter().map(Tally::finding).collect())
    }
}
