//! One transaction over records, on whichever engine, and reading without one.

use std::{ops::Bound, sync::Arc};

use holdfast_types::{Code, Error, Result, Timestamp};

use super::{
    Fault, Found, Record, Row, Scan, Stored, Table, Taken, Value, mongo, postgres, sqlite,
};
use crate::{Database, Entry, Flow, mongo as mongodb, postgres as postgresql, sqlite as embedded};

/// Records that one transaction of many deletes.
const SWEPT_ROWS: usize = 200;

// Boxed below: what goes over a network has large futures, and transactions are made of many of them.

/// A handle on a running transaction. What it has not committed nobody else sees; it sees what was committed when it read
/// (PostgreSQL, at READ COMMITTED) or when it began (MongoDB, SQLite). Whatever a decision rests on is therefore changed by
/// the same transaction or locked before it is read.
///
/// Statements of an engine's own take part through the handle within.
#[derive(Clone, Debug)]
pub enum Tx {
    /// On SQLite.
    Sqlite(embedded::Tx),
    /// On PostgreSQL.
    Postgres(postgresql::Tx),
    /// On MongoDB.
    Mongo(mongodb::Tx),
}

impl Tx {
    /// For statements of SQLite's own.
    pub fn sqlite(&self) -> Result<&embedded::Tx, Fault> {
        if let Self::Sqlite(tx) = self { Ok(tx) } else { Err(Fault::elsewhere()) }
    }

    /// For statements of PostgreSQL's own.
    pub fn postgres(&self) -> Result<&postgresql::Tx, Fault> {
        if let Self::Postgres(tx) = self { Ok(tx) } else { Err(Fault::elsewhere()) }
    }

    /// For commands of MongoDB's own.
    pub fn mongo(&self) -> Result<&mongodb::Tx, Fault> {
        if let Self::Mongo(tx) = self { Ok(tx) } else { Err(Fault::elsewhere()) }
    }

    /// The record with that key.
    pub async fn get<R: Record>(&self, key: impl Into<Value>) -> Result<Option<Stored<R>>, Fault> {
        let (table, key) = (&R::TABLE, key.into());
        let found = match self {
            Self::Sqlite(tx) => tx.run(move |db| sqlite::get(db, &R::TABLE, &key)).await?,
            Self::Postgres(tx) => Box::pin(postgres::get(tx, table, &key)).await?,
            Self::Mongo(tx) => Box::pin(mongo::get(tx, table, &key)).await?,
        };
        found.map(Found::read).transpose()
    }

    /// Some records, in order.
    pub async fn scan<R: Record>(&self, scan: Scan) -> Result<Vec<Stored<R>>, Fault> {
        let table = &R::TABLE;
        let found = match self {
            Self::Sqlite(tx) => tx.run(move |db| sqlite::scan(db, &R::TABLE, scan)).await?,
            Self::Postgres(tx) => Box::pin(postgres::scan(tx, table, scan)).await?,
            Self::Mongo(tx) => Box::pin(mongo::scan(tx, table, scan)).await?,
        };
        found.into_iter().map(Found::read).collect()
    }

    /// The record with those values in a unique index.
    pub async fn find<R: Record>(
        &self,
        index: &'static str,
        values: impl IntoIterator<Item = Value> + Send,
    ) -> Result<Option<Stored<R>>, Fault> {
        let scan = values.into_iter().fold(Scan::of(index, 1), Scan::equal);
        Ok(self.scan(scan).await?.pop())
    }

