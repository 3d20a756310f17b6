//! Placing orders.

use axum::extract::State;
use holdfast_types::{OrderId, Permission, ReserveCommand};
use holdfast_web::{Input, Reply, auth::Caller, created, parse, replayed};

use super::wire::{OrderView, PlaceBody};
use crate::{Orders, model::Placement};

/// Place an order: stock for every line, or for none. Repeating it with the same `Idempotency-Key` places nothing
/// more and gets the same answer.
#[utoipa::path(post, path = "/api/orders", tag = "orders", security(("bearer" = [])), request_body = PlaceBody,
    responses((status = 201, body = OrderView<'static>)),
    extensions(("x-problems" = json!(["unknown-product", "mixed-currencies", "total-too-large", "price-changed", "not-on-sale", "limit-reached", "insufficient-stock", "hold-expired", "idempotency-key-spent", "forbidden"]))))]
pub(super) async fn place_order(
    State(orders): State<Orders>,
    caller: Caller,
    mut input: Input,
) -> Reply {
    caller.reach(Permission::OrdersWrite)?;
    let body: PlaceBody = parse(&input.body().await?)?;
    body.check()?;
    let operation = input.operation_of(orders.secret(), caller.does("place_order", None), &body)?;
    let command = ReserveCommand {
        id: OrderId::new(operation.id),
        fingerprint: operation.fingerprint,
        customer: caller.user,
        items: body.items(),
        expected_total: body.expected_total,
        hold: body.hold_id,
    };
    let (trace, buyer, audit) = (input.trace(), body.into_buyer(), operation.audit);
    let placement = Placement { command, buyer, trace, audit };
    let placed = orders.place(placement).await?;
    let order = &placed.order;
    let response =
        created(&format!("/api/orders/{}", order.id), &order.etag(), &OrderView::from(order))?;
    Ok(replayed(response, placed.replayed))
}
