//! What becomes of payments when their order moves, in the transaction that moves it.

use holdfast_storage::record::{Fault, Scan, Tx};
use holdfast_types::{OrderId, OrderMove, Result, Timestamp};

use super::{PAYMENTS_OF_ORDER, PaymentStore};
use crate::model::{Ledger, Payment};

impl PaymentStore {
    /// Calls off what is open of an order, and owes back what was taken, in the transaction that moves the order and holds it.
    pub(crate) async fn follow_order(
        &self,
        tx: &Tx,
        order: OrderId,
        to: OrderMove,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let scan = Scan::of("order", PAYMENTS_OF_ORDER).equal(order);
        for payment in tx.scan::<Payment>(scan.descending()).await? {
            // The order is held, so what is over stays so.
            if !payment.status.is_open() && payment.refundable() == 0 {
                continue;
            }
            let turn_away = move |ledger: &mut Ledger| ledger.turn_away(to.reason(), now);
            self.change(tx, payment.id, now, &turn_away).await?;
        }
        Ok(())
    }

    /// Until when an order may not expire, since a payment of it is open; it is asked to be called off. In the transaction that
    /// expires orders and holds them.
    pub(crate) async fn hold_up_expiry(
        &self,
        tx: &Tx,
        order: OrderId,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Fault> {
        let Some(mut payment) = tx.find::<Payment>("open", [order.into()]).await? else {
            return Ok(None);
        };
        let before = (*payment).clone();
        let until = payment.holds_up_expiry(now);
        if *payment != before {
            tx.put(&payment).await??;
        }
        Ok(until)
    }
}
