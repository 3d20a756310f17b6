//! Orders on SQLite.

mod debts;
mod lifecycle;
mod portable;
mod rows;

use async_trait::async_trait;
use holdfast_storage::{
    Entry, Flow,
    sqlite::{IdIndex, Sqlite, operations},
};
use holdfast_types::{
    Answer, Given, Operation, OrderId, Page, PageRequest, Random, Result, Secret, Settlement,
    Timestamp, UserId,
};

use super::{ANSWERS, OrderFilter, OrderStore, Recorded, Render, portable::Record};
use crate::model::{Action, Event, NewOrder, Order};

const MIGRATIONS: &[&str] = &[include_str!("../../migrations/sqlite-0001.sql")];

#[derive(Debug)]
pub(super) struct SqliteOrders {
    db: Sqlite,
    ids: IdIndex,
}

impl SqliteOrders {
    pub(super) async fn open(db: Sqlite, random: &Random) -> Result<(Self, Secret)> {
        let db = db.with_own_lists();
        db.migrate("orders", MIGRATIONS).await?;
        let secret = db.secret("orders", random).await?;
        let ids = db.id_index("orders").await?;
        Ok((Self { db, ids }, secret))
    }
}

#[async_trait]
impl OrderStore for SqliteOrders {
    async fn record(&self, orders: Vec<NewOrder>) -> Result<Vec<Recorded>> {
        let ids = self.ids.clone();
        self.db.write(move |db| rows::record(db, &ids, orders)).await
    }

    async fn get(&self, id: OrderId) -> Result<Option<Order>> {
        self.db.get(|db| rows::get(db, &self.ids, id))
    }

    async fn list(&self, filter: &OrderFilter, request: &PageRequest) -> Result<Page<Order>> {
        let (filter, request) = (filter.clone(), request.clone());
        self.db.read(move |db| rows::list(db, &filter, &request)).await
    }

    async fn events(&self, order: &Order) -> Result<Vec<Event>> {
        self.db.get(|db| Ok(lifecycle::events(db, order)?))
    }

    async fn replay(&self, operation: &Operation) -> Result<Option<Answer>> {
        self.db.get(|db| operations::replay(db, ANSWERS, operation))
    }

    async fn transition(
        &self,
        id: OrderId,
        action: &Action,
        by: UserId,
        operation: (&Operation, Render),
        now: Timestamp,
    ) -> Result<Given> {
        let (action, render, operation) = (action.clone(), operation.1, *operation.0);
        let ids = self.ids.clone();
        let write = move |db: &rusqlite::Connection| {
            operations::once(db, ANSWERS, &operation, now, |db| {
                Ok(render(&lifecycle::transition(db, &ids, id, &action, Some(by), now)?)?)
            })
        };
        self.db.write(write).await
    }

    async fn expire(&self, now: Timestamp) -> Result<Vec<OrderId>> {
        let due = self.db.get(|db| lifecycle::due(db, now))?;
        if due.is_empty() {
            return Ok(due);
        }
        let ids = self.ids.clone();
        self.db.write(move |db| lifecycle::expire(db, &ids, &due, now)).await
    }

    async fn debts(&self, before: Timestamp) -> Result<Vec<(OrderId, Settlement)>> {
        self.db.get(|db| debts::standing(db, before))
    }

    async fn debt(&self, id: OrderId) -> Result<Option<Settlement>> {
        self.db.get(|db| Ok(rows::get(db, &self.ids, id)?.and_then(|order| order.owed)))
    }

    async fn settled(&self, debts: &[(OrderId, Settlement)]) -> Result<()> {
        let (debts, index) = (debts.to_vec(), self.ids.clone());
        self.db.write(move |db| debts::strike(db, &index, debts)).await
    }

    async fn judge(&self, ids: &[OrderId], now: Timestamp) -> Result<Vec<(OrderId, Settlement)>> {
        let (ids, index) = (ids.to_vec(), self.ids.clone());
        self.db.write(move |db| debts::judge(db, &index, &ids, now)).await
    }

    async fn erase_buyers(&self, users: &[UserId]) -> Result<()> {
        let known = self.db.get(|db| rows::with_buyer(db, users))?;
        if known.is_empty() {
            return Ok(());
        }
        self.db.write(move |db| rows::erase_buyers(db, &known)).await
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
