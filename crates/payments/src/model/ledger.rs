//! A payment with its refunds that are on their way: what one transaction changes together.

use std::time::Duration;

use holdfast_types::{
    Code, Error, Message, Money, Result, Standing, Timestamp, UserId, Version, named_id,
};

use super::{
    Payment, REFUNDS_OF_PAYMENT, Refund, RefundId, RefundItem, RefundStatus, Seen, SeenRefund,
    Status, Wanted,
};

/// Refunds that the shop owes by itself, one after the other, where the provider refuses; and the pause between the first two.
const OWED_REFUNDS: usize = 8;
const OWED_PAUSE: Duration = Duration::from_secs(3 * 60 * 60);

/// See above.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    pub(crate) payment: Payment,
    /// Those that are pending, and those that come about.
    pub(crate) refunds: Vec<Refund>,
    before: (Payment, Vec<Refund>),
    /// Whether the order has to say once more that it wants the money.
    asks_order: bool,
}

/// What is to be asked of the provider next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// To begin the payment, under its id.
    Create,
    Cancel(String),
    Capture(String),
    /// How it stands.
    Fetch(String),
    Refund(String, Box<Refund>),
}

impl Step {
    /// As metrics call it.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Cancel(_) => "cancel",
            Self::Capture(_) => "capture",
            Self::Fetch(_) => "fetch",
            Self::Refund(..) => "refund",
        }
    }
}

/// A claim of money that was taken.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) id: RefundId,
    /// All that is left, where none is given.
    pub(crate) amount: Option<i64>,
    /// For what, where that was said.
    pub(crate) items: Vec<RefundItem>,
    pub(crate) reason: Option<String>,
    pub(crate) by: Option<UserId>,
    pub(crate) key: String,
    /// Not earlier.
    pub(crate) not_before: Option<Timestamp>,
}

impl Claim {
    /// What the shop itself owes, since the order does not want the money any more. As a rule that is once for each payment.
    fn owed(payment: &Payment, reason: &str, now: Timestamp) -> Self {
        let key = match payment.owed_refunds {
            0 => format!("late:{}", payment.id),
            before => format!("late:{}:{before}", payment.id),
        };
        let id = RefundId::new(named_id("refund", &key));
        // What was refused is asked for again hours later, and then more.
        let before = u32::try_from(payment.owed_refunds).unwrap_or(u32::MAX);
        let pause = OWED_PAUSE.saturating_mul(before);
        let not_before = (before > 0).then(|| now.plus(pause));
        let reason = Some(reason.to_owned());
        Self { id, amount: None, items: Vec::new(), reason, by: None, key, not_before }
    }
}

impl Ledger {
    pub(crate) fn new(payment: Payment, refunds: Vec<Refund>) -> Self {
        let before = (payment.clone(), refunds.clone());
        Self { before, payment, refunds, asks_order: false }
    }

    /// The next thing to ask of the provider; nothing when all is said. `is_due`: it is time to look. Refunds that were `tried` are
    /// left for the next time.
    pub(crate) fn step(&self, is_due: bool, tried: &[RefundId], now: Timestamp) -> Option<Step> {
        let payment = &self.payment;
        let Some(intent) = payment.intent.clone() else {
            return payment.status.is_open().then_some(Step::Create);
        };
        match (payment.status, payment.wanted) {
            (Status::Authorized, Some(Wanted::Capture)) => return Some(Step::Capture(intent)),
            (status, Some(Wanted::Cancel)) if status.is_open() => {
                return Some(Step::Cancel(intent));
            }
            _ if payment.is_hinted() => return Some(Step::Fetch(intent)),
            (status, _) if status.is_open() && is_due => return Some(Step::Fetch(intent)),
            _ => {}
        }
        let pending = |refund: &&Refund| {
            refund.status == RefundStatus::Pending
                && !tried.contains(&refund.id)
                && refund.not_before.is_none_or(|at| at <= now)
        };
        // First those that the provider has not heard of.
        let refund = self.refunds.iter().filter(pending).min_by_key(|it| it.reference.is_some())?;
        Some(Step::Refund(intent, Box::new(refund.clone())))
    }

    /// Takes over what was seen of the payment. `hints`: how often somebody had said that something had happened when the provider was asked.
    pub(crate) fn see(&mut self, seen: &Seen, hints: u64) {
        self.payment.answered_hints = self.payment.answered_hints.max(hints);
        self.payment.converge(seen);
    }

    /// Whether the order must say that it wants the money: it has just been taken, or is still there since it could not be given back.
    pub(crate) const fn asks_order(&self) -> bool {
        self.payment.captured > 0 && (self.before.0.captured == 0 || self.asks_order)
    }

    /// Whether the money is all that was to be paid: an authorisation may be taken in part elsewhere.
    pub(crate) const fn is_all_taken(&self) -> bool {
        self.payment.captured >= self.payment.amount.amount
    }

