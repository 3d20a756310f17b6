//! The port through which orders reaches payments: in one database, so that an order and what was paid for it change together.

use async_trait::async_trait;
use holdfast_storage::record::{Fault, Tx};
use holdfast_types::{OrderId, OrderMove, Result, Timestamp};

/// What orders needs of payments.
#[async_trait]
pub trait Payments: Send + Sync {
    /// Calls off what is open of an order, and owes back what was taken, in the transaction that moves it.
    async fn follow(
        &self,
        tx: &Tx,
        order: OrderId,
        to: OrderMove,
        now: Timestamp,
    ) -> Result<(), Fault>;

    /// Until when an order may not expire, since a payment of it is open; in the transaction that would expire it.
    async fn hold_up_expiry(
        &self,
        tx: &Tx,
        order: OrderId,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Fault>;

    /// Takes what was set aside for an order that is about to ship. Refuses with `payment-declined`.
    async fn capture_to_ship(&self, order: OrderId) -> Result<()>;
}
