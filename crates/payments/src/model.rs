//! Rules about payments: pure, without clock or I/O.

pub(crate) mod figures;
mod items;
mod ledger;
mod messages;
mod refund;
mod seen;

use std::time::Duration;

use holdfast_types::{
    BookedOrder, Code, Error, Fingerprint, Id, Money, OrderId, Result, Timestamp, UserId, Version,
    reused,
};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub(crate) use items::restocked;
pub(crate) use ledger::{Claim, Ledger, Step};
pub(crate) use refund::{Refund, RefundItem, RefundStatus};
pub(crate) use seen::{Seen, SeenRefund};

/// Marks ids of payments.
#[derive(Debug)]
pub(crate) enum PaymentKind {}
/// Marks ids of refunds.
#[derive(Debug)]
pub(crate) enum RefundKind {}

/// Identifies a payment.
pub(crate) type PaymentId = Id<PaymentKind>;
/// Identifies a refund.
pub(crate) type RefundId = Id<RefundKind>;

/// Refunds that a payment has at most, apart from what the shop owes.
pub(crate) const REFUNDS_OF_PAYMENT: usize = 100;

/// After so long a payment that nobody tells of is looked at; then after twice that, and so on, up to the longest.
const FIRST_LOOK: Duration = Duration::from_secs(60);
const LONGEST_LOOK: Duration = Duration::from_secs(15 * 60);
/// The same where something is to be asked of the provider and it has not answered.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(5 * 60);
/// How long expiry waits for the provider to say what became of a payment.
const CLOSING_TIME: Duration = Duration::from_secs(60 * 60);
/// Between two looks at whether it has said so: at first, and at last.
const CLOSING_PAUSES: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(60)];
/// Between two looks at an authorisation, which stands for days.
const AUTHORIZED_PAUSE: Duration = Duration::from_secs(60 * 60);

/// Where a payment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PaymentStatus)]
pub(crate) enum Status {
    /// The buyer has still to pay.
    Pending,
    /// The buyer has something to do at their bank.
    RequiresAction,
    /// The money is on its way.
    Processing,
    /// The money is set aside: it is taken when the order ships.
    Authorized,
    /// The money is taken.
    Captured,
    /// Nothing will come of it: the provider refused.
    Failed,
    /// Called off; nothing was taken.
    Cancelled,
}

impl Status {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::RequiresAction => "requires_action",
            Self::Processing => "processing",
            Self::Authorized => "authorized",
            Self::Captured => "captured",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether money may still be taken by it.
    pub(crate) const fn is_open(self) -> bool {
        self.rank() < 2
    }

    /// A payment never goes to a smaller one. Money that was taken is never forgotten.
    const fn rank(self) -> u8 {
        match self {
            Self::Pending | Self::RequiresAction | Self::Processing => 0,
            Self::Authorized => 1,
            Self::Failed | Self::Cancelled => 2,
            Self::Captured => 3,
        }
    }
}

/// When the money is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = PaymentCapture)]
pub(crate) enum Capture {
    /// As soon as the buyer has paid.
    #[default]
    Automatic,
    /// When the order ships, or when the staff say so.
    Manual,
}

/// Who takes the money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = PaymentProvider)]
pub(crate) enum ProviderName {
    /// Stripe, by `PaymentIntents`.
    Stripe,
    /// Nobody: for development, where the buyer's part is played by a request.
    Test,
}

impl ProviderName {
    /// As settings and paths have it.
    #[must_use]
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Stripe => "stripe",
            Self::Test => "test",
        }
    }
}

/// What is still to be asked of the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Wanted {
    Capture,
    Cancel,
}

