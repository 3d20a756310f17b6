//! A shop from outside, for programs in Rust: what the wire contract says, in types, and nothing that is not in it.
//!
//! [`Shop`] is what a program wants: it signs in, or shows an API key, renews its session, gives every change an `Idempotency-Key` and repeats it
//! while nobody answers. [`Connection`] is what a load generator wants: one request at a time over one connection, and every
//! failure told.

mod connection;
mod items;
mod shop;
mod views;

pub use connection::{Answer, Connection};
pub use hyper::{HeaderMap, Method, StatusCode};
pub use items::Items;
pub use shop::{Credentials, Shop};
pub use tokio_rustls::rustls::ClientConfig;
pub use views::{
    NewOrder, Order, OrderItem, OrderStatus, Product, ProductStatus, Session, Stock, User,
};
