//! Figures of what was sold, and the counting of what was refused.

use std::sync::{Mutex, PoisonError};

use holdfast_types::{Code, Error, Interval, Report, Result, Tally, Timestamp};

use super::{Orders, Shared};
use crate::model::figures::{self, Figures};

/// Refusals that were not written down yet, summed up. There are as many sums as codes and hours; no client can make more.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<Vec<Tally>>);

impl Refusals {
    fn add(&self, tallies: impl IntoIterator<Item = Tally>) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *waiting = Tally::sum(std::mem::take(&mut *waiting).into_iter().chain(tallies));
    }

    fn take(&self) -> Vec<Tally> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shared {
    /// Takes note of an order that is not placed. What is only late or away may be placed yet.
    pub(super) fn note_refusal(&self, error: &Error) {
        if error.is_transient() || matches!(error.code(), Code::Internal | Code::Timeout) {
            return;
        }
        self.refusals.add([figures::refused(error.code(), self.clock.now())]);
    }

    /// Writes down what was refused since the last time.
    pub(super) async fn count_refusals(&self) -> Result<()> {
        let waiting = self.refusals.take();
        if waiting.is_empty() {
            return Ok(());
        }
        let counted = self.store.count(&waiting).await;
        if counted.is_err() {
            self.refusals.add(waiting);
        }
        counted
    }
}

impl Orders {
    /// The figures of the intervals that lie between two moments, as a whole.
    pub(crate) async fn statistics(
        &self,
        from: Timestamp,
        to: Timestamp,
        interval: Interval,
    ) -> Result<Report<Figures>> {
        let hours = interval.hours_between(from, to);
        let tallies = self.store().tallies(hours.clone()).await?;
        Ok(interval.report(hours, &tallies, Figures::add))
    }

    /// Writes down what was counted and is not kept yet: before the process ends.
    pub async fn flush(&self) -> Result<()> {
        self.0.shared.count_refusals().await
    }
}
