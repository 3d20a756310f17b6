//! Products on SQLite.

mod catalogue;
mod confirmations;
mod journal;
mod lists;
mod portable;
mod reservations;
mod rows;

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use holdfast_storage::{
    Entry, Flow,
    record::{Fault, Tx},
    sqlite::{Cache, IdIndex, Sqlite},
};
use holdfast_types::{
    BatchId, OrderId, Page, PageRequest, ProductId, Result, Timestamp, Unconfirmed,
};

use super::{
    ProductFilter,
    listing::{Index, Walk},
    portable::Record,
    reserving::{Decide, MovedStock, Taking},
    statements::Statements,
};
use crate::model::{Demand, Movement, Product, Written};

/// Products that are looked at often and remembered: at most about 70 KB each, usually one.
const LOOKED_AT: usize = 512;

#[derive(Debug)]
pub(super) struct SqliteProducts {
    db: Sqlite,
    indexes: Indexes,
    looked_at: Cache<ProductId, Option<Arc<Product>>>,
}

/// Where rows are that are only appended.
#[derive(Clone, Debug)]
struct Indexes {
    reservations: IdIndex,
    movements: IdIndex,
}

impl SqliteProducts {
    pub(super) async fn open(db: Sqlite) -> Result<Self> {
        let (reservations, movements) =
            (db.id_index("reservations").await?, db.id_index("movements").await?);
        let indexes = Indexes { reservations, movements };
        Ok(Self { db, indexes, looked_at: Cache::new(LOOKED_AT) })
    }
}

#[async_trait]
impl Statements for SqliteProducts {
    async fn load_for_change(&self, tx: &Tx, id: ProductId) -> Result<Option<Product>, Fault> {
        Ok(tx.sqlite()?.run(move |db| rows::get(db, id)).await?)
    }

    async fn load_by_sku(
        &self,
        tx: &Tx,
        skus: Vec<String>,
    ) -> Result<HashMap<String, Product>, Fault> {
        Ok(tx.sqlite()?.run(move |db| rows::find_by_sku(db, skus)).await?)
    }

    async fn save(&self, tx: &Tx, written: Vec<Written>) -> Result<(), Fault> {
        let index = self.indexes.movements.clone();
        let save =
            move |db: &_| written.iter().try_for_each(|one| catalogue::write(db, &index, one));
        Ok(tx.sqlite()?.run(save).await?)
    }

    async fn get(&self, id: ProductId) -> Result<Option<Arc<Product>>> {
        self.looked_at.get(&self.db, &id, |db| Ok(rows::get(db, id)?.map(Arc::new)))
    }

    async fn list_by(
        &self,
        _: Index,
        filter: &ProductFilter,
        request: &PageRequest,
    ) -> Result<Vec<Product>> {
        let (filter, request) = (filter.clone(), request.clone());
        self.db.read(move |db| lists::list_by(db, &filter, &request)).await
    }

    async fn walk(&self, filter: &ProductFilter, request: &PageRequest) -> Result<Walk> {
        let (filter, request) = (filter.clone(), request.clone());
        self.db.read(move |db| lists::walk(db, &filter, &request)).await
    }

    async fn is_narrow(&self, index: Index, filter: &ProductFilter) -> Result<bool> {
        let filter = filter.clone();
        self.db.read(move |db| lists::is_narrow(db, index, &filter)).await
    }

    async fn categories(&self) -> Result<Vec<(String, i64)>> {
        self.db.read(lists::categories).await
    }

    async fn movements(&self, id: ProductId, request: &PageRequest) -> Result<Page<Movement>> {
        let (index, request) = (self.indexes.movements.clone(), request.clone());
        self.db.read(move |db| journal::list(db, &index, id, &request)).await
    }

    async fn take_stock(&self, tx: &Tx, demand: Demand, now: Timestamp) -> Result<Taking, Fault> {
        let indexes = self.indexes.clone();
        Ok(tx.sqlite()?.run(move |db| reservations::take(db, &indexes, &demand, now)).await?)
    }

    async fn note_unconfirmed(
        &self,
        tx: &Tx,
        batch: Unconfirmed,
        now: Timestamp,
    ) -> Result<(), Fault> {
        Ok(tx.sqlite()?.run(move |db| confirmations::note(db, &batch, now)).await?)
    }

    async fn move_stock(
        &self,
        tx: &Tx,
        orders: Vec<OrderId>,
        decide: Decide,
        now: Timestamp,
    ) -> Result<MovedStock, Fault> {
        let indexes = self.indexes.clone();
        let apply = move |db: &_| reservations::move_stock(db, &indexes, &orders, &decide, now);
        Ok(tx.sqlite()?.run(apply).await?)
    }

    async fn strike_unconfirmed(&self, tx: &Tx, batches: &[BatchId]) -> Result<(), Fault> {
        let batches = batches.to_vec();
        Ok(tx.sqlite()?.run(move |db| confirmations::strike(db, &batches)).await?)
    }

    async fn unconfirmed(&self, before: Timestamp) -> Result<Vec<Unconfirmed>> {
        self.db.get(|db| confirmations::unconfirmed(db, before))
    }

    async fn dump(&self) -> Result<Flow<Entry<Record>>> {
        self.db.flow(portable::dump).await
    }

    async fn load(&self, records: Vec<Record>) -> Result<()> {
        let indexes = self.indexes.clone();
        self.db.write(move |db| portable::load(db, &indexes, records)).await
    }
}
