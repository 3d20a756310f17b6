//! What orders asks of payments.

use holdfast_storage::record::{Fault, Tx};
use holdfast_types::{OrderId, OrderMove, Result, Timestamp};

use super::Payments;
use crate::model::{Ledger, Payment, Status};

impl Payments {
    /// What was open of an order is called off and what was taken is owed back, in the transaction that moves the order.
    pub async fn follow_order(
        &self,
        tx: &Tx,
        order: OrderId,
        to: OrderMove,
        now: Timestamp,
    ) -> Result<(), Fault> {
        self.store().follow_order(tx, order, to, now).await
    }

    /// Until when an order may not expire, in the transaction that expires orders.
    pub async fn hold_up_expiry(
        &self,
        tx: &Tx,
        order: OrderId,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Fault> {
        self.store().hold_up_expiry(tx, order, now).await
    }

    /// Takes what was set aside for an order, which is about to ship. Refuses with `payment-declined` where that cannot be
    /// had any more. Of an order for which nothing was set aside there is nothing to do.
    pub async fn capture_to_ship(&self, order: OrderId) -> Result<()> {
        let open: Option<Payment> = self.store().open_of(order).await?;
        let Some(payment) = open.filter(|payment| payment.status == Status::Authorized) else {
            return Ok(());
        };
        let now = self.now();
        let want = move |ledger: &mut Ledger| ledger.payment.want_capture(now).map(|_| ());
        self.store().settle(&payment, now, want).await?;
        self.driven(payment.id).await?.into_payment()?.require_captured().map(|_| ())
    }
}
