//! What other processes of the shop ask of orders.

use axum::{Router, extract::State, routing::post};
use holdfast_types::OrderId;
use holdfast_web::{FromPeer, Input, Reply, json_reply, parse};

use crate::Orders;

/// Routes that only processes of the same shop may call.
pub fn internal_routes(orders: Orders) -> Router {
    Router::new().route("/internal/orders/letter", post(tell_letter)).with_state(orders)
}

async fn tell_letter(State(orders): State<Orders>, _: FromPeer, mut input: Input) -> Reply {
    let id: OrderId = parse(&input.body().await?)?;
    json_reply(200, &orders.letter(id).await?)
}
