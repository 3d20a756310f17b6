//! Figures of what was taken, and of what went back.

use holdfast_types::{Interval, Report, Result, Timestamp};

use super::Payments;
use crate::model::figures::{Figures, Flow};

impl Payments {
    /// The figures of the intervals that lie between two moments, as a whole, and what is on its way back now.
    pub(crate) async fn statistics(
        &self,
        from: Timestamp,
        to: Timestamp,
        interval: Interval,
    ) -> Result<(Report<Figures>, Flow)> {
        let hours = interval.hours_between(from, to);
        let tallies = self.store().tallies(hours.clone()).await?;
        Ok((interval.report(hours, &tallies, Figures::add), self.store().owed().await?))
    }
}
