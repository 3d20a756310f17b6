//! Holds: how long they last, and tidying up.

use std::time::Duration;

use holdfast_types::{HoldId, IdempotentAnswer, Operation, ReserveCommand, Result, Timestamp};
use tokio::time::{MissedTickBehavior, interval};

use super::Products;
use crate::store::holds::{NewHold, RenderHold, Whose};

/// Between two looks for holds whose time is over. Whether one is over, its end says to the millisecond: this only puts stock back.
const TICK: Duration = Duration::from_millis(500);

impl Products {
    /// Holds stock for a while; see [`crate::store::ProductStore::hold`].
    pub(crate) async fn hold(
        &self,
        command: ReserveCommand,
        operation: &Operation,
        render: RenderHold,
    ) -> Result<IdempotentAnswer> {
        let now = self.now();
        let new = NewHold { command, expires_at: now.plus(self.0.settings.hold_time) };
        let held = self.store().hold(new, operation, render, now).await?;
        if !held.replayed {
            count("opened", 1);
        }
        Ok(held)
    }

    /// Holds on for as long again from now.
    pub(crate) async fn extend_hold(
        &self,
        hold: (HoldId, Whose),
        operation: &Operation,
        render: RenderHold,
    ) -> Result<IdempotentAnswer> {
        let time = self.0.settings.hold_time;
        self.store().extend_hold(hold, time, operation, render, self.now()).await
    }

    /// Lets go of a hold. Refuses with `not-found`.
    pub(crate) async fn release_hold(
        &self,
        hold: (HoldId, Whose),
        operation: &Operation,
    ) -> Result<IdempotentAnswer> {
        let (answer, was_open) = self.store().release_hold(hold, operation, self.now()).await?;
        if was_open {
            count("released", 1);
        }
        Ok(answer)
    }

    /// Puts the stock of holds back whose time is over, until the process ends.
    pub async fn sweep(&self) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.expire_holds().await {
                tracing::warn!(%error, "cannot put the stock of holds back now: the next round tries again");
            }
        }
    }

    /// Some at a time, and one by one where that fails: one that cannot be ended now holds up no other.
    async fn expire_holds(&self) -> Result<()> {
        let (now, mut after) = (self.now(), None);
        loop {
            let (due, last) = self.store().due_holds(now, after).await?;
            if due.is_empty() {
                return Ok(());
            }
            if self.expire(due.clone(), now).await.is_err() {
                self.expire_apart(due, now).await;
            }
            after = last;
        }
    }

    async fn expire_apart(&self, due: Vec<HoldId>, now: Timestamp) {
        for id in due {
            if let Err(error) = self.expire(vec![id], now).await {
                tracing::warn!(%error, hold = %id, "a hold cannot be ended now: the next round tries again");
            }
        }
    }

    async fn expire(&self, ids: Vec<HoldId>, now: Timestamp) -> Result<()> {
        let expired = self.store().expire_holds(ids, now).await?;
        count("expired", expired);
        Ok(())
    }
}

/// Counts what has become of holds.
fn count(outcome: &'static str, holds: usize) {
    metrics::counter!("holds_total", "outcome" => outcome).increment(holds as u64);
}
