//! Requests and replies, without the wire.

use serde_json::{Value, json};

use super::{params::Params, refusal::Refusal};

/// A request.
#[derive(Clone, Debug, Default)]
pub(super) struct Ask {
    pub(super) is_post: bool,
    pub(super) path: String,
    pub(super) params: Params,
    /// The body as it came.
    pub(super) body: Vec<u8>,
    pub(super) authorization: Option<String>,
    pub(super) idempotency_key: Option<String>,
    /// The version of the API that it pins.
    pub(super) version: Option<String>,
}

/// A reply.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Value,
    /// Whether the endpoint had begun to execute.
    pub(super) has_begun: bool,
    /// Whether it is a stored one.
    pub(super) is_replay: bool,
    /// What `Stripe-Should-Retry` says.
    pub(super) should_retry: Option<bool>,
    /// The id of the request that it is the reply to.
    pub(super) request_id: String,
}

impl Reply {
    /// A reply that ends what had begun.
    pub(super) fn done(body: Value) -> Self {
        Self {
            status: 200,
            body,
            has_begun: true,
            is_replay: false,
            should_retry: None,
            request_id: String::new(),
        }
    }

    /// The failure of which nobody knows what it left behind. The same key would get it again, so that Stripe
    /// advises against trying.
    pub(super) fn unknown_error() -> Self {
        let refusal = Refusal::new(500, "api_error", "An unknown error occurred").begun();
        Self { should_retry: Some(false), ..Self::from(refusal) }
    }

    /// No effect: too many requests.
    pub(super) fn rate_limited() -> Self {
        let message = "Request rate limit exceeded. Learn more about rate limits here \
                       https://stripe.com/docs/rate-limits.";
        Self::from(Refusal::new(429, "invalid_request_error", message).code("rate_limit"))
    }

    /// No effect: not there at the moment.
    pub(super) fn unavailable() -> Self {
        let message = "Stripe is temporarily unavailable. Please try again later.";
        Self { should_retry: Some(true), ..Self::from(Refusal::new(503, "api_error", message)) }
    }

    /// A refusal of the double itself, whose own routes are not Stripe's.
    pub(super) fn control_error(status: u16, message: &str) -> Self {
        Self { status, ..Self::done(json!({"error": {"message": message}})) }
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        let should_retry = (refusal.status == 409).then_some(true);
        let (status, has_begun) = (refusal.status, refusal.has_begun);
        Self { status, has_begun, should_retry, ..Self::done(refusal.body()) }
    }
}

impl From<Result<Value, Refusal>> for Reply {
    fn from(result: Result<Value, Refusal>) -> Self {
        result.map_or_else(Self::from, Self::done)
    }
}
