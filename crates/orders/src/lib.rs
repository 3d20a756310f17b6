//! The orders service: placing orders in batches, their lifecycle, and what they owe to products.

mod api;
mod model;
mod payments;
mod service;
mod stock;
mod store;

pub use api::{SERVICE, document, internal_routes, routes};
pub use payments::Payments;
pub use service::{Audit, Orders, Portable, Settings};
pub use stock::{Stock, StockTogether};
pub use store::RECORDS;