    /// Makes a payment that came from another database fit its refunds, and asks its order: parts of a shop are exported one after
    /// the other.
    pub(crate) fn restore(&mut self, refunds: &[Refund], now: Timestamp) {
        let sum = |status| {
            let of = refunds.iter().filter(move |refund| refund.status == status);
            of.map(|refund| refund.amount.amount).sum::<i64>()
        };
        let payment = &mut self.payment;
        payment.refunded = sum(RefundStatus::Succeeded);
        payment.refund_pending = sum(RefundStatus::Pending);
        payment.owed_refunds = refunds.iter().filter(|refund| refund.by.is_none()).count();
        payment.refunds = refunds.len() - payment.owed_refunds;
        // Nothing goes back that was not taken, whatever the payment itself knew of that.
        let given_back = payment.refunded + payment.refund_pending;
        payment.captured = payment.captured.max(given_back);
        payment.authorized = payment.authorized.max(payment.captured);
        if given_back > 0 && payment.status != Status::Captured {
            payment.captured = payment.amount.amount;
            payment.authorized = payment.amount.amount;
            payment.status = Status::Captured;
            payment.wanted = None;
            payment.hint(now);
        }
        self.asks_order = payment.refundable() > 0;
        if !payment.is_over() {
            payment.look_now(now);
        }
    }

    /// Whether money has just been set aside.
    pub(crate) fn sets_aside(&self) -> bool {
        (self.before.0.status, self.payment.status) != (Status::Authorized, Status::Authorized)
            && self.payment.status == Status::Authorized
    }

    /// Claims money that was taken. Refuses with `refund-exceeds-captured`, and `limit-reached` after a hundred refunds.
    pub(crate) fn claim(&mut self, claim: Claim, now: Timestamp) -> Result<()> {
        let payment = &mut self.payment;
        let (left, currency) = (payment.refundable(), payment.amount.currency);
        let amount = claim.amount.unwrap_or(left);
        if claim.by.is_some() && payment.refunds >= REFUNDS_OF_PAYMENT {
            let why = format!("a payment is given back in {REFUNDS_OF_PAYMENT} refunds at most");
            return Err(Error::new(Code::LimitReached, why));
        }
        if amount > left || amount == 0 {
            let why = match left {
                0 => "nothing is left to be given back".to_owned(),
                left => format!("{left} of what was taken can still be given back, not {amount}"),
            };
            return Err(Error::new(Code::RefundExceedsCaptured, why).with("refundable", left));
        }
        if claim.by.is_some() {
            payment.refunds += 1;
        }
        payment.refund_pending += amount;
        payment.look_now(now);
        self.refunds.push(Refund {
            id: claim.id,
            payment: payment.id,
            order: payment.order,
            version: Version::FIRST,
            amount: Money { amount, currency },
            items: claim.items,
            reason: claim.reason,
            by: claim.by,
            key: claim.key,
            status: RefundStatus::Pending,
            reference: None,
            failure: None,
            not_before: claim.not_before,
            asked_at: None,
            has_failed: false,
            created_at: now,
            updated_at: now,
        });
        Ok(())
    }

    /// The order does not want the money: what was taken is owed back, what was not is called off.
    pub(crate) fn turn_away(&mut self, reason: &str, now: Timestamp) -> Result<()> {
        self.payment.close(now);
        // A provider that refuses is not asked for ever: then it is for the staff, and `check` says so.
        if self.payment.refundable() > 0 && self.payment.owed_refunds < OWED_REFUNDS {
            self.claim(Claim::owed(&self.payment, reason, now), now)?;
            self.payment.owed_refunds += 1;
        }
        Ok(())
    }

    /// Takes over how a refund stands. One that is over stays as it is.
    pub(crate) fn see_refund(&mut self, id: RefundId, seen: &SeenRefund) {
        self.settle(id, seen.status, |refund| {
            refund.reference = Some(seen.reference.clone());
            refund.failure.clone_from(&seen.failure);
        });
    }

    /// The provider refuses a refund, for good.
    pub(crate) fn refuse_refund(&mut self, id: RefundId, why: &str) {
        self.settle(id, RefundStatus::Failed, |refund| refund.failure = Some(why.to_owned()));
    }

    /// A pending refund becomes that. Of one that fails, the order must say once more whether it wants the money.
    fn settle(&mut self, id: RefundId, status: RefundStatus, note: impl FnOnce(&mut Refund)) {
        let pending =
            |refund: &&mut Refund| refund.id == id && refund.status == RefundStatus::Pending;
        let Some(refund) = self.refunds.iter_mut().find(pending) else { return };
        note(refund);
        refund.status = status;
        let (payment, amount) = (&mut self.payment, refund.amount.amount);
        match status {
            RefundStatus::Pending => {}
            RefundStatus::Succeeded => {
                payment.refund_pending -= amount;
                payment.refunded += amount;
            }
            RefundStatus::Failed => {
                payment.refund_pending -= amount;
                self.asks_order = true;
            }
        }
    }

