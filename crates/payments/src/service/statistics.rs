//! Figures of what was taken, and of what went back.

use holdfast_types::{Interval, Result, Tally, Timestamp};

use super::Payments;
use crate::model::figures::{Figures, Flow};

/// The figures of a time, by interval.
#[derive(Debug)]
pub(crate) struct Statistics {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    pub(crate) interval: Interval,
    /// By the beginning of the interval, the earliest first.
    pub(crate) items: Vec<(Timestamp, Figures)>,
    pub(crate) total: Figures,
    /// What is on its way back now.
    pub(crate) owed: Flow,
}

impl Payments {
    /// The figures of the intervals that lie between two moments, as a whole.
    pub(crate) async fn statistics(
        &self,
        from: Timestamp,
        to: Timestamp,
        interval: Interval,
    ) -> Result<Statistics> {
        let hours = interval.hours_between(from, to);
        let tallies = self.store().tallies(hours.clone()).await?;
        let by_interval = Figures::by_interval(&tallies, hours.clone(), interval);
        let start = |(hour, figures)| (Tally::start_of(hour), figures);
        Ok(Statistics {
            from: Tally::start_of(hours.start),
            to: Tally::start_of(hours.end),
            interval,
            items: by_interval.into_iter().map(start).collect(),
            total: Figures::of_all(&tallies),
            owed: self.store().owed().await?,
        })
    }
}
