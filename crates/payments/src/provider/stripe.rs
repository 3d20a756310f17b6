//! Stripe, by `PaymentIntents` and Refunds (docs.stripe.com/api): six form posts and three questions.

mod wire;

use std::{fmt, time::Duration};

use async_trait::async_trait;
use axum::http::HeaderMap;
use holdfast_types::{Code, Error, Money, Result, Timestamp};
use reqwest::{Client, Method, StatusCode, redirect};
use serde::de::DeserializeOwned;
use tokio::time::sleep;
use url::{Host, Url};

use super::{Hint, Intent, Provider, Refusal, signature};
use crate::model::{Capture, ProviderName, Refund, Seen, SeenRefund};
use wire::{Failure, Notification, RefundList, StripeIntent, StripeRefund, to_stripe};

/// The version of the API that this is written for.
const API_VERSION: &str = "2025-09-30.clover";
/// How long it may take to connect, and to be answered.
const CONNECT_TIME: Duration = Duration::from_secs(5);
const ANSWER_TIME: Duration = Duration::from_secs(15);
/// Bytes of an answer.
const ANSWER_BYTES: usize = 1 << 20;
/// Milliseconds after which a key that another request uses is tried again; whoever finds it busy still repeats later.
const BUSY_PAUSES: [u64; 4] = [100, 200, 400, 800];
/// Refunds of a payment among which a forgotten one is looked for.
const REFUNDS: &str = "100";

/// How Stripe is reached.
#[derive(Clone)]
pub struct StripeSettings {
    /// `sk_live_…` or `sk_test_…`.
    pub secret_key: String,
    /// `pk_live_…` or `pk_test_…`: for browsers, who are told it.
    pub publishable_key: Option<String>,
    /// `whsec_…`: what notifications are signed with.
    pub webhook_secret: Option<String>,
    /// Where the API is.
    pub api_base: Url,
}

impl StripeSettings {
    /// Where an API is, which is told the secret key: `https`, or this machine.
    pub fn parse_base(text: &str) -> Result<Url, String> {
        let expected =
            "expected an address such as https://api.stripe.com/, or one of this machine";
        let mut url = Url::parse(text).map_err(|_| expected)?;
        let is_here = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        if !(url.scheme() == "https" || url.scheme() == "http" && is_here) {
            return Err(expected.to_owned());
        }
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        Ok(url)
    }
}

impl fmt::Debug for StripeSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StripeSettings")
            .field("api_base", &self.api_base.as_str())
            .finish_non_exhaustive()
    }
}

/// See above.
#[derive(Clone, Debug)]
pub(crate) struct Stripe {
    client: Client,
    settings: StripeSettings,
}

type Form<'a> = Vec<(&'a str, String)>;

impl Stripe {
    pub(crate) fn new(settings: StripeSettings) -> Result<Self> {
        if settings.secret_key.is_empty() {
            let why = "HOLDFAST_PAYMENTS=stripe wants HOLDFAST_STRIPE_SECRET_KEY";
            return Err(Error::new(Code::InvalidParameter, why));
        }
        if settings.webhook_secret.is_none() {
            tracing::warn!(
                "HOLDFAST_STRIPE_WEBHOOK_SECRET is not set: what happens at Stripe is noticed late"
            );
        }
        let client = Client::builder()
            .connect_timeout(CONNECT_TIME)
            .timeout(ANSWER_TIME)
            .redirect(redirect::Policy::none())
            .build()
            .map_err(Error::internal)?;
        Ok(Self { client, settings })
    }

    fn webhook_secret(&self) -> Result<&str> {
        let why =
            "HOLDFAST_STRIPE_WEBHOOK_SECRET is not set: no notification can be told to be genuine";
        let missing = || Error::new(Code::InvalidSignature, why);
        self.settings.webhook_secret.as_deref().ok_or_else(missing)
    }

