//! What each engine does with statements of its own: the hot path, and what is sorted and searched.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use holdfast_storage::{
    Entry, Flow,
    record::{Fault, Tx},
};
use holdfast_types::{
    BatchId, OrderId, Page, PageRequest, ProductId, Result, Timestamp, Unconfirmed,
};

use super::{
    ProductFilter,
    listing::{Index, Walk},
    portable::Record,
    reserving::{Decide, MovedStock, Taking},
};
use crate::model::{Demand, Movement, Product, Written};

#[async_trait]
pub(crate) trait Statements: Send + Sync {
    /// The product with that id, which nobody changes until the transaction has ended.
    async fn load_for_change(&self, tx: &Tx, id: ProductId) -> Result<Option<Product>, Fault>;

    /// The same for those that have these skus, by sku.
    async fn load_by_sku(
        &self,
        tx: &Tx,
        skus: Vec<String>,
    ) -> Result<HashMap<String, Product>, Fault>;

    /// Writes products, created or changed, with their journals. Refuses with `sku-taken`.
    async fn save(&self, tx: &Tx, written: Vec<Written>) -> Result<(), Fault>;

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

    /// The same in the order of the list, by looking at [`super::listing::ROWS`] products at most.
    async fn walk(&self, filter: &ProductFilter, request: &PageRequest) -> Result<Walk>;

    /// Whether `index` lets at most [`super::listing::ROWS`] products through.
    async fn is_narrow(&self, index: Index, filter: &ProductFilter) -> Result<bool>;

    /// The first [`super::listing::CATEGORIES`] categories of products on offer, by name, with how many there are of each.
    async fn categories(&self) -> Result<Vec<(String, i64)>>;

    /// A page of a product's journal, oldest first.
    async fn movements(&self, id: ProductId, request: &PageRequest) -> Result<Page<Movement>>;

    /// Takes stock for each command, or refuses it, as `model::decide` says, where it knows of customers what it must.
    /// Nothing is ever oversold.
    async fn take_stock(&self, tx: &Tx, demand: Demand, now: Timestamp) -> Result<Taking, Fault>;

    /// Notes that nobody has said yet that these orders, for which stock was taken, are recorded. A batch that comes again
    /// may take some that it was refused before.
    async fn note_unconfirmed(
        &self,
        tx: &Tx,
        batch: Unconfirmed,
        now: Timestamp,
    ) -> Result<(), Fault>;

    /// Moves the stock of these orders as `decide` says, which sees it as nobody else changes it.
    async fn move_stock(
        &self,
        tx: &Tx,
        orders: Vec<OrderId>,
        decide: Decide,
        now: Timestamp,
    ) -> Result<MovedStock, Fault>;

    /// Notes that the orders of these batches are recorded: the sweep need not ask about them.
    async fn strike_unconfirmed(&self, tx: &Tx, batches: &[BatchId]) -> Result<(), Fault>;

    /// Batches that nobody has confirmed and that are older than `before`, oldest first, 10 at most.
    async fn unconfirmed(&self, before: Timestamp) -> Result<Vec<Unconfirmed>>;

    /// Everything that is kept, in one snapshot, apart from answers and the secret: batches that nobody has confirmed,
    /// reservations by id, then each product with its journal after it.
    async fn dump(&self) -> Result<Flow<Entry<Record>>>;

    /// Keeps what another engine kept, unless it is there.
    async fn load(&self, records: Vec<Record>) -> Result<()>;
}
