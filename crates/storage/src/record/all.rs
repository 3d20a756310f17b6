//! Record types, whatever they are: each is defined, audited, exported and imported alike. A service lists its own.

use std::fmt;

use futures_util::future::BoxFuture;
use holdfast_types::{Error, Result};
use serde_json::Value as Json;

use super::{Kind, Record, Value};
use crate::{Database, Entry, Flow};

/// A record of some type.
pub type Any = Json;

/// All records of a type, one after the other.
type AnyFlow = Flow<Entry<Any>>;

/// What is done with a record type.
#[derive(Clone, Copy)]
pub struct RecordType {
    /// Its table.
    pub table: &'static str,
    /// Whether its records belong to a shop wherever it is, and not to the database: exports have them.
    pub moves: bool,
    /// Whether they tell of other records that move: exports have them after those.
    pub is_told: bool,
    /// Whether they can be read one after the other: those whose keys are UUIDs.
    pub is_read_through: bool,
    define: for<'a> fn(&'a Database) -> BoxFuture<'a, Result<()>>,
    dump: for<'a> fn(&'a Database) -> BoxFuture<'a, Result<AnyFlow>>,
    load: for<'a> fn(&'a Database, Vec<Any>) -> BoxFuture<'a, Result<()>>,
    key: fn(&Any) -> Result<Value>,
}

impl fmt::Debug for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordType").field("table", &self.table).finish_non_exhaustive()
    }
}

impl RecordType {
    /// One whose records stay where they are: sessions, keys.
    #[must_use]
    pub const fn staying<R: Record>() -> Self {
        Self {
            table: R::TABLE.name,
            moves: false,
            is_told: false,
            is_read_through: matches!(R::TABLE.key, Kind::Id),
            key: key_of::<R>,
            define: |db| Box::pin(db.define::<R>()),
            dump: |db| Box::pin(dump::<R>(db)),
            load: |db, records| Box::pin(load::<R>(db, records)),
        }
    }

    /// The key of a record of this type.
    pub fn key(&self, record: &Any) -> Result<Value> {
        (self.key)(record)
    }

    /// One whose records move with the shop. Their keys are UUIDs.
    #[must_use]
    pub const fn moving<R: Record>() -> Self {
        Self { moves: true, ..Self::staying::<R>() }
    }

    /// One whose records move with the shop, and tell of others that do.
    #[must_use]
    pub const fn told<R: Record>() -> Self {
        Self { is_told: true, ..Self::moving::<R>() }
    }
}

fn key_of<R: Record>(record: &Any) -> Result<Value> {
    R::deserialize(record).map(|record| record.key()).map_err(Error::internal)
}

async fn dump<R: Record>(db: &Database) -> Result<AnyFlow> {
    Ok(db.records::<R>().await?.map(|entry: Entry<R>| {
        entry.map(|record| serde_json::to_value(record).expect("it was read as JSON"))
    }))
}

async fn load<R: Record>(db: &Database, records: Vec<Any>) -> Result<()> {
    let read = |record| serde_json::from_value(record).map_err(Error::internal);
    db.load::<R>(records.into_iter().map(read).collect::<Result<_>>()?).await
}

impl Database {
    /// Makes the tables of all these types; see [`Database::define`].
    pub async fn define_all(&self, types: &[RecordType]) -> Result<()> {
        for record in types {
            (record.define)(self).await?;
        }
        Ok(())
    }

    /// All records of a type, or what is known of those that cannot be read. Their keys are UUIDs.
    pub async fn dump(&self, of: &RecordType) -> Result<Flow<Entry<Any>>> {
        (of.dump)(self).await
    }

    /// Keeps what [`Self::dump`] told, unless it is there.
    pub async fn load_any(&self, of: &RecordType, records: Vec<Any>) -> Result<()> {
        (of.load)(self, records).await
    }
}
