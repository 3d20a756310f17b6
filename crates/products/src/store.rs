//! What the products service needs of a database. Each method is one atomic operation; its doc comment is its guarantee.

#[cfg(test)]
mod guarantees;
pub(crate) mod listing;
mod mongo;
pub(crate) mod portable;
mod postgres;
mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_storage::{Database, Entry, Flow};
use holdfast_types::{
    Answer, Basis, BatchId, Currency, Cursor, Given, Operation, OrderId, Page, PageRequest,
    ProductId, Random, ReserveBatch, Reserved, Result, Secret, Settlement, Timestamp, Unconfirmed,
    fold,
};

use self::{
    listing::{Index, Walk},
    portable::Record,
};
use crate::model::{
    BatchOutcome, BatchRequest, Change, Movement, NewProduct, Product, ProductPatch,
};

/// Shapes the answer about a product, so that it can be kept with the change.
pub(crate) type Render = fn(&Product) -> Result<Answer>;
/// Shapes the answer about a batch.
pub(crate) type RenderBatch = fn(&[BatchOutcome]) -> Result<Answer>;

/// Which products a list shows. Archived ones are never among them.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProductFilter {
    /// Each must begin a word of the product.
    pub(crate) words: Vec<String>,
    pub(crate) category: Option<String>,
    pub(crate) sku: Option<String>,
    pub(crate) ids: Option<Vec<ProductId>>,
    pub(crate) currency: Option<Currency>,
    pub(crate) min_price: Option<i64>,
    pub(crate) max_price: Option<i64>,
    pub(crate) in_stock: Option<bool>,
    pub(crate) sort: Sort,
    /// The filters as text: what a cursor is bound to.
    pub(crate) text: String,
}

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
pub(crate) enum Place {
    Name(String, ProductId),
    Number(i64, ProductId),
}

impl ProductFilter {
    /// Where the requested page begins. Refuses with `invalid-cursor`.
    pub(crate) fn after(&self, request: &PageRequest) -> Result<Option<Place>> {
        let Some(cursor) = &request.after else { return Ok(None) };
        Ok(Some(match self.sort.key {
            SortKey::Name => {
                let (name, id) = cursor.place(&self.text)?;
                Place::Name(name, id)
            }
            SortKey::CreatedAt | SortKey::Price => {
                let (number, id) = cursor.place(&self.text)?;
                Place::Number(number, id)
            }
        }))
    }

    /// The cursor after a product.
    pub(crate) fn place(&self, product: &Product) -> Cursor {
        match self.sort.key {
            SortKey::CreatedAt => {
                Cursor::new(&self.text, &(product.created_at.as_millis(), product.id))
            }
            SortKey::Name => Cursor::new(&self.text, &(fold(&product.details.name), product.id)),
            SortKey::Price => Cursor::new(&self.text, &(product.details.price.amount, product.id)),
        }
    }
}

/// The table of kept answers, on every engine.
pub const ANSWERS: &str = "products_operations";

#[async_trait]
pub(crate) trait ProductStore: Send + Sync {
    /// Creates a product once per id: a second call returns the one that is there and `true`.
    /// Refuses with `sku-taken`.
    async fn create(&self, new: &NewProduct) -> Result<(Product, bool)>;

    /// The product with that id, archived or not. Never an older version than one that was acknowledged before.
    async fn get(&self, id: ProductId) -> Result<Option<Arc<Product>>>;

    /// Products that pass the filter, in the order of the list from where the request says, one more than it wants:
    /// by looking at all that `index` lets through.
    async fn list_by(
        &self,
        index: Index,
        filter: &ProductFilter,
        request: &PageRequest,
    ) -> Result<Vec<Product>>;

    /// The same in the order of the list, by looking at [`listing::ROWS`] products at most.
    async fn walk(&self, filter: &ProductFilter, request: &PageRequest) -> Result<Walk>;

    /// Whether `index` lets at most [`listing::ROWS`] products through.
    async fn is_narrow(&self, index: Index, filter: &ProductFilter) -> Result<bool>;

    /// The first [`listing::CATEGORIES`] categories of products on offer, by name, with how many there are of each.
    async fn categories(&self) -> Result<Vec<(String, i64)>>;

    /// The answer that an operation was given before, if any.
    async fn replay(&self, operation: &Operation) -> Result<Option<Answer>>;

    /// Edits a product if what is set is still as the basis says; once per operation.
    async fn edit(
        &self,
        id: ProductId,
        edit: (&ProductPatch, &Basis),
        operation: &Operation,
        change: Change,
        render: Render,
    ) -> Result<Given>;

    /// Adds or removes units; once per operation. Refuses with `below-reserved`.
    async fn adjust(
        &self,
        id: ProductId,
        adjustment: (i64, &str),
        operation: &Operation,
        change: Change,
        render: Render,
    ) -> Result<Given>;

    /// Archives a product; archiving again changes nothing; once per operation.
    async fn archive(
        &self,
        id: ProductId,
        basis: &Basis,
        operation: &Operation,
        change: Change,
        render: Render,
    ) -> Result<Given>;

    /// Creates and updates many products in one transaction; once per operation.
    async fn write_batch(
        &self,
        request: BatchRequest,
        operation: &Operation,
        change: Change,
        render: RenderBatch,
    ) -> Result<Given>;

    /// A page of a product's journal, oldest first.
    async fn movements(&self, id: ProductId, request: &PageRequest) -> Result<Page<Movement>>;

    /// Takes stock for each command, or refuses it, as `model::decide` says, and confirms what rides along: all in
    /// one transaction. The results stand in the order of the commands. Nothing is ever oversold.
    async fn reserve(&self, batch: ReserveBatch, now: Timestamp) -> Result<Vec<Result<Reserved>>>;

    /// Settles reservations, in one transaction. Only held ones move, so late and repeated calls are harmless.
    async fn settle(&self, settlements: &[(OrderId, Settlement)], now: Timestamp) -> Result<()>;

    /// Notes that the orders of these batches are recorded: the sweep need not ask about them.
    async fn confirm(&self, batches: &[BatchId]) -> Result<()>;

    /// Batches that nobody has confirmed and that are older than `before`, oldest first, 10 at most.
    async fn unconfirmed(&self, before: Timestamp) -> Result<Vec<Unconfirmed>>;

    /// Forgets answers given before `before`.
    async fn forget(&self, before: Timestamp) -> Result<()>;

    /// Everything that is kept, in one snapshot, apart from answers and the secret: batches that nobody has confirmed,
    /// reservations by id, then each product with its journal after it.
    async fn dump(&self) -> Result<Flow<Entry<Record>>>;

    /// Keeps what another engine kept, unless it is there.
    async fn load(&self, records: Vec<Record>) -> Result<()>;
}

/// Opens the store on whichever engine the database is of, and brings its tables up to date.
pub(crate) async fn open(
    database: &Database,
    random: &Random,
) -> Result<(Arc<dyn ProductStore>, Secret)> {
    match database {
        Database::Sqlite(db) => {
            let (store, secret) = sqlite::SqliteProducts::open(db.clone(), random).await?;
            Ok((Arc::new(store), secret))
        }
        Database::Postgres(db) => {
            let (store, secret) = postgres::PostgresProducts::open(db.clone(), random).await?;
            Ok((Arc::new(store), secret))
        }
        Database::Mongo(db) => {
            let (store, secret) = mongo::MongoProducts::open(db.clone(), random).await?;
            Ok((Arc::new(store), secret))
        }
    }
}
