//! Orders on SQLite.

mod lifecycle;
mod pending_stock;
mod rows;

use std::collections::HashMap;

use async_trait::async_trait;
use holdfast_storage::{
    Entry, Flow,
    record::{Fault, Tx},
    sqlite::{IdIndex, Sqlite},
};
use holdfast_types::{OrderId, Page, PageRequest, Result, StockAction, Timestamp, UserId};

use super::{OrderFilter, Recorded, portable::Record, statements::Statements};
use crate::model::{Order, Status};

#[derive(Debug)]
pub(super) struct SqliteOrders {
    db: Sqlite,
    ids: IdIndex,
}

impl SqliteOrders {
    pub(super) async fn open(db: Sqlite) -> Result<Self> {
        let ids = db.id_index("orders").await?;
        Ok(Self { db, ids })
    }
}

#[async_trait]
impl Statements for SqliteOrders {
    async fn load_for_change(&self, tx: &Tx, ids: Vec<OrderId>) -> Result<Vec<Order>, Fault> {
        let index = self.ids.clone();
        Ok(tx.sqlite()?.run(move |db| rows::get_all(db, &index, &ids)).await?)
    }

    async fn save(&self, tx: &Tx, order: &Order) -> Result<(), Fault> {
        let (ids, order) = (self.ids.clone(), order.clone());
        Ok(tx.sqlite()?.run(move |db| lifecycle::save(db, &ids, &order)).await?)
    }

    async fn bury(
        &self,
        tx: &Tx,
        ids: Vec<OrderId>,
        now: Timestamp,
    ) -> Result<HashMap<OrderId, Status>, Fault> {
        let index = self.ids.clone();
        Ok(tx.sqlite()?.run(move |db| pending_stock::bury(db, &index, &ids, now)).await?)
    }

    async fn due(&self, now: Timestamp) -> Result<Vec<OrderId>> {
        self.db.get(|db| lifecycle::due(db, now))
    }

    async fn record(&self, tx: &Tx, orders: Vec<Order>) -> Result<Vec<Recorded>, Fault> {
        let ids = self.ids.clone();
        Ok(tx.sqlite()?.run(move |db| rows::record(db, &ids, orders)).await?)
    }

    async fn get(&self, id: OrderId) -> Result<Option<Order>> {
        self.db.get(|db| rows::get(db, &self.ids, id))
    }

    async fn list(&self, filter: &OrderFilter, request: &PageRequest) -> Result<Page<Order>> {
        let (filter, request) = (filter.clone(), request.clone());
        self.db.read(move |db| rows::list(db, &filter, &request)).await
    }

    async fn pending_stock(&self, before: Timestamp) -> Result<Vec<(OrderId, StockAction)>> {
        self.db.get(|db| pending_stock::find(db, before))
    }

    async fn clear_pending_stock(&self, pending_stock: &[(OrderId, StockAction)]) -> Result<()> {
        let (pending_stock, index) = (pending_stock.to_vec(), self.ids.clone());
        self.db.write(move |db| pending_stock::clear(db, &index, pending_stock)).await
    }

    async fn erase_buyers(&self, users: &[UserId]) -> Result<()> {
        let known = self.db.get(|db| rows::with_buyer(db, users))?;
        if known.is_empty() {
            return Ok(());
        }
        self.db.write(move |db| rows::erase_buyers(db, &known)).await
    }

    async fn dump(&self) -> Result<Flow<Entry<Record>>> {
        self.db.flow(rows::dump).await
    }
}
