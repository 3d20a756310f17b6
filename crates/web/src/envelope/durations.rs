//! How long answers take, by method, service and class of status.

use std::{sync::OnceLock, time::Duration};

use axum::http::Method;
use metrics::Histogram;

use crate::{Services, service::JSON};

const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "other"];
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
/// What is of no service.
const SYSTEM: &str = "system";

type OfService = [[OnceLock<Histogram>; CLASSES.len()]; METHODS.len()];

/// One histogram per combination, looked up in the recorder once: doing it for each request took longer than routing.
pub(super) struct Durations {
    services: Services,
    /// Of each service, and of none.
    histograms: Box<[OfService]>,
}

/// Where a request belongs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) service: &'static str,
    pub(super) is_personal: bool,
    /// What an `Accept` may name there.
    pub(super) types: &'static [&'static str],
    index: usize,
}

impl Durations {
    pub(super) fn new(services: Services) -> Self {
        let histograms = (0..=services.len()).map(|_| OfService::default()).collect();
        Self { services, histograms }
    }

    pub(super) fn place(&self, path: &str) -> Place {
        let mut known = self.services.iter().enumerate();
        let place = known.find_map(|(index, service)| {
            let is_personal = service.paths_of(path)?.is_personal;
            let types = service.types_at(path);
            Some(Place { service: service.name, is_personal, types, index })
        });
        place.unwrap_or(Place {
            service: SYSTEM,
            is_personal: false,
            types: JSON,
            index: self.services.len(),
        })
    }

    pub(super) fn record(&self, method: &Method, place: Place, status: u16, elapsed: Duration) {
        let known = METHODS.iter().position(|known| *known == method.as_str());
        let method = known.unwrap_or(METHODS.len() - 1);
        let class = usize::from(status / 100).clamp(1, CLASSES.len()) - 1;
        let histogram = self.histograms[place.index][method][class].get_or_init(|| {
            let labels = [
                ("method", METHODS[method]),
                ("service", place.service),
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
