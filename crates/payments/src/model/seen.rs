//! What a provider says about a payment, and what the shop makes of it.

use super::{Payment, RefundStatus, Status};

/// A payment as the provider shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) intent: String,
    pub(crate) client_secret: Option<String>,
    pub(crate) status: Status,
    /// Minor units that are set aside or taken, and that are taken.
    pub(crate) authorized: i64,
    pub(crate) captured: i64,
    /// Why it was refused the last time.
    pub(crate) failure: Option<String>,
}

/// A refund as the provider shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeenRefund {
    /// What the provider calls it.
    pub(crate) reference: String,
    pub(crate) status: RefundStatus,
    pub(crate) failure: Option<String>,
}

impl Payment {
    /// Takes over what was seen. It only ever goes forward, so it does not matter in which order, nor how often, something
    /// is seen: what is taken stays taken, and what is over stays over. Among the ways of waiting for the buyer, the last
    /// that was seen stands.
    pub(crate) fn converge(&mut self, seen: &Seen) {
        match &self.intent {
            None => self.intent = Some(seen.intent.clone()),
            // One that was begun in the place of another: nobody has its secret.
            Some(ours) if *ours != seen.intent => return,
            Some(_) => {}
        }
        if self.client_secret.is_none() {
            self.client_secret.clone_from(&seen.client_secret);
        }
        let before = (self.status, self.captured, self.failure.clone());
        self.captured = self.captured.max(seen.captured);
        self.authorized = self.authorized.max(seen.authorized).max(self.captured);
        let status = seen.status;
        if status.rank() > self.status.rank() || (status.rank(), self.status.rank()) == (0, 0) {
            self.status = status;
            self.failure.clone_from(&seen.failure);
        }
        if !self.status.is_open() {
            self.wanted = None;
        }
        if before != (self.status, self.captured, self.failure.clone()) {
            self.looks = 0;
        }
    }

    /// Nothing came about at the provider, for good.
    pub(crate) fn fail(&mut self, why: &str) {
        if self.status.is_open() {
            self.status = Status::Failed;
            self.failure = Some(why.to_owned());
            self.wanted = None;
            self.answered_hints = self.hints;
        }
    }
}

#[cfg(test)]
mod tests {
    use holdfast_types::{Fingerprint, Id, Money, Timestamp, UserId};

    use super::*;
    use crate::model::{Capture, NewPayment, ProviderName};

    const NOW: Timestamp = Timestamp::from_millis(1);

    fn a_payment() -> Payment {
        let new = NewPayment {
            id: Id::from_bytes([1; 16]),
            order: Id::from_bytes([2; 16]),
            user: None,
            capture: Capture::Manual,
            provider: ProviderName::Test,
            fingerprint: Fingerprint([0; 16]),
            at: NOW,
        };
        let amount = Money { amount: 10, currency: "USD".parse().unwrap() };
        Payment::new(&new, UserId::from_bytes([3; 16]), amount)
    }

    fn seen(status: Status) -> Seen {
        let captured = if status == Status::Captured { 10 } else { 0 };
        let authorized = if status == Status::Authorized { 10 } else { captured };
        Seen {
            intent: "pi_1".into(),
            client_secret: None,
            status,
            authorized,
            captured,
            failure: None,
        }
    }

    /// What one payment can be at its provider, one after the other.
    fn courses() -> [Vec<Status>; 3] {
        use Status::{Authorized, Cancelled, Captured, Pending, Processing, RequiresAction};
        [
            vec![Pending, RequiresAction, Processing, Captured],
            vec![Pending, Processing, Authorized, Captured],
            vec![Pending, RequiresAction, Authorized, Cancelled],
        ]
    }

    /// All orders in which a course can be seen, also in part or twice, as long as its end is seen once.
    #[test]
    fn the_end_is_the_same_in_whatever_order_it_is_seen() {
        for course in courses() {
            let end = *course.last().unwrap();
            for number in 0..4_usize.pow(5) {
                let places = (0..5).map(|digit| number / 4_usize.pow(digit) % 4);
                let sights: Vec<Status> = places.map(|place| course[place]).collect();
                if !sights.contains(&end) {
                    continue;
                }
                let mut payment = a_payment();
                sights.iter().for_each(|status| payment.converge(&seen(*status)));
                let captured = if end == Status::Captured { 10 } else { 0 };
                assert_eq!((payment.status, payment.captured), (end, captured), "{sights:?}");
                assert_eq!((payment.finding(), payment.is_over()), (None, true), "{sights:?}");
            }
        }
    }

    #[test]
    fn a_payment_that_was_begun_in_the_place_of_another_moves_nothing() {
        let mut payment = a_payment();
        payment.converge(&seen(Status::Pending));
        payment.converge(&Seen { intent: "pi_2".into(), ..seen(Status::Captured) });
        assert_eq!((payment.status, payment.captured), (Status::Pending, 0));
    }
}
