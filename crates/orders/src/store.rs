//! What the orders service needs of a database. Each method is one atomic operation; its doc comment is its guarantee.

#[cfg(test)]
mod guarantees;
mod mongo;
pub(crate) mod portable;
mod postgres;
mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_storage::{Database, Entry, Flow};
use holdfast_types::{
    Answer, Cursor, Given, Operation, OrderId, Page, PageRequest, Random, Result, Secret,
    Settlement, Timestamp, UserId,
};

use self::portable::Record;
use crate::model::{Action, Event, NewOrder, Order, Status};

/// Shapes the answer about an order, so that it can be kept with the change.
pub(crate) type Render = fn(&Order) -> Result<Answer>;

/// What recording an order led to.
#[derive(Debug)]
pub(crate) enum Recorded {
    /// It is recorded now.
    New(Order),
    /// It was recorded before.
    Before(Order),
    /// The attempt was cut and undone before: it must not be recorded any more.
    Undone,
}

/// Which orders a list shows.
#[derive(Clone, Debug, Default)]
pub(crate) struct OrderFilter {
    pub(crate) user: Option<UserId>,
    pub(crate) status: Option<Status>,
}

impl OrderFilter {
    /// The place before the requested page. Refuses with `invalid-cursor`.
    pub(crate) fn after(&self, request: &PageRequest) -> Result<(i64, OrderId)> {
        let first = (i64::MAX, OrderId::from_bytes([0xff; 16]));
        request.after.as_ref().map_or(Ok(first), |cursor| cursor.place(&self.text()))
    }

    /// The cursor after an order.
    pub(crate) fn place(&self, order: &Order) -> Cursor {
        Cursor::new(&self.text(), &(order.created_at.as_millis(), order.id))
    }

    fn text(&self) -> String {
        format!("orders {self:?}")
    }
}

/// The status of a tombstone in a database: an attempt that was cut and undone.
pub(crate) const TOMBSTONE: i64 = 9;

/// The table of kept answers, on every engine.
pub const ANSWERS: &str = "orders_operations";

#[async_trait]
pub(crate) trait OrderStore: Send + Sync {
    /// Records orders, each id once, in one transaction. The results stand in the order of the orders.
    async fn record(&self, orders: Vec<NewOrder>) -> Result<Vec<Recorded>>;

    /// The order with that id.
    async fn get(&self, id: OrderId) -> Result<Option<Order>>;

    /// Orders that pass the filter, newest first.
    async fn list(&self, filter: &OrderFilter, request: &PageRequest) -> Result<Page<Order>>;

    /// What happened to an order, oldest first.
    async fn events(&self, order: &Order) -> Result<Vec<Event>>;

    /// The answer that an operation was given before, if any.
    async fn replay(&self, operation: &Operation) -> Result<Option<Answer>>;

    /// Takes a step of the lifecycle and writes down what it owes to products; once per operation.
    async fn transition(
        &self,
        id: OrderId,
        action: &Action,
        by: UserId,
        operation: (&Operation, Render),
        now: Timestamp,
    ) -> Result<Given>;

    /// Expires placed orders whose time has come, 100 at most; returns those that owe a release now.
    /// An order that was paid first is left alone.
    async fn expire(&self, now: Timestamp) -> Result<Vec<OrderId>>;

    /// Debts that have stood since before `before`, oldest first, 100 at most.
    async fn debts(&self, before: Timestamp) -> Result<Vec<(OrderId, Settlement)>>;

    /// The debt of one order.
    async fn debt(&self, id: OrderId) -> Result<Option<Settlement>>;

    /// Strikes out debts that products has acknowledged, where they are still the ones that stand.
    async fn settled(&self, debts: &[(OrderId, Settlement)]) -> Result<()>;

    /// Says what must become of reservations that nobody has confirmed. Where there is no order, a tombstone is put
    /// in its place first, so that it can never be recorded later.
    async fn judge(&self, ids: &[OrderId], now: Timestamp) -> Result<Vec<(OrderId, Settlement)>>;

    /// Erases e-mail, address and metadata from all orders of these users; the orders stay.
    async fn erase_buyers(&self, users: &[UserId]) -> Result<()>;

    /// Forgets answers given before `before`.
    async fn forget(&self, before: Timestamp) -> Result<()>;

    /// Everything that is kept, by the ids of the orders, in one snapshot: apart from answers and the secret.
    async fn dump(&self) -> Result<Flow<Entry<Record>>>;

    /// Keeps what another engine kept, unless it is there.
    async fn load(&self, records: Vec<Record>) -> Result<()>;
}

/// Opens the store on whichever engine the database is of, and brings its tables up to date.
pub(crate) async fn open(
    database: &Database,
    random: &Random,
) -> Result<(Arc<dyn OrderStore>, Secret)> {
    match database {
        Database::Sqlite(db) => {
            let (store, secret) = sqlite::SqliteOrders::open(db.clone(), random).await?;
            Ok((Arc::new(store), secret))
        }
        Database::Postgres(db) => {
            let (store, secret) = postgres::PostgresOrders::open(db.clone(), random).await?;
            Ok((Arc::new(store), secret))
        }
        Database::Mongo(db) => {
            let (store, secret) = mongo::MongoOrders::open(db.clone(), random).await?;
            Ok((Arc::new(store), secret))
        }
    }
}