    /// Notes that the provider is asked now.
    pub(crate) fn ask_refund(&mut self, id: RefundId, now: Timestamp) {
        let refund = self.refunds.iter_mut().find(|refund| refund.id == id);
        if let Some(refund) = refund.filter(|refund| refund.asked_at.is_none()) {
            refund.asked_at = Some(now);
        }
    }

    /// Notes that the provider has failed: what it keeps under the key is that failure.
    pub(crate) fn fail_refund(&mut self, id: RefundId) {
        if let Some(refund) = self.refunds.iter_mut().find(|refund| refund.id == id) {
            refund.has_failed = true;
        }
    }

    /// Gives versions and times to what has changed, holds it against the rules, and says what is to be told of it.
    pub(crate) fn finish(&mut self, now: Timestamp) -> Result<Vec<Message>> {
        let (payment, before) = (&mut self.payment, &self.before.0);
        let shown = |payment: &Payment| {
            let Payment { authorized, captured, refunded, refund_pending, .. } = *payment;
            let sums = [authorized, captured, refunded, refund_pending];
            let texts =
                [&payment.failure, &payment.intent, &payment.client_secret].map(Clone::clone);
            (payment.status, sums, texts)
        };
        let has_moved = |refund: &Refund| {
            let known = self.before.1.iter().find(|known| known.id == refund.id);
            let shown =
                |refund: &Refund| (refund.status, refund.reference.clone(), refund.failure.clone());
            known.is_none_or(|known| shown(known) != shown(refund))
        };
        let mut messages = Vec::new();
        if payment.captured > 0 && before.captured == 0 {
            payment.captured_at = payment.captured_at.or(Some(now));
        }
        if shown(payment) != shown(before) || self.refunds.iter().any(has_moved) {
            payment.version = before.version.next();
            payment.updated_at = now;
        }
        let is_declined = payment.status == before.status
            && payment.status.is_open()
            && payment.failure != before.failure
            && payment.failure.is_some();
        if payment.status != before.status || is_declined {
            messages.push(payment.message());
        }
        for refund in &mut self.refunds {
            let known = self.before.1.iter().find(|known| known.id == refund.id);
            match known {
                None => messages.push(refund.message()),
                Some(known) if known.status != refund.status => {
                    refund.version = known.version.next();
                    refund.updated_at = now;
                    messages.push(refund.message());
                }
                Some(_) => {}
            }
        }
        if payment.is_over() {
            payment.next_look = None;
        }
        self.check().map(|()| messages)
    }

    /// What must hold of sums: taken is no more than was set aside, and given back no more than was taken.
    fn check(&self) -> Result<()> {
        match self.payment.finding() {
            None => Ok(()),
            Some(finding) => Err(Error::internal(finding)),
        }
    }

    /// The payment as it was.
    pub(super) const fn payment_before(&self) -> &Payment {
        &self.before.0
    }

    /// A refund as it was, if it was there.
    pub(super) fn refund_before(&self, id: RefundId) -> Option<&Refund> {
        self.before.1.iter().find(|known| known.id == id)
    }

    /// A payment that was there before, and whether it is as it was.
    pub(crate) fn changed_payment(&self) -> Option<&Payment> {
        (self.payment != self.before.0).then_some(&self.payment)
    }

    /// Refunds that are not as they were.
    pub(crate) fn changed_refunds(&self) -> impl Iterator<Item = &Refund> {
        self.refunds.iter().filter(|refund| !self.before.1.contains(refund))
    }
}

impl Payment {
    /// What is wrong with its sums, if anything is.
    pub(crate) fn finding(&self) -> Option<String> {
        let Self { authorized, captured, refunded, refund_pending, .. } = *self;
        let is_sound = 0 <= captured
            && captured <= authorized
            && authorized <= self.amount.amount
            && 0 <= refunded
            && 0 <= refund_pending
            && refunded + refund_pending <= captured;
        let id = self.id;
        (!is_sound).then(|| {
            format!(
                "payment {id} has taken {captured} of {authorized} minor units that were set aside, given back {refunded}, and {refund_pending} are on their way back"
            )
        })
    }

    /// What is wrong with it beside its order, if anything is: money is kept only of an order that is paid by it, and an order is
    /// paid only by money that was taken.
    pub(crate) fn finding_beside(&self, order: Option<&Standing>) -> Option<String> {
        let reference = self.reference();
        let pays = order.is_some_and(|order| {
            order.is_paid && order.reference.as_deref() == Some(reference.as_str())
        });
        let (id, order_id) = (self.id, self.order);
        match (self.refundable() > 0, pays) {
            (true, false) => {
                let status = order.map_or("not there", |order| order.status);
                let kept = self.refundable();
                Some(format!(
                    "payment {id} keeps {kept} minor units of order {order_id}, which is {status} and not paid by it"
                ))
            }
            (false, true) if self.captured == 0 => {
                Some(format!("order {order_id} is paid by payment {id}, which has taken nothing"))
            }
            _ => None,
        }
    }
}
