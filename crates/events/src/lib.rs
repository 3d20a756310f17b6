//! The events service: collects what services tell, gives it one order, and shows it to whoever follows.

mod api;
mod model;
mod service;
mod store;

pub use api::{SERVICE, document, routes};
pub use service::{EventSources, Events};
pub use store::RECORDS;
