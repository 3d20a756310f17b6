//! Placing orders.

use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::Response,
};
use holdfast_types::{Error, OrderId};
use holdfast_web::{Input, Reply, auth::Caller, json_reply, parse, replayed};

use super::wire::{OrderView, PlaceBody};
use crate::{Orders, model::Order, service::Placement};

/// Place an order: stock for every line, or for none. Repeating it with the same `Idempotency-Key` places nothing
/// more and gets the same answer.
#[utoipa::path(post, path = "/api/orders", tag = "orders", security(("bearer" = [])), request_body = PlaceBody,
    responses((status = 201, body = OrderView<'static>)))]
pub(super) async fn place_order(
    State(orders): State<Orders>,
    caller: Caller,
    mut input: Input,
) -> Reply {
    let body: PlaceBody = parse(&input.body().await?)?;
    body.check()?;
    let content = serde_json::to_vec(&body).map_err(Error::internal)?;
    let operation = input.operation(orders.secret(), &caller.principal(), &content)?;
    let placement = Placement {
        id: OrderId::new(operation.id),
        fingerprint: operation.fingerprint,
        user: caller.user,
        items: body.items(),
        expected_total: body.expected_total,
        buyer: body.into_buyer(),
    };
    let placed = orders.place(placement).await?;
    let mut response = with_etag(json_reply(201, &OrderView::from(&placed.order))?, &placed.order);
    if let Ok(location) = HeaderValue::from_str(&format!("/api/orders/{}", placed.order.id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(replayed(response, placed.replayed))
}

pub(super) fn with_etag(mut response: Response, order: &Order) -> Response {
    if let Ok(etag) = HeaderValue::from_str(&order.etag()) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}
