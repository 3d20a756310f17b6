//! The port through which money is taken and given back, and who is behind it.

mod signature;
mod stripe;
mod test;

use async_trait::async_trait;
use axum::http::HeaderMap;
use holdfast_types::{Money, OrderId, Result, Timestamp};

use crate::model::{Capture, Payment, PaymentId, ProviderName, Refund, Seen, SeenRefund};

pub(crate) use signature::invalid_signature;
pub(crate) use stripe::Stripe;
pub use stripe::StripeSettings;
pub(crate) use test::{Outcome, TestIntent, TestProvider};

/// A payment to begin at the provider.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Intent {
    pub(crate) payment: PaymentId,
    pub(crate) order: OrderId,
    pub(crate) amount: Money,
    pub(crate) capture: Capture,
    /// Counts keys that have led to nothing.
    pub(crate) attempt: u32,
}

impl Intent {
    /// That of a payment.
    pub(crate) const fn of(payment: &Payment) -> Self {
        let Payment { id, order, amount, capture, attempt, .. } = *payment;
        Self { payment: id, order, amount, capture, attempt }
    }

    /// The key under which it is begun. One that never came back with a secret cannot be paid by anybody, so another may be begun
    /// in its place.
    pub(crate) fn key(&self) -> String {
        match self.attempt {
            0 => self.payment.to_string(),
            attempt => format!("{}:{attempt}", self.payment),
        }
    }
}

/// Why a provider did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It will not, however often it is asked: the words are for people.
    Declined(String),
    /// Nobody knows what it did. It is asked again, under the same key.
    Unknown(String),
    /// It has failed, and will fail in the same way under the same key (docs.stripe.com/api/idempotent_requests: answers of 500 are
    /// kept too).
    Failed(String),
}

/// What a notification is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hint {
    /// What the provider calls the payment.
    pub(crate) intent: Option<String>,
    /// The payment, where the notification says so: it may have come before the answer that names the intent.
    pub(crate) payment: Option<PaymentId>,
}

/// Who takes money and gives it back. Every call has a key or changes nothing, so it may be repeated.
#[async_trait]
pub(crate) trait Provider: Send + Sync {
    fn name(&self) -> ProviderName;

    /// Begins a payment.
    async fn create(&self, intent: &Intent) -> Result<Seen, Refusal>;

    /// How a payment stands.
    async fn fetch(&self, intent: &str, amount: Money) -> Result<Seen, Refusal>;

    /// Takes what was set aside.
    async fn capture(&self, intent: &str, payment: &Intent) -> Result<Seen, Refusal>;

    /// Calls a payment off.
    async fn cancel(&self, intent: &str, payment: &Intent) -> Result<Seen, Refusal>;

    /// Gives money back, under the key of the refund; or says how that stands, where it was asked for before. `is_stale`: the
    /// key may be forgotten, so the refund is looked for first.
    async fn refund(
        &self,
        intent: &str,
        refund: &Refund,
        is_stale: bool,
    ) -> Result<SeenRefund, Refusal>;

    /// Refuses with `invalid-signature` what can be told not to be genuine before its body is read.
    fn check_webhook(&self, headers: &HeaderMap, now: Timestamp) -> Result<()>;

    /// What a notification is about, if it is genuine. Refuses with `invalid-signature`.
    fn read_webhook(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<Hint>;
}
