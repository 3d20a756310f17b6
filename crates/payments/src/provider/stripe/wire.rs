//! What Stripe writes, as far as it is read.

use std::collections::BTreeMap;

use holdfast_types::{Currency, Money};
use serde::Deserialize;

use crate::{
    model::{Refund, RefundStatus, Seen, SeenRefund, Status},
    provider::{Hint, Refusal},
};

/// How Stripe counts a currency (docs.stripe.com/currencies, "Zero-decimal currencies" and "Special cases").
enum Count {
    /// In the minor units of ISO 4217, as we do.
    Minor,
    /// In hundredths that it does not have.
    Hundredths,
    /// Whole, where ISO 4217 has hundredths.
    Whole,
    /// In thousandths of which the last digit must be 0.
    Tens,
}

impl Count {
    fn of(currency: Currency) -> Self {
        match currency.as_str() {
            "ISK" | "UGX" => Self::Hundredths,
            "MGA" => Self::Whole,
            "BHD" | "JOD" | "KWD" | "OMR" | "TND" => Self::Tens,
            _ => Self::Minor,
        }
    }
}

/// Our amount as Stripe counts it. Declined where Stripe cannot count so exactly.
pub(super) fn to_stripe(money: Money) -> Result<i64, Refusal> {
    let Money { amount, currency } = money;
    let counted = match Count::of(currency) {
        Count::Hundredths => amount.checked_mul(100),
        Count::Whole => (amount % 100 == 0).then_some(amount / 100),
        Count::Tens => (amount % 10 == 0).then_some(amount),
        Count::Minor => Some(amount),
    };
    let why = || format!("Stripe cannot take {amount} minor units of {currency} exactly");
    counted.ok_or_else(|| Refusal::Declined(why()))
}

/// Stripe's amount as we count it.
fn from_stripe(amount: i64, currency: Currency) -> i64 {
    match Count::of(currency) {
        Count::Hundredths => amount / 100,
        Count::Whole => amount.saturating_mul(100),
        Count::Tens | Count::Minor => amount,
    }
}

/// A `PaymentIntent`.
#[derive(Debug, Deserialize)]
pub(super) struct StripeIntent {
    id: String,
    status: String,
    client_secret: Option<String>,
    /// Absent where nothing is ever taken in part.
    amount_capturable: Option<i64>,
    amount_received: Option<i64>,
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
        let status = match self.status.as_str() {
            "requires_action" | "requires_confirmation" => Status::RequiresAction,
            "processing" => Status::Processing,
            "requires_capture" => Status::Authorized,
            "succeeded" => Status::Captured,
            "canceled" => Status::Cancelled,
            // `requires_payment_method`, and what comes to Stripe's mind later.
            _ => Status::Pending,
        };
        let counted = |units: Option<i64>, all_at: Status| match units {
            Some(units) => from_stripe(units, amount.currency),
            None if status == all_at => amount.amount,
            None => 0,
        };
        let captured = counted(self.amount_received, Status::Captured);
        let authorized = counted(self.amount_capturable, Status::Authorized) + captured;
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
    code: Option<String>,
    message: Option<String>,
}

impl Failure {
    /// Whether it is about the key of the request, or the account that it went to, and not about what was asked.
    pub(super) fn is_of_key_or_account(&self) -> bool {
        let Some(error) = &self.error else { return false };
        error.kind.as_deref() == Some("idempotency_error")
            || error.code.as_deref() == Some("resource_missing")
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
    fn where_amounts_are_not_told_all_was_taken_or_set_aside() {
        let amount = Money { amount: 7, currency: "USD".parse().unwrap() };
        let seen = |status: &str| {
            let json = format!(r#"{{"id":"pi_1","status":"{status}"}}"#);
            let seen = serde_json::from_str::<StripeIntent>(&json).unwrap().seen(amount);
            (seen.captured, seen.authorized)
        };
        assert_eq!(seen("succeeded"), (7, 7));
        assert_eq!(seen("requires_capture"), (0, 7));
        assert_eq!((seen("canceled"), seen("requires_payment_method")), ((0, 0), (0, 0)));
    }

    #[test]
    fn amounts_are_counted_as_stripe_does_or_declined() {
        let money = |amount, currency: &str| Money { amount, currency: currency.parse().unwrap() };
        let counted = [
            ("USD", 1999, 1999),
            ("JPY", 1999, 1999),
            ("ISK", 1200, 120_000),
            ("MGA", 500_000, 5000),
            ("KWD", 1990, 1990),
        ];
        for (currency, ours, theirs) in counted {
            assert_eq!(to_stripe(money(ours, currency)), Ok(theirs), "{currency}");
            assert_eq!(from_stripe(theirs, currency.parse().unwrap()), ours, "{currency}");
        }
        for (currency, amount) in [("MGA", 150), ("KWD", 1999), ("ISK", i64::MAX)] {
            assert!(to_stripe(money(amount, currency)).is_err(), "{currency}");
        }
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
