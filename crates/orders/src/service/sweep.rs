//! Paying what orders owe to products, expiring, and finding half-made orders: stock follows the order row.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use holdfast_types::{BatchId, OrderId, Result, Settlement, Unconfirmed};
use tokio::time::{MissedTickBehavior, interval};

use super::Parts;

/// Between two looks at expiry and at confirmations that found no batch to ride with.
const TICK: Duration = Duration::from_millis(250);
/// Ticks between two looks at old debts and half-made orders.
const DEBT_TICKS: u64 = 20;
/// Ticks between two rounds of forgetting.
const FORGET_TICKS: u64 = 4 * 60 * 10;
/// A debt that is this old was not paid by whoever made it.
const DEBT_AGE: Duration = Duration::from_secs(5);
/// A reservation that is this old and has no order was cut on its way.
const HALF_MADE_AGE: Duration = Duration::from_secs(60);
/// How long kept answers are kept.
const ANSWER_TIME: Duration = Duration::from_secs(48 * 60 * 60);
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

impl Parts {
    /// Sweeps until the process ends.
    pub(super) async fn sweep(&self) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for tick in 0_u64.. {
            ticks.tick().await;
            log("confirm", self.confirm().await);
            log("expire", self.expire().await);
            if tick % DEBT_TICKS == 0 {
                log("pay debts", self.pay_debts(DEBT_AGE).await);
                log("judge half-made orders", self.judge_half_made(HALF_MADE_AGE).await);
            }
            if tick % FORGET_TICKS == 0 {
                log("forget", self.store.forget(self.clock.before(ANSWER_TIME)).await);
            }
        }
    }

    /// Pays the debt of one order, if it has one.
    pub(super) async fn pay_debt(&self, id: OrderId) -> Result<()> {
        match self.store.debt(id).await? {
            Some(settlement) => self.settle(&[(id, settlement)]).await.map(|_| ()),
            None => Ok(()),
        }
    }

    /// Settles debts and strikes them out; says how many. One that cannot be settled does not hold up the others.
    async fn settle(&self, debts: &[(OrderId, Settlement)]) -> Result<usize> {
        if debts.is_empty() {
            return Ok(0);
        }
        match self.catalog.settle(debts).await {
            Ok(()) => {
                self.store.settled(debts).await?;
                Ok(debts.len())
            }
            Err(error) if error.is_transient() => Err(error),
            Err(error) if debts.len() == 1 => {
                tracing::error!(%error, order = %debts[0].0, "cannot settle: products is not told");
                Ok(0)
            }
            Err(_) => self.settle_apart(debts).await,
        }
    }

    async fn settle_apart(&self, debts: &[(OrderId, Settlement)]) -> Result<usize> {
        let mut settled = 0;
        for debt in debts {
            settled += Box::pin(self.settle(std::slice::from_ref(debt))).await?;
        }
        Ok(settled)
    }

    /// Confirms what no batch has taken along.
    async fn confirm(&self) -> Result<()> {
        let waiting = self.confirmations.take();
        if waiting.is_empty() {
            return Ok(());
        }
        self.catalog.confirm(&waiting).await.inspect_err(|_| self.confirmations.add(&waiting))
    }

    async fn expire(&self) -> Result<()> {
        if self.settings.payment_window.is_none() {
            return Ok(());
        }
        loop {
            let expired = self.store.expire(self.clock.before(Duration::ZERO)).await?;
            let debts: Vec<_> = expired.iter().map(|id| (*id, Settlement::Release)).collect();
            if self.settle(&debts).await? == 0 {
                return Ok(());
            }
        }
    }

    async fn pay_debts(&self, age: Duration) -> Result<()> {
        loop {
            let debts = self.store.debts(self.clock.before(age)).await?;
            if self.settle(&debts).await? == 0 {
                return Ok(());
            }
        }
    }

    /// Reservations without an order are released, but only once a tombstone keeps the order from being recorded late.
    async fn judge_half_made(&self, age: Duration) -> Result<()> {
        loop {
            let mut settled = Vec::new();
            for Unconfirmed { batch, orders } in self.catalog.unconfirmed(age).await? {
                if self.judge(&orders).await? {
                    settled.push(batch);
                }
            }
            if settled.is_empty() {
                return Ok(());
            }
            self.catalog.confirm(&settled).await?;
        }
    }

    /// True when every one of them has become what it must.
    async fn judge(&self, orders: &[OrderId]) -> Result<bool> {
        let judged = self.store.judge(orders, self.clock.now()).await?;
        let moving: Vec<_> =
            judged.into_iter().filter(|(_, settlement)| *settlement != Settlement::Keep).collect();
        let released =
            moving.iter().filter(|(_, settlement)| *settlement == Settlement::Release).count();
        tracing::info!(found = orders.len(), released, "settled half-made orders");
        Ok(self.settle(&moving).await? == moving.len())
    }
}

fn log(what: &str, result: Result<()>) {
    if let Err(error) = result {
        tracing::warn!(%error, "cannot {what} now: the next round tries again");
    }
}
