//! Routes of no service: health, metrics, documentation, explanations of problems.

mod documentation;
mod health;
mod metrics;

use std::sync::Arc;

use axum::{Router, extract::FromRef};
use holdfast_web::auth::Verifier;
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

pub(crate) use documentation::describe;
pub(crate) use health::Health;
pub(crate) use metrics::{Metrics, open_routes as open_metrics_routes};

#[derive(Clone)]
struct System {
    health: Health,
    verifier: Arc<Verifier>,
}

impl FromRef<System> for Health {
    fn from_ref(system: &System) -> Self {
        system.health.clone()
    }
}

impl FromRef<System> for Arc<Verifier> {
    fn from_ref(system: &System) -> Self {
        Self::clone(&system.verifier)
    }
}

/// All routes of no service; `document` is what `/openapi.json` answers.
pub(crate) fn routes(health: Health, verifier: Arc<Verifier>, document: &OpenApi) -> Router {
    let described: Router = table().with_state(System { health, verifier }).into();
    described.merge(documentation::routes(document))
}

fn table() -> OpenApiRouter<System> {
    OpenApiRouter::new()
        .routes(routes!(health::is_alive))
        .routes(routes!(health::is_ready))
        .routes(routes!(metrics::show_metrics))
}
