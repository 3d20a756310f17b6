//! The payments service: takes the money for orders through a provider, once, and gives back no more than was taken.

mod api;
mod book;
mod model;
mod provider;
mod service;
mod store;
#[cfg(test)]
mod testing;

pub use api::{SERVICE, document, routes};
pub use book::OrderBook;
pub use provider::StripeSettings;
pub use service::{Payments, ProviderSettings, Settings, WeakPayments};
pub use store::RECORDS;
