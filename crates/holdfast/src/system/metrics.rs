//! Metrics for Prometheus.

use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use holdfast_types::{Error, Result};
use holdfast_web::{NoQuery, auth::Admin};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use super::Health;

/// Between two rounds of moving samples into buckets: what is not moved costs memory.
const UPKEEP: std::time::Duration = std::time::Duration::from_secs(5);
/// Every metric: its name, its kind, and what it says.
const METRICS: [(&str, Kind, &str); 12] = [
    (
        "http_request_duration_seconds",
        Kind::Histogram(&[
            0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0,
        ]),
        "Time from the last header of a request to the first byte of its answer, by method, service and class of status.",
    ),
    (
        "checkout_batch_orders",
        Kind::Histogram(&[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0]),
        "Orders that were placed together in one batch.",
    ),
    (
        "holds_total",
        Kind::Counter,
        "Holds, by what happened to them: opened, and then released or expired. Those that gave way to orders are the rest of those that are not open.",
    ),
    (
        "outbox_lag_seconds",
        Kind::Histogram(&[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0]),
        "Time from what a service did until it was in the log of events, of the oldest of what was collected at once, by service.",
    ),
    (
        "audit_entries_total",
        Kind::Counter,
        "Changes by staff and API keys that were entered into the audit log, by service.",
    ),
    ("broker_events_total", Kind::Counter, "Events that the broker has acknowledged."),
    (
        "webhook_attempts_total",
        Kind::Counter,
        "Attempts at deliveries to webhooks, by what came of them: taken, refused, busy (also silence), gone.",
    ),
    (
        "webhook_attempt_seconds",
        Kind::Histogram(&[0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0]),
        "Time that an attempt at a delivery took.",
    ),
    (
        "payment_provider_calls_total",
        Kind::Counter,
        "Calls of the payment provider, by call, and by what came of them: done, declined, unknown.",
    ),
    (
        "letters_total",
        Kind::Counter,
        "Attempts at sending letters, by what came of them: sent, skipped, refused, deferred, crowded, away.",
    ),
    (
        "letter_seconds",
        Kind::Histogram(&[0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0]),
        "Time that handing a letter over took.",
    ),
    (
        "storage_retries_total",
        Kind::Counter,
        "Transactions that were run again, because somebody was in their way or their connection broke.",
    ),
];

/// What a metric counts, and the upper bounds of its buckets.
enum Kind {
    Counter,
    Histogram(&'static [f64]),
}

/// What the program has counted so far. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Metrics(PrometheusHandle);

impl Metrics {
    /// Begins to count. Once per process.
    pub(crate) fn begin() -> Result<Self> {
        let mut builder = PrometheusBuilder::new();
        for (name, kind, _) in &METRICS {
            if let Kind::Histogram(buckets) = kind {
                let name = Matcher::Full((*name).to_owned());
                builder = builder.set_buckets_for_metric(name, buckets).map_err(Error::internal)?;
            }
        }
        let handle = builder.install_recorder().map_err(Error::internal)?;
        for (name, kind, help) in METRICS {
            match kind {
                Kind::Counter => metrics::describe_counter!(name, help),
                Kind::Histogram(_) => metrics::describe_histogram!(name, help),
            }
        }
        let upkeep = handle.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(UPKEEP).await;
                upkeep.run_upkeep();
            }
        });
        Ok(Self(handle))
    }

    /// In the text format of Prometheus.
    pub(super) fn text(&self) -> Response {
        let mut response = self.0.render().into_response();
        let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, text);
        response
    }
}

/// Metrics in the format of Prometheus; for administrators.
#[utoipa::path(get, path = "/metrics", tag = "system", security(("bearer" = [])), responses((status = 200, content_type = "text/plain", body = String)),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn show_metrics(
    State(health): State<Health>,
    _admin: Admin,
    _: NoQuery,
) -> Response {
    health.metrics().text()
}
