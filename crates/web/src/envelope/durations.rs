//! How long answers take, by method, service and class of status.

use std::{sync::OnceLock, time::Duration};

use axum::http::Method;
use metrics::Histogram;

const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "other"];
const SERVICES: [&str; 4] = ["users", "products", "orders", "system"];
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// One histogram per combination, looked up in the recorder once: doing it for each request took longer than routing.
#[derive(Default)]
pub(super) struct Durations(
    [[[OnceLock<Histogram>; CLASSES.len()]; SERVICES.len()]; METHODS.len()],
);

impl Durations {
    pub(super) fn record(
        &self,
        method: &Method,
        service: &'static str,
        status: u16,
        elapsed: Duration,
    ) {
        let place = |names: &[&str], name: &str| {
            names.iter().position(|known| *known == name).unwrap_or(names.len() - 1)
        };
        let (method, service) = (place(&METHODS, method.as_str()), place(&SERVICES, service));
        let class = usize::from(status / 100).clamp(1, CLASSES.len()) - 1;
        let histogram = self.0[method][service][class].get_or_init(|| {
            let labels = [
                ("method", METHODS[method]),
                ("service", SERVICES[service]),
                ("status", CLASSES[class]),
            ];
            metrics::histogram!("http_request_duration_seconds", &labels)
        });
        histogram.record(elapsed);
    }
}

impl std::fmt::Debug for Durations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Durations")
    }
}
