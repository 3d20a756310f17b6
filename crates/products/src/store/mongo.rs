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
    Entry, Flow, Gathered,
    mongo::{Mongo, Query, doc, operations},
};
use holdfast_types::{
    Answer, Basis, BatchId, Error, Given, Operation, OrderId, Page, PageRequest, ProductId, Random,
    ReserveBatch, Reserved, Result, Secret, Settlement, Timestamp, Unconfirmed,
};

use super::{
    ANSWERS, ProductFilter, ProductStore, Render, RenderBatch,
    listing::{Index, Walk},
    portable::Record,
};
use crate::model::{BatchRequest, Change, Movement, NewProduct, Product, ProductPatch};

const MIGRATIONS: &[&str] = &[include_str!("../../migrations/mongo-0001.json")];
/// Unconfirmed batches that one sweep looks at.
const SWEEP: i64 = 10;

#[derive(Debug)]
pub(super) struct MongoProducts {
    db: Mongo,
    looked_up: Gathered<ProductId, Arc<Product>>,
}

impl MongoProducts {
    pub(super) async fn open(db: Mongo, random: &Random) -> Result<(Self, Secret)> {
        db.migrate("products", MIGRATIONS).await?;
        let secret = db.secret("products", random).await?;
        let reader = db.clone();
        let looked_up = Gathered::new(move |ids| {
            let db = reader.clone();
            async move { get_all(&db, &ids).await }
        });
        Ok((Self { db, looked_up }, secret))
    }

    /// Changes one product, once per operation.
    async fn change(
        &self,
        id: ProductId,
        operation: &Operation,
        at: Timestamp,
        render: Render,
        change: impl Fn(&mut Product) -> Result<Option<Movement>> + Send + Sync,
    ) -> Result<Given> {
        let change = &change;
        self.db
            .transaction(|tx| async move {
                let effect = async {
                    let found = documents::get(&tx, id).await?;
                    let mut product = found.ok_or_else(|| Error::not_found("product"))?;
                    let sku = product.details.sku.clone();
                    let movement = change(&mut product)?;
                    catalogue::save(&tx, &product, sku.as_deref(), movement).await?;
                    Ok(render(&product)?)
                };
                operations::once(&tx, ANSWERS, operation, at, effect).await
            })
            .await
    }
}

async fn get_all(db: &Mongo, ids: &[ProductId]) -> Result<HashMap<ProductId, Arc<Product>>> {
    let found = db.find(documents::PRODUCTS, &documents::among(ids)).await?;
    let products = found.iter().map(|found| Ok(Arc::new(documents::product(found)?)));
    products.map(|product| product.map(|product: Arc<Product>| (product.id, product))).collect()
}

#[async_trait]
impl ProductStore for MongoProducts {
    async fn create(&self, new: &NewProduct) -> Result<(Product, bool)> {
        let product = &Product::new(new);
        self.db.transaction(|tx| async move { catalogue::create(&tx, product).await }).await
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

    async fn replay(&self, operation: &Operation) -> Result<Option<Answer>> {
        operations::replay(&self.db, ANSWERS, operation).await
    }

    async fn edit(
        &self,
        id: ProductId,
        (patch, basis): (&ProductPatch, &Basis),
        operation: &Operation,
        change: Change,
        render: Render,
    ) -> Result<Given> {
        let edit = |product: &mut Product| product.edit(patch, basis, change);
        self.change(id, operation, change.at, render, edit).await
    }

    async fn adjust(
        &self,
        id: ProductId,
        (delta, reason): (i64, &str),
        operation: &Operation,
        change: Change,
        render: Render,
    ) -> Result<Given> {
        let adjust = |product: &mut Product| product.adjust(delta, reason, change).map(Some);
        self.change(id, operation, change.at, render, adjust).await
    }

    async fn archive(
        &self,
        id: ProductId,
        basis: &Basis,
        operation: &Operation,
        change: Change,
        render: Render,
    ) -> Result<Given> {
        let archive = |product: &mut Product| product.archive(basis, change).map(|()| None);
        self.change(id, operation, change.at, render, archive).await
    }

    async fn write_batch(
        &self,
        request: BatchRequest,
        operation: &Operation,
        change: Change,
        render: RenderBatch,
    ) -> Result<Given> {
        let request = &request;
        self.db
            .transaction(|tx| async move {
                let effect = async {
                    let written = catalogue::write_batch(&tx, request, operation, change);
                    Ok(render(&Box::pin(written).await?)?)
                };
                operations::once(&tx, ANSWERS, operation, change.at, effect).await
            })
            .await
    }

    async fn movements(&self, id: ProductId, request: &PageRequest) -> Result<Page<Movement>> {
        journal::list(&self.db, id, request).await
    }

    async fn reserve(&self, batch: ReserveBatch, now: Timestamp) -> Result<Vec<Result<Reserved>>> {
        let batch = &batch;
        self.db.transaction(|tx| reservations::reserve(tx, batch, now)).await
    }

    async fn settle(&self, settlements: &[(OrderId, Settlement)], now: Timestamp) -> Result<()> {
        self.db.transaction(|tx| reservations::settle(tx, settlements, now)).await
    }

    async fn confirm(&self, batches: &[BatchId]) -> Result<()> {
        self.db.transaction(|tx| async move { reservations::confirm(&tx, batches).await }).await
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

    async fn forget(&self, before: Timestamp) -> Result<()> {
        operations::forget(&self.db, ANSWERS, before).await
    }

    async fn dump(&self) -> Result<Flow<Entry<Record>>> {
        self.db.flow(|tx, sink| Box::pin(portable::dump(tx, sink))).await
    }

    async fn load(&self, records: Vec<Record>) -> Result<()> {
        let records = &records;
        self.db.transaction(|tx| portable::load(tx, records)).await
    }
}
