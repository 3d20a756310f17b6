//! Figures: what was taken and what went back in a time. They are sums of tallies, which change with the payments they count.

use std::collections::BTreeMap;

use holdfast_types::{Currency, Money, Tally, Timestamp};

use super::{Ledger, Payment, Refund, RefundStatus};

/// Whose tallies they are: how all their names begin.
pub(crate) const TALLIES: &str = "payments/";
const CAPTURED: &str = "payments/captured/";
const REFUNDED: &str = "payments/refunded/";

/// So often, and so much by currency.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flow {
    pub(crate) count: i64,
    pub(crate) sums: BTreeMap<Currency, i128>,
}

/// The figures of an interval.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Payments whose money was taken.
    pub(crate) captured: Flow,
    /// Refunds that the provider has made.
    pub(crate) refunded: Flow,
}

impl Flow {
    /// Adds one more.
    pub(crate) fn add(&mut self, money: Money) {
        self.count += 1;
        *self.sums.entry(money.currency).or_default() += i128::from(money.amount);
    }

    fn add_tally(&mut self, currency: &str, tally: &Tally) {
        self.count += tally.events;
        if let Ok(currency) = currency.parse() {
            *self.sums.entry(currency).or_default() += tally.amount;
        }
    }
}

impl Figures {
    /// Adds what is counted in a tally.
    pub(crate) fn add(&mut self, tally: &Tally) {
        if let Some(currency) = tally.name.strip_prefix(CAPTURED) {
            self.captured.add_tally(currency, tally);
        } else if let Some(currency) = tally.name.strip_prefix(REFUNDED) {
            self.refunded.add_tally(currency, tally);
        }
    }
}

/// What a payment stands for: it counts in the hour in which its money was taken.
pub(crate) fn of_payment(payment: &Payment) -> Option<Tally> {
    let at = payment.captured_at.unwrap_or(payment.created_at);
    (payment.captured > 0).then(|| tally(CAPTURED, payment, payment.captured, at))
}

/// What a refund stands for: it counts in the hour in which it came about.
pub(crate) fn of_refund(refund: &Refund) -> Option<Tally> {
    let Money { amount, currency } = refund.amount;
    let name = || format!("{REFUNDED}{currency}");
    let is_made = refund.status == RefundStatus::Succeeded;
    is_made.then(|| Tally::of(refund.updated_at, name(), 0, amount))
}

fn tally(what: &str, payment: &Payment, amount: i64, at: Timestamp) -> Tally {
    Tally::of(at, format!("{what}{}", payment.amount.currency), 0, amount)
}

impl Ledger {
    /// What the change adds.
    pub(crate) fn tallies(&self) -> Vec<Tally> {
        let before = self.payment_before();
        let more = of_payment(&self.payment).filter(|_| self.payment.captured > before.captured);
        let more = more.map(|tally| Tally {
            events: i64::from(before.captured == 0),
            amount: tally.amount - i128::from(before.captured),
            ..tally
        });
        let made = self.changed_refunds().filter(|refund| {
            let before = self.refund_before(refund.id);
            before.is_none_or(|before| before.status != RefundStatus::Succeeded)
        });
        more.into_iter().chain(made.filter_map(of_refund)).collect()
    }
}
