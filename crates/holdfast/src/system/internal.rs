//! What processes of one cluster ask each other about themselves.

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use holdfast_web::{FromPeer, NoQuery, Reply, json_reply};
use serde::{Deserialize, Serialize};

use super::Health;

/// How a process is getting on.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    /// What it serves.
    pub(crate) parts: String,
    pub(crate) pid: u32,
    pub(crate) uptime_seconds: u64,
    pub(crate) in_flight: usize,
    /// Of the answers of the last half minute or minute; null when there were none.
    pub(crate) p99_micros: Option<u64>,
    /// False while it drains, or does not know whose tokens are good.
    pub(crate) wants_requests: bool,
    /// Tells this run of a process from all others.
    #[serde(default)]
    pub(crate) process: Option<u64>,
    #[serde(default)]
    pub(crate) version: String,
    /// What keeps its databases from taking writes.
    #[serde(default)]
    pub(crate) problems: Vec<String>,
}

/// Routes that only processes of the same cluster may call.
pub(crate) fn routes(health: Health) -> Router {
    Router::new()
        .route("/internal/standing", get(standing))
        .route("/internal/status", get(status))
        .route("/internal/ready", get(ready))
        .route("/internal/metrics", get(metrics))
        .with_state(health)
}

/// 204 when requests should come here. It asks no database: one that is busy must not look like a dead process.
async fn standing(State(health): State<Health>, _: FromPeer, _: NoQuery) -> Response {
    match health.wants_requests() {
        true => StatusCode::NO_CONTENT.into_response(),
        false => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// What keeps the databases of this process from taking writes, as a list of sentences.
async fn ready(State(health): State<Health>, _: FromPeer, _: NoQuery) -> Reply {
    json_reply(200, &health.problems_of_databases().await)
}

/// What the process has counted, for the page of the whole cluster.
async fn metrics(State(health): State<Health>, _: FromPeer, _: NoQuery) -> Response {
    health.metrics().text()
}

async fn status(State(health): State<Health>, _: FromPeer, _: NoQuery) -> Reply {
    json_reply(200, &health.status().await)
}
