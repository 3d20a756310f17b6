//! Engine plumbing without business nouns: opening a database, the writer or the pool, migrations, kept answers, and
//! the translation of driver failures.

mod backoff;
mod batched_loader;
mod flow;
pub mod location;
mod migrations;
pub mod mongo;
mod outbox;
pub mod postgres;
pub mod record;
mod secrets;
pub mod sqlite;
mod tally;

use std::path::Path;

use holdfast_types::{Code, Error, Result};

pub use batched_loader::BatchedLoader;
pub use flow::{Damage, Entry, Flow, Sink};
pub use location::Location;
pub use migrations::Migrations;
pub use mongo::Mongo;
pub use outbox::{EventSource, Outbox, OutboxBatch, OutboxRow, OutboxTable};
pub use postgres::Postgres;
pub use sqlite::{Generation, Sqlite};
pub use tally::{Counted, CountedTable, Shards};

/// An open database of whichever engine the connection string named.
#[derive(Clone, Debug)]
pub enum Database {
    /// An embedded SQLite file.
    Sqlite(Sqlite),
    /// A database on a PostgreSQL server.
    Postgres(Postgres),
    /// A database on a MongoDB replica set or sharded cluster.
    Mongo(Mongo),
}

impl Database {
    /// Opens the database at `location`. Refuses with a sentence what cannot be used.
    pub async fn open(location: &Location) -> Result<Self> {
        match location {
            Location::Sqlite(path) => Sqlite::open(path).map(Self::Sqlite),
            Location::Postgres(url) => Postgres::open(url).map(Self::Postgres),
            Location::Mongo(url) => Mongo::open(url).await.map(Self::Mongo),
        }
    }

    /// How many batches may be on their way at a time. An embedded database has one writer; PostgreSQL works on one batch
    /// while the answers of another travel. On MongoDB a batch that meets a product of another is not held up until that one is
    /// done, but fails and is run again: one at a time is quicker.
    #[must_use]
    pub const fn batches_in_flight(&self) -> usize {
        match self {
            Self::Sqlite(_) | Self::Mongo(_) => 1,
            Self::Postgres(_) => 2,
        }
    }

    /// The same database, with connections of its own for lists where they are few.
    #[must_use]
    pub fn with_own_lists(&self) -> Self {
        match self {
            Self::Sqlite(db) => Self::Sqlite(db.with_own_lists()),
            Self::Postgres(_) | Self::Mongo(_) => self.clone(),
        }
    }

    /// Answers when writing works: the readiness probe.
    pub async fn ready(&self) -> Result<()> {
        match self {
            Self::Sqlite(db) => db.ready().await,
            Self::Postgres(db) => db.ready().await,
            Self::Mongo(db) => db.ready().await,
        }
    }

    /// The newest commit, where that can be told without asking: what was read at one generation holds as long as it is the newest.
    #[must_use]
    pub fn generation(&self) -> Option<Generation> {
        match self {
            Self::Sqlite(db) => db.generation(),
            Self::Postgres(_) | Self::Mongo(_) => None,
        }
    }

    /// What is wrong with a database file as such, a sentence each: rows that its indexes do not have, pages that cannot be
    /// read. Servers look after theirs.
    pub async fn integrity(&self) -> Result<Vec<String>> {
        match self {
            Self::Sqlite(db) => db.integrity().await,
            Self::Postgres(_) | Self::Mongo(_) => Ok(Vec::new()),
        }
    }

    /// Writes a consistent copy of a database file to `target`, which must not exist yet, while the shop goes on.
    /// Refuses on engines whose databases are not files.
    pub async fn backup(&self, target: &Path) -> Result<()> {
        match self {
            Self::Sqlite(db) => db.backup(target).await,
            Self::Postgres(_) | Self::Mongo(_) => {
                let why =
                    "this database is not a file: write a portable dump with `export --all FILE`";
                Err(Error::new(Code::InvalidParameter, why))
            }
        }
    }
}