    /// Posts under a key. While another request of ours uses the key, as when the sweep and the buyer repeat at once, it waits.
    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        key: &str,
        form: Form<'_>,
    ) -> Result<T, Refusal> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut pauses = BUSY_PAUSES.into_iter();
        loop {
            let request = self
                .request(Method::POST, path)?
                .header("idempotency-key", key)
                .header("content-type", "application/x-www-form-urlencoded")
                .body(body.clone());
            let (status, answered) = exchange(request).await?;
            let pause = pauses.next().filter(|_| status == StatusCode::CONFLICT);
            let Some(pause) = pause else { return read(status, &answered) };
            sleep(Duration::from_millis(pause)).await;
        }
    }

    /// Asks without changing anything, so what is refused says nothing about what was asked for earlier.
    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Refusal> {
        let (status, answered) = exchange(self.request(Method::GET, path)?).await?;
        read(status, &answered).map_err(|refusal| match refusal {
            Refusal::Declined(why) | Refusal::Unknown(why) | Refusal::Failed(why) => {
                Refusal::Unknown(why)
            }
        })
    }

    fn request(&self, method: Method, path: &str) -> Result<reqwest::RequestBuilder, Refusal> {
        let url = self.settings.api_base.join(path);
        let url = url.map_err(|error| Refusal::Unknown(format!("{path}: {error}")))?;
        Ok(self
            .client
            .request(method, url)
            .bearer_auth(&self.settings.secret_key)
            .header("stripe-version", API_VERSION))
    }

    /// The refund that was made for ours, if one was.
    async fn find_refund(
        &self,
        intent: &str,
        refund: &Refund,
    ) -> Result<Option<StripeRefund>, Refusal> {
        let mut after = String::new();
        loop {
            let path = format!("v1/refunds?payment_intent={intent}&limit={REFUNDS}{after}");
            let RefundList { data, has_more } = self.get(&path).await?;
            let last = data.last().map(|last| last.id.clone());
            let ours = data.into_iter().find(|found| found.is_of(refund));
            match last {
                Some(last) if has_more && ours.is_none() => {
                    after = format!("&starting_after={last}");
                }
                _ => return Ok(ours),
            }
        }
    }
}

/// Asks, and has the whole answer.
async fn exchange(request: reqwest::RequestBuilder) -> Result<(StatusCode, Vec<u8>), Refusal> {
    let unknown = |error: reqwest::Error| {
        Refusal::Unknown(format!("Stripe does not answer: {}", error.without_url()))
    };
    let mut response = request.send().await.map_err(unknown)?;
    let (status, mut body) = (response.status(), Vec::new());
    while let Some(chunk) = response.chunk().await.map_err(unknown)? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_BYTES {
            return Err(Refusal::Unknown("Stripe's answer is too long".to_owned()));
        }
    }
    Ok((status, body))
}

/// Reads an answer, and tells what Stripe refuses for good from what may still come about.
fn read<T: DeserializeOwned>(status: StatusCode, body: &[u8]) -> Result<T, Refusal> {
    if status.is_success() {
        return serde_json::from_slice(body)
            .map_err(|error| Refusal::Unknown(format!("Stripe's answer cannot be read: {error}")));
    }
    Err(refusal(status, body))
}

/// A key that is wrong, in use or of another account, too many requests, and failures of Stripe's own say nothing about the payment.
fn refusal(status: StatusCode, body: &[u8]) -> Refusal {
    let failure: Failure = serde_json::from_slice(body).unwrap_or_default();
    let is_final = status.is_client_error()
        && !failure.is_of_key_or_account()
        && !matches!(
            status,
            StatusCode::UNAUTHORIZED
                | StatusCode::FORBIDDEN
                | StatusCode::NOT_FOUND
                | StatusCode::REQUEST_TIMEOUT
                | StatusCode::CONFLICT
                | StatusCode::TOO_EARLY
                | StatusCode::TOO_MANY_REQUESTS
        );
    let why = failure.words().unwrap_or_else(|| format!("Stripe answers {status}"));
    if is_final {
        return Refusal::Declined(why);
    }
    tracing::warn!(%status, why, "Stripe has not done what it was asked");
    match status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE {
        true => Refusal::Failed(why),
        false => Refusal::Unknown(why),
    }
}

#[async_trait]
impl Provider for Stripe {
    fn name(&self) -> ProviderName {
        ProviderName::Stripe
    }

    async fn create(&self, intent: &Intent) -> Result<Seen, Refusal> {
        let Intent { payment, order, amount, capture, .. } = intent;
        let method = match capture {
            Capture::Automatic => "automatic",
            Capture::Manual => "manual",
        };
        let form = vec![
            ("amount", to_stripe(*amount)?.to_string()),
            ("currency", amount.currency.as_str().to_ascii_lowercase()),
            ("capture_method", method.to_owned()),
            ("metadata[payment_id]", payment.to_string()),
            ("metadata[order_id]", order.to_string()),
        ];
        let made: StripeIntent = self.post("v1/payment_intents", &intent.key(), form).await?;
        Ok(made.seen(*amount))
    }

    async fn fetch(&self, intent: &str, amount: Money) -> Result<Seen, Refusal> {
        let found: StripeIntent = self.get(&format!("v1/payment_intents/{intent}")).await?;
        Ok(found.seen(amount))
    }

