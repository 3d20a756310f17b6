//! Claiming money that was taken, also for units that go back to the stock.

use std::sync::Arc;

use holdfast_storage::record::{Fault, Scan, Stored, Tx};
use holdfast_types::{
    Answer, BookedOrder, Code, Error, IdempotentAnswer, Operation, OrderId, ProductId, Result,
    Timestamp,
};

use super::{Claimed, PaymentStore, REFUNDS};
use crate::model::{Claim, Ledger, Payment, PaymentId, Refund, restocked};

impl PaymentStore {
    /// Claims money that was taken, once per operation, and leaves the payment alone until `until`; its order notes in the same
    /// transaction what goes back to the stock. Refuses with `refund-exceeds-captured`, `limit-reached`, `validation` more units than
    /// are left, and `invalid-transition` where the order is not paid and units are to go back.
    pub(crate) async fn claim(
        &self,
        payment: &Payment,
        claim: Claim,
        operation: &Operation,
        [now, until]: [Timestamp; 2],
        render: fn(&Claimed) -> Result<Answer>,
    ) -> Result<IdempotentAnswer> {
        let (store, id, order) = (self.clone(), payment.id, payment.order);
        let (payment, claim) = (Arc::new(payment.clone()), Arc::new(claim));
        let change = move |tx: Tx| {
            let (store, claim) = (store.clone(), Claim::clone(&claim));
            let payment = Arc::clone(&payment);
            async move {
                let booked = store.book.load(&tx, order).await?;
                let claim = match claim.items.is_empty() {
                    true => claim,
                    false => store.priced(&tx, &payment, claim, booked, now).await?,
                };
                let judge = move |ledger: &mut Ledger| {
                    ledger.payment.leave_until(until);
                    ledger.claim(claim.clone(), now)
                };
                Ok(render(&store.change(&tx, id, now, &judge).await?)?)
            }
        };
        self.outbox.once(operation, now, change).await
    }

    /// What the units of a claim are worth; the order notes those that go back to the stock.
    async fn priced(
        &self,
        tx: &Tx,
        payment: &Payment,
        claim: Claim,
        booked: Option<BookedOrder>,
        now: Timestamp,
    ) -> Result<Claim, Fault> {
        let before = refunds(tx, payment.id).await?;
        let booked = booked.ok_or_else(|| Error::not_found("order"))?;
        if booked.reference.as_deref() != Some(payment.reference().as_str()) {
            let why = "the order is not paid by this payment: give money back, not units";
            return Err(Error::new(Code::InvalidTransition, why).into());
        }
        let claim = claim.priced(&booked, &before)?;
        if claim.restocks() {
            let mut units = restocked(&before);
            for item in claim.items.iter().filter(|item| item.restock) {
                *units.entry(item.product_id).or_default() += item.quantity;
            }
            let units: Vec<(ProductId, i64)> = units.into_iter().collect();
            self.book.give_back(tx, payment.order, &units, now).await?;
        }
        Ok(claim)
    }

    /// The order of a payment that came from another database notes what went back to the stock.
    pub(super) async fn restore_stock(
        &self,
        tx: &Tx,
        order: OrderId,
        refunds: &[Refund],
        now: Timestamp,
    ) -> Result<(), Fault> {
        let units: Vec<(ProductId, i64)> = restocked(refunds).into_iter().collect();
        if units.is_empty() {
            return Ok(());
        }
        match self.book.give_back(tx, order, &units, now).await {
            // All of it is back, or nobody has it.
            Err(Fault::Refused(error))
                if matches!(error.code(), Code::InvalidTransition | Code::NotFound) =>
            {
                Ok(())
            }
            noted => noted,
        }
    }

    /// Makes the stock follow an order.
    pub(crate) async fn move_stock(&self, order: OrderId) -> Result<()> {
        self.book.move_stock(order).await
    }
}

/// All refunds of a payment, the first first.
pub(super) async fn refunds(tx: &Tx, payment: PaymentId) -> Result<Vec<Refund>, Fault> {
    let found = tx.scan::<Refund>(Scan::of("payment", REFUNDS).equal(payment)).await?;
    Ok(found.into_iter().map(Stored::into_inner).collect())
}
