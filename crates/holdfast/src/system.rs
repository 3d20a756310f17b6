//! Routes of no service: health, metrics, documentation, explanations of problems.

mod documentation;
mod health;
mod internal;
mod metrics;
mod openapi;
mod problems;
mod processes;

use std::sync::Arc;

use axum::{Router, extract::FromRef, routing::get};
use holdfast_web::{auth::Verifier, with_fallbacks};
use serde_json::Value;
use utoipa_axum::{router::OpenApiRouter, routes};

pub(crate) use documentation::describe;
pub(crate) use health::{Health, Process};
pub(crate) use internal::{Status, routes as internal_routes};
pub(crate) use metrics::Metrics;

impl FromRef<Health> for Arc<Verifier> {
    fn from_ref(health: &Health) -> Self {
        health.verifier()
    }
}

/// All routes of no service; `document` is what `/openapi.json` answers.
pub(crate) fn routes(health: Health, document: &Value) -> Router {
    let described: Router = table().with_state(health).into();
    described.merge(documentation::routes(document)).merge(problems::routes())
}

/// Metrics and health, for whoever reaches a listener of their own.
pub(crate) fn open_routes(health: Health) -> Router {
    let metrics = health.metrics().clone();
    let described: Router = health_table().with_state(health).into();
    with_fallbacks(described.route("/metrics", get(|| async move { metrics.text() })))
}

fn table() -> OpenApiRouter<Health> {
    health_table().routes(routes!(metrics::show_metrics)).routes(routes!(processes::list_processes))
}

fn health_table() -> OpenApiRouter<Health> {
    OpenApiRouter::new().routes(routes!(health::is_alive)).routes(routes!(health::is_ready))
}
