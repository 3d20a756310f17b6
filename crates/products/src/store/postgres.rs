//! Products on PostgreSQL.

mod catalogue;
mod confirmations;
mod held;
mod journal;
mod lists;
mod portable;
mod reservations;
mod rows;

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use holdfast_storage::{
    BatchedLoader, Entry, Flow,
    postgres::Postgres,
    record::{Fault, Tx},
};
use holdfast_types::{
    BatchId, OrderId, Page, PageRequest, ProductId, Result, Timestamp, Unconfirmed,
};
use uuid::Uuid;

use held::Held;

use super::{
    ProductFilter,
    listing::{Index, Walk},
    portable::Record,
    reserving::{Decide, MovedStock, Taking},
    statements::Statements,
};
use crate::model::{Demand, Movement, Product, Written};

#[derive(Debug)]
pub(super) struct PostgresProducts {
    db: Postgres,
    looked_up: BatchedLoader<ProductId, Arc<Product>>,
    held: Held,
}

impl PostgresProducts {
    pub(super) fn open(db: Postgres) -> Self {
        let reader = db.clone();
        let looked_up = BatchedLoader::new(move |ids| {
            let db = reader.clone();
            async move { get_all(&db, &ids).await }
        });
        Self { db, looked_up, held: Held::default() }
    }
}

async fn get_all(db: &Postgres, ids: &[ProductId]) -> Result<HashMap<ProductId, Arc<Product>>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let rows = db.query(&format!("{} WHERE p.id = ANY($1)", rows::SELECT), &[&ids]).await?;
    let products = rows.iter().map(|row| Ok(Arc::new(rows::product(row)?)));
    products.map(|product| product.map(|product: Arc<Product>| (product.id, product))).collect()
}

#[async_trait]
impl Statements for PostgresProducts {
    async fn load_for_change(&self, tx: &Tx, id: ProductId) -> Result<Option<Product>, Fault> {
        Ok(rows::lock_one(tx.postgres()?, id).await?)
    }

    async fn load_by_sku(
        &self,
        tx: &Tx,
        skus: Vec<String>,
    ) -> Result<HashMap<String, Product>, Fault> {
        Ok(rows::lock_by_sku(tx.postgres()?, &skus).await?)
    }

    async fn save(&self, tx: &Tx, written: Vec<Written>) -> Result<(), Fault> {
        Ok(catalogue::write(tx.postgres()?, written).await?)
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
        Ok(reservations::take(tx.postgres()?, demand, now, &self.held).await?)
    }

    async fn note_unconfirmed(
        &self,
        tx: &Tx,
        batch: Unconfirmed,
        now: Timestamp,
    ) -> Result<(), Fault> {
        Ok(confirmations::note(tx.postgres()?, &batch, now).await?)
    }

    async fn move_stock(
        &self,
        tx: &Tx,
        orders: Vec<OrderId>,
        decide: Decide,
        now: Timestamp,
    ) -> Result<MovedStock, Fault> {
        Ok(reservations::move_stock(tx.postgres()?, orders, &decide, now).await?)
    }

    async fn strike_unconfirmed(&self, tx: &Tx, batches: &[BatchId]) -> Result<(), Fault> {
        Ok(confirmations::strike(tx.postgres()?, batches).await?)
    }

    async fn unconfirmed(&self, before: Timestamp) -> Result<Vec<Unconfirmed>> {
        let sql = format!("{} WHERE at < $1 ORDER BY at LIMIT $2", confirmations::SELECT);
        let rows = self.db.query(&sql, &[&before.as_millis(), &confirmations::SWEEP]).await?;
        Ok(rows.iter().map(confirmations::unconfirmed_batch).collect())
    }

    async fn dump(&self) -> Result<Flow<Entry<Record>>> {
        self.db.flow(|tx, sink| Box::pin(portable::dump(tx, sink))).await
    }

    async fn load(&self, records: Vec<Record>) -> Result<()> {
        let records = &records;
        self.db.transaction(|tx| portable::load(tx, records)).await
    }
}
