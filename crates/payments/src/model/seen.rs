//! What a provider says about a payment, and what the shop makes of it.

use holdfast_types::Timestamp;

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
    pub(crate) fn converge(&mut self, seen: &Seen, now: Timestamp) {
        match &self.intent {
            None => self.intent = Some(seen.intent.clone()),
            // One that was begun in the place of another: nobody has its secret.
            Some(ours) if *ours != seen.intent => return,
            Some(_) => {}
        }
        if self.client_secret.is_none() {
            self.client_secret.clone_from(&seen.client_secret);
        }
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
        self.is_hinted = false;
        self.looks = 0;
        self.look_later(now, self.refund_pending > 0);
    }

    /// Nothing came about at the provider, for good.
    pub(crate) fn fail(&mut self, why: &str) {
        if self.status.is_open() {
            self.status = Status::Failed;
            self.failure = Some(why.to_owned());
            self.wanted = None;
        }
    }
}
