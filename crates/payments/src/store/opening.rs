//! Making payments.

use std::sync::Arc;

use holdfast_storage::record::{Fault, Scan, Taken, Tx};
use holdfast_types::{BookedOrder, Code, Error, Operation, Result};

use super::{PAYMENTS_OF_ORDER, PaymentStore};
use crate::model::{Ledger, NewPayment, Payment, ProviderName};

impl PaymentStore {
    /// Makes a payment for an order that waits for money, and gives the buyer time, once per id: a repeat returns the payment and
    /// `true`. An open payment of the test provider gives way to another provider's. Refuses with `not-found` where the order is not
    /// theirs, `invalid-transition` where it wants no money, `payment-open` where another payment is open, `limit-reached` after fifty
    /// payments, and `idempotency-key-reused`.
    pub(crate) async fn create(
        &self,
        new: NewPayment,
        operation: &Operation,
    ) -> Result<(Payment, bool)> {
        let (store, audit) = (self.clone(), operation.audit.clone());
        let new = Arc::new(new);
        let create = move |tx: Tx| {
            let (store, audit, new) = (store.clone(), audit.clone(), Arc::clone(&new));
            async move {
                let order = store.order_of(&tx, &new).await?;
                if let Some(found) = tx.get::<Payment>(new.id).await? {
                    return Ok((found.is_the_same(&new)?, true));
                }
                store.make_room(&tx, &new).await?;
                let payment = Payment::of(&new, &order)?;
                match tx.insert(&payment).await? {
                    // Somebody was faster, and is seen at the next look.
                    Err(Taken::Index("open")) => return Err(Fault::Stale),
                    inserted => inserted?,
                }
                store.book.extend(&tx, new.order, new.at).await?;
                let audit = audit.map(|audit| audit.message(new.at));
                let messages = [payment.message()].into_iter().chain(audit);
                store.outbox.put(&tx, messages).await?;
                Ok((payment, false))
            }
        };
        self.db.transact(create).await
    }

    /// The order, if it is theirs.
    async fn order_of(&self, tx: &Tx, new: &NewPayment) -> Result<BookedOrder, Fault> {
        let order = self.book.load(tx, new.order).await?;
        let is_theirs = |whose| new.user.is_none_or(|user| user == whose);
        let order = order.filter(|order| is_theirs(order.user));
        Ok(order.ok_or_else(|| Error::not_found("order"))?)
    }

    /// Refuses where there is no room for another payment of the order.
    async fn make_room(&self, tx: &Tx, new: &NewPayment) -> Result<(), Fault> {
        if let Some(open) = tx.find::<Payment>("open", [new.order.into()]).await? {
            if open.provider == new.provider || open.provider != ProviderName::Test {
                return Err(payment_open(&open).into());
            }
            // Nobody has paid there, and nobody can any more.
            let fail = |ledger: &mut Ledger| {
                ledger.payment.fail("the shop takes real money now");
                Ok(())
            };
            self.change(tx, open.id, new.at, &fail).await?;
        }
        let before = Scan::of("order", PAYMENTS_OF_ORDER).equal(new.order);
        if tx.scan::<Payment>(before).await?.len() == PAYMENTS_OF_ORDER {
            let why = format!("an order has {PAYMENTS_OF_ORDER} payments at most");
            return Err(Error::new(Code::LimitReached, why).into());
        }
        Ok(())
    }
}

fn payment_open(open: &Payment) -> Error {
    let why = "another payment of the order is open: go on with it, or cancel it";
    Error::new(Code::PaymentOpen, why).with("paymentId", open.id.to_string())
}
