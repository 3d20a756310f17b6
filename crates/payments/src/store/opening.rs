//! Making payments.

use std::sync::Arc;

use holdfast_storage::record::{Scan, Taken, Tx};
use holdfast_types::{Code, Error, Operation, Result, reused};

use super::{PAYMENTS_OF_ORDER, PaymentStore};
use crate::model::{NewPayment, Payment};

impl PaymentStore {
    /// Makes a payment for an order that waits for money, and gives the buyer time, once per id: a repeat returns the payment and
    /// `true`. Refuses with `not-found` where it is not theirs, `invalid-transition` where the order wants no money, `payment-open`
    /// where another payment is open, and `idempotency-key-reused`.
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
                let order = store.book.load(&tx, new.order).await?;
                let is_theirs = |whose| new.user.is_none_or(|user| user == whose);
                let order = order.filter(|order| is_theirs(order.user));
                let order = order.ok_or_else(|| Error::not_found("order"))?;
                if let Some(found) = tx.get::<Payment>(new.id).await? {
                    let is_same = found.fingerprint == new.fingerprint;
                    return match is_same {
                        true => Ok((found.into_inner(), true)),
                        false => Err(reused().into()),
                    };
                }
                if let Some(open) = tx.find::<Payment>("open", [new.order.into()]).await? {
                    return Err(payment_open(&open).into());
                }
                if !order.is_unpaid {
                    let why = format!("an order that is {} wants no money", order.status);
                    let refusal = Error::new(Code::InvalidTransition, why);
                    return Err(refusal.with("orderStatus", order.status).into());
                }
                let before = Scan::of("order", PAYMENTS_OF_ORDER).equal(new.order);
                if tx.scan::<Payment>(before).await?.len() == PAYMENTS_OF_ORDER {
                    let why = format!("an order has {PAYMENTS_OF_ORDER} payments at most");
                    return Err(Error::new(Code::LimitReached, why).into());
                }
                if order.total.amount == 0 {
                    let why = "the order costs nothing: there is nothing to pay";
                    return Err(Error::invalid("#/orderId", why).into());
                }
                let payment = Payment::new(&new, order.user, order.total);
                match tx.insert(&payment).await? {
                    Ok(()) => {}
                    Err(Taken::Index("open")) => {
                        let why = "another payment of the order is open";
                        return Err(Error::new(Code::PaymentOpen, why).into());
                    }
                    Err(taken) => return Err(taken.into()),
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
}

fn payment_open(open: &Payment) -> Error {
    let why = "another payment of the order is open: go on with it, or cancel it";
    Error::new(Code::PaymentOpen, why).with("paymentId", open.id.to_string())
}
