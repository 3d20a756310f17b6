//! Products on MongoDB.

mod catalogue;
mod documents;
mod journal;
mod lists;
mod portable;
mod reservations;

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use holdfast_storage::{
    BatchedLoader, Entry, Flow,
    mongo::{Mongo, Query, doc},
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
    statements::Statements,
};
use crate::model::{Demand, Movement, Product, Written};

/// Unconfirmed batches that one sweep looks at.
const SWEEP: i64 = 10;

#[derive(Debug)]
pub(super) struct MongoProducts {
    db: Mongo,
    looked_up: BatchedLoader<ProductId, Arc<Product>>,
}

impl MongoProducts {
    pub(super) fn open(db: Mongo) -> Self {
        let reader = db.clone();
        let looked_up = BatchedLoader::new(move |ids| {
            let db = reader.clone();
            async move { get_all(&db, &ids).await }
        });
        Self { db, looked_up }
    }
}

async fn get_all(db: &Mongo, ids: &[ProductId]) -> Result<HashMap<ProductId, Arc<Product>>> {
    let found = db.find(documents::PRODUCTS, &documents::among(ids)).await?;
    let products = found.iter().map(|found| Ok(Arc::new(documents::product(found)?)));
    products.map(|product| product.map(|product: Arc<Product>| (product.id, product))).collect()
}

#[async_trait]
impl Statements for MongoProducts {
    async fn load_for_change(&self, tx: &Tx, id: ProductId) -> Result<Option<Product>, Fault> {
        Ok(documents::get(tx.mongo()?, id).await?)
    }

    async fn load_by_sku(
        &self,
        tx: &Tx,
        skus: Vec<String>,
    ) -> Result<HashMap<String, Product>, Fault> {
        Ok(documents::by_sku(tx.mongo()?, &skus).await?)
    }

    async fn save(&self, tx: &Tx, written: Vec<Written>) -> Result<(), Fault> {
        Ok(catalogue::write(tx.mongo()?, written).await?)
    }

    async fn get(&self, id: ProductId) -> Result<Option<Arc<Product>>> {
        self.looked_up.get(id).await
    }

    async fn list_by(
        &self,
        index: Index,
        filter: &ProductFilter,
        request: &PageRequest,
    ) -> Result<Vec<Product>> {
        lists::list_by(&self.db, index, filter, request).await
    }

    async fn walk(&self, filter: &ProductFilter, request: &PageRequest) -> Result<Walk> {
        lists::walk(&self.db, filter, request).await
    }

    async fn is_narrow(&self, index: Index, filter: &ProductFilter) -> Result<bool> {
        lists::is_narrow(&self.db, index, filter).await
    }

    async fn categories(&self) -> Result<Vec<(String, i64)>> {
        lists::categories(&self.db).await
    }

    async fn movements(&self, id: ProductId, request: &PageRequest) -> Result<Page<Movement>> {
        journal::list(&self.db, id, request).await
    }

    async fn take_stock(&self, tx: &Tx, demand: Demand, now: Timestamp) -> Result<Taking, Fault> {
        Ok(reservations::take(tx.mongo()?, &demand, now).await?)
    }

    async fn note_unconfirmed(
        &self,
        tx: &Tx,
        batch: Unconfirmed,
        now: Timestamp,
    ) -> Result<(), Fault> {
        Ok(reservations::note(tx.mongo()?, &batch, now).await?)
    }

    async fn move_stock(
        &self,
        tx: &Tx,
        orders: Vec<OrderId>,
        decide: Decide,
        now: Timestamp,
    ) -> Result<MovedStock, Fault> {
        Ok(reservations::move_stock(tx.mongo()?, &orders, &decide, now).await?)
    }

    async fn strike_unconfirmed(&self, tx: &Tx, batches: &[BatchId]) -> Result<(), Fault> {
        Ok(reservations::strike(tx.mongo()?, batches).await?)
    }

    async fn unconfirmed(&self, before: Timestamp) -> Result<Vec<Unconfirmed>> {
        let query = Query {
            filter: doc! {"at": {"$lt": before.as_millis()}},
            sort: Some(doc! {"at": 1}),
            limit: Some(SWEEP),
            ..Query::default()
        };
        let found = self.db.find(reservations::UNCONFIRMED, &query).await?;
        found.iter().map(reservations::unconfirmed_batch).collect()
    }

    async fn dump(&self) -> Result<Flow<Entry<Record>>> {
        self.db.flow(|tx, sink| Box::pin(portable::dump(tx, sink))).await
    }

    async fn load(&self, records: Vec<Record>) -> Result<()> {
        let records = &records;
        self.db.transaction(|tx| portable::load(tx, records)).await
    }
}
