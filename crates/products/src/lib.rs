//! The products service: the catalogue with its versions, the stock with its journal, the reservations.

mod api;
mod model;
mod service;
mod store;

pub use api::{SERVICE, document, internal_routes, routes};
pub use model::{Movement, MovementKind};
pub use service::{Audit, Portable, Products, Settings, StockPlace};
pub use store::RECORDS;
