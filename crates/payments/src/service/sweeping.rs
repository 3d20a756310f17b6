//! Looking at payments whose time has come: what a process has left unfinished, and what nobody has told of.

use std::time::Duration;

use holdfast_types::Result;
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use super::Payments;
use crate::model::PaymentId;

/// Between two looks at what is due.
const TICK: Duration = Duration::from_millis(500);
/// Payments that are looked at together.
const ROUND: usize = 16;
/// After so long another process may look at one that this one has taken.
const LEASE: Duration = Duration::from_secs(60);

impl Payments {
    /// Sweeps until the process ends.
    pub async fn sweep(&self) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.sweep_once().await {
                tracing::warn!(%error, "cannot look at payments now: the next round tries again");
            }
        }
    }

    /// Drives a payment that nobody waits for.
    pub(super) async fn look(&self, id: PaymentId, is_due: bool) {
        if let Err(error) = self.drive(id, is_due).await {
            tracing::warn!(%error, payment = %id, "a payment is looked at later");
        }
    }

    /// Looks at what is due, until nothing is.
    pub(crate) async fn sweep_once(&self) -> Result<()> {
        if self.0.provider.is_none() {
            return Ok(());
        }
        loop {
            let now = self.now();
            let due = self.0.store.take_due(now, now.plus(LEASE), ROUND).await?;
            let is_last = due.len() < ROUND;
            let mut looks = JoinSet::new();
            for id in due {
                let payments = self.clone();
                looks.spawn(async move { payments.look(id, true).await });
            }
            while looks.join_next().await.is_some() {}
            if is_last {
                return Ok(());
            }
        }
    }
}
