//! Changing payments: the order is held, then the payment and its refunds change together, and the order follows.

use std::sync::Arc;

use holdfast_storage::record::{Fault, Scan, Stored, Tx};
use holdfast_types::{Answer, Error, IdempotentAnswer, Operation, OrderId, Result, Timestamp};

use super::{PaymentStore, REFUNDS, claiming::refunds};
use crate::model::{Ledger, Payment, PaymentId, Refund};

/// Why money goes back that an order does not want.
const LATE: &str = "the order did not want it any more";

/// A payment and the refunds that were changed with it.
pub(crate) type Claimed = (Payment, Vec<Refund>);

impl PaymentStore {
    /// Changes a payment with its pending refunds as `judge` says, which sees them as nobody else changes them. An order whose money
    /// has come is paid by the same transaction; where it does not want the money, that is owed back by the same
    /// transaction, and what is only set aside is called off. Refuses with `not-found`.
    pub(crate) async fn settle(
        &self,
        payment: &Payment,
        now: Timestamp,
        judge: impl Fn(&mut Ledger) -> Result<()> + Send + Sync + 'static,
    ) -> Result<Payment> {
        let (store, judge) = (self.clone(), Arc::new(judge));
        let (id, order) = (payment.id, payment.order);
        let settle = move |tx: Tx| {
            let (store, judge) = (store.clone(), Arc::clone(&judge));
            async move {
                store.book.load(&tx, order).await?;
                Ok(store.change(&tx, id, now, &*judge).await?.0)
            }
        };
        self.db.transact(settle).await
    }

    /// The same once per operation.
    pub(crate) async fn order(
        &self,
        payment: &Payment,
        operation: &Operation,
        now: Timestamp,
        render: fn(&Claimed) -> Result<Answer>,
        judge: impl Fn(&mut Ledger) -> Result<()> + Send + Sync + 'static,
    ) -> Result<IdempotentAnswer> {
        let (store, judge) = (self.clone(), Arc::new(judge));
        let (id, order) = (payment.id, payment.order);
        let change = move |tx: Tx| {
            let (store, judge) = (store.clone(), Arc::clone(&judge));
            async move {
                store.book.load(&tx, order).await?;
                Ok(render(&store.change(&tx, id, now, &*judge).await?)?)
            }
        };
        self.outbox.once(operation, now, change).await
    }

    /// The same in `tx`, where the order is held already.
    pub(super) async fn change(
        &self,
        tx: &Tx,
        id: PaymentId,
        now: Timestamp,
        judge: &(dyn Fn(&mut Ledger) -> Result<()> + Send + Sync),
    ) -> Result<Claimed, Fault> {
        tx.lock::<Payment>([id.into()]).await?;
        let found = ledger(tx, id).await?.ok_or_else(|| Error::not_found("payment"))?;
        let (mut payment, mut refunds) = found;
        let of_before = refunds.iter().map(|refund| (**refund).clone()).collect();
        let mut ledger = Ledger::new(payment.clone().into_inner(), of_before);
        judge(&mut ledger)?;
        self.follow(tx, &mut ledger, now).await?;
        let messages = ledger.finish(now)?;
        for refund in ledger.changed_refunds() {
            match refunds.iter_mut().find(|stored| stored.id == refund.id) {
                Some(stored) => {
                    **stored = refund.clone();
                    tx.put(stored).await??;
                }
                None => tx.insert(refund).await??,
            }
        }
        if let Some(changed) = ledger.changed_payment() {
            *payment = changed.clone();
            tx.put(&payment).await??;
        }
        self.outbox.put(tx, messages).await?;
        tx.count(&self.shards, ledger.tallies()).await?;
        Ok((ledger.payment, ledger.refunds))
    }

    /// Makes all payments that came from another database fit their refunds and their orders.
    pub(crate) async fn restore(&self, now: Timestamp) -> Result<()> {
        let mut payments = self.db.records::<Payment>().await?;
        while let Some(payment) = payments.next().await? {
            let Payment { id, order, .. } = payment?;
            let store = self.clone();
            let restore = move |tx: Tx| {
                let store = store.clone();
                async move {
                    store.book.load(&tx, order).await?;
                    store.restore_one(&tx, (id, order), now).await
                }
            };
            self.db.transact(restore).await?;
        }
        self.recount().await
    }

    async fn restore_one(
        &self,
        tx: &Tx,
        (id, order): (PaymentId, OrderId),
        now: Timestamp,
    ) -> Result<(), Fault> {
        let all = refunds(tx, id).await?;
        let refunds = all.clone();
        let fit = move |ledger: &mut Ledger| {
            ledger.restore(&refunds, now);
            Ok(())
        };
        self.change(tx, id, now, &fit).await?;
        // It may have been paid just now.
        self.restore_stock(tx, order, &all, now).await
    }

    /// The order hears of money that has come.
    async fn follow(&self, tx: &Tx, ledger: &mut Ledger, now: Timestamp) -> Result<(), Fault> {
        let payment = &ledger.payment;
        if ledger.asks_order() {
            let is_wanted = ledger.is_all_taken()
                && self.book.pay(tx, payment.order, &payment.reference(), now).await?;
            if !is_wanted {
                ledger.turn_away(LATE, now)?;
            }
        } else if ledger.sets_aside() {
            let order = self.book.load(tx, payment.order).await?;
            if !order.is_some_and(|order| order.is_unpaid) {
                ledger.turn_away(LATE, now)?;
            }
        }
        Ok(())
    }
}

/// A payment with its refunds that are pending.
pub(super) async fn ledger(
    tx: &Tx,
    id: PaymentId,
) -> Result<Option<(Stored<Payment>, Vec<Stored<Refund>>)>, Fault> {
    let Some(payment) = tx.get::<Payment>(id).await? else { return Ok(None) };
    let scan = Scan::of("pending", REFUNDS).equal(id);
    Ok(Some((payment, tx.scan::<Refund>(scan).await?)))
}
