//! What is done with payments. Each answers with the payment as it stands then.

use axum::{extract::State, response::Response};
use holdfast_types::{Error, Id, IdempotentAnswer, Operation, Permission, Result};
use holdfast_web::{
    IdPath, Input, Reply, answered,
    auth::{Act, Caller},
    parse,
};

use super::{
    reading::find,
    wire::{PaymentView, RefundBody, RefundView, TestBody, refunded, shown},
};
use crate::{
    Payments,
    model::{Claim, Payment, PaymentKind},
};

/// Look at the provider how a payment stands: for when the buyer comes back from there. Notifications of the provider do the same.
#[utoipa::path(post, path = "/api/payments/{id}/sync", tag = "payments", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = PaymentView)),
    extensions(("x-problems" = json!(["forbidden", "payment-declined"]))))]
pub(super) async fn sync_payment(
    State(payments): State<Payments>,
    caller: Caller,
    IdPath(id): IdPath<PaymentKind>,
    mut input: Input,
) -> Reply {
    let payment = find(&payments, &caller, id, Permission::PaymentsWrite).await?;
    let operation = bare(&payments, caller.does("sync_payment", id.uuid()), &mut input).await?;
    answer(&caller, payments.sync(&payment, &operation).await?)
}

/// Take what was set aside. It is taken by itself when the order ships.
#[utoipa::path(post, path = "/api/payments/{id}/capture", tag = "payments", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = PaymentView)),
    extensions(("x-problems" = json!(["forbidden", "invalid-transition", "payment-declined"]))))]
pub(super) async fn capture_payment(
    State(payments): State<Payments>,
    caller: Caller,
    IdPath(id): IdPath<PaymentKind>,
    mut input: Input,
) -> Reply {
    let payment = for_staff(&payments, &caller, id, Permission::PaymentsWrite).await?;
    let operation = bare(&payments, caller.does("capture_payment", id.uuid()), &mut input).await?;
    answer(&caller, payments.capture(&payment, &operation).await?)
}

/// Call a payment off that is open. The provider decides: where the buyer was faster, it is captured.
#[utoipa::path(post, path = "/api/payments/{id}/cancel", tag = "payments", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = PaymentView)),
    extensions(("x-problems" = json!(["forbidden", "invalid-transition", "payment-declined"]))))]
pub(super) async fn cancel_payment(
    State(payments): State<Payments>,
    caller: Caller,
    IdPath(id): IdPath<PaymentKind>,
    mut input: Input,
) -> Reply {
    let payment = find(&payments, &caller, id, Permission::PaymentsWrite).await?;
    let operation = bare(&payments, caller.does("cancel_payment", id.uuid()), &mut input).await?;
    answer(&caller, payments.cancel(&payment, &operation).await?)
}

/// Give back what was taken, or a part of it: an amount, or what units of the order cost. The money is claimed at once, so that nobody
/// else gives it back; while the provider has not answered, the refund is `pending`. The order stays as it is, apart from units that
/// go back to the stock (`restock`), which it shows as `returned`. One that is cancelled has all of it back by itself.
#[utoipa::path(post, path = "/api/payments/{id}/refunds", tag = "payments", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path)), request_body = Option<RefundBody>, responses((status = 201, body = RefundView)),
    extensions(("x-problems" = json!(["forbidden", "invalid-transition", "refund-exceeds-captured", "limit-reached"]))))]
pub(super) async fn refund_payment(
    State(payments): State<Payments>,
    caller: Caller,
    IdPath(id): IdPath<PaymentKind>,
    mut input: Input,
) -> Reply {
    let payment = for_staff(&payments, &caller, id, Permission::RefundsWrite).await?;
    let bytes = input.body().await?;
    let body = if bytes.is_empty() { RefundBody::default() } else { parse(&bytes)? };
    let act = caller.does("refund_payment", id.uuid());
    let operation = input.operation_of(payments.secret(), act, &body)?;
    let (amount, items, reason) = body.check(&payment)?;
    let claim = Claim {
        id: Id::new(operation.id),
        amount,
        items,
        reason,
        by: Some(caller.user),
        key: operation.id.to_string(),
        not_before: None,
    };
    let replayed = payments.refund(&payment, claim, &operation).await?;
    let refund = payments.store().refund(Id::new(operation.id)).await?;
    let refund = refund.ok_or_else(|| Error::internal("a refund was claimed that is not there"))?;
    Ok(answered(IdempotentAnswer { answer: refunded(&refund)?, replayed }))
}

/// Play the buyer's part, where `HOLDFAST_PAYMENTS=test`.
#[utoipa::path(post, path = "/api/payments/{id}/test", tag = "payments", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path)), request_body = TestBody, responses((status = 200, body = PaymentView)),
    extensions(("x-problems" = json!(["forbidden", "payment-declined", "payments-disabled"]))))]
pub(super) async fn test_payment(
    State(payments): State<Payments>,
    caller: Caller,
    IdPath(id): IdPath<PaymentKind>,
    mut input: Input,
) -> Reply {
    let payment = find(&payments, &caller, id, Permission::PaymentsWrite).await?;
    let body: TestBody = parse(&input.body().await?)?;
    let act = caller.does("test_payment", id.uuid());
    let operation = input.operation_of(payments.secret(), act, &body)?;
    answer(&caller, payments.play(&payment, body.outcome, &operation).await?)
}

/// A step that says nothing more.
async fn bare(payments: &Payments, act: Act, input: &mut Input) -> Result<Operation> {
    input.nothing().await?;
    input.operation(payments.secret(), act, &[])
}

/// The payment, for who may do that with anybody's: buyers learn that they may not; others, that there is no such payment.
async fn for_staff(
    payments: &Payments,
    caller: &Caller,
    id: Id<PaymentKind>,
    permission: Permission,
) -> Result<Payment> {
    let payment = find(payments, caller, id, permission).await?;
    caller.require(permission).map(|_| payment)
}

fn answer(
    caller: &Caller,
    (payment, replayed): (Payment, bool),
) -> Result<Response, holdfast_web::Problem> {
    let answer = shown(caller.user, &payment)?;
    Ok(answered(IdempotentAnswer { answer, replayed }))
}
