//! Holds: how long they last, and tidying up.

use std::time::Duration;

use holdfast_types::{
    HoldId, IdempotentAnswer, Operation, ReserveCommand, Result, Timestamp, UserId,
};
use tokio::time::{MissedTickBehavior, interval};

use super::Products;
use crate::store::holds::{NewHold, RenderHold};

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
        count(&held, "opened");
        Ok(held)
    }

    /// Holds on for as long again from now.
    pub(crate) async fn extend_hold(
        &self,
        hold: (HoldId, UserId),
        operation: &Operation,
        render: RenderHold,
    ) -> Result<IdempotentAnswer> {
        let time = self.0.settings.hold_time;
        self.store().extend_hold(hold, time, operation, render, self.now()).await
    }

    /// Lets go of a hold. Refuses with `not-found`.
    pub(crate) async fn release_hold(
        &self,
        hold: (HoldId, UserId),
        operation: &Operation,
    ) -> Result<IdempotentAnswer> {
        let now = self.now();
        let was_open = self.store().hold_of(hold.0, hold.1).await?.is_open(now);
        let released = self.store().release_hold(hold, operation, now).await?;
        if was_open {
            count(&released, "released");
        }
        Ok(released)
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
    pub(crate) async fn expire_holds(&self) -> Result<()> {
        let (now, mut after) = (self.now(), None);
        loop {
            let (due, last) = self.store().due_holds(now, after).await?;
            if due.is_empty() {
                return Ok(());
            }
            if self.expire(due.clone(), now).await.is_err() {
                for id in due {
                    if let Err(error) = self.expire(vec![id], now).await {
                        tracing::warn!(%error, hold = %id, "a hold cannot be ended now: the next round tries again");
                    }
                }
            }
            after = last;
        }
    }

    async fn expire(&self, ids: Vec<HoldId>, now: Timestamp) -> Result<()> {
        let expired = self.store().expire_holds(ids, now).await?;
        metrics::counter!("holds_total", "outcome" => "expired").increment(expired as u64);
        Ok(())
    }
}

fn count(answer: &IdempotentAnswer, outcome: &'static str) {
    if !answer.replayed {
        metrics::counter!("holds_total", "outcome" => outcome).increment(1);
    }
}
