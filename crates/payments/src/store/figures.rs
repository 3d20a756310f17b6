//! Tallies of payments change in the transaction of what they count.

use std::{
    collections::BTreeMap,
    ops::{Bound, Range},
};

use holdfast_storage::{
    CountedTable,
    record::{Scan, Stored, Table, Tx, Value},
};
use holdfast_types::{Result, Tally};
use uuid::Uuid;

use super::PaymentStore;
use crate::model::{
    Payment, Refund,
    figures::{self, Flow},
};

/// Refunds that are read at once.
const OWED_ROWS: usize = 500;
/// Refunds that are counted: beyond that, the sum of what is owed is too small.
const OWED: usize = 100_000;

/// Tallies that one transaction adds: servers end one that takes long.
const CHUNK: usize = 200;
/// How often it is looked whether all is counted.
const ROUNDS: usize = 4;

/// Marks that the payments are counted which were there when counting began.
#[derive(Debug)]
pub(super) struct PaymentsCounted;

impl CountedTable for PaymentsCounted {
    const TABLE: Table = Table::of("payments_counted", "mark of counting");
}

impl PaymentStore {
    /// Counts the payments that are there already, once for good.
    pub(super) async fn count_earlier(&self) -> Result<()> {
        let there = async { Ok(self.tallies_of_all().await?.into_values().collect()) };
        self.db.count_earlier::<PaymentsCounted>(&self.shards, there).await
    }

    /// The sums of some hours, by hour and name.
    pub(crate) async fn tallies(&self, hours: Range<i64>) -> Result<Vec<Tally>> {
        self.db.tallies(figures::TALLIES, hours).await
    }

    /// What is on its way back just now.
    pub(crate) async fn owed(&self) -> Result<Flow> {
        let (mut owed, mut after) = (Flow::default(), None);
        loop {
            let from = Bound::Included(Value::from(Uuid::nil()));
            let scan = Scan::of("pending", OWED_ROWS).range(from, Bound::Unbounded);
            let scan = scan.after(after.take());
            let read = move |tx: Tx| {
                let scan = scan.clone();
                async move { tx.scan::<Refund>(scan).await }
            };
            let some: Vec<Stored<Refund>> = self.db.read(read).await?;
            some.iter().for_each(|refund| owed.add(refund.amount));
            after = some.last().map(|last| last.position(Some("pending")));
            if some.len() < OWED_ROWS || usize::try_from(owed.count).is_ok_and(|it| it >= OWED) {
                return Ok(owed);
            }
        }
    }

    /// What the tallies of all payments and refunds that can be read must be.
    pub(super) async fn tallies_of_all(&self) -> Result<BTreeMap<(i64, String), Tally>> {
        let mut sums = BTreeMap::new();
        let mut payments = self.db.records::<Payment>().await?;
        while let Some(payment) = payments.next().await? {
            let tally = payment.ok().and_then(|payment| figures::of_payment(&payment));
            tally.into_iter().for_each(|tally| tally.add_to(&mut sums));
        }
        let mut refunds = self.db.records::<Refund>().await?;
        while let Some(refund) = refunds.next().await? {
            let tally = refund.ok().and_then(|refund| figures::of_refund(&refund));
            tally.into_iter().for_each(|tally| tally.add_to(&mut sums));
        }
        Ok(sums)
    }

    /// Makes the tallies what payments and refunds stand for that came from another database. Nobody may change any meanwhile. What
    /// was added twice, since nobody knew whether a transaction had come about, is taken back in the next round.
    pub(crate) async fn recount(&self) -> Result<()> {
        for _ in 0..ROUNDS {
            let counted = self.tallies(i64::MIN..i64::MAX).await?;
            let differences = Tally::differences(counted, self.tallies_of_all().await?);
            if differences.is_empty() {
                return Ok(());
            }
            for some in differences.chunks(CHUNK) {
                self.db.count(&self.shards, some.iter().map(missing).collect()).await?;
            }
        }
        Ok(())
    }
}

/// What must be added to what was counted.
fn missing((was, is): &(Tally, Tally)) -> Tally {
    Tally {
        events: is.events - was.events,
        units: is.units - was.units,
        amount: is.amount - was.amount,
        ..is.clone()
    }
}
