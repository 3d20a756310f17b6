//! Tallies are added up in the transaction of what they count, so a sum is right whenever it is read; see [`Tally`].

mod counted;
mod mongo;
mod postgres;
mod sqlite;

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use holdfast_types::{Random, Result, Tally};

pub use counted::{Counted, CountedTable};

use crate::{
    Database,
    record::{Fault, Tx},
};

/// An amount is kept in two numbers, of which neither runs over: billions, and what is left.
const BILLION: i128 = 1_000_000_000;

/// Rows of one hour and name that a process adds to in turn.
const TURNS: i64 = 4;
/// Rows that an hour and a name may have.
const SHARDS: u16 = 1024;

/// Where a process adds: on the servers, whoever adds to a row holds up all others who do, so each process has some rows of its
/// own, and takes turns between them (a sharded counter). Clones share the turns.
#[derive(Clone, Debug)]
pub struct Shards {
    first: i64,
    turn: Arc<AtomicI64>,
}

impl Shards {
    /// Those of a process.
    #[must_use]
    pub fn new(random: &Random) -> Self {
        let first = u16::from_be_bytes(random.bytes()) % SHARDS;
        Self { first: first.into(), turn: Arc::default() }
    }

    fn next(&self) -> i64 {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed).rem_euclid(TURNS);
        (self.first + turn) % i64::from(SHARDS)
    }
}

/// A tally as rows have it.
struct Row {
    hour: i64,
    name: String,
    events: i64,
    units: i64,
    billions: i64,
    rest: i64,
}

impl From<Tally> for Row {
    fn from(Tally { hour, name, events, units, amount }: Tally) -> Self {
        let billions = i64::try_from(amount.div_euclid(BILLION)).unwrap_or(i64::MAX);
        let rest = i64::try_from(amount.rem_euclid(BILLION)).unwrap_or_default();
        Self { hour, name, events, units, billions, rest }
    }
}

impl From<Row> for Tally {
    fn from(Row { hour, name, events, units, billions, rest }: Row) -> Self {
        let amount = i128::from(billions) * BILLION + i128::from(rest);
        Self { hour, name, events, units, amount }
    }
}

impl Tx {
    /// Adds to tallies. As the last of a transaction: it holds up whoever adds to the same.
    pub async fn count(
        &self,
        shards: &Shards,
        tallies: impl IntoIterator<Item = Tally> + Send,
    ) -> Result<(), Fault> {
        let rows: Vec<Row> = Tally::sum(tallies).into_iter().map(Row::from).collect();
        if rows.is_empty() {
            return Ok(());
        }
        match self {
            Self::Sqlite(tx) => tx.run(move |db| sqlite::add(db, &rows)).await?,
            Self::Postgres(tx) => Box::pin(postgres::add(tx, shards.next(), &rows)).await?,
            Self::Mongo(tx) => Box::pin(mongo::add(tx, shards.next(), rows)).await?,
        }
        Ok(())
    }
}

impl Database {
    /// The same in a transaction of its own.
    pub async fn count(&self, shards: &Shards, tallies: Vec<Tally>) -> Result<()> {
        let (shards, tallies) = (shards.clone(), Arc::new(tallies));
        let count = move |tx: Tx| {
            let (shards, tallies) = (shards.clone(), Arc::clone(&tallies));
            async move { tx.count(&shards, tallies.iter().cloned()).await }
        };
        self.transact(count).await
    }

    /// The sums of the tallies whose names begin so, by hour and name.
    pub async fn tallies(&self, beginning: &str, hours: Range<i64>) -> Result<Vec<Tally>> {
        let rows = match self {
            Self::Sqlite(db) => {
                let beginning = beginning.to_owned();
                db.read(move |db| sqlite::sums(db, &beginning, &hours)).await?
            }
            Self::Postgres(db) => postgres::sums(db, beginning, &hours).await?,
            Self::Mongo(db) => mongo::sums(db, beginning, &hours).await?,
        };
        Ok(Tally::sum(rows.into_iter().map(Tally::from)))
    }

    /// Makes the place of tallies, unless it is there.
    pub async fn define_tallies(&self) -> Result<()> {
        match self {
            Self::Sqlite(db) => db.write(sqlite::define).await,
            Self::Postgres(db) => {
                db.define(|tx| async move { tx.batch(postgres::TABLE).await }).await
            }
            Self::Mongo(db) => db.define(mongo::definition()).await,
        }
    }
}
