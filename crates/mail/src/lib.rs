//! The mail service: a consumer of the log that writes letters about what has happened, and sends each at least once.

mod api;
mod facts;
mod model;
mod service;
mod smtp;
mod store;
mod templates;

pub use api::{SERVICE, document, routes};
pub use facts::Facts;
pub use service::{Mail, Settings};
pub use smtp::SmtpServer;
pub use store::RECORDS;
