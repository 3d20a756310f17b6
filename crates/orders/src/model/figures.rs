//! Figures: what was sold in a time, and what was refused. They are sums of tallies, which change with the orders they count.

use std::collections::BTreeMap;

use holdfast_types::{Code, Currency, Tally, Timestamp};

use super::{Order, Status};

/// Whose tallies they are: how all their names begin.
pub(crate) const TALLIES: &str = "orders/";
const PLACED: &str = "orders/placed/";
const CANCELLED: &str = "orders/cancelled/";
const REFUSED: &str = "orders/refused/";

/// What was sold, and how much of it was called off since.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sales {
    pub(crate) orders: i64,
    pub(crate) units: i64,
    pub(crate) revenue: BTreeMap<Currency, i128>,
}

/// The figures of an interval.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// What was placed, whatever became of it.
    pub(crate) placed: Sales,
    /// Of what was placed: what was cancelled, or expired, since.
    pub(crate) cancelled: Sales,
    /// Orders that were refused, by the code of the problem.
    pub(crate) refusals: BTreeMap<String, i64>,
}

impl Sales {
    fn add(&mut self, currency: &str, tally: &Tally) {
        self.orders += tally.events;
        self.units += tally.units;
        if let Ok(currency) = currency.parse() {
            *self.revenue.entry(currency).or_default() += tally.amount;
        }
    }
}

impl Figures {
    /// Adds what is counted in a tally.
    pub(crate) fn add(&mut self, tally: &Tally) {
        if let Some(currency) = tally.name.strip_prefix(PLACED) {
            self.placed.add(currency, tally);
        } else if let Some(currency) = tally.name.strip_prefix(CANCELLED) {
            self.cancelled.add(currency, tally);
        } else if let Some(code) = tally.name.strip_prefix(REFUSED) {
            *self.refusals.entry(code.to_owned()).or_default() += tally.events;
        }
    }
}

/// What an order adds to the tallies when it is recorded as it stands.
pub(crate) fn recorded(order: &Order) -> impl Iterator<Item = Tally> {
    [Some(tally(PLACED, order)), cancelled(order)].into_iter().flatten()
}

/// What the step adds that an order has just taken: it counts where the order counted, in the hour in which it was placed.
pub(crate) fn cancelled(order: &Order) -> Option<Tally> {
    let is_off = matches!(order.status, Status::Cancelled | Status::Expired);
    is_off.then(|| tally(CANCELLED, order))
}

fn tally(what: &str, order: &Order) -> Tally {
    let units = order.lines.iter().map(|line| line.quantity).sum();
    let name = format!("{what}{}", order.total.currency.as_str());
    Tally::of(order.created_at, name, units, order.total.amount)
}

/// Whether orders stand for a tally: they do not for refusals.
pub(crate) fn is_of_orders(tally: &Tally) -> bool {
    tally.name.starts_with(PLACED) || tally.name.starts_with(CANCELLED)
}

/// What a refusal adds.
pub(crate) fn refused(code: Code, at: Timestamp) -> Tally {
    Tally::of(at, format!("{REFUSED}{code}"), 0, 0)
}

#[cfg(test)]
mod tests {
    use holdfast_types::Interval;

    use super::*;

    #[test]
    fn figures_are_told_apart() {
        let of = |hour, name: &str, units, amount| Tally {
            hour,
            name: name.to_owned(),
            events: 1,
            units,
            amount,
        };
        let tallies = [
            of(23, "orders/placed/EUR", 2, 900),
            of(24, "orders/placed/EUR", 1, 450),
            of(24, "orders/placed/USD", 1, 5),
            of(24, "orders/cancelled/EUR", 1, 450),
            of(25, "orders/refused/insufficient-stock", 0, 0),
        ];
        let report = Interval::Day.report(0..72, &tallies, Figures::add);
        let hour = |(start, figures): (Timestamp, Figures)| (Tally::hour_of(start), figures);
        let days: BTreeMap<i64, Figures> = report.items.into_iter().map(hour).collect();
        assert_eq!(days.keys().copied().collect::<Vec<_>>(), [0, 24, 48]);
        let second = &days[&24];
        assert_eq!((second.placed.orders, second.placed.units), (2, 2));
        assert_eq!(second.placed.revenue.values().copied().collect::<Vec<_>>(), [450, 5]);
        assert_eq!((second.cancelled.orders, second.refusals["insufficient-stock"]), (1, 1));
        assert_eq!((days[&0].placed.units, &days[&48]), (2, &Figures::default()));
        assert_eq!(report.total.placed.orders, 3);
    }
}
