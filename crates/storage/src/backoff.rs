//! How long a transaction is run again.

use std::time::Duration;

use holdfast_types::{Error, Random, Result};
use tokio::time::Instant;

/// A transaction is begun again for this long: about what a server takes to come back after a crash.
const PATIENCE: Duration = Duration::from_secs(6);
/// The same while a replica set has no primary: with the settings that it comes with, it notices after ten seconds that
/// one is gone.
const ELECTION_PATIENCE: Duration = Duration::from_secs(14);
/// The longest pause before the first repeat; doubled for each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(4);
/// No pause is longer.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Waits between attempts, longer each time, with full jitter, so that those who collided do not meet again.
pub(crate) struct Backoff<'a> {
    random: &'a Random,
    began: Instant,
    pause: Duration,
}

impl<'a> Backoff<'a> {
    pub(crate) fn new(random: &'a Random) -> Self {
        Self { random, began: Instant::now(), pause: FIRST_PAUSE }
    }

    /// Waits before the next attempt, or gives `fault` back when patience has run out.
    pub(crate) async fn wait(&mut self, fault: impl Into<Error>) -> Result<()> {
        self.wait_within(PATIENCE, fault).await
    }

    /// The same after a fault that says that nobody is the primary.
    pub(crate) async fn wait_for_election(&mut self, fault: impl Into<Error>) -> Result<()> {
        self.wait_within(ELECTION_PATIENCE, fault).await
    }

    async fn wait_within(&mut self, limit: Duration, fault: impl Into<Error>) -> Result<()> {
        let fault = fault.into();
        if self.began.elapsed() + self.pause > limit {
            return Err(fault);
        }
        tracing::debug!(%fault, "a transaction is run again");
        metrics::counter!("storage_retries_total").increment(1);
        let share = f64::from(u16::from_be_bytes(self.random.bytes())) / f64::from(u16::MAX);
        tokio::time::sleep(self.pause.mul_f64(share)).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}
