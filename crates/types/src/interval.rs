//! The intervals by which reports are told.

use std::{collections::BTreeMap, ops::Range};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Tally, Timestamp};

/// How long the intervals are of which figures are asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = StatisticsInterval)]
pub enum Interval {
    /// Hours.
    Hour,
    /// Days of UTC.
    #[default]
    Day,
}

impl Interval {
    const fn hours(self) -> i64 {
        match self {
            Self::Hour => 1,
            Self::Day => 24,
        }
    }

    /// Intervals that one answer tells of: a month of hours, a year of days.
    #[must_use]
    pub const fn most(self) -> i64 {
        match self {
            Self::Hour => 31 * 24,
            Self::Day => 366,
        }
    }

    /// The hours of all intervals that `from` and the last moment before `to` lie in.
    #[must_use]
    pub fn hours_between(self, from: Timestamp, to: Timestamp) -> Range<i64> {
        let last = Timestamp::from_millis(to.as_millis().saturating_sub(1));
        let first = self.beginning(Tally::hour_of(from));
        first..self.beginning(Tally::hour_of(last)) + self.hours()
    }

    /// How many of them lie between two moments, at least in part.
    #[must_use]
    pub fn count(self, from: Timestamp, to: Timestamp) -> i64 {
        let hours = self.hours_between(from, to);
        (hours.end - hours.start) / self.hours()
    }

    const fn beginning(self, hour: i64) -> i64 {
        hour - hour.rem_euclid(self.hours())
    }

    /// What the tallies of such hours come to, `add` by `add`.
    #[must_use]
    pub fn report<F: Default>(
        self,
        hours: Range<i64>,
        tallies: &[Tally],
        add: impl Fn(&mut F, &Tally),
    ) -> Report<F> {
        let beginnings = hours.clone().step_by(usize::try_from(self.hours()).unwrap_or(1));
        let mut figures: BTreeMap<i64, F> = beginnings.map(|hour| (hour, F::default())).collect();
        let mut total = F::default();
        for tally in tallies {
            add(&mut total, tally);
            if let Some(figures) = figures.get_mut(&self.beginning(tally.hour)) {
                add(figures, tally);
            }
        }
        let start = |(hour, figures)| (Tally::start_of(hour), figures);
        Report {
            from: Tally::start_of(hours.start),
            to: Tally::start_of(hours.end),
            interval: self,
            items: figures.into_iter().map(start).collect(),
            total,
        }
    }
}

/// Figures of a time, by interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report<F> {
    /// The beginning of the first interval.
    pub from: Timestamp,
    /// The end of the last.
    pub to: Timestamp,
    /// How long they are.
    pub interval: Interval,
    /// By the beginning of the interval, the earliest first, also those in which nothing happened.
    pub items: Vec<(Timestamp, F)>,
    /// All of them together.
    pub total: F,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_cover_what_is_asked_for() {
        let at = |hours: i64, millis: i64| Timestamp::from_millis(hours * 3_600_000 + millis);
        assert_eq!(Interval::Hour.hours_between(at(5, 1), at(6, 0)), 5..6);
        assert_eq!(Interval::Hour.hours_between(at(5, 1), at(6, 1)), 5..7);
        assert_eq!(Interval::Day.hours_between(at(25, 0), at(48, 1)), 24..72);
        assert_eq!(Interval::Day.hours_between(at(-1, 0), at(0, 0)), -24..0);
    }
}
