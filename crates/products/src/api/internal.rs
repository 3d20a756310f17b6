//! What orders asks of products when they run in different processes. A whole batch is one call.

use std::time::Duration;

use axum::{
    Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use holdfast_types::{BatchId, Kept, OrderId, ReserveBatch, StockAction};
use holdfast_web::{FromPeer, Input, Query, Reply, json_reply, no_content, parse};
use serde::Deserialize;

use crate::Products;

/// Bytes of a batch: 512 orders with 4,096 lines have about 600 KiB.
const BATCH_BYTES: usize = 8 << 20;

/// Routes that only processes of the same cluster may call.
pub fn internal_routes(products: Products) -> Router {
    Router::new()
        .route("/internal/products/reserve", post(reserve))
        .route("/internal/products/stock-actions", post(apply_stock_actions))
        .route("/internal/products/give-back", post(give_back))
        .route("/internal/products/confirm", post(confirm))
        .route("/internal/products/unconfirmed", get(unconfirmed))
        .route("/internal/products/stock-place", get(stock_place))
        .with_state(products)
}

async fn reserve(State(products): State<Products>, _: FromPeer, mut input: Input) -> Reply {
    let batch: ReserveBatch = read(&mut input).await?;
    json_reply(200, &products.reserve(batch).await?)
}

async fn apply_stock_actions(
    State(products): State<Products>,
    _: FromPeer,
    mut input: Input,
) -> Reply {
    let actions: Vec<(OrderId, StockAction)> = read(&mut input).await?;
    products.apply_stock_actions(&actions).await?;
    Ok(no_content())
}

async fn give_back(State(products): State<Products>, _: FromPeer, mut input: Input) -> Reply {
    let kept: Vec<(OrderId, Kept)> = read(&mut input).await?;
    products.give_back(&kept).await?;
    Ok(no_content())
}

async fn confirm(State(products): State<Products>, _: FromPeer, mut input: Input) -> Reply {
    let batches: Vec<BatchId> = read(&mut input).await?;
    products.confirm(&batches).await?;
    Ok(no_content())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Age {
    /// Milliseconds.
    age: u64,
}

async fn unconfirmed(
    State(products): State<Products>,
    _: FromPeer,
    Query(Age { age }): Query<Age>,
) -> Reply<Response> {
    json_reply(200, &products.unconfirmed(Duration::from_millis(age)).await?)
}

async fn stock_place(State(products): State<Products>, _: FromPeer) -> Reply<Response> {
    json_reply(200, &products.stock_place().await?)
}

async fn read<T: serde::de::DeserializeOwned>(input: &mut Input) -> holdfast_types::Result<T> {
    parse(&input.body_of(BATCH_BYTES, &["application/json"]).await?)
}