    async fn capture(&self, intent: &str, payment: &Intent) -> Result<Seen, Refusal> {
        let path = format!("v1/payment_intents/{intent}/capture");
        let key = format!("capture:{}", payment.key());
        let taken: StripeIntent = self.post(&path, &key, Vec::new()).await?;
        Ok(taken.seen(payment.amount))
    }

    async fn cancel(&self, intent: &str, payment: &Intent) -> Result<Seen, Refusal> {
        let path = format!("v1/payment_intents/{intent}/cancel");
        let key = format!("cancel:{}", payment.key());
        let cancelled: StripeIntent = self.post(&path, &key, Vec::new()).await?;
        Ok(cancelled.seen(payment.amount))
    }

    async fn refund(
        &self,
        intent: &str,
        refund: &Refund,
        is_stale: bool,
    ) -> Result<SeenRefund, Refusal> {
        if let Some(reference) = &refund.reference {
            let found: StripeRefund = self.get(&format!("v1/refunds/{reference}")).await?;
            return Ok(found.seen());
        }
        if is_stale && let Some(found) = self.find_refund(intent, refund).await? {
            return Ok(found.seen());
        }
        let form = vec![
            ("payment_intent", intent.to_owned()),
            ("amount", to_stripe(refund.amount)?.to_string()),
            ("metadata[refund_id]", refund.id.to_string()),
        ];
        let made: StripeRefund = self.post("v1/refunds", &refund.key, form).await?;
        Ok(made.seen())
    }

    fn check_webhook(&self, headers: &HeaderMap, now: Timestamp) -> Result<()> {
        self.webhook_secret()?;
        signature::read(headers, now).map(|_| ())
    }

    fn read_webhook(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<Hint> {
        signature::verify(headers, body, self.webhook_secret()?, now)?;
        let notification: Notification = holdfast_web::parse(body)?;
        Ok(notification.hint())
    }
}

#[cfg(test)]
mod tests {
    use holdfast_testkit::stripe::{Faults, Options, StripeDouble};
    use holdfast_types::Id;

    use super::*;

    fn told(status: u16, body: &str) -> Refusal {
        refusal(StatusCode::from_u16(status).unwrap(), body.as_bytes())
    }

    #[test]
    fn the_key_is_told_nobody_on_the_way() {
        for good in ["https://api.stripe.com", "http://127.0.0.1:12111", "http://localhost:1/x"] {
            assert!(StripeSettings::parse_base(good).unwrap().path().ends_with('/'), "{good}");
        }
        for bad in ["http://api.stripe.com/", "api.stripe.com", "ftp://localhost/", ""] {
            assert!(StripeSettings::parse_base(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_refused_for_good_is_told_from_what_nobody_knows() {
        let card = r#"{"error":{"type":"card_error","code":"card_declined","message":"Your card was declined."}}"#;
        assert_eq!(told(402, card), Refusal::Declined("Your card was declined.".to_owned()));
        let key = r#"{"error":{"type":"idempotency_error","message":"Keys for idempotent requests can only be used with the same parameters."}}"#;
        let missing = r#"{"error":{"type":"invalid_request_error","code":"resource_missing"}}"#;
        assert!(matches!(told(400, missing), Refusal::Unknown(_)));
        for (status, body) in
            [(400, key), (404, missing), (401, "{}"), (409, "{}"), (429, ""), (503, "<html>")]
        {
            assert!(matches!(told(status, body), Refusal::Unknown(_)), "{status}");
        }
        assert!(matches!(told(500, ""), Refusal::Failed(_)));
    }

    #[tokio::test]
    async fn who_asks_beside_another_waits_for_what_that_one_gets() {
        let faults = Faults { latency_ms: 300, ..Faults::default() };
        let double = StripeDouble::start(Options { faults, ..Options::default() }).await.unwrap();
        let stripe = Stripe::new(StripeSettings {
            secret_key: "sk_test_busy".to_owned(),
            publishable_key: None,
            webhook_secret: Some("whsec_busy".to_owned()),
            api_base: StripeSettings::parse_base(double.base_url()).unwrap(),
        });
        let stripe = stripe.unwrap();
        let intent = Intent {
            payment: Id::new(uuid::Uuid::from_u128(1)),
            order: Id::new(uuid::Uuid::from_u128(2)),
            amount: Money { amount: 1999, currency: "EUR".parse().unwrap() },
            capture: Capture::Automatic,
            attempt: 0,
        };
        let (one, other) = tokio::join!(stripe.create(&intent), stripe.create(&intent));
        assert_eq!(one.unwrap(), other.unwrap());
        assert_eq!(double.books().intents.len(), 1);
    }
}
