//! Errors in Stripe's shape.

use serde_json::{Map, Value, json};

/// An error, and whether it came after the work had begun: only then does an idempotency key remember it.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    /// The status of HTTP.
    pub(super) status: u16,
    /// Whether the endpoint had begun to execute.
    pub(super) has_begun: bool,
    fields: Map<String, Value>,
}

impl Refusal {
    /// An error of this type, before anything has begun.
    pub(super) fn new(status: u16, kind: &str, message: impl Into<String>) -> Self {
        let refusal = Self { status, has_begun: false, fields: Map::new() };
        refusal.with("type", json!(kind)).with("message", json!(message.into()))
    }

    /// A parameter that is not as it should be.
    pub(super) fn invalid(param: &str, message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", message).param(param)
    }

    /// A parameter that is not there.
    pub(super) fn missing(param: &str) -> Self {
        let message = format!("Missing required param: {param}.");
        Self::invalid(param, message).code("parameter_missing")
    }

    /// A parameter that nobody knows.
    pub(super) fn unknown(param: &str) -> Self {
        let message = format!("Received unknown parameter: {param}");
        Self::invalid(param, message).code("parameter_unknown")
    }

    /// An address that names nothing: 404.
    pub(super) fn not_found(what: &str, id: &str, param: &str) -> Self {
        Self { status: 404, ..Self::no_such(what, id, param) }
    }

    /// A parameter that names nothing: 400.
    pub(super) fn no_such(what: &str, id: &str, param: &str) -> Self {
        let refusal = Self::invalid(param, format!("No such {what}: '{id}'"));
        refusal.code("resource_missing").begun()
    }

    /// An intent that is not where this can be done; it is shown.
    pub(super) fn unexpected_state(message: String, intent: Value) -> Self {
        let refusal = Self::new(400, "invalid_request_error", message);
        refusal.code("payment_intent_unexpected_state").with("payment_intent", intent).begun()
    }

    /// With a code, and where it is explained.
    #[must_use]
    pub(super) fn code(self, code: &str) -> Self {
        let page = format!("https://stripe.com/docs/error-codes/{}", code.replace('_', "-"));
        self.with("code", json!(code)).with("doc_url", json!(page))
    }

    /// With the parameter that is to blame.
    #[must_use]
    pub(super) fn param(self, param: &str) -> Self {
        self.with("param", json!(param))
    }

    /// With a field.
    #[must_use]
    pub(super) fn with(mut self, name: &str, value: Value) -> Self {
        self.fields.insert(name.to_owned(), value);
        self
    }

    /// As it is when the work had begun.
    #[must_use]
    pub(super) fn begun(self) -> Self {
        Self { has_begun: true, ..self }
    }

    /// As it is sent.
    pub(super) fn body(&self) -> Value {
        json!({"error": self.fields})
    }
}
