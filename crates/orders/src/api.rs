//! The routes of the orders service.

mod internal;
mod lifecycle;
mod mailing;
mod notes;
mod placing;
mod reading;
mod statistics;
mod table;
mod wire;

use std::sync::Arc;

use axum::{Router, extract::FromRef};
use holdfast_web::{Lists, Paths, Service, Types, auth::Verifier};
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::Orders;

pub use internal::internal_routes;

/// What is known of the service before it is opened.
pub const SERVICE: Service = Service {
    name: "orders",
    paths: &[Paths { beginning: "/api/orders", is_personal: true }],
    large_bodies: &[],
    types: &[Types { path: table::PATH, accepted: &["text/csv", "text/*", "*/*"] }],
};

impl FromRef<Orders> for Arc<Verifier> {
    fn from_ref(orders: &Orders) -> Self {
        orders.verifier()
    }
}

impl FromRef<Orders> for Lists {
    fn from_ref(orders: &Orders) -> Self {
        orders.lists()
    }
}

/// All routes of the service.
pub fn routes(orders: Orders) -> Router {
    table().with_state(orders).into()
}

/// Describes the routes.
#[must_use]
pub fn document() -> OpenApi {
    table().into_openapi()
}

fn table() -> OpenApiRouter<Orders> {
    OpenApiRouter::new()
        .routes(routes!(reading::list_orders, placing::place_order))
        .routes(routes!(statistics::show_statistics))
        .routes(routes!(table::export_orders))
        .routes(routes!(mailing::show_order_status))
        .routes(routes!(reading::get_order, notes::update_order))
        .routes(routes!(reading::list_order_events))
        .routes(routes!(lifecycle::cancel_order))
        .routes(routes!(lifecycle::pay_order))
        .routes(routes!(lifecycle::ship_order))
        .routes(routes!(lifecycle::deliver_order))
}
