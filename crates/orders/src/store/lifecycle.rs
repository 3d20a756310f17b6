//! Steps of the lifecycle: rules decide in the transaction that writes, over what nobody else can change meanwhile.

use std::sync::Arc;

use holdfast_storage::record::{Fault, Tx};
use holdfast_types::{
    Error, IdempotentAnswer, Operation, OrderId, Result, StockAction, Timestamp, UserId,
};

use super::{OrderStore, Render};
use crate::model::{Action, Order, PendingStock, figures};

/// Who takes a step of which order, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) order: OrderId,
    /// Nobody: the shop itself.
    pub(crate) by: Option<UserId>,
    pub(crate) at: Timestamp,
}

impl OrderStore {
    /// Takes the step `action` and writes down what products must hear of it; once per operation.
    pub(crate) async fn transition(
        &self,
        step: Step,
        operation: &Operation,
        render: Render,
        action: Result<Action>,
    ) -> Result<IdempotentAnswer> {
        let (store, action) = (self.clone(), Arc::new(action));
        let apply = move |tx: Tx| {
            let (store, action) = (store.clone(), Arc::clone(&action));
            async move {
                let mut order = store.load_one(&tx, step.order).await?;
                let action = action.as_ref().as_ref().map_err(Error::copy)?;
                if store.take(&tx, step, &mut order, action).await? {
                    store.outbox.put(&tx, [order.message()]).await?;
                    tx.count(&store.shards, figures::cancelled(&order)).await?;
                    store.tell_payments(&tx, &order, step.at).await?;
                }
                Ok(render(&order)?)
            }
        };
        self.outbox.once(operation, step.at, apply).await
    }

    /// Changes an order as `judge` says, which tells whether it did; once per operation.
    pub(crate) async fn change(
        &self,
        id: OrderId,
        operation: &Operation,
        now: Timestamp,
        render: Render,
        judge: impl Fn(&mut Order) -> Result<bool> + Send + Sync + 'static,
    ) -> Result<IdempotentAnswer> {
        let (store, judge) = (self.clone(), Arc::new(judge));
        let apply = move |tx: Tx| {
            let (store, judge) = (store.clone(), Arc::clone(&judge));
            async move {
                let mut order = store.load_one(&tx, id).await?;
                if judge(&mut order)? {
                    store.save(&tx, &order).await?;
                }
                Ok(render(&order)?)
            }
        };
        self.outbox.once(operation, now, apply).await
    }

    async fn load_one(&self, tx: &Tx, id: OrderId) -> Result<Order, Fault> {
        let found = self.load_for_change(tx, vec![id]).await?.pop();
        Ok(found.ok_or_else(|| Error::not_found("order"))?)
    }

    /// Takes a step, and says whether that changed anything.
    pub(super) async fn take(
        &self,
        tx: &Tx,
        step: Step,
        order: &mut Order,
        action: &Action,
    ) -> Result<bool, Fault> {
        let is_news = order.take(action, step.by, step.at)?;
        if is_news {
            self.save(tx, order).await?;
        }
        Ok(is_news)
    }

    /// Expires placed orders whose time has come, 100 at most; returns those that owe a release now.
    /// An order that was paid first is left alone, and one with an open payment waits for what becomes of that.
    pub(crate) async fn expire(&self, now: Timestamp) -> Result<Vec<OrderId>> {
        let due = self.due(now).await?;
        if due.is_empty() {
            return Ok(due);
        }
        let store = self.clone();
        let expire = move |tx: Tx| {
            let (store, due) = (store.clone(), due.clone());
            async move { store.expire_those(&tx, due, now).await }
        };
        self.db.transact(expire).await
    }

    async fn expire_those(
        &self,
        tx: &Tx,
        due: Vec<OrderId>,
        now: Timestamp,
    ) -> Result<Vec<OrderId>, Fault> {
        let (mut expired, mut messages) = (Vec::with_capacity(due.len()), Vec::new());
        let mut tallies = Vec::new();
        for mut order in self.load_for_change(tx, due).await? {
            if self.is_held_up(tx, &mut order, now).await? {
                continue;
            }
            let step = Step { order: order.id, by: None, at: now };
            match self.take(tx, step, &mut order, &Action::Expire).await {
                Ok(is_news) => {
                    expired.push(order.id);
                    if is_news {
                        messages.push(order.message());
                        tallies.extend(figures::cancelled(&order));
                        self.tell_payments(tx, &order, now).await?;
                    }
                }
                Err(Fault::Refused(_)) => {}
                Err(fault) => return Err(fault),
            }
        }
        self.outbox.put(tx, messages).await?;
        tx.count(&self.shards, tallies).await?;
        Ok(expired)
    }

    /// What products has not acknowledged of one order.
    pub(crate) async fn pending_stock_of(&self, id: OrderId) -> Result<Option<PendingStock>> {
        Ok(self.get(id).await?.and_then(|order| order.pending_stock))
    }

    /// Says what must become of reservations that nobody has confirmed. Where there is no order, a tombstone is put
    /// in its place first, so that it can never be recorded later.
    pub(crate) async fn resolve(
        &self,
        ids: &[OrderId],
        now: Timestamp,
    ) -> Result<Vec<(OrderId, StockAction)>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let (store, ids) = (self.clone(), ids.to_vec());
        let resolve = move |tx: Tx| {
            let (store, ids) = (store.clone(), ids.clone());
            async move {
                let statuses = store.bury(&tx, ids.clone(), now).await?;
                let stock_action = |id| match statuses.get(&id) {
                    Some(status) => status.stock_action(),
                    None => StockAction::Release,
                };
                Ok(ids.into_iter().map(|id| (id, stock_action(id))).collect())
            }
        };
        self.db.transact(resolve).await
    }
}
