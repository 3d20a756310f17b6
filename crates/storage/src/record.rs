//! Records: typed rows with declared indexes, the same on every engine. What a service keeps is written once over [`Tx`];
//! engines store, compare and lock, and decide nothing.
//!
//! A record is a row of a table of its own, or a document of a collection: key, version, the whole record as JSON, so that an
//! operator can read it, and a column for each value that an index compares. Services compute those values; engines only
//! compare them.

mod all;
mod course;
mod fault;
mod idempotency;
mod mongo;
mod postgres;
mod scan;
mod sql;
mod sqlite;
mod tx;
mod value;

use std::ops::{Deref, DerefMut};

use holdfast_types::Error;
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{Damage, Entry};
pub use all::{Any, RecordType};
pub use fault::Fault;
pub use idempotency::IdempotencyRecord;
pub use scan::{Position, Scan};
pub use tx::Tx;
pub use value::{Kind, Value};

/// Rows of an earlier layout that one transaction writes again.
const REWRITE_ROWS: i64 = 50;

/// Something that a service keeps.
pub trait Record: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Where.
    const TABLE: Table;

    /// What it is found by, for good.
    fn key(&self) -> Value;

    /// The values of [`Table::columns`], in their order. A record with `None` in a column is in no index over it.
    fn columns(&self) -> Vec<Option<Value>>;
}

/// A table of records.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name, in `snake_case`.
    pub name: &'static str,
    /// What one of its records is called, where one is damaged.
    pub noun: &'static str,
    /// What keys are.
    pub key: Kind,
    /// What indexes compare.
    pub columns: &'static [Column],
    /// In which orders records are found.
    pub indexes: &'static [Index],
    /// Counts the changes of `columns` and of what they are computed from: rows of an earlier layout are written again
    /// ([`crate::Database::define`]).
    pub layout: i64,
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name; not one of `key`, `version`, `layout`, `body` and `locks`.
    pub name: &'static str,
    /// What is in it.
    pub kind: Kind,
}

/// An order in which records are found: by these columns, then by key.
#[derive(Clone, Copy, Debug)]
pub struct Index {
    /// Its name within the table. One that changes gets another name.
    pub name: &'static str,
    /// Names of columns.
    pub columns: &'static [&'static str],
    /// Whether no two records may have the same values.
    pub unique: bool,
}

impl Column {
    /// A column of that kind.
    #[must_use]
    pub const fn of(name: &'static str, kind: Kind) -> Self {
        Self { name, kind }
    }
}

impl Index {
    /// An order by these columns.
    #[must_use]
    pub const fn of(name: &'static str, columns: &'static [&'static str]) -> Self {
        Self { name, columns, unique: false }
    }

    /// The same where no two records may have the same values.
    #[must_use]
    pub const fn unique(name: &'static str, columns: &'static [&'static str]) -> Self {
        Self { name, columns, unique: true }
    }
}

impl Table {
    /// A table whose keys are UUIDs, without indexes: what to begin with.
    #[must_use]
    pub const fn of(name: &'static str, noun: &'static str) -> Self {
        Self { name, noun, key: Kind::Id, columns: &[], indexes: &[], layout: 1 }
    }

    /// The index of that name, and where its columns are among those of the table.
    ///
    /// # Panics
    /// When there is no such index, or an index names no column: a slip of whoever wrote the table.
    fn index(&self, name: &str) -> (&Index, Vec<usize>) {
        let index = self.indexes.iter().find(|index| index.name == name);
        let index = index.unwrap_or_else(|| panic!("{} has no index {name}", self.name));
        (index, self.places(index))
    }

    fn places(&self, index: &Index) -> Vec<usize> {
        let place = |name: &&str| self.columns.iter().position(|column| column.name == *name);
        let places: Option<Vec<usize>> = index.columns.iter().map(place).collect();
        places.unwrap_or_else(|| panic!("{}.{} has a column too many", self.name, index.name))
    }

    /// Where the values of a unique index are claimed on the servers, so that they are unique over shards too.
    fn claims(&self, index: &Index) -> String {
        format!("{}_{}_keys", self.name, index.name)
    }

    fn unique_indexes(&self) -> impl Iterator<Item = &'static Index> {
        self.indexes.iter().filter(|index| index.unique)
    }

    /// What a change of a row lets go of in unique indexes, and what it claims there; nothing where values stay.
    fn moves(&self, before: &[Option<Value>], after: &[Option<Value>]) -> Vec<Move> {
        let of = |index| Move {
            index,
            lets_go: self.values(index, before),
            claims: self.values(index, after),
        };
        self.unique_indexes().map(of).filter(|moved| moved.lets_go != moved.claims).collect()
    }

    /// What `index` compares of a row; `None` for a row that is not in it, as one that is not there yet.
    fn values(&self, index: &Index, columns: &[Option<Value>]) -> Option<Vec<Value>> {
        self.places(index).into_iter().map(|place| columns.get(place)?.clone()).collect()
    }
}

/// What becomes of a row in a unique index.
struct Move {
    index: &'static Index,
    lets_go: Option<Vec<Value>>,
    claims: Option<Vec<Value>>,
}

/// A record as it was read, and what a change of it is based on.
#[derive(Clone, Debug)]
pub struct Stored<R> {
    record: R,
    version: i64,
    /// What indexes compared when it was read.
    columns: Vec<Option<Value>>,
}

impl<R: Record> Stored<R> {
    /// Where it stands in an index; `None` for the order of keys.
    #[must_use]
    pub fn position(&self, index: Option<&str>) -> Position {
        let places = index.map(|name| R::TABLE.index(name).1).unwrap_or_default();
        let values = places.into_iter().filter_map(|place| self.columns[place].clone());
        Position { values: values.collect(), key: self.record.key() }
    }
}

impl<R> Stored<R> {
    /// The record alone.
    pub fn into_inner(self) -> R {
        self.record
    }
}

impl<R> Deref for Stored<R> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.record
    }
}

impl<R> DerefMut for Stored<R> {
    fn deref_mut(&mut self) -> &mut R {
        &mut self.record
    }
}

/// Some other record has the key or the values already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The key.
    Key,
    /// The values of the unique index of that name.
    Index(&'static str),
}

/// A row, as engines see it.
#[derive(Clone, Debug)]
struct Row {
    key: Value,
    version: i64,
    layout: i64,
    /// JSON text.
    body: String,
    columns: Vec<Option<Value>>,
}

impl Row {
    fn of<R: Record>(record: &R) -> Result<Self, Fault> {
        let (key, columns) = (record.key(), record.columns());
        debug_assert_eq!(columns.len(), R::TABLE.columns.len(), "{}", R::TABLE.name);
        let body = serde_json::to_string(record).map_err(Error::internal)?;
        Ok(Self { key, version: 1, layout: R::TABLE.layout, body, columns })
    }
}

/// A record that somebody reads one after the other, or what is known of it.
fn entry<R: Record>(key: Uuid, body: &str) -> Entry<R> {
    serde_json::from_str(body)
        .map_err(|error| Damage::new(R::TABLE.noun, key, Error::internal(error)))
}

/// What engines read of a row.
#[derive(Clone, Debug)]
struct Found {
    version: i64,
    body: String,
}

impl Found {
    fn read<R: Record>(self) -> Result<Stored<R>, Fault> {
        let record: R = serde_json::from_str(&self.body).map_err(|error| {
            Error::internal(format!("a {} cannot be read: {error}", R::TABLE.noun))
        })?;
        let columns = record.columns();
        Ok(Stored { record, version: self.version, columns })
    }
}
