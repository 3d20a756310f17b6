//! Notifications of providers.

use axum::{extract::State, http::HeaderMap};
use holdfast_types::{Code, Error};
use holdfast_web::{Input, NoQuery, Reply, no_content};

use crate::{Payments, model::ProviderName};

/// Bytes of a notification.
pub(super) const BYTES: usize = 256 << 10;

/// Where they go.
pub(super) const PATH: &str = "/api/payments/webhooks/stripe";

/// What Stripe says has happened, signed by it. What it says is not believed, but asked; so it may come twice, late, or in any
/// order. To be set up at Stripe with `payment_intent.*` and `refund.*`.
#[utoipa::path(post, path = PATH, tag = "payments", request_body = std::collections::HashMap<String, serde_json::Value>,
    responses((status = 204)),
    extensions(("x-problems" = json!(["invalid-signature", "payments-disabled"]))))]
pub(super) async fn notify_payments(
    State(payments): State<Payments>,
    _: NoQuery,
    headers: HeaderMap,
    mut input: Input,
) -> Reply {
    if payments.provider_name()? != ProviderName::Stripe {
        let why = "this shop does not take money by Stripe";
        return Err(Error::new(Code::PaymentsDisabled, why).into());
    }
    payments.check_webhook(&headers)?;
    let body = input.body_of(BYTES, &["application/json"]).await?;
    payments.notified(&headers, &body).await?;
    Ok(no_content())
}
