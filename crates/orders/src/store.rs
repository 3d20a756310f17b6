//! What the orders service keeps. Each method is one atomic operation; its doc comment is its guarantee.

mod figures;
#[cfg(test)]
mod guarantees;
mod lifecycle;
mod listing;
mod mongo;
mod paying;
mod placing;
pub(crate) mod portable;
mod postgres;
mod sqlite;
mod statements;
mod telling;

use std::{
    ops::Deref,
    sync::{Arc, OnceLock},
};

use holdfast_storage::{
    Counted, Database, Migrations, Outbox, OutboxRow, OutboxTable, Shards,
    record::{RecordType, Table},
};
use holdfast_types::{Answer, Random, Result, Secret, Timestamp};
use serde::{Serialize, de::DeserializeOwned};

use self::statements::Statements;
pub(crate) use self::{lifecycle::Step, listing::OrderFilter, placing::Audits};
use crate::{Payments, model::Order};

/// Shapes the answer about an order, so that it can be kept with the change.
pub(crate) type Render = fn(&Order) -> Result<Answer>;

/// What recording an order led to.
#[derive(Debug)]
pub(crate) enum Recorded {
    /// It is recorded now.
    New(Order),
    /// It was recorded before.
    Before(Order),
    /// The attempt was cut and undone before: it must not be recorded any more.
    Undone,
}

/// What most orders have nothing of, as rows have it: JSON, or nothing.
fn to_text<T: Serialize + Default + PartialEq>(value: &T) -> serde_json::Result<Option<String>> {
    (*value != T::default()).then(|| serde_json::to_string(value)).transpose()
}

/// Reads what [`to_text`] wrote.
fn from_text<T: DeserializeOwned + Default>(text: Option<&str>) -> serde_json::Result<T> {
    text.map_or_else(|| Ok(T::default()), serde_json::from_str)
}

/// The status of a tombstone in a database: an attempt that was cut and undone.
pub(crate) const TOMBSTONE: i64 = 9;

/// Everything that the service keeps as records, beside its rows.
pub const RECORDS: &[RecordType] = &[
    RecordType::staying::<Counted<figures::OrdersCounted>>(),
    RecordType::told::<OutboxRow<OrdersOutbox>>(),
];

/// Where orders tell what has happened to them.
#[derive(Debug)]
pub(crate) struct OrdersOutbox;

impl OutboxTable for OrdersOutbox {
    const SERVICE: &'static str = crate::SERVICE.name;
    const TABLE: Table = Table::of("orders_outbox", "batch of messages");
}

/// Names the service in what it keeps.
const SERVICE: &str = crate::SERVICE.name;

const MIGRATIONS: Migrations = Migrations {
    after: 2,
    sqlite: &[
        include_str!("../migrations/sqlite-0003.sql"),
        include_str!("../migrations/sqlite-0004.sql"),
    ],
    postgres: &[
        include_str!("../migrations/postgres-0003.sql"),
        include_str!("../migrations/postgres-0004.sql"),
    ],
    mongo: &[
        include_str!("../migrations/mongo-0003.json"),
        include_str!("../migrations/mongo-0004.json"),
    ],
};

/// What the orders service keeps. Clones share the database.
#[derive(Clone)]
pub(crate) struct OrderStore {
    db: Database,
    statements: Arc<dyn Statements>,
    shards: Shards,
    outbox: Outbox<OrdersOutbox>,
    /// Payments are opened on the orders, and then made known to them.
    payments: Arc<OnceLock<Arc<dyn Payments>>>,
}

/// What is a statement or two on each engine is there at once.
impl Deref for OrderStore {
    type Target = dyn Statements;

    fn deref(&self) -> &Self::Target {
        &*self.statements
    }
}

impl OrderStore {
    /// Brings the tables up to date.
    pub(crate) async fn open(database: &Database, random: &Random) -> Result<(Self, Secret)> {
        let (db, secret) = database.of_service(SERVICE, &MIGRATIONS, RECORDS, random).await?;
        let statements: Arc<dyn Statements> = match &db {
            Database::Sqlite(db) => Arc::new(sqlite::SqliteOrders::open(db.clone()).await?),
            Database::Postgres(db) => Arc::new(postgres::PostgresOrders::open(db.clone())),
            Database::Mongo(db) => Arc::new(mongo::MongoOrders::open(db.clone())),
        };
        let (shards, outbox) = (Shards::new(random), Outbox::new(&db, random));
        let payments = Arc::default();
        let store = Self { db, statements, shards, outbox, payments };
        store.count_earlier().await?;
        Ok((store, secret))
    }

    /// Forgets answers given before `before`.
    pub(crate) async fn forget(&self, before: Timestamp) -> Result<()> {
        self.db.forget_answers(before).await
    }
}
