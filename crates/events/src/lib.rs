//! The events service: collects what services tell, gives it one order, shows it to whoever follows, and delivers it to webhooks.

mod api;
mod model;
mod service;
mod store;
mod wire;

pub use api::{SERVICE, document, routes};
pub use model::{ConsumerName, Schedule};
pub use service::{Consumer, Event, EventSources, Events, NatsServer, Settings, WebhookSettings};
pub use store::RECORDS;
