//! Routes of no service: health, metrics, documentation, explanations of problems.

mod documentation;
mod health;
mod internal;
mod metrics;
mod openapi;

use std::sync::Arc;

use axum::{Router, extract::FromRef};
use holdfast_web::auth::Verifier;
use serde_json::Value;
use utoipa_axum::{router::OpenApiRouter, routes};

pub(crate) use documentation::describe;
pub(crate) use health::Health;
pub(crate) use internal::{Status, routes as internal_routes};
pub(crate) use metrics::{Metrics, open_routes as open_metrics_routes};

impl FromRef<Health> for Arc<Verifier> {
    fn from_ref(health: &Health) -> Self {
        health.verifier()
    }
}

/// All routes of no service; `document` is what `/openapi.json` answers.
pub(crate) fn routes(health: Health, document: &Value) -> Router {
    let described: Router = table().with_state(health).into();
    described.merge(documentation::routes(document))
}

fn table() -> OpenApiRouter<Health> {
    OpenApiRouter::new()
        .routes(routes!(health::is_alive))
        .routes(routes!(health::is_ready))
        .routes(routes!(metrics::show_metrics))
}
