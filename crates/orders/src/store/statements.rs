//! What each engine does with statements of its own: the hot path, and what is sorted.

use std::collections::HashMap;

use async_trait::async_trait;
use holdfast_storage::{
    Entry, Flow,
    record::{Fault, Tx},
};
use holdfast_types::{OrderId, Page, PageRequest, Result, Timestamp, UserId};

use super::{OrderFilter, Recorded, portable::Record};
use crate::model::{Number, Order, PendingStock, Status};

#[async_trait]
pub(crate) trait Statements: Send + Sync {
    /// The orders with these ids, by id; nobody changes them until the transaction has ended. Tombstones are not among them.
    async fn load_for_change(&self, tx: &Tx, ids: Vec<OrderId>) -> Result<Vec<Order>, Fault>;

    /// Writes an order that has gone a step.
    async fn save(&self, tx: &Tx, order: &Order) -> Result<(), Fault>;

    /// Puts tombstones where there is no order, so that none can be recorded later, and says how the others stand.
    async fn bury(
        &self,
        tx: &Tx,
        ids: Vec<OrderId>,
        now: Timestamp,
    ) -> Result<HashMap<OrderId, Status>, Fault>;

    /// Placed orders whose time has come, 100 at most.
    async fn due(&self, now: Timestamp) -> Result<Vec<OrderId>>;

    /// Records orders, each id once. The results stand in the order of the orders.
    async fn record(&self, tx: &Tx, orders: Vec<Order>) -> Result<Vec<Recorded>, Fault>;

    /// The order with that id.
    async fn get(&self, id: OrderId) -> Result<Option<Order>>;

    /// The orders with these ids, as far as they are there.
    async fn get_all(&self, ids: Vec<OrderId>) -> Result<Vec<Order>>;

    /// The orders of that number: one, unless chance has it otherwise.
    async fn numbered(&self, number: Number) -> Result<Vec<Order>>;

    /// A page of the orders that pass the filter, newest first; the filter has no number. A page may end early: who searches looks
    /// at a bounded number of orders.
    async fn list(&self, filter: &OrderFilter, request: &PageRequest) -> Result<Page<Order>>;

    /// What products has not acknowledged since before `before`, oldest first, 100 at most.
    async fn pending_stock(&self, before: Timestamp) -> Result<Vec<(OrderId, PendingStock)>>;

    /// Strikes out what products has acknowledged, where nothing else has become pending.
    async fn clear_pending_stock(&self, pending_stock: &[(OrderId, PendingStock)]) -> Result<()>;

    /// Erases e-mail, address and metadata from all orders of these users; the orders stay.
    async fn erase_buyers(&self, users: &[UserId]) -> Result<()>;

    /// Everything that is kept, by the ids of the orders, in one snapshot: apart from answers and the secret.
    async fn dump(&self) -> Result<Flow<Entry<Record>>>;
}
