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
        let mut sums = self.sums;
        let mut findings = Vec::new();
        for tally in counted {
            let key = (tally.hour, tally.name.clone());
            let found = sums.remove(&key);
            findings.extend(differ(&tally, found.as_ref()));
        }
        // Nothing was counted of what is left.
        let none = |tally: &Tally| Tally { events: 0, units: 0, amount: 0, ..tally.clone() };
        findings.extend(sums.values().filter_map(|sum| differ(&none(sum), Some(sum))));
        Ok(findings)
    }
}

fn differ(counted: &Tally, found: Option<&Tally>) -> Option<String> {
    let figures = |tally: &Tally| (tally.events, tally.units, tally.amount);
    let (is, was) = (found.map_or((0, 0, 0), figures), figures(counted));
    let (start, name) = (Tally::start_of(counted.hour), &counted.name);
    (is != was).then(|| {
        format!(
            "the statistics of {name} in the hour from {start} on count {} orders, {} units and {} minor units, and there are {}, {} and {}",
            was.0, was.1, was.2, is.0, is.1, is.2
        )
    })
}
