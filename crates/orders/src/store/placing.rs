//! Recording orders: alone, or in the transaction that takes their stock.

use std::sync::Arc;

use holdfast_storage::record::{Fault, Tx};
use holdfast_types::{Audit, Error, Message, Reserved, Result};

use super::{OrderStore, Recorded, figures::new_of};
use crate::model::Order;

/// Who answers for which of some orders, where somebody does.
pub(crate) type Audits = Arc<Vec<Arc<Audit>>>;

impl OrderStore {
    /// Records orders, each id once, in one transaction. The results stand in the order of the orders.
    pub(crate) async fn record(&self, orders: Vec<Order>, audits: Audits) -> Result<Vec<Recorded>> {
        let (store, orders) = (self.clone(), Arc::new(orders));
        let record = move |tx: Tx| {
            let (store, orders) = (store.clone(), Vec::clone(&orders));
            let audits = Arc::clone(&audits);
            async move { store.record_and_tell(&tx, orders, &audits).await }
        };
        self.db.transact(record).await
    }

    /// Records orders; tells of those that are new, and of who answers for them, and counts them.
    async fn record_and_tell(
        &self,
        tx: &Tx,
        orders: Vec<Order>,
        audits: &[Arc<Audit>],
    ) -> Result<Vec<Recorded>, Fault> {
        let recorded = self.statements.record(tx, orders).await?;
        let audits = audits.iter().filter_map(|audit| {
            let order =
                new_of(&recorded).find(|order| order.id.uuid() == audit.trail.resource_id)?;
            Some(audit.message(order.updated_at))
        });
        let messages: Vec<Message> = new_of(&recorded).map(Order::message).chain(audits).collect();
        self.outbox.put(tx, messages).await?;
        self.count_new(tx, &recorded).await?;
        Ok(recorded)
    }

    /// Records what was placed elsewhere, and counts what is new of it: who is told of orders has heard of them.
    pub(super) async fn record_moved(&self, tx: &Tx, orders: Vec<Order>) -> Result<(), Fault> {
        let recorded = self.statements.record(tx, orders).await?;
        self.count_new(tx, &recorded).await
    }

    /// Takes stock with `reserve` and records the orders that `order` makes of it, each by its place, in one transaction:
    /// neither stands without the other. A refusal is one order's alone.
    pub(crate) async fn place<F>(
        &self,
        reserve: impl Fn(Tx) -> F + Send + Sync + 'static,
        order: impl Fn(usize, Reserved) -> Order + Send + Sync + 'static,
        audits: Audits,
    ) -> Result<Vec<Result<Recorded>>>
    where
        F: Future<Output = Result<Vec<Result<Reserved>>, Fault>> + Send + 'static,
    {
        let (store, order) = (self.clone(), Arc::new(order));
        let place = move |tx: Tx| {
            let (store, order) = (store.clone(), Arc::clone(&order));
            let audits = Arc::clone(&audits);
            let reserved = reserve(tx.clone());
            async move {
                let (orders, refusals) = orders_of(reserved.await?, &*order);
                Ok(outcomes(store.record_and_tell(&tx, orders, &audits).await?, refusals))
            }
        };
        self.db.transact(place).await
    }

    /// The same where stock was taken before.
    pub(crate) async fn record_reserved(
        &self,
        reserved: Vec<Result<Reserved>>,
        order: impl Fn(usize, Reserved) -> Order + Send + Sync,
        audits: Audits,
    ) -> Result<Vec<Result<Recorded>>> {
        let (orders, refusals) = orders_of(reserved, &order);
        Ok(outcomes(self.record(orders, audits).await?, refusals))
    }
}

/// The orders for which there is stock, and what is refused, by place.
fn orders_of(
    reserved: Vec<Result<Reserved>>,
    order: &(impl Fn(usize, Reserved) -> Order + Send + Sync),
) -> (Vec<Order>, Vec<Result<()>>) {
    let mut orders = Vec::with_capacity(reserved.len());
    let refusals = reserved.into_iter().enumerate().map(|(place, reserved)| {
        orders.push(order(place, reserved?));
        Ok(())
    });
    let refusals = refusals.collect();
    (orders, refusals)
}

/// Both together again.
fn outcomes(recorded: Vec<Recorded>, refusals: Vec<Result<()>>) -> Vec<Result<Recorded>> {
    let mut recorded = recorded.into_iter();
    let mut next = || recorded.next().ok_or_else(|| Error::internal("an order has no record"));
    refusals.into_iter().map(|refusal| refusal.and_then(|()| next())).collect()
}
