//! Steps of the lifecycle. Each may be repeated: a step that was passed already answers 200 with the order.

use axum::extract::State;
use holdfast_types::{OrderId, OrderKind, Permission, Result};
use holdfast_web::{IdPath, Input, Reply, answered, auth::Caller, parse};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    reading::find,
    wire::{EmptyBody, OrderView, PayBody, ShipBody, changed},
};
use crate::{Orders, model::Action};

/// Call off an order: from placed or paid; the stock returns exactly once, and what was paid through the shop's provider goes back.
#[utoipa::path(post, path = "/api/orders/{id}/cancel", tag = "orders", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = OrderView<'static>)),
    extensions(("x-problems" = json!(["invalid-transition"]))))]
pub(super) async fn cancel_order(
    State(orders): State<Orders>,
    caller: Caller,
    IdPath(id): IdPath<OrderKind>,
    mut input: Input,
) -> Reply {
    take(&orders, caller, ("cancel_order", id), &mut input, |_: EmptyBody| Ok(Action::Cancel)).await
}

/// Note that the money has come otherwise than through the shop's provider. A payment that is open there is called off.
#[utoipa::path(post, path = "/api/orders/{id}/pay", tag = "orders", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path)), request_body = Option<PayBody>, responses((status = 200, body = OrderView<'static>)),
    extensions(("x-problems" = json!(["forbidden", "invalid-transition"]))))]
pub(super) async fn pay_order(
    State(orders): State<Orders>,
    caller: Caller,
    IdPath(id): IdPath<OrderKind>,
    mut input: Input,
) -> Reply {
    staff_only(&orders, &caller, id).await?;
    let read = |body: PayBody| body.check().map(|()| Action::Pay { reference: body.reference });
    take(&orders, caller, ("pay_order", id), &mut input, read).await
}

/// Note that the parcel has left: the units leave the stock. What was set aside for the order is taken first.
#[utoipa::path(post, path = "/api/orders/{id}/ship", tag = "orders", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path)), request_body = Option<ShipBody>, responses((status = 200, body = OrderView<'static>)),
    extensions(("x-problems" = json!(["forbidden", "invalid-transition", "payment-declined"]))))]
pub(super) async fn ship_order(
    State(orders): State<Orders>,
    caller: Caller,
    IdPath(id): IdPath<OrderKind>,
    mut input: Input,
) -> Reply {
    staff_only(&orders, &caller, id).await?;
    let read = |body: ShipBody| {
        body.check()
            .map(|()| Action::Ship { carrier: body.carrier, tracking_number: body.tracking_number })
    };
    take(&orders, caller, ("ship_order", id), &mut input, read).await
}

/// Note that the parcel has arrived.
#[utoipa::path(post, path = "/api/orders/{id}/deliver", tag = "orders", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = OrderView<'static>)),
    extensions(("x-problems" = json!(["forbidden", "invalid-transition"]))))]
pub(super) async fn deliver_order(
    State(orders): State<Orders>,
    caller: Caller,
    IdPath(id): IdPath<OrderKind>,
    mut input: Input,
) -> Reply {
    staff_only(&orders, &caller, id).await?;
    take(&orders, caller, ("deliver_order", id), &mut input, |_: EmptyBody| Ok(Action::Deliver))
        .await
}

/// Buyers learn that they may not; others, that there is no such order.
pub(super) async fn staff_only(orders: &Orders, caller: &Caller, id: OrderId) -> Result<()> {
    find(orders, caller, id).await?;
    caller.require(Permission::OrdersWrite).map(|_| ())
}

/// The course of every step: 404, 400, replay, 422, 409.
async fn take<Body: DeserializeOwned + Serialize + Default>(
    orders: &Orders,
    caller: Caller,
    (name, id): (&'static str, OrderId),
    input: &mut Input,
    read: impl FnOnce(Body) -> Result<Action>,
) -> Reply {
    let order = find(orders, &caller, id).await?;
    if order.user != caller.user || caller.key.is_some() {
        caller.require(Permission::OrdersWrite)?;
    }
    let bytes = input.body().await?;
    let body = if bytes.is_empty() { Body::default() } else { parse(&bytes)? };
    let operation = input.operation_of(orders.secret(), caller.does(name, id.uuid()), &body)?;
    Ok(answered(orders.take(id, caller.user, &operation, changed(&caller), read(body)).await?))
}
