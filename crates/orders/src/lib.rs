//! The orders service: placing orders in batches, their lifecycle, and what they owe to products.

mod api;
mod catalog;
mod model;
mod service;
mod store;

pub use api::{document, routes};
pub use catalog::Catalog;
pub use service::{Orders, Portable, Settings};
