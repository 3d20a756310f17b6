//! Orders on PostgreSQL.

mod debts;
mod lifecycle;
mod portable;
mod recording;
mod rows;

use async_trait::async_trait;
use holdfast_storage::{
    Entry, Flow,
    postgres::{Postgres, operations},
};
use holdfast_types::{
    Answer, Given, Operation, OrderId, Page, PageRequest, Random, Result, Secret, Settlement,
    Timestamp, UserId,
};
use uuid::Uuid;

use super::{ANSWERS, OrderFilter, OrderStore, Recorded, Render, portable::Record};
use crate::model::{Action, Event, NewOrder, Order};

const MIGRATIONS: &[&str] = &[include_str!("../../migrations/postgres-0001.sql")];

#[derive(Debug)]
pub(super) struct PostgresOrders {
    db: Postgres,
}

impl PostgresOrders {
    pub(super) async fn open(db: Postgres, random: &Random) -> Result<(Self, Secret)> {
        db.migrate("orders", MIGRATIONS).await?;
        let secret = db.secret("orders", random).await?;
        Ok((Self { db }, secret))
    }
}

#[async_trait]
impl OrderStore for PostgresOrders {
    async fn record(&self, orders: Vec<NewOrder>) -> Result<Vec<Recorded>> {
        let orders: Vec<Order> = orders.into_iter().map(Order::new).collect();
        if orders.is_empty() {
            return Ok(Vec::new());
        }
        let orders = &orders;
        self.db.transaction(|tx| recording::record(tx, orders)).await
    }

    async fn get(&self, id: OrderId) -> Result<Option<Order>> {
        rows::get(&self.db, id).await
    }

    async fn list(&self, filter: &OrderFilter, request: &PageRequest) -> Result<Page<Order>> {
        rows::list(&self.db, filter, request).await
    }

    async fn events(&self, order: &Order) -> Result<Vec<Event>> {
        lifecycle::events(&self.db, order).await
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
                let effect =
                    async { Ok(render(&lifecycle::transition(&tx, id, action, by, now).await?)?) };
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
        debts::standing(&self.db, before).await
    }

    async fn debt(&self, id: OrderId) -> Result<Option<Settlement>> {
        Ok(rows::get(&self.db, id).await?.and_then(|order| order.owed))
    }

    async fn settled(&self, debts: &[(OrderId, Settlement)]) -> Result<()> {
        self.db.transaction(|tx| debts::strike(tx, debts)).await
    }

    async fn judge(&self, ids: &[OrderId], now: Timestamp) -> Result<Vec<(OrderId, Settlement)>> {
        self.db.transaction(|tx| debts::judge(tx, ids, now)).await
    }

    async fn erase_buyers(&self, users: &[UserId]) -> Result<()> {
        let users: Vec<Uuid> = users.iter().map(|user| user.uuid()).collect();
        let known = &debts::with_buyer(&self.db, &users).await?;
        if known.is_empty() {
            return Ok(());
        }
        self.db.transaction(|tx| debts::erase_buyers(tx, known)).await
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
