//! What the products service keeps. Each method is one atomic operation; its doc comment is its guarantee.

mod claims;
mod editing;
#[cfg(test)]
mod guarantees;
pub(crate) mod holds;
pub(crate) mod listing;
mod mongo;
pub(crate) mod portable;
mod postgres;
pub(crate) mod reserving;
pub(crate) mod search;
mod sqlite;
mod statements;

use std::{ops::Deref, sync::Arc, time::Duration};

use holdfast_storage::{
    Database, Generation, Migrations, Outbox, OutboxRow, OutboxTable,
    record::{RecordType, Table},
};
use holdfast_types::{
    Answer, Currency, Cursor, PageRequest, ProductId, Random, Result, Secret, Timestamp, fold,
};

use self::statements::Statements;
use crate::model::{BatchOutcome, Claim, Hold, Product};

/// Shapes the answer about a product, so that it can be kept with the change.
pub(crate) type Render = fn(&Product) -> Result<Answer>;
/// Shapes the answer about a batch.
pub(crate) type RenderBatch = fn(&[BatchOutcome]) -> Result<Answer>;

/// Which products a list shows.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProductFilter {
    /// Those that were taken off sale, in the place of those that are on it.
    pub(crate) archived: bool,
    /// Of each of these, one must begin a word of the product.
    pub(crate) words: Vec<Beginnings>,
    pub(crate) category: Option<String>,
    pub(crate) sku: Option<String>,
    pub(crate) ids: Option<Vec<ProductId>>,
    pub(crate) currency: Option<Currency>,
    pub(crate) min_price: Option<i64>,
    pub(crate) max_price: Option<i64>,
    /// Units that may be ordered.
    pub(crate) min_available: Option<i64>,
    pub(crate) max_available: Option<i64>,
    pub(crate) sort: Sort,
    /// The filters as text: what a cursor is bound to.
    pub(crate) text: String,
}

/// How a word may begin: as somebody typed it, or in any way that they may have meant.
pub(crate) type Beginnings = Vec<String>;

/// The order of a list; ids decide between equals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sort {
    pub(crate) key: SortKey,
    pub(crate) ascending: bool,
}

/// What a list is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SortKey {
    #[default]
    CreatedAt,
    Name,
    Price,
}

/// Where a page of products begins: after this value of what the list is sorted by, and this id.
pub(crate) enum Position {
    Name(String, ProductId),
    Number(i64, ProductId),
}

impl ProductFilter {
    /// Where the requested page begins. Refuses with `invalid-cursor`.
    pub(crate) fn after(&self, request: &PageRequest) -> Result<Option<Position>> {
        let Some(cursor) = &request.after else { return Ok(None) };
        Ok(Some(match self.sort.key {
            SortKey::Name => {
                let (name, id) = cursor.position(&self.text)?;
                Position::Name(name, id)
            }
            SortKey::CreatedAt | SortKey::Price => {
                let (number, id) = cursor.position(&self.text)?;
                Position::Number(number, id)
            }
        }))
    }

    /// The cursor after a product.
    pub(crate) fn position(&self, product: &Product) -> Cursor {
        match self.sort.key {
            SortKey::CreatedAt => {
                Cursor::new(&self.text, &(product.created_at.as_millis(), product.id))
            }
            SortKey::Name => Cursor::new(&self.text, &(fold(&product.details.name), product.id)),
            SortKey::Price => Cursor::new(&self.text, &(product.details.price.amount, product.id)),
        }
    }
}

/// Everything that the service keeps as records, beside its rows.
pub const RECORDS: &[RecordType] = &[
    // Reservations move, and say the same.
    RecordType::staying::<Claim>(),
    RecordType::staying::<Hold>(),
    RecordType::told::<OutboxRow<ProductsOutbox>>(),
];

/// Where products tell what has happened to them.
#[derive(Debug)]
pub(crate) struct ProductsOutbox;

impl OutboxTable for ProductsOutbox {
    const SERVICE: &'static str = crate::SERVICE.name;
    const TABLE: Table = Table::of("products_outbox", "batch of messages");
}

/// How much longer holds are kept than answers.
const HOLDS_LONGER: Duration = Duration::from_secs(48 * 60 * 60);

/// Names the service in what it keeps.
const SERVICE: &str = crate::SERVICE.name;

const MIGRATIONS: Migrations = Migrations {
    after: 2,
    sqlite: &[
        include_str!("../migrations/sqlite-0003.sql"),
        include_str!("../migrations/sqlite-0004.sql"),
        include_str!("../migrations/sqlite-0005.sql"),
        include_str!("../migrations/sqlite-0006.sql"),
    ],
    postgres: &[
        include_str!("../migrations/postgres-0003.sql"),
        include_str!("../migrations/postgres-0004.sql"),
        include_str!("../migrations/postgres-0005.sql"),
        include_str!("../migrations/postgres-0006.sql"),
    ],
    mongo: &[
        include_str!("../migrations/mongo-0003.json"),
        include_str!("../migrations/mongo-0004.json"),
        include_str!("../migrations/mongo-0005.json"),
        include_str!("../migrations/mongo-0006.json"),
    ],
};

/// The step that the tables are at, on every engine.
pub(crate) const STEP: usize = MIGRATIONS.after + MIGRATIONS.sqlite.len();

/// What the products service keeps. Clones share the database.
#[derive(Clone)]
pub(crate) struct ProductStore {
    db: Database,
    statements: Arc<dyn Statements>,
    outbox: Outbox<ProductsOutbox>,
}

/// What is a statement or two on each engine is there at once.
impl Deref for ProductStore {
    type Target = dyn Statements;

    fn deref(&self) -> &Self::Target {
        &*self.statements
    }
}

impl ProductStore {
    /// Brings the tables up to date.
    pub(crate) async fn open(database: &Database, random: &Random) -> Result<(Self, Secret)> {
        let (db, secret) = database.of_service(SERVICE, &MIGRATIONS, RECORDS, random).await?;
        let statements: Arc<dyn Statements> = match &db {
            Database::Sqlite(db) => Arc::new(sqlite::SqliteProducts::open(db.clone()).await?),
            Database::Postgres(db) => Arc::new(postgres::PostgresProducts::open(db.clone())),
            Database::Mongo(db) => Arc::new(mongo::MongoProducts::open(db.clone())),
        };
        let outbox = Outbox::new(&db, random);
        Ok((Self { db, statements, outbox }, secret))
    }

    /// The database, as this service has it.
    pub(crate) const fn database(&self) -> &Database {
        &self.db
    }

    /// What products have told and nobody has collected.
    pub(crate) const fn outbox(&self) -> &Outbox<ProductsOutbox> {
        &self.outbox
    }

    /// The newest commit, where that can be told without asking.
    pub(crate) fn generation(&self) -> Option<Generation> {
        self.db.generation()
    }

    /// Forgets answers given, and holds that ended, before `before`. Holds outlive the answers about them.
    pub(crate) async fn forget(&self, before: Timestamp) -> Result<()> {
        self.forget_holds(before.minus(HOLDS_LONGER)).await?;
        self.db.forget_answers(before).await
    }
}