/// A payment, as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Payment {
    pub(crate) id: PaymentId,
    pub(crate) order: OrderId,
    pub(crate) user: UserId,
    pub(crate) version: Version,
    pub(crate) status: Status,
    pub(crate) amount: Money,
    pub(crate) capture: Capture,
    pub(crate) provider: ProviderName,
    /// What the provider calls it, once it has answered.
    pub(crate) intent: Option<String>,
    /// With which the buyer's browser pays at the provider.
    pub(crate) client_secret: Option<String>,
    /// Minor units: set aside or taken, taken, given back, on their way back.
    pub(crate) authorized: i64,
    pub(crate) captured: i64,
    /// When that was first so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) captured_at: Option<Timestamp>,
    pub(crate) refunded: i64,
    pub(crate) refund_pending: i64,
    pub(crate) wanted: Option<Wanted>,
    /// Since when it is to be called off.
    pub(crate) closing_since: Option<Timestamp>,
    /// Why it was refused the last time.
    pub(crate) failure: Option<String>,
    /// How often somebody has said that something has happened at the provider, and how many of those times it was looked at since.
    pub(crate) hints: u64,
    pub(crate) answered_hints: u64,
    /// When it is looked at again; none when there is nothing left to do.
    pub(crate) next_look: Option<Timestamp>,
    /// Looks that have led to nothing, one after the other.
    pub(crate) looks: u32,
    /// Counts the keys under which the provider was asked and has failed or refused.
    pub(crate) attempt: u32,
    /// How many refunds there were, and how many of them the shop owed by itself.
    pub(crate) refunds: usize,
    pub(crate) owed_refunds: usize,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// A payment to be made.
#[derive(Clone, Debug)]
pub(crate) struct NewPayment {
    pub(crate) id: PaymentId,
    pub(crate) order: OrderId,
    /// Whose order it must be, unless it may be anybody's.
    pub(crate) user: Option<UserId>,
    pub(crate) capture: Capture,
    pub(crate) provider: ProviderName,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) at: Timestamp,
}

impl Payment {
    /// The payment of an order. Refuses one that wants no money, or that costs nothing.
    pub(crate) fn of(new: &NewPayment, order: &BookedOrder) -> Result<Self> {
        if !order.is_unpaid {
            let why = format!("an order that is {} wants no money", order.status);
            let refusal = Error::new(Code::InvalidTransition, why);
            return Err(refusal.with("orderStatus", order.status));
        }
        if order.total.amount == 0 {
            let why = "the order costs nothing: there is nothing to pay";
            return Err(Error::invalid("#/orderId", why));
        }
        Ok(Self::new(new, order.user, order.total))
    }

    /// The payment itself, where it was made for that. Refuses with `idempotency-key-reused`.
    pub(crate) fn is_the_same(&self, new: &NewPayment) -> Result<Self> {
        if self.fingerprint == new.fingerprint { Ok(self.clone()) } else { Err(reused()) }
    }

    fn new(new: &NewPayment, user: UserId, amount: Money) -> Self {
        Self {
            id: new.id,
            order: new.order,
            user,
            version: Version::FIRST,
            status: Status::Pending,
            amount,
            capture: new.capture,
            provider: new.provider,
            intent: None,
            client_secret: None,
            authorized: 0,
            captured: 0,
            captured_at: None,
            refunded: 0,
            refund_pending: 0,
            wanted: None,
            closing_since: None,
            failure: None,
            hints: 0,
            answered_hints: 0,
            next_look: Some(new.at.plus(FIRST_LOOK)),
            looks: 0,
            attempt: 0,
            refunds: 0,
            owed_refunds: 0,
            fingerprint: new.fingerprint,
            created_at: new.at,
            updated_at: new.at,
        }
    }

    /// The payment as it was when it was made: what a repeat of the request is answered with.
    pub(crate) fn into_created(self) -> Self {
        Self {
            version: Version::FIRST,
            status: Status::Pending,
            authorized: 0,
            captured: 0,
            captured_at: None,
            refunded: 0,
            refund_pending: 0,
            failure: None,
            updated_at: self.created_at,
            ..self
        }
    }

    /// What it is called where it was made.
    pub(crate) fn reference(&self) -> String {
        self.intent.clone().unwrap_or_else(|| self.id.to_string())
    }

    /// The strong entity tag, quotes included: whatever is shown moves the version.
    pub(crate) fn etag(&self) -> String {
        format!("\"{}\"", self.version)
    }

    /// What may still be given back.
    pub(crate) const fn refundable(&self) -> i64 {
        self.captured - self.refunded - self.refund_pending
    }

    /// Asks the provider to call it off, as soon as can be. Says whether that is news.
    pub(crate) fn close(&mut self, now: Timestamp) -> bool {
        if !self.status.is_open() || self.wanted == Some(Wanted::Cancel) {
            return false;
        }
        self.wanted = Some(Wanted::Cancel);
        self.closing_since = Some(now);
        self.look_now(now);
        true
    }

