//! Whether the process lives, and whether it should be sent requests.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{extract::State, response::Response};
use holdfast_storage::Database;
use holdfast_web::{NoQuery, Reply, json_reply};
use serde_json::json;

use super::Metrics;

/// How long a database may take to answer before it counts as not ready.
const PROBE_TIME: Duration = Duration::from_secs(2);

/// What readiness is judged by. Clones share it.
#[derive(Clone)]
pub(crate) struct Health {
    databases: Vec<Database>,
    draining: Arc<AtomicBool>,
    pub(super) metrics: Metrics,
}

impl Health {
    pub(crate) fn new(databases: Vec<Database>, metrics: Metrics) -> Self {
        Self { databases, draining: Arc::default(), metrics }
    }

    /// From here on, requests should go elsewhere.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }

    async fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.draining.load(Ordering::SeqCst) {
            problems.push("draining: the process is about to end".to_owned());
        }
        for database in &self.databases {
            match tokio::time::timeout(PROBE_TIME, database.ready()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => problems.push(format!("database: {}", error.message())),
                Err(_) => problems.push("database: no answer within 2 s".to_owned()),
            }
        }
        problems
    }
}

/// The process lives.
#[utoipa::path(get, path = "/livez", tag = "system", responses((status = 200)))]
pub(super) async fn is_alive(_: NoQuery) -> Reply<Response> {
    json_reply(200, &json!({"status": "alive"}))
}

/// The process can serve; if not, `problems` says why.
#[utoipa::path(get, path = "/readyz", tag = "system", responses((status = 200), (status = 503)))]
pub(super) async fn is_ready(State(health): State<Health>, _: NoQuery) -> Reply<Response> {
    let problems = health.problems().await;
    match problems.is_empty() {
        true => json_reply(200, &json!({"status": "ready"})),
        false => json_reply(503, &json!({"status": "not-ready", "problems": problems})),
    }
}
