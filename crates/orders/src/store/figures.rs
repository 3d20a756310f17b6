//! Tallies of orders change in the transaction of what they count. Orders of before there were tallies are counted once.

use std::{collections::BTreeMap, ops::Range};

use holdfast_storage::record::{Fault, Record as Kept, Table, Tx, Value};
use holdfast_types::{Result, Tally};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{OrderStore, Recorded, portable::Record};
use crate::model::{Order, figures};

/// Says that the orders are counted which were there when counting began.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Counted {
    /// Always the same: there is one.
    id: Uuid,
}

impl Kept for Counted {
    const TABLE: Table = Table::of("orders_counted", "mark of counting");

    fn key(&self) -> Value {
        self.id.into()
    }

    fn columns(&self) -> Vec<Option<Value>> {
        Vec::new()
    }
}

impl OrderStore {
    /// Counts what is recorded just now.
    pub(super) async fn count_new(&self, tx: &Tx, recorded: &[Recorded]) -> Result<(), Fault> {
        let tallies: Vec<Tally> = new_of(recorded).flat_map(figures::recorded).collect();
        tx.count(&self.shards, tallies).await
    }

    /// Adds what no order stands for.
    pub(crate) async fn count(&self, tallies: &[Tally]) -> Result<()> {
        let (shards, tallies) = (self.shards.clone(), tallies.to_vec());
        let count = move |tx: Tx| {
            let (shards, tallies) = (shards.clone(), tallies.clone());
            async move { tx.count(&shards, tallies).await }
        };
        self.db.transact(count).await
    }

    /// The sums of some hours, by hour and name.
    pub(crate) async fn tallies(&self, hours: Range<i64>) -> Result<Vec<Tally>> {
        self.db.tallies(figures::TALLIES, hours).await
    }

    /// Counts the orders that are there already, once for good. Whoever serves has done so before, so what comes meanwhile
    /// is counted as it comes.
    pub(super) async fn count_earlier(&self) -> Result<()> {
        if self.db.get::<Counted>(Uuid::nil()).await?.is_some() {
            return Ok(());
        }
        let tallies = self.tallies_of_all().await?;
        if !tallies.is_empty() {
            tracing::info!("the orders that are there were counted for the statistics");
        }
        let shards = self.shards.clone();
        let count = move |tx: Tx| {
            let (shards, tallies) = (shards.clone(), tallies.clone());
            async move {
                match tx.insert(&Counted { id: Uuid::nil() }).await? {
                    Ok(()) => tx.count(&shards, tallies).await,
                    // Another process was faster.
                    Err(_) => Ok(()),
                }
            }
        };
        self.db.transact(count).await
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