    /// Holds up whoever else locks one of these keys until the transaction has ended, also keys without a record, and whoever
    /// changes their records. Before they are read: what is read after it stands. Where there is one writer, nothing is to be done.
    pub async fn lock<R: Record>(
        &self,
        keys: impl IntoIterator<Item = Value> + Send,
    ) -> Result<(), Fault> {
        // In one order, so that nobody waits for whom it holds up.
        let mut keys: Vec<Value> = keys.into_iter().collect();
        keys.sort();
        keys.dedup();
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(tx) => Ok(Box::pin(postgres::lock(tx, &R::TABLE, &keys)).await?),
            Self::Mongo(tx) => Ok(Box::pin(mongo::lock(tx, &R::TABLE, &keys)).await?),
        }
    }

    /// Keeps a new record, or says what of it is taken, and changes nothing then.
    pub async fn insert<R: Record>(&self, record: &R) -> Result<Result<(), Taken>, Fault> {
        self.insert_all([record]).await
    }

    /// The same for many, all or none, in a few round trips.
    pub async fn insert_all<'a, R: Record>(
        &self,
        records: impl IntoIterator<Item = &'a R>,
    ) -> Result<Result<(), Taken>, Fault> {
        let rows: Vec<Row> = records.into_iter().map(Row::of).collect::<Result<_, _>>()?;
        let table = &R::TABLE;
        let taken = match self {
            Self::Sqlite(tx) => tx.run(move |db| sqlite::insert(db, &R::TABLE, rows)).await?,
            Self::Postgres(tx) => Box::pin(postgres::insert(tx, table, rows)).await?,
            Self::Mongo(tx) => Box::pin(mongo::insert(tx, table, rows)).await?,
        };
        Ok(taken.map_or(Ok(()), Err))
    }

    /// Keeps those of the records whose keys are not there yet. Refuses one with unique values that another has.
    pub async fn insert_missing<R: Record>(&self, records: &[R]) -> Result<(), Fault> {
        // All at once where none is there, as a rule.
        if self.insert_all(records).await?.is_ok() {
            return Ok(());
        }
        for record in records {
            match self.insert(record).await? {
                Ok(()) | Err(Taken::Key) => {}
                Err(Taken::Index(index)) => {
                    let (noun, key) = (R::TABLE.noun, record.key());
                    let why = format!("another {noun} has the {index} of {key:?} already");
                    return Err(Error::new(Code::InvalidParameter, why).into());
                }
            }
        }
        Ok(())
    }

    /// Keeps a record as it is now, in the place of what was read; or says what of it is taken, and changes nothing then. When
    /// it has changed since it was read, the transaction is run again.
    pub async fn put<R: Record>(&self, stored: &Stored<R>) -> Result<Result<(), Taken>, Fault> {
        let (table, mut row) = (&R::TABLE, Row::of(&stored.record)?);
        row.version = stored.version;
        let taken = match self {
            Self::Sqlite(tx) => {
                let before = stored.columns.clone();
                match tx.run(move |db| sqlite::put(db, &R::TABLE, row, &before)).await? {
                    sqlite::Put::Done => None,
                    sqlite::Put::Taken(taken) => Some(taken),
                    sqlite::Put::Stale => return Err(Fault::Stale),
                }
            }
            Self::Postgres(tx) => Box::pin(postgres::put(tx, table, row, &stored.columns)).await?,
            Self::Mongo(tx) => Box::pin(mongo::put(tx, table, row, &stored.columns)).await?,
        };
        Ok(taken.map_or(Ok(()), Err))
    }

    /// Deletes a record. When it has changed since it was read, the transaction is run again.
    pub async fn delete<R: Record>(&self, stored: Stored<R>) -> Result<(), Fault> {
        self.delete_all(vec![stored]).await
    }

    /// The same for many, in a few round trips.
    pub async fn delete_all<R: Record>(&self, stored: Vec<Stored<R>>) -> Result<(), Fault> {
        let table = &R::TABLE;
        let row = |stored: Stored<R>| Row {
            key: stored.record.key(),
            version: stored.version,
            layout: table.layout,
            body: String::new(),
            columns: stored.columns,
        };
        let rows: Vec<Row> = stored.into_iter().map(row).collect();
        match self {
            Self::Sqlite(tx) => {
                let all = tx.run(move |db| sqlite::delete(db, &R::TABLE, &rows)).await?;
                if all { Ok(()) } else { Err(Fault::Stale) }
            }
            Self::Postgres(tx) => Ok(Box::pin(postgres::delete(tx, table, &rows)).await?),
            Self::Mongo(tx) => Ok(Box::pin(mongo::delete(tx, table, &rows)).await?),
        }
    }
}

/// The same for the same key everywhere: FNV-1a, 64 bits.
pub(super) fn number_of(table: &Table, key: &Value) -> i64 {
    let hash = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let number = |bytes: &[u8]| {
        let start = table.name.as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, hash);
        bytes.iter().fold(start, hash).cast_signed()
    };
    match key {
        Value::Integer(key) => number(&key.to_be_bytes()),
        Value::Text(key) => number(key.as_bytes()),
        Value::Id(key) => number(key.as_bytes()),
        Value::Bytes(key) => number(key),
    }
}

impl Database {
    /// Runs `job` in one transaction: all of it stands, or nothing does. It may be run several times, so it has no effect
    /// but through its transaction, and waits for nothing else: on SQLite everybody who writes would wait for it.
    pub async fn transact<T, J, F>(&self, job: J) -> Result<T>
    where
        T: Send + 'static,
        J: Fn(Tx) -> F + Send + Sync + 'static,
        F: Future<Output = Result<T, Fault>> + Send,
    {
        match self {
            Self::Sqlite(db) => db.transact(move |tx| run(job(Tx::Sqlite(tx)))).await,
            Self::Postgres(db) => db.transaction(|tx| Box::pin(run(job(Tx::Postgres(tx))))).await,
            Self::Mongo(db) => db.transaction(|tx| Box::pin(run(job(Tx::Mongo(tx))))).await,
        }
    }

    /// Runs `job` on one snapshot, in which it cannot change anything.
    pub async fn read<T, J, F>(&self, job: J) -> Result<T>
    where
        T: Send + 'static,
        J: Fn(Tx) -> F + Send + Sync + 'static,
        F: Future<Output = Result<T, Fault>> + Send,
    {
        match self {
            Self::Sqlite(db) => db.snapshot(move |tx| run(job(Tx::Sqlite(tx)))).await,
            Self::Postgres(db) => db.snapshot(|tx| Box::pin(run(job(Tx::Postgres(tx))))).await,
            Self::Mongo(db) => db.snapshot(|tx| Box::pin(run(job(Tx::Mongo(tx))))).await,
        }
    }

