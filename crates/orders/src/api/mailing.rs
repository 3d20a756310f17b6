//! How an order stands, for whoever has a letter about it.

use axum::extract::State;
use holdfast_web::{Input, Reply, json_reply, parse};

use super::wire::{OrderStatusBody, OrderStatusView};
use crate::Orders;

/// How an order stands, with the token of a letter about it: without signing in, and without what is personal.
#[utoipa::path(post, path = "/api/orders/status", tag = "orders", request_body = OrderStatusBody,
    responses((status = 200, body = OrderStatusView)), extensions(("x-problems" = json!(["not-found"]))))]
pub(super) async fn show_order_status(State(orders): State<Orders>, mut input: Input) -> Reply {
    let body: OrderStatusBody = parse(&input.body().await?)?;
    let order = orders.shown_by(&body.token).await?;
    json_reply(200, &OrderStatusView::from(&order))
}
