//! Orders on MongoDB.

mod documents;
mod lifecycle;
mod portable;

use async_trait::async_trait;
use holdfast_storage::{
    Entry, Flow,
    mongo::{Mongo, doc, fields, operations},
};
use holdfast_types::{
    Answer, Given, Operation, OrderId, Page, PageRequest, Random, Result, Secret, Settlement,
    Timestamp, UserId,
};

use super::{ANSWERS, OrderFilter, OrderStore, Recorded, Render, portable::Record};
use crate::model::{Action, Event, NewOrder, Order};

const MIGRATIONS: &[&str] = &[include_str!("../../migrations/mongo-0001.json")];

#[derive(Debug)]
pub(super) struct MongoOrders {
    db: Mongo,
}

impl MongoOrders {
    pub(super) async fn open(db: Mongo, random: &Random) -> Result<(Self, Secret)> {
        db.migrate("orders", MIGRATIONS).await?;
        let secret = db.secret("orders", random).await?;
        Ok((Self { db }, secret))
    }
}

#[async_trait]
impl OrderStore for MongoOrders {
    async fn record(&self, orders: Vec<NewOrder>) -> Result<Vec<Recorded>> {
        let orders: Vec<Order> = orders.into_iter().map(Order::new).collect();
        if orders.is_empty() {
            return Ok(Vec::new());
        }
        let orders = &orders;
        self.db.transaction(|tx| lifecycle::record(tx, orders)).await
    }

    async fn get(&self, id: OrderId) -> Result<Option<Order>> {
        documents::get(&self.db, id).await
    }

    async fn list(&self, filter: &OrderFilter, request: &PageRequest) -> Result<Page<Order>> {
        documents::list(&self.db, filter, request).await
    }

    async fn events(&self, order: &Order) -> Result<Vec<Event>> {
        let found = self.db.get(documents::ORDERS, fields::uuid(order.id.uuid())).await?;
        let later = found.map_or(Ok(Vec::new()), |found| documents::events(&found))?;
        Ok(std::iter::once(order.placing()).chain(later).collect())
    }

    async fn replay(&self, operation: &Operation) -> Result<Option<Answer>> {
        operations::replay(&self.db, ANSWERS, operation).await
    }

    async fn transition(
        &self,
        id: OrderId,
        action: &Action,
        by: UserId,
        (operation, render): (&Operation, Render),
        now: Timestamp,
    ) -> Result<Given> {
        self.db
            .transaction(|tx| async move {
                let effect = async {
                    Ok(render(&lifecycle::transition(&tx, id, action, Some(by), now).await?)?)
                };
                operations::once(&tx, ANSWERS, operation, now, effect).await
            })
            .await
    }

    async fn expire(&self, now: Timestamp) -> Result<Vec<OrderId>> {
        let due = &lifecycle::due(&self.db, now).await?;
        if due.is_empty() {
            return Ok(Vec::new());
        }
        self.db.transaction(|tx| lifecycle::expire(tx, due, now)).await
    }

    async fn debts(&self, before: Timestamp) -> Result<Vec<(OrderId, Settlement)>> {
        lifecycle::standing(&self.db, before).await
    }

    async fn debt(&self, id: OrderId) -> Result<Option<Settlement>> {
        Ok(documents::get(&self.db, id).await?.and_then(|order| order.owed))
    }

    async fn settled(&self, debts: &[(OrderId, Settlement)]) -> Result<()> {
        self.db.transaction(|tx| lifecycle::strike(tx, debts)).await
    }

    async fn judge(&self, ids: &[OrderId], now: Timestamp) -> Result<Vec<(OrderId, Settlement)>> {
        self.db.transaction(|tx| lifecycle::judge(tx, ids, now)).await
    }

    async fn erase_buyers(&self, users: &[UserId]) -> Result<()> {
        let users: Vec<_> = users.iter().map(|user| fields::uuid(user.uuid())).collect();
        let like = &doc! {"user_id": {"$in": users}, "buyer": {"$exists": true}};
        let erase = &doc! {"$unset": {"buyer": ""}};
        self.db
            .transaction(|tx| async move {
                tx.update_all(documents::ORDERS, like.clone(), erase.clone()).await.map(|_| ())
            })
            .await
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
