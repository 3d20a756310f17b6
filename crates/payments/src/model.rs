//! Rules about payments: pure, without clock or I/O.

mod ledger;
mod messages;
mod refund;
mod seen;

use std::time::Duration;

use holdfast_types::{
    Code, Error, Fingerprint, Id, Money, OrderId, Result, Timestamp, UserId, Version,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub(crate) use ledger::{Claim, Ledger, Step};
pub(crate) use refund::{Refund, RefundStatus};
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
/// Between two looks at whether it has said so.
const CLOSING_PAUSE: Duration = Duration::from_secs(2);
/// Between two looks at an authorisation, which stands for days.
const AUTHORIZED_PAUSE: Duration = Duration::from_secs(10 * 60);

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
pub enum ProviderName {
    /// Stripe, by `PaymentIntents`.
    Stripe,
    /// Nobody: for development, where the buyer's part is played by a request.
    Test,
}

impl ProviderName {
    /// As settings and paths have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
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
    pub(crate) refunded: i64,
    pub(crate) refund_pending: i64,
    pub(crate) wanted: Option<Wanted>,
    /// Since when it is to be called off.
    pub(crate) closing_since: Option<Timestamp>,
    /// Why it was refused the last time.
    pub(crate) failure: Option<String>,
    /// Somebody has said that something has happened at the provider.
    pub(crate) is_hinted: bool,
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
    pub(crate) fn new(new: &NewPayment, user: UserId, amount: Money) -> Self {
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
            refunded: 0,
            refund_pending: 0,
            wanted: None,
            closing_since: None,
            failure: None,
            is_hinted: false,
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
                (now < since.plus(CLOSING_TIME)).then(|| now.plus(CLOSING_PAUSE))
            }
        }
    }

    /// It is to be looked at as soon as can be.
    pub(crate) const fn look_now(&mut self, now: Timestamp) {
        self.next_look = Some(now);
        self.looks = 0;
    }

    /// Decides when it is looked at again. `is_waiting`: the provider owes an answer.
    pub(crate) fn look_later(&mut self, now: Timestamp, is_waiting: bool) {
        let (first, longest) = match is_waiting || self.wanted.is_some() || self.is_hinted {
            true => (FIRST_RETRY, LONGEST_RETRY),
            false => (FIRST_LOOK, LONGEST_LOOK),
        };
        let is_over = !self.status.is_open() && self.refund_pending == 0 && !self.is_hinted;
        let pause = first.saturating_mul(1 << self.looks.min(16)).min(longest);
        self.next_look = (!is_over).then(|| now.plus(pause));
        self.looks = self.looks.saturating_add(1);
    }
}

fn stands(status: Status, what: &str) -> Error {
    let why = format!("a payment that is {} cannot be {what}", status.as_str());
    Error::new(Code::InvalidTransition, why).with("paymentStatus", status.as_str())
}
