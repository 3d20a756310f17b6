//! Orders on PostgreSQL.

mod lifecycle;
mod pending_stock;
mod recording;
mod rows;

use std::collections::HashMap;

use async_trait::async_trait;
use holdfast_storage::{
    Entry, Flow,
    postgres::Postgres,
    record::{Fault, Tx},
};
use holdfast_types::{OrderId, Page, PageRequest, Result, Timestamp, UserId};
use uuid::Uuid;

use super::{OrderFilter, Recorded, portable::Record, statements::Statements};
use crate::model::{Number, Order, PendingStock, Status};

#[derive(Debug)]
pub(super) struct PostgresOrders {
    db: Postgres,
}

impl PostgresOrders {
    pub(super) const fn open(db: Postgres) -> Self {
        Self { db }
    }
}

#[async_trait]
impl Statements for PostgresOrders {
    async fn load_for_change(&self, tx: &Tx, ids: Vec<OrderId>) -> Result<Vec<Order>, Fault> {
        let ids: Vec<Uuid> = ids.into_iter().map(OrderId::uuid).collect();
        Ok(rows::lock(tx.postgres()?, &ids).await?)
    }

    async fn save(&self, tx: &Tx, order: &Order) -> Result<(), Fault> {
        Ok(lifecycle::save(tx.postgres()?, order).await?)
    }

    async fn bury(
        &self,
        tx: &Tx,
        ids: Vec<OrderId>,
        now: Timestamp,
    ) -> Result<HashMap<OrderId, Status>, Fault> {
        Ok(pending_stock::bury(tx.postgres()?, &ids, now).await?)
    }

    async fn due(&self, now: Timestamp) -> Result<Vec<OrderId>> {
        lifecycle::due(&self.db, now).await
    }

    async fn record(&self, tx: &Tx, orders: Vec<Order>) -> Result<Vec<Recorded>, Fault> {
        Ok(recording::record(tx.postgres()?, orders).await?)
    }

    async fn get(&self, id: OrderId) -> Result<Option<Order>> {
        rows::get(&self.db, id).await
    }

    async fn get_all(&self, ids: Vec<OrderId>) -> Result<Vec<Order>> {
        rows::get_all_alone(&self.db, ids).await
    }

    async fn numbered(&self, number: Number) -> Result<Vec<Order>> {
        rows::numbered(&self.db, number).await
    }

    async fn list(&self, filter: &OrderFilter, request: &PageRequest) -> Result<Page<Order>> {
        rows::list(&self.db, filter, request).await
    }

    async fn pending_stock(&self, before: Timestamp) -> Result<Vec<(OrderId, PendingStock)>> {
        pending_stock::find(&self.db, before).await
    }

    async fn clear_pending_stock(&self, pending_stock: &[(OrderId, PendingStock)]) -> Result<()> {
        self.db.transaction(|tx| pending_stock::clear(tx, pending_stock)).await
    }

    async fn erase_buyers(&self, users: &[UserId]) -> Result<()> {
        let users: Vec<Uuid> = users.iter().map(|user| user.uuid()).collect();
        let known = &pending_stock::with_buyer(&self.db, &users).await?;
        if known.is_empty() {
            return Ok(());
        }
        self.db.transaction(|tx| pending_stock::erase_buyers(tx, known)).await
    }

    async fn dump(&self) -> Result<Flow<Entry<Record>>> {
        self.db.flow(|tx, sink| Box::pin(rows::dump(tx, sink))).await
    }
}
