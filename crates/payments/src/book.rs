//! The port through which payments reaches orders: in one database, so that a payment and its order change together.

use async_trait::async_trait;
use holdfast_storage::record::{Fault, Tx};
use holdfast_types::{BookedOrder, OrderId, ProductId, Result, Standing, Timestamp};

/// What payments needs of orders.
#[async_trait]
pub trait OrderBook: Send + Sync {
    /// The order with that id; nobody changes it until the transaction has ended. To be read before its payments.
    async fn load(&self, tx: &Tx, id: OrderId) -> Result<Option<BookedOrder>, Fault>;

    /// Notes that the money has come under that reference. `false`: the order does not want it, since it is over, or paid
    /// otherwise.
    async fn pay(
        &self,
        tx: &Tx,
        id: OrderId,
        reference: &str,
        now: Timestamp,
    ) -> Result<bool, Fault>;

    /// How these orders stand, as far as they are there.
    async fn standing(&self, ids: Vec<OrderId>) -> Result<Vec<Standing>>;

    /// Notes that so many units of these products are back in the stock by now. Refuses with `invalid-transition` where the order is
    /// not paid, or has given all of it back.
    async fn give_back(
        &self,
        tx: &Tx,
        id: OrderId,
        units: &[(ProductId, i64)],
        now: Timestamp,
    ) -> Result<(), Fault>;

    /// Makes the stock follow an order, once what was noted of it is committed.
    async fn move_stock(&self, id: OrderId) -> Result<()>;

    /// Gives the buyer time to pay, once for each order.
    async fn extend(&self, tx: &Tx, id: OrderId, now: Timestamp) -> Result<(), Fault>;
}
