//! Where orders and payments meet: in the process that serves both, on one database.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_orders::Orders;
use holdfast_payments::{OrderBook, Payments, WeakPayments};
use holdfast_storage::record::{Fault, Tx};
use holdfast_types::{BookedOrder, OrderId, OrderMove, ProductId, Result, Standing, Timestamp};

/// What payments asks of orders.
#[derive(Debug)]
pub(super) struct Book(pub(super) Orders);

#[async_trait]
impl OrderBook for Book {
    async fn load(&self, tx: &Tx, id: OrderId) -> Result<Option<BookedOrder>, Fault> {
        self.0.booked(tx, id).await
    }

    async fn pay(
        &self,
        tx: &Tx,
        id: OrderId,
        reference: &str,
        now: Timestamp,
    ) -> Result<bool, Fault> {
        self.0.pay_in(tx, id, reference, now).await
    }

    async fn standing(&self, ids: Vec<OrderId>) -> Result<Vec<Standing>> {
        self.0.standing(ids).await
    }

    async fn give_back(
        &self,
        tx: &Tx,
        id: OrderId,
        units: &[(ProductId, i64)],
        now: Timestamp,
    ) -> Result<(), Fault> {
        self.0.give_back(tx, id, units, now).await
    }

    async fn move_stock(&self, id: OrderId) -> Result<()> {
        self.0.move_stock(id).await
    }

    async fn extend(&self, tx: &Tx, id: OrderId, now: Timestamp) -> Result<(), Fault> {
        self.0.give_time(tx, id, now).await
    }
}

/// What orders asks of payments.
#[derive(Debug)]
struct Money(WeakPayments);

#[async_trait]
impl holdfast_orders::Payments for Money {
    async fn follow(
        &self,
        tx: &Tx,
        order: OrderId,
        to: OrderMove,
        now: Timestamp,
    ) -> Result<(), Fault> {
        self.0.upgrade()?.follow_order(tx, order, to, now).await
    }

    async fn hold_up_expiry(
        &self,
        tx: &Tx,
        order: OrderId,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Fault> {
        self.0.upgrade()?.hold_up_expiry(tx, order, now).await
    }

    async fn capture_to_ship(&self, order: OrderId) -> Result<()> {
        self.0.upgrade()?.capture_to_ship(order).await
    }
}

/// Makes payments known to orders.
pub(super) fn introduce(payments: &Payments, orders: &Orders) {
    orders.set_payments(Arc::new(Money(payments.downgrade())));
}
