//! What payments asks of orders, in transactions that change both.

use std::sync::Arc;

use holdfast_storage::record::{Fault, Tx};
use holdfast_types::{BookedOrder, OrderId, ProductId, Result, Standing, Timestamp};

use super::Orders;
use crate::{
    Payments,
    model::{Order, Status},
};

impl Orders {
    /// How these orders stand, as far as they are there.
    pub async fn standing(&self, ids: Vec<OrderId>) -> Result<Vec<Standing>> {
        let standing = |order: Order| Standing {
            order: order.id,
            status: order.status.as_str(),
            is_paid: matches!(order.status, Status::Paid | Status::Shipped | Status::Delivered),
            reference: order.progress.reference,
            returned: order.progress.returned,
        };
        Ok(self.store().get_all(ids).await?.into_iter().map(standing).collect())
    }

    /// Makes payments known, once, before anything is asked.
    pub fn set_payments(&self, payments: Arc<dyn Payments>) {
        self.store().set_payments(payments);
    }

    /// The order with that id; nobody changes it until the transaction has ended.
    pub async fn booked(&self, tx: &Tx, id: OrderId) -> Result<Option<BookedOrder>, Fault> {
        let order = self.store().hold(tx, id).await?;
        Ok(order.map(|order| BookedOrder {
            user: order.user,
            total: order.total,
            status: order.status.as_str(),
            is_unpaid: order.status == Status::Placed,
            reference: order.progress.reference,
            lines: order.lines,
        }))
    }

    /// Notes that the money has come under that reference. `false`: the order does not want it.
    pub async fn pay_in(
        &self,
        tx: &Tx,
        id: OrderId,
        reference: &str,
        now: Timestamp,
    ) -> Result<bool, Fault> {
        self.store().pay_in(tx, id, reference, now).await
    }

    /// Notes that so many units of these products are back in the stock by now. Refuses with `invalid-transition`.
    pub async fn give_back(
        &self,
        tx: &Tx,
        id: OrderId,
        units: &[(ProductId, i64)],
        now: Timestamp,
    ) -> Result<(), Fault> {
        self.store().give_back(tx, id, units, now).await
    }

    /// Makes the stock follow an order, once what was noted of it is committed. The sweep does so too.
    pub async fn move_stock(&self, id: OrderId) -> Result<()> {
        self.0.shared.reconcile(id).await
    }

    /// Gives the buyer time to pay, once for each order.
    pub async fn give_time(&self, tx: &Tx, id: OrderId, now: Timestamp) -> Result<(), Fault> {
        self.store().give_time(tx, id, now).await
    }
}
