//! Tallies of orders change in the transaction of what they count. Orders of before there were tallies are counted once.

use std::{collections::BTreeMap, ops::Range};

use holdfast_storage::{
    CountedTable,
    record::{Fault, Table, Tx},
};
use holdfast_types::{Result, Tally};

use super::{OrderStore, Recorded, portable::Record};
use crate::model::{Order, figures};

/// Marks that the orders are counted which were there when counting began.
#[derive(Debug)]
pub(super) struct OrdersCounted;

impl CountedTable for OrdersCounted {
    const TABLE: Table = Table::of("orders_counted", "mark of counting");
}

impl OrderStore {
    /// Counts what is recorded just now.
    pub(super) async fn count_new(&self, tx: &Tx, recorded: &[Recorded]) -> Result<(), Fault> {
        let tallies: Vec<Tally> = new_of(recorded).flat_map(figures::recorded).collect();
        tx.count(&self.shards, tallies).await
    }

    /// Adds what no order stands for.
    pub(crate) async fn count(&self, tallies: &[Tally]) -> Result<()> {
        self.db.count(&self.shards, tallies.to_vec()).await
    }

    /// The sums of some hours, by hour and name.
    pub(crate) async fn tallies(&self, hours: Range<i64>) -> Result<Vec<Tally>> {
        self.db.tallies(figures::TALLIES, hours).await
    }

    /// Counts the orders that are there already, once for good.
    pub(super) async fn count_earlier(&self) -> Result<()> {
        let there = async {
            let tallies = self.tallies_of_all().await?;
            if !tallies.is_empty() {
                tracing::info!("the orders that are there were counted for the statistics");
            }
            Ok(tallies)
        };
        self.db.count_earlier::<OrdersCounted>(&self.shards, there).await
    }

    /// What the tallies of all orders that can be read must be.
    pub(crate) async fn tallies_of_all(&self) -> Result<Vec<Tally>> {
        let mut sums = BTreeMap::new();
        let mut all = self.dump().await?;
        while let Some(entry) = all.next().await? {
            let Ok(Record::Order(order)) = entry else { continue };
            figures::recorded(&order).for_each(|tally| tally.add_to(&mut sums));
        }
        Ok(sums.into_values().collect())
    }
}

/// Those that are recorded just now.
pub(super) fn new_of(recorded: &[Recorded]) -> impl Iterator<Item = &Order> {
    recorded.iter().filter_map(|recorded| match recorded {
        Recorded::New(order) => Some(order),
        Recorded::Before(_) | Recorded::Undone => None,
    })
}
