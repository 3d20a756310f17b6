//! The port through which orders reaches stock: in the transaction of the orders where both share a database, a function call in
//! one process, HTTP between several.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use holdfast_storage::record::{Fault, Tx};
use holdfast_types::{
    BatchId, Kept, OrderId, ReserveBatch, ReserveCommand, Reserved, Result, StockAction,
    Unconfirmed,
};

/// What orders needs of products. Every call may be repeated.
#[async_trait]
pub trait Stock: Send + Sync {
    /// Takes stock for each command or refuses it, and notes the confirmations that ride along; all of it or nothing.
    /// The results stand in the order of the commands. A command whose id has a reservation takes nothing more and
    /// gets what that one holds.
    async fn reserve(&self, batch: ReserveBatch) -> Result<Vec<Result<Reserved>>>;

    /// Stock that is kept in the database of the orders, if it is.
    fn together(&self) -> Option<Arc<dyn StockTogether>> {
        None
    }

    /// Releases or ships reservations. Only held ones move.
    async fn apply(&self, actions: &[(OrderId, StockAction)]) -> Result<()>;

    /// Takes back what goes beyond the units of these orders that stand.
    async fn give_back(&self, kept: &[(OrderId, Kept)]) -> Result<()>;

    /// Notes that the orders of these batches are recorded.
    async fn confirm(&self, batches: &[BatchId]) -> Result<()>;

    /// Batches that nobody has confirmed for `age`, oldest first, a bounded number.
    async fn unconfirmed(&self, age: Duration) -> Result<Vec<Unconfirmed>>;
}

/// Stock in the database of the orders: it is taken in the transaction that records them, so neither stands without the other.
#[async_trait]
pub trait StockTogether: Send + Sync {
    /// As [`Stock::reserve`], in `tx`.
    async fn reserve_in(
        &self,
        tx: &Tx,
        commands: Arc<Vec<ReserveCommand>>,
    ) -> Result<Vec<Result<Reserved>>, Fault>;
}
