//! Orders on SQLite.

mod indexes;
mod lifecycle;
mod lists;
mod pending_stock;
mod rows;

use std::collections::HashMap;

use async_trait::async_trait;
use holdfast_storage::{
    Entry, Flow,
    record::{Fault, Tx},
    sqlite::Sqlite,
};
use holdfast_types::{OrderId, Page, PageRequest, Result, Timestamp, UserId};

use self::indexes::Indexes;
use super::{OrderFilter, Recorded, portable::Record, statements::Statements};
use crate::model::{Number, Order, PendingStock, Status};

#[derive(Debug)]
pub(super) struct SqliteOrders {
    db: Sqlite,
    indexes: Indexes,
}

impl SqliteOrders {
    pub(super) async fn open(db: Sqlite) -> Result<Self> {
        let indexes = Indexes::open(&db).await?;
        Ok(Self { db, indexes })
    }
}

#[async_trait]
impl Statements for SqliteOrders {
    async fn load_for_change(&self, tx: &Tx, ids: Vec<OrderId>) -> Result<Vec<Order>, Fault> {
        let indexes = self.indexes.clone();
        Ok(tx.sqlite()?.run(move |db| rows::get_all(db, &indexes, &ids)).await?)
    }

    async fn save(&self, tx: &Tx, order: &Order) -> Result<(), Fault> {
        let (indexes, order) = (self.indexes.clone(), order.clone());
        Ok(tx.sqlite()?.run(move |db| lifecycle::save(db, &indexes, &order)).await?)
    }

    async fn bury(
        &self,
        tx: &Tx,
        ids: Vec<OrderId>,
        now: Timestamp,
    ) -> Result<HashMap<OrderId, Status>, Fault> {
        let indexes = self.indexes.clone();
        Ok(tx.sqlite()?.run(move |db| pending_stock::bury(db, &indexes, &ids, now)).await?)
    }

    async fn due(&self, now: Timestamp) -> Result<Vec<OrderId>> {
        self.db.get(|db| lifecycle::due(db, now))
    }

    async fn record(&self, tx: &Tx, orders: Vec<Order>) -> Result<Vec<Recorded>, Fault> {
        let indexes = self.indexes.clone();
        Ok(tx.sqlite()?.run(move |db| rows::record(db, &indexes, orders)).await?)
    }

    async fn get(&self, id: OrderId) -> Result<Option<Order>> {
        self.db.get(|db| rows::get(db, &self.indexes, id))
    }

    async fn get_all(&self, ids: Vec<OrderId>) -> Result<Vec<Order>> {
        let indexes = self.indexes.clone();
        self.db.read(move |db| rows::get_all(db, &indexes, &ids)).await
    }

    async fn numbered(&self, number: Number) -> Result<Vec<Order>> {
        let indexes = self.indexes.clone();
        self.db.read(move |db| lists::numbered(db, &indexes, number)).await
    }

    async fn list(&self, filter: &OrderFilter, request: &PageRequest) -> Result<Page<Order>> {
        let (filter, request) = (filter.clone(), request.clone());
        let indexes = self.indexes.clone();
        self.db.read(move |db| lists::list(db, &indexes, &filter, &request)).await
    }

    async fn pending_stock(&self, before: Timestamp) -> Result<Vec<(OrderId, PendingStock)>> {
        self.db.get(|db| pending_stock::find(db, before))
    }

    async fn clear_pending_stock(&self, pending_stock: &[(OrderId, PendingStock)]) -> Result<()> {
        let (pending_stock, indexes) = (pending_stock.to_vec(), self.indexes.clone());
        self.db.write(move |db| pending_stock::clear(db, &indexes, pending_stock)).await
    }

    async fn erase_buyers(&self, users: &[UserId]) -> Result<()> {
        let known = self.db.get(|db| rows::with_buyer(db, users))?;
        if known.is_empty() {
            return Ok(());
        }
        let indexes = self.indexes.clone();
        self.db.write(move |db| rows::erase_buyers(db, &indexes, &known)).await
    }

    async fn dump(&self) -> Result<Flow<Entry<Record>>> {
        self.db.flow(rows::dump).await
    }
}
