//! Making payments.

use axum::extract::State;
use holdfast_types::{Id, Permission};
use holdfast_web::{
    Input, Reply,
    auth::{Caller, Reach},
    created, parse, replayed,
};

use super::wire::{CreatePaymentBody, PaymentView};
use crate::{Payments, model::NewPayment};

/// Begin a payment for an order that waits for money. The buyer's browser goes on with `clientSecret` at the provider; the order
/// follows by itself when the money has come. Where orders expire, the buyer is given time, once for each order.
#[utoipa::path(post, path = "/api/payments", tag = "payments", security(("bearer" = [])),
    request_body = CreatePaymentBody, responses((status = 201, body = PaymentView)),
    extensions(("x-problems" = json!(["forbidden", "not-found", "invalid-transition", "payment-open", "payment-declined",
        "payments-disabled", "limit-reached"]))))]
pub(super) async fn create_payment(
    State(payments): State<Payments>,
    caller: Caller,
    mut input: Input,
) -> Reply {
    let reach = caller.reach(Permission::PaymentsWrite)?;
    let body: CreatePaymentBody = parse(&input.body().await?)?;
    let operation =
        input.operation_of(payments.secret(), caller.does("create_payment", None), &body)?;
    let new = NewPayment {
        id: Id::new(operation.id),
        order: body.order_id,
        user: (reach == Reach::Own).then_some(caller.user),
        capture: body.capture,
        provider: payments.provider_name()?,
        fingerprint: operation.fingerprint,
        at: payments.now(),
    };
    let (payment, was_there) = payments.create(new, &operation).await?;
    let payment = payment.into_created();
    let mut view = PaymentView::to(caller.user, &payment);
    if reach == Reach::All {
        view.reveal(&payment);
    }
    let location = format!("/api/payments/{}", payment.id);
    Ok(replayed(created(&location, &payment.etag(), &view)?, was_there))
}
