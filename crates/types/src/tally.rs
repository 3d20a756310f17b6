//! Tallies: how much of something happened in an hour. Sums that reports are made of, without reading what they sum up.

use std::collections::{BTreeMap, btree_map::Entry};

use crate::Timestamp;

const HOUR_MILLIS: i64 = 60 * 60 * 1000;

/// How much of something fell into an hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Which hour, counted in UTC from 1970 on.
    pub hour: i64,
    /// What is counted. It begins with the service that counts: `orders/placed/EUR`.
    pub name: String,
    /// How often it happened.
    pub events: i64,
    /// Pieces.
    pub units: i64,
    /// Minor units of a currency. A sum of many amounts may be larger than any of them can be.
    pub amount: i128,
}

impl Tally {
    /// One event.
    #[must_use]
    pub fn of(at: Timestamp, name: String, units: i64, amount: i64) -> Self {
        Self { hour: Self::hour_of(at), name, events: 1, units, amount: amount.into() }
    }

    /// The hour of a moment.
    #[must_use]
    pub const fn hour_of(at: Timestamp) -> i64 {
        at.as_millis().div_euclid(HOUR_MILLIS)
    }

    /// When an hour begins.
    #[must_use]
    pub const fn start_of(hour: i64) -> Timestamp {
        Timestamp::from_millis(hour.saturating_mul(HOUR_MILLIS))
    }

    /// One tally for each hour and name, in that order.
    #[must_use]
    pub fn sum(tallies: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let mut sums = BTreeMap::new();
        tallies.into_iter().for_each(|tally| tally.add_to(&mut sums));
        sums.into_values().collect()
    }

    /// Where what was counted is not what there is: what was counted, and what there is, in pairs.
    #[must_use]
    pub fn differences(
        counted: Vec<Self>,
        mut there: BTreeMap<(i64, String), Self>,
    ) -> Vec<(Self, Self)> {
        let nothing = |like: &Self| Self { events: 0, units: 0, amount: 0, ..like.clone() };
        let mut pairs = Vec::new();
        for tally in counted {
            let key = (tally.hour, tally.name.clone());
            let is = there.remove(&key).unwrap_or_else(|| nothing(&tally));
            pairs.push((tally, is));
        }
        // Nothing was counted of what is left.
        pairs.extend(there.into_values().map(|is| (nothing(&is), is)));
        pairs.retain(|(was, is)| was != is);
        pairs
    }

    /// What is wrong with what was counted, in a sentence.
    #[must_use]
    pub fn finding((was, is): &(Self, Self)) -> String {
        let (start, name) = (Self::start_of(was.hour), &was.name);
        format!(
            "the statistics of {name} in the hour from {start} on count {} times, {} units and {} minor units, and there are {}, {} and {}",
            was.events, was.units, was.amount, is.events, is.units, is.amount
        )
    }

    /// Adds it to the sum of its hour and name.
    pub fn add_to(self, sums: &mut BTreeMap<(i64, String), Self>) {
        match sums.entry((self.hour, self.name.clone())) {
            Entry::Vacant(sum) => drop(sum.insert(self)),
            Entry::Occupied(mut sum) => {
                let sum = sum.get_mut();
                sum.events += self.events;
                sum.units += self.units;
                sum.amount += self.amount;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_by_hour_and_name() {
        let at = |minutes: i64| Timestamp::from_millis(minutes * 60_000);
        let of = |minutes, name: &str, amount| Tally::of(at(minutes), name.to_owned(), 2, amount);
        let sums =
            Tally::sum([of(59, "b", 1), of(60, "a", 5), of(0, "b", i64::MAX), of(-1, "a", 1)]);
        let found: Vec<_> = sums.iter().map(|sum| (sum.hour, &*sum.name, sum.events)).collect();
        assert_eq!(found, [(-1, "a", 1), (0, "b", 2), (1, "a", 1)]);
        assert_eq!((sums[1].units, sums[1].amount), (4, i128::from(i64::MAX) + 1));
        assert_eq!(Tally::hour_of(Tally::start_of(-3)), -3);
    }
}
