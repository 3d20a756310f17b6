//! What Stripe writes, as far as it is read.

use std::collections::BTreeMap;

use holdfast_types::{Currency, Money};
use serde::Deserialize;

use crate::{
    model::{Refund, RefundStatus, Seen, SeenRefund, Status},
    provider::Hint,
};

/// In these currencies Stripe counts hundredths that they do not have (docs.stripe.com/currencies, "Special cases").
const HUNDREDTHS: [&str; 2] = ["ISK", "UGX"];

/// By what our minor units are multiplied to be Stripe's.
pub(super) fn factor_of(currency: Currency) -> i64 {
    if HUNDREDTHS.contains(&currency.as_str()) { 100 } else { 1 }
}

/// A `PaymentIntent`.
#[derive(Debug, Deserialize)]
pub(super) struct StripeIntent {
    id: String,
    status: String,
    client_secret: Option<String>,
    #[serde(default)]
    amount_capturable: i64,
    #[serde(default)]
    amount_received: i64,
    last_payment_error: Option<PaymentError>,
}

#[derive(Debug, Deserialize)]
struct PaymentError {
    message: Option<String>,
    code: Option<String>,
}

impl StripeIntent {
    /// `amount`: what was asked for, which says the currency.
    pub(super) fn seen(self, amount: Money) -> Seen {
        let factor = factor_of(amount.currency);
        let captured = self.amount_received / factor;
        let authorized = self.amount_capturable / factor + captured;
        let status = match self.status.as_str() {
            "requires_action" | "requires_confirmation" => Status::RequiresAction,
            "processing" => Status::Processing,
            "requires_capture" => Status::Authorized,
            "succeeded" => Status::Captured,
            "canceled" => Status::Cancelled,
            // `requires_payment_method`, and what comes to Stripe's mind later.
            _ => Status::Pending,
        };
        let failure = self.last_payment_error.and_then(|error| error.message.or(error.code));
        let (intent, client_secret) = (self.id, self.client_secret);
        Seen { intent, client_secret, status, authorized, captured, failure }
    }
}

/// A Refund.
#[derive(Debug, Deserialize)]
pub(super) struct StripeRefund {
    pub(super) id: String,
    status: Option<String>,
    failure_reason: Option<String>,
    #[serde(default)]
    metadata: Option<BTreeMap<String, String>>,
}

impl StripeRefund {
    /// Whether it was made for ours.
    pub(super) fn is_of(&self, refund: &Refund) -> bool {
        let mark = self.metadata.as_ref().and_then(|metadata| metadata.get("refund_id"));
        mark.is_some_and(|mark| *mark == refund.id.to_string())
    }

    pub(super) fn seen(self) -> SeenRefund {
        let status = match self.status.as_deref() {
            Some("succeeded") => RefundStatus::Succeeded,
            Some("failed" | "canceled") => RefundStatus::Failed,
            _ => RefundStatus::Pending,
        };
        SeenRefund { reference: self.id, status, failure: self.failure_reason }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct RefundList {
    pub(super) data: Vec<StripeRefund>,
    #[serde(default)]
    pub(super) has_more: bool,
}

/// An Event, as notifications have it.
#[derive(Debug, Deserialize)]
pub(super) struct Notification {
    data: NotificationData,
}

#[derive(Debug, Deserialize)]
struct NotificationData {
    object: Object,
}

#[derive(Debug, Deserialize)]
struct Object {
    id: Option<String>,
    object: Option<String>,
    payment_intent: Option<String>,
    #[serde(default)]
    metadata: Option<BTreeMap<String, String>>,
}

impl Notification {
    /// Which payment it is about; what it says of that is not believed, but asked.
    pub(super) fn hint(self) -> Hint {
        let Object { id, object, payment_intent, metadata } = self.data.object;
        let is_intent = object.as_deref() == Some("payment_intent");
        let payment = metadata.and_then(|metadata| metadata.get("payment_id")?.parse().ok());
        Hint { intent: if is_intent { id } else { payment_intent }, payment }
    }
}

/// An error.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Failure {
    error: Option<FailureBody>,
}

#[derive(Debug, Deserialize)]
struct FailureBody {
    #[serde(rename = "type")]
    kind: Option<String>,
    message: Option<String>,
}

impl Failure {
    /// Whether it is about the key of the request, and not about what was asked.
    pub(super) fn is_of_key(&self) -> bool {
        self.error.as_ref().and_then(|error| error.kind.as_deref()) == Some("idempotency_error")
    }

    pub(super) fn words(self) -> Option<String> {
        self.error?.message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn isk_and_ugx_are_counted_in_hundredths_there() {
        let json =
            r#"{"id":"pi_1","status":"succeeded","client_secret":"s","amount_received":120000}"#;
        let intent: StripeIntent = serde_json::from_str(json).unwrap();
        let amount = Money { amount: 1200, currency: "ISK".parse().unwrap() };
        let seen = intent.seen(amount);
        assert_eq!((seen.captured, seen.authorized, seen.status), (1200, 1200, Status::Captured));
    }

    #[test]
    fn a_notification_says_which_payment() {
        let read = |json: &str| serde_json::from_str::<Notification>(json).unwrap().hint();
        let intent = read(
            r#"{"data":{"object":{"id":"pi_1","object":"payment_intent",
            "metadata":{"payment_id":"01890000-0000-7000-8000-000000000001"}}}}"#,
        );
        assert_eq!(intent.intent.as_deref(), Some("pi_1"));
        assert!(intent.payment.is_some());
        let refund =
            read(r#"{"data":{"object":{"id":"re_1","object":"refund","payment_intent":"pi_1"}}}"#);
        assert_eq!(refund, Hint { intent: Some("pi_1".to_owned()), payment: None });
        let other = read(r#"{"data":{"object":{"id":"cus_1","object":"customer"}}}"#);
        assert_eq!(other, Hint { intent: None, payment: None });
    }
}