    /// The same where somebody asks for it, who learns when it is too late.
    pub(crate) fn call_off(&mut self, now: Timestamp) -> Result<()> {
        match self.status {
            status if status.is_open() => {
                self.close(now);
                Ok(())
            }
            Status::Cancelled => Ok(()),
            status => Err(stands(status, "cancelled")),
        }
    }

    /// Asks the provider to take what was set aside. Says whether that is news.
    pub(crate) fn want_capture(&mut self, now: Timestamp) -> Result<bool> {
        match (self.status, self.wanted) {
            (Status::Captured, _) | (Status::Authorized, Some(Wanted::Capture)) => Ok(false),
            (Status::Authorized, None) => {
                self.wanted = Some(Wanted::Capture);
                self.look_now(now);
                Ok(true)
            }
            (status, _) => Err(stands(status, "captured")),
        }
    }

    /// Refuses with `payment-declined` one whose money was not taken.
    pub(crate) fn require_captured(self) -> Result<Self> {
        if self.status == Status::Captured {
            return Ok(self);
        }
        let stands = format!("the payment is {}: nothing was taken", self.status.as_str());
        let refusal = Error::new(Code::PaymentDeclined, self.failure.unwrap_or(stands));
        Err(refusal.with("paymentId", self.id.to_string()))
    }

    /// Until when the expiry of the order must wait for it; none when it may go on. Whoever asks lets it be called off.
    pub(crate) fn holds_up_expiry(&mut self, now: Timestamp) -> Option<Timestamp> {
        match self.status {
            status if !status.is_open() => None,
            // The buyer has done their part. When the authorisation has lapsed, nothing is open any more.
            Status::Authorized if self.wanted != Some(Wanted::Cancel) => {
                Some(now.plus(AUTHORIZED_PAUSE))
            }
            _ => {
                self.close(now);
                let since = self.closing_since.unwrap_or(now);
                let waited = now.as_millis().saturating_sub(since.as_millis()).unsigned_abs();
                let [shortest, longest] = CLOSING_PAUSES;
                let pause = Duration::from_millis(waited / 4).clamp(shortest, longest);
                (now < since.plus(CLOSING_TIME)).then(|| now.plus(pause))
            }
        }
    }

    /// It is to be looked at as soon as can be.
    pub(crate) const fn look_now(&mut self, now: Timestamp) {
        self.next_look = Some(now);
        self.looks = 0;
    }

    /// Somebody is about to drive it, so others need not before `until`.
    pub(crate) fn leave_until(&mut self, until: Timestamp) {
        if self.next_look.is_some() {
            self.next_look = Some(until);
        }
    }

    /// Whether something may have happened that nobody has looked at.
    pub(crate) const fn is_hinted(&self) -> bool {
        self.hints > self.answered_hints
    }

    /// Somebody says that something has happened at the provider. Where nothing ever came about there, nothing can.
    pub(crate) fn hint(&mut self, now: Timestamp) {
        if self.intent.is_some() || self.status.is_open() {
            self.hints += 1;
            self.look_now(now);
        }
    }

    /// Whether nothing is left to be done.
    pub(crate) const fn is_over(&self) -> bool {
        !self.status.is_open() && self.refund_pending == 0 && !self.is_hinted()
    }

    /// Decides when it is looked at again. `is_waiting`: the provider owes an answer.
    pub(crate) fn look_later(&mut self, now: Timestamp, is_waiting: bool) {
        let (first, longest) = match is_waiting || self.wanted.is_some() || self.is_hinted() {
            true => (FIRST_RETRY, LONGEST_RETRY),
            false => (FIRST_LOOK, LONGEST_LOOK),
        };
        let pause = first.saturating_mul(1 << self.looks.min(16)).min(longest);
        self.next_look = (!self.is_over()).then(|| now.plus(pause));
        self.looks = self.looks.saturating_add(1);
    }
}

fn stands(status: Status, what: &str) -> Error {
    let why = format!("a payment that is {} cannot be {what}", status.as_str());
    Error::new(Code::InvalidTransition, why).with("paymentStatus", status.as_str())
}
