//! The routes of the payments service.

mod making;
mod notifications;
mod reading;
mod statistics;
mod steps;
mod wire;

use std::sync::Arc;

use axum::{Router, extract::FromRef};
use holdfast_web::{LargeBody, Lists, Paths, Service, auth::Verifier};
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::Payments;

/// What is known of the service before it is opened.
pub const SERVICE: Service = Service {
    name: "payments",
    paths: &[Paths { beginning: "/api/payments", is_personal: true }],
    large_bodies: &[LargeBody {
        path: notifications::PATH,
        bytes: notifications::BYTES,
        is_for_strangers: true,
    }],
    types: &[],
};

impl FromRef<Payments> for Arc<Verifier> {
    fn from_ref(payments: &Payments) -> Self {
        payments.verifier()
    }
}

impl FromRef<Payments> for Lists {
    fn from_ref(payments: &Payments) -> Self {
        payments.lists()
    }
}

/// All routes of the service.
pub fn routes(payments: Payments) -> Router {
    table().with_state(payments).into()
}

/// Describes the routes.
#[must_use]
pub fn document() -> OpenApi {
    table().into_openapi()
}

fn table() -> OpenApiRouter<Payments> {
    OpenApiRouter::new()
        .routes(routes!(reading::list_payments, making::create_payment))
        .routes(routes!(reading::get_payment_provider))
        .routes(routes!(statistics::show_payment_statistics))
        .routes(routes!(reading::get_payment))
        .routes(routes!(steps::sync_payment))
        .routes(routes!(steps::capture_payment))
        .routes(routes!(steps::cancel_payment))
        .routes(routes!(steps::refund_payment))
        .routes(routes!(steps::test_payment))
        .routes(routes!(notifications::notify_payments))
}
