//! Products on SQLite.

mod catalogue;
mod confirmations;
mod journal;
mod lists;
mod portable;
mod reservations;
mod rows;

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_storage::{
    Entry, Flow,
    sqlite::{IdIndex, Remembered, Sqlite, operations},
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

const MIGRATIONS: &[&str] = &[include_str!("../../migrations/sqlite-0001.sql")];
/// Products that are looked at often and remembered: at most about 70 KB each, usually one.
const LOOKED_AT: usize = 512;

#[derive(Debug)]
pub(super) struct SqliteProducts {
    db: Sqlite,
    /// Of the reservations.
    ids: IdIndex,
    looked_at: Remembered<ProductId, Option<Arc<Product>>>,
}

impl SqliteProducts {
    pub(super) async fn open(db: Sqlite, random: &Random) -> Result<(Self, Secret)> {
        let db = db.with_own_lists();
        db.migrate("products", MIGRATIONS).await?;
        let secret = db.secret("products", random).await?;
        let ids = db.id_index("reservations").await?;
        Ok((Self { db, ids, looked_at: Remembered::new(LOOKED_AT) }, secret))
    }

    /// Changes one product, once per operation.
    async fn change(
        &self,
        id: ProductId,
        operation: &Operation,
        at: Timestamp,
        render: Render,
        change: impl FnOnce(&mut Product) -> Result<Option<Movement>> + Send + 'static,
    ) -> Result<Given> {
        let operation = *operation;
        let write = move |db: &rusqlite::Connection| {
            operations::once(db, ANSWERS, &operation, at, |db| {
                let mut product = rows::get(db, id)?.ok_or_else(|| Error::not_found("product"))?;
                let movement = change(&mut product)?;
                catalogue::save(db, &product, movement.as_ref())?;
                Ok(render(&product)?)
            })
        };
        self.db.write(write).await
    }
}

#[async_trait]
impl ProductStore for SqliteProducts {
    async fn create(&self, new: &NewProduct) -> Result<(Product, bool)> {
        let product = Product::new(new);
        let write = move |db: &rusqlite::Connection| match rows::get(db, product.id)? {
            Some(product) => Ok((product, true)),
            None => catalogue::create(db, &product).map(|()| (product, false)),
        };
        self.db.write(write).await
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

    async fn replay(&self, operation: &Operation) -> Result<Option<Answer>> {
        self.db.get(|db| operations::replay(db, ANSWERS, operation))
    }

    async fn edit(
        &self,
        id: ProductId,
        edit: (&ProductPatch, &Basis),
        operation: &Operation,
        change: Change,
        render: Render,
    ) -> Result<Given> {
        let (patch, basis) = (edit.0.clone(), edit.1.clone());
        self.change(id, operation, change.at, render, move |product| {
            product.edit(&patch, &basis, change)
        })
        .await
    }

    async fn adjust(
        &self,
        id: ProductId,
        adjustment: (i64, &str),
        operation: &Operation,
        change: Change,
        render: Render,
    ) -> Result<Given> {
        let (delta, reason) = (adjustment.0, adjustment.1.to_owned());
        let adjust = move |product: &mut Product| product.adjust(delta, &reason, change).map(Some);
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
        let basis = basis.clone();
        let archive = move |product: &mut Product| product.archive(&basis, change).map(|()| None);
        self.change(id, operation, change.at, render, archive).await
    }

    async fn write_batch(
        &self,
        request: BatchRequest,
        operation: &Operation,
        change: Change,
        render: RenderBatch,
    ) -> Result<Given> {
        let operation = *operation;
        let write = move |db: &rusqlite::Connection| {
            operations::once(db, ANSWERS, &operation, change.at, |db| {
                Ok(render(&catalogue::write_batch(db, &request, &operation, change)?)?)
            })
        };
        self.db.write(write).await
    }

    async fn movements(&self, id: ProductId, request: &PageRequest) -> Result<Page<Movement>> {
        let request = request.clone();
        self.db.read(move |db| journal::list(db, id, &request)).await
    }

    async fn reserve(&self, batch: ReserveBatch, now: Timestamp) -> Result<Vec<Result<Reserved>>> {
        let ids = self.ids.clone();
        self.db.write(move |db| reservations::reserve(db, &ids, &batch, now)).await
    }

    async fn settle(&self, settlements: &[(OrderId, Settlement)], now: Timestamp) -> Result<()> {
        let (settlements, ids) = (settlements.to_vec(), self.ids.clone());
        self.db.write(move |db| reservations::settle(db, &ids, &settlements, now)).await
    }

    async fn confirm(&self, batches: &[BatchId]) -> Result<()> {
        let batches = batches.to_vec();
        self.db.write(move |db| confirmations::confirm(db, &batches)).await
    }

    async fn unconfirmed(&self, before: Timestamp) -> Result<Vec<Unconfirmed>> {
        self.db.get(|db| confirmations::unconfirmed(db, before))
    }

    async fn forget(&self, before: Timestamp) -> Result<()> {
        operations::forget(&self.db, ANSWERS, before).await
    }

    async fn dump(&self) -> Result<Flow<Entry<Record>>> {
        self.db.flow(portable::dump).await
    }

    async fn load(&self, records: Vec<Record>) -> Result<()> {
        let ids = self.ids.clone();
        self.db.write(move |db| portable::load(db, &ids, records)).await
    }
}
