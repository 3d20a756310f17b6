//! Orders on MongoDB.

mod documents;
mod lifecycle;

use std::collections::HashMap;

use async_trait::async_trait;
use holdfast_storage::{
    Entry, Flow,
    mongo::{Mongo, doc, fields},
    record::{Fault, Tx},
};
use holdfast_types::{OrderId, Page, PageRequest, Result, Timestamp, UserId};

use super::{OrderFilter, Recorded, portable::Record, statements::Statements};
use crate::model::{Number, Order, PendingStock, Status};

#[derive(Debug)]
pub(super) struct MongoOrders {
    db: Mongo,
}

impl MongoOrders {
    pub(super) const fn open(db: Mongo) -> Self {
        Self { db }
    }
}

#[async_trait]
impl Statements for MongoOrders {
    async fn load_for_change(&self, tx: &Tx, ids: Vec<OrderId>) -> Result<Vec<Order>, Fault> {
        documents::hold(tx.mongo()?, &ids).await?;
        let found = documents::find(tx.mongo()?, &ids).await?;
        let orders = found.iter().filter(|found| !documents::is_tombstone(found));
        Ok(orders.map(documents::order).collect::<Result<_>>()?)
    }

    async fn save(&self, tx: &Tx, order: &Order) -> Result<(), Fault> {
        Ok(lifecycle::save(tx.mongo()?, order).await?)
    }

    async fn bury(
        &self,
        tx: &Tx,
        ids: Vec<OrderId>,
        now: Timestamp,
    ) -> Result<HashMap<OrderId, Status>, Fault> {
        Ok(lifecycle::bury(tx.mongo()?, &ids, now).await?)
    }

    async fn due(&self, now: Timestamp) -> Result<Vec<OrderId>> {
        lifecycle::due(&self.db, now).await
    }

    async fn record(&self, tx: &Tx, orders: Vec<Order>) -> Result<Vec<Recorded>, Fault> {
        Ok(lifecycle::record(tx.mongo()?, orders).await?)
    }

    async fn get(&self, id: OrderId) -> Result<Option<Order>> {
        documents::get(&self.db, id).await
    }

    async fn get_all(&self, ids: Vec<OrderId>) -> Result<Vec<Order>> {
        documents::get_all(&self.db, &ids).await
    }

    async fn numbered(&self, number: Number) -> Result<Vec<Order>> {
        documents::numbered(&self.db, number).await
    }

    async fn list(&self, filter: &OrderFilter, request: &PageRequest) -> Result<Page<Order>> {
        documents::list(&self.db, filter, request).await
    }

    async fn pending_stock(&self, before: Timestamp) -> Result<Vec<(OrderId, PendingStock)>> {
        lifecycle::pending_stock(&self.db, before).await
    }

    async fn clear_pending_stock(&self, pending_stock: &[(OrderId, PendingStock)]) -> Result<()> {
        self.db.transaction(|tx| lifecycle::clear_pending_stock(tx, pending_stock)).await
    }

    async fn erase_buyers(&self, users: &[UserId]) -> Result<()> {
        let users: Vec<_> = users.iter().map(|user| fields::uuid(user.uuid())).collect();
        let like = &doc! {"user_id": {"$in": users}, "buyer": {"$exists": true}};
        let erase = &doc! {"$unset": {"buyer": "", "email": ""}};
        self.db
            .transaction(|tx| async move {
                tx.update_all(documents::ORDERS, like.clone(), erase.clone()).await.map(|_| ())
            })
            .await
    }

    async fn dump(&self) -> Result<Flow<Entry<Record>>> {
        self.db.flow(|tx, sink| Box::pin(documents::dump(tx, sink))).await
    }
}
