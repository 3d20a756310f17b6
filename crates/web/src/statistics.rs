//! Of which time figures are asked for: the same wherever there are some.

use std::time::Duration;

use holdfast_types::{Interval, Result, Timestamp};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::invalid_parameter;

/// What is shown to whoever does not say from when.
const USUAL: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Figures are told of times that calendars know: 1970 to 9999.
const LAST: Timestamp = Timestamp::from_millis(253_402_300_799_999);

/// Of which time figures are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StatisticsQuery {
    /// The interval of this moment is the first; by default that of thirty days before `to`.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-11-01T00:00:00Z")]
    from: Option<Timestamp>,
    /// Intervals that begin before this moment are told of; by default it is now.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-12-01T00:00:00Z")]
    to: Option<Timestamp>,
    /// At most 744 hours or 366 days of UTC; days where it is not said.
    interval: Option<Interval>,
}

impl StatisticsQuery {
    /// How long the intervals are.
    #[must_use]
    pub fn interval(&self) -> Interval {
        self.interval.unwrap_or_default()
    }

    /// From when to when figures are asked for. Refuses with `invalid-parameter`.
    pub fn period(&self, now: Timestamp) -> Result<(Timestamp, Timestamp)> {
        let to = self.to.unwrap_or(now);
        let from = self.from.unwrap_or_else(|| to.minus(USUAL));
        let within = |at: Timestamp| (0..=LAST.as_millis()).contains(&at.as_millis());
        if !within(from) {
            return Err(invalid_parameter("from", "expected a moment of 1970 to 9999"));
        }
        if from >= to || !within(to) {
            return Err(invalid_parameter("to", "expected a moment after `from`, up to 9999"));
        }
        let interval = self.interval();
        if interval.count(from, to) > interval.most() {
            let why = format!("expected at most {} intervals up to `to`", interval.most());
            return Err(invalid_parameter("from", &why));
        }
        Ok((from, to))
    }
}
