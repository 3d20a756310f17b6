//! Notifications of providers.

use axum::{
    extract::{Path, State},
    http::HeaderMap,
};
use holdfast_types::Error;
use holdfast_web::{Input, NoQuery, Reply, no_content};

use crate::{Payments, model::ProviderName};

/// Bytes of a notification.
pub(super) const BYTES: usize = 256 << 10;

/// What the provider says has happened, signed by it. What it says is not believed, but asked; so it may come twice, late, or in any
/// order. To be set up at the provider: for Stripe, `payment_intent.*` and `refund.*`.
#[utoipa::path(post, path = "/api/payments/webhooks/{provider}", tag = "payments",
    params(("provider" = ProviderName, Path)), request_body = std::collections::HashMap<String, serde_json::Value>,
    responses((status = 204)),
    extensions(("x-problems" = json!(["invalid-signature", "payments-disabled", "not-found"]))))]
pub(super) async fn notify_payments(
    State(payments): State<Payments>,
    Path(provider): Path<String>,
    _: NoQuery,
    headers: HeaderMap,
    mut input: Input,
) -> Reply {
    if provider != payments.provider_name()?.as_str() {
        return Err(Error::not_found("provider").into());
    }
    payments.check_webhook(&headers)?;
    let body = input.body_of(BYTES, &["application/json"]).await?;
    payments.notified(&headers, &body).await?;
    Ok(no_content())
}