    /// The record with that key, as of now.
    pub async fn get<R: Record>(&self, key: impl Into<Value> + Send) -> Result<Option<R>> {
        let key = key.into();
        let found = match self {
            Self::Sqlite(db) => db.get(|db| sqlite::get(db, &R::TABLE, &key))?,
            Self::Postgres(db) => Box::pin(postgres::get_alone(db, &R::TABLE, &key)).await?,
            Self::Mongo(db) => Box::pin(mongo::get_alone(db, &R::TABLE, &key)).await?,
        };
        Ok(found.map(Found::read).transpose()?.map(Stored::into_inner))
    }

    /// The record with those values in a unique index, as of now.
    pub async fn find<R: Record>(
        &self,
        index: &'static str,
        values: impl IntoIterator<Item = Value> + Send,
    ) -> Result<Option<R>> {
        let scan = values.into_iter().fold(Scan::of(index, 1), Scan::equal);
        let found = match self {
            Self::Sqlite(db) => db.get(|db| sqlite::scan(db, &R::TABLE, scan))?,
            Self::Postgres(db) => Box::pin(postgres::scan_alone(db, &R::TABLE, scan)).await?,
            Self::Mongo(db) => Box::pin(mongo::scan_alone(db, &R::TABLE, scan)).await?,
        };
        Ok(found.into_iter().next().map(Found::read).transpose()?.map(Stored::into_inner))
    }

    /// Keeps what another database kept, in one transaction, unless it is there.
    pub async fn load<R: Record>(&self, records: Vec<R>) -> Result<()> {
        let records = Arc::new(records);
        let load = move |tx: Tx| {
            let records = Arc::clone(&records);
            async move { tx.insert_missing(&records).await }
        };
        self.transact(load).await
    }

    /// Deletes the records whose first value in `index` is below `before`, some hundred in each transaction.
    pub async fn forget<R: Record>(&self, index: &'static str, before: Timestamp) -> Result<()> {
        let until = Bound::Excluded(Value::from(before));
        self.sweep::<R>(Scan::of(index, usize::MAX).range(Bound::Unbounded, until)).await
    }

    /// Deletes all records that `scan` finds, whatever its limit, some hundred in each transaction.
    pub async fn sweep<R: Record>(&self, scan: Scan) -> Result<()> {
        let scan = scan.limit(SWEPT_ROWS);
        loop {
            let scan = scan.clone();
            let sweep = move |tx: Tx| {
                let scan = scan.clone();
                async move {
                    let some = tx.scan::<R>(scan).await?;
                    let count = some.len();
                    tx.delete_all(some).await.map(|()| count)
                }
            };
            if self.transact(sweep).await? < SWEPT_ROWS {
                return Ok(());
            }
        }
    }

    /// All records of a type, by key, in one snapshot: for audits and exports. Their keys are UUIDs.
    pub async fn records<R: Record>(&self) -> Result<Flow<Entry<R>>> {
        match self {
            Self::Sqlite(db) => db.flow(sqlite::read_all::<R>).await,
            Self::Postgres(db) => {
                db.flow(|tx, sink| Box::pin(postgres::read_all::<R>(tx, sink))).await
            }
            Self::Mongo(db) => db.flow(|tx, sink| Box::pin(mongo::read_all::<R>(tx, sink))).await,
        }
    }

    /// Makes the table of a record type with its indexes, unless it is there, and brings rows of an earlier layout up to date,
    /// a few dozen in each transaction, while others go on. To be called at each start.
    pub async fn define<R: Record>(&self) -> Result<()> {
        match self {
            Self::Sqlite(db) => db.write(|db| sqlite::define(db, &R::TABLE)).await?,
            Self::Postgres(db) => {
                db.define(|tx| async move { Box::pin(postgres::define(&tx, &R::TABLE)).await })
                    .await?;
            }
            Self::Mongo(db) => db.define(mongo::definition(&R::TABLE)).await?,
        }
        while self.transact(rewrite::<R>).await? > 0 {}
        Ok(())
    }
}

/// Says how many rows of an earlier layout there were.
async fn rewrite<R: Record>(tx: Tx) -> Result<usize, Fault> {
    let found = match &tx {
        Tx::Sqlite(tx) => tx.run(|db| sqlite::outdated(db, &R::TABLE)).await?,
        Tx::Postgres(tx) => Box::pin(postgres::outdated(tx, &R::TABLE)).await?,
        Tx::Mongo(tx) => Box::pin(mongo::outdated(tx, &R::TABLE)).await?,
    };
    let count = found.len();
    for row in found {
        let mut row: Stored<R> = row.read()?;
        // Under new indexes it claims what it has not claimed yet.
        row.columns.clear();
        if tx.put(&row).await?.is_err() {
            let why = format!("records of {} are equal where they must not be", R::TABLE.name);
            return Err(Error::internal(why).into());
        }
    }
    Ok(count)
}

/// The same, as the engine's own transactions want it.
async fn run<T, E: From<Fault>>(job: impl Future<Output = Result<T, Fault>>) -> Result<T, E> {
    Ok(job.await?)
}
