//! The routes of the products service.

mod batch;
mod catalogue;
mod editing;
mod holds;
mod internal;
mod pictures;
mod stock;
mod wire;

use std::sync::Arc;

use axum::{Router, extract::FromRef};
use holdfast_web::{LargeBody, Lists, Paths, Service, auth::Verifier};
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::Products;

pub use internal::internal_routes;

/// What is known of the service before it is opened.
pub const SERVICE: Service = Service {
    name: "products",
    paths: &[
        Paths { beginning: "/api/products", is_personal: false },
        Paths { beginning: holds::PATH, is_personal: true },
        Paths { beginning: pictures::PATH, is_personal: false },
        Paths { beginning: "/media", is_personal: false },
    ],
    large_bodies: &[
        LargeBody { path: batch::PATH, bytes: batch::BATCH_BYTES, is_for_strangers: false },
        LargeBody { path: pictures::PATH, bytes: pictures::BYTES, is_for_strangers: false },
    ],
    types: &[],
};

impl FromRef<Products> for Arc<Verifier> {
    fn from_ref(products: &Products) -> Self {
        products.verifier()
    }
}

impl FromRef<Products> for Lists {
    fn from_ref(products: &Products) -> Self {
        products.lists()
    }
}

/// All routes of the service.
pub fn routes(products: Products) -> Router {
    table().with_state(products).into()
}

/// Describes the routes.
#[must_use]
pub fn document() -> OpenApi {
    table().into_openapi()
}

fn table() -> OpenApiRouter<Products> {
    OpenApiRouter::new()
        .routes(routes!(catalogue::list_products, editing::create_product))
        .routes(routes!(catalogue::list_categories))
        .routes(routes!(batch::write_products))
        .routes(routes!(
            catalogue::get_product,
            editing::replace_product,
            editing::update_product,
            editing::archive_product
        ))
        .routes(routes!(stock::adjust_stock))
        .routes(routes!(stock::list_movements))
        .routes(routes!(holds::list_holds, holds::create_hold))
        .routes(routes!(holds::get_hold, holds::release_hold))
        .routes(routes!(holds::extend_hold))
        .routes(routes!(pictures::upload_picture))
        .routes(routes!(pictures::show_picture))
        .routes(routes!(pictures::show_thumbnail))
}
