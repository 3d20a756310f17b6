//! Telling products what orders have become (reconciling), expiring, and finding half-made orders: stock follows the order row.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use holdfast_types::{BatchId, OrderId, Result, StockAction, Unconfirmed};
use tokio::time::{MissedTickBehavior, interval};

use super::Shared;
use crate::model::PendingStock;

/// Between two looks at expiry and at confirmations that found no batch to ride with.
const TICK: Duration = Duration::from_millis(250);
/// Ticks between two looks at old pending stock and half-made orders.
const PENDING_TICKS: u64 = 20;
/// Stock that has been pending for so long was left so by whoever moved the order.
const PENDING_AGE: Duration = Duration::from_secs(5);
/// A reservation that is this old and has no order was cut on its way.
const HALF_MADE_AGE: Duration = Duration::from_secs(60);
/// Confirmations that wait to ride along; more are left to the sweep, which finds what is unconfirmed.
const CONFIRMATIONS: usize = 4096;

/// Batches whose orders are recorded, and of which products has not been told yet.
#[derive(Debug, Default)]
pub(super) struct Confirmations(Mutex<Vec<BatchId>>);

impl Confirmations {
    pub(super) fn take(&self) -> Vec<BatchId> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn add(&self, batches: &[BatchId]) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = CONFIRMATIONS.saturating_sub(waiting.len());
        waiting.extend_from_slice(&batches[..batches.len().min(room)]);
    }
}

impl Shared {
    /// Sweeps until the process ends.
    pub(super) async fn sweep(&self) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for tick in 0_u64.. {
            ticks.tick().await;
            log("confirm", self.confirm().await);
            log("expire", self.expire().await);
            if tick % PENDING_TICKS == 0 {
                log("count refusals", self.count_refusals().await);
                log("reconcile stock", self.reconcile_pending(PENDING_AGE).await);
                log("resolve half-made orders", self.resolve_half_made(HALF_MADE_AGE).await);
            }
        }
    }

    /// Makes the stock of one order follow it, if that is pending.
    pub(super) async fn reconcile(&self, id: OrderId) -> Result<()> {
        match self.store.pending_stock_of(id).await? {
            Some(action) => self.apply(&[(id, action)]).await.map(|_| ()),
            None => Ok(()),
        }
    }

    /// Applies what is pending and clears it; says how many. One that products refuses does not hold up the others.
    async fn apply(&self, pending: &[(OrderId, PendingStock)]) -> Result<usize> {
        if pending.is_empty() {
            return Ok(0);
        }
        match self.move_stock(pending).await {
            Ok(()) => {
                self.store.clear_pending_stock(pending).await?;
                Ok(pending.len())
            }
            Err(error) if error.is_transient() => Err(error),
            Err(error) if pending.len() == 1 => {
                tracing::error!(%error, order = %pending[0].0, "products refuses what the order has become");
                Ok(0)
            }
            Err(_) => self.apply_apart(pending).await,
        }
    }

    /// Where units are back, those first, then what has become of the rest.
    async fn move_stock(&self, pending: &[(OrderId, PendingStock)]) -> Result<()> {
        let returning = pending.iter().filter(|(_, pending)| pending.returned > 0);
        let returning: Vec<OrderId> = returning.map(|(id, _)| *id).collect();
        if !returning.is_empty() {
            let orders = self.store.get_all(returning).await?;
            let kept: Vec<_> = orders.iter().map(|order| (order.id, order.kept())).collect();
            self.stock.give_back(&kept).await?;
        }
        let actions = pending.iter().map(|(id, pending)| (*id, pending.action));
        let actions: Vec<_> = actions.filter(|(_, action)| *action != StockAction::Keep).collect();
        match actions.is_empty() {
            true => Ok(()),
            false => self.stock.apply(&actions).await,
        }
    }

    async fn apply_apart(&self, pending: &[(OrderId, PendingStock)]) -> Result<usize> {
        let mut applied = 0;
        for one in pending {
            applied += Box::pin(self.apply(std::slice::from_ref(one))).await?;
        }
        Ok(applied)
    }

    /// Confirms what no batch has taken along.
    async fn confirm(&self) -> Result<()> {
        let waiting = self.confirmations.take();
        if waiting.is_empty() {
            return Ok(());
        }
        self.stock.confirm(&waiting).await.inspect_err(|_| self.confirmations.add(&waiting))
    }

    async fn expire(&self) -> Result<()> {
        if self.settings.payment_window.is_none() {
            return Ok(());
        }
        loop {
            let expired = self.store.expire(self.clock.before(Duration::ZERO)).await?;
            let pending: Vec<_> =
                expired.iter().map(|id| (*id, StockAction::Release.into())).collect();
            if self.apply(&pending).await? == 0 {
                return Ok(());
            }
        }
    }

    async fn reconcile_pending(&self, age: Duration) -> Result<()> {
        loop {
            let pending = self.store.pending_stock(self.clock.before(age)).await?;
            if self.apply(&pending).await? == 0 {
                return Ok(());
            }
        }
    }

    /// Reservations without an order are released, but only once a tombstone keeps the order from being recorded late.
    async fn resolve_half_made(&self, age: Duration) -> Result<()> {
        loop {
            let mut resolved = Vec::new();
            for Unconfirmed { batch, orders } in self.stock.unconfirmed(age).await? {
                if self.resolve(&orders).await? {
                    resolved.push(batch);
                }
            }
            if resolved.is_empty() {
                return Ok(());
            }
            self.stock.confirm(&resolved).await?;
        }
    }

    /// True when every one of them has become what it must.
    async fn resolve(&self, orders: &[OrderId]) -> Result<bool> {
        let resolved = self.store.resolve(orders, self.clock.now()).await?;
        let moving = resolved.into_iter().filter(|(_, action)| *action != StockAction::Keep);
        let moving: Vec<(OrderId, PendingStock)> =
            moving.map(|(id, action)| (id, action.into())).collect();
        let is_release = |(_, pending): &&(_, PendingStock)| pending.action == StockAction::Release;
        let released = moving.iter().filter(is_release).count();
        tracing::info!(found = orders.len(), released, "resolved half-made orders");
        Ok(self.apply(&moving).await? == moving.len())
    }
}

fn log(what: &str, result: Result<()>) {
    if let Err(error) = result {
        tracing::warn!(%error, "cannot {what} now: the next round tries again");
    }
}
