//! What a shop says and is told. Members that a later shop adds are passed over.

use std::collections::BTreeMap;

use holdfast_types::{HoldId, Money, OrderId, ProductId, Role, Timestamp, UserId, Version};
use serde::{Deserialize, Serialize};

/// Somebody who has signed in. Whoever has `refresh_token` is them.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Goes with each request, as a bearer token (RFC 6750).
    pub access_token: String,
    /// Buys the next session, once.
    pub refresh_token: String,
    /// Seconds for which the access token is good.
    pub expires_in: u64,
    /// Who it is.
    pub user: User,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("user", &self.user).finish_non_exhaustive()
    }
}

/// An account.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// None for a guest.
    pub username: Option<String>,
    /// What it may do.
    pub role: Role,
    /// Where it is written to.
    pub email: Option<String>,
    /// What a change is based on.
    pub version: Version,
}

/// Whether a product is on sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProductStatus {
    /// It is.
    Active,
    /// It was taken off.
    Archived,
}

/// A product.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Product {
    /// Its id.
    pub id: ProductId,
    /// The stock keeping unit: unique where there is one.
    pub sku: Option<String>,
    /// What it is called.
    pub name: String,
    /// What is said about it.
    pub description: Option<String>,
    /// Where it belongs.
    pub category: Option<String>,
    /// What one costs.
    pub price: Money,
    /// How many there are.
    #[serde(flatten)]
    pub stock: Stock,
    /// Whether it is on sale.
    pub status: ProductStatus,
    /// What a change is based on.
    pub version: Version,
}

/// Units of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Stock {
    /// On hand.
    pub quantity: i64,
    /// Of these, promised to open orders and holds.
    pub reserved: i64,
    /// Of these, to be ordered.
    pub available: i64,
}

/// An order to place.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewOrder {
    /// What is ordered.
    pub items: Vec<OrderItem>,
    /// What the buyer expects to pay: another total is refused with `price-changed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_total: Option<Money>,
    /// A hold of the buyer's that gives way to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_id: Option<HoldId>,
    /// Where the buyer is written to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whatever the shop front wants to find again.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// Units of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderItem {
    /// Which.
    pub product_id: ProductId,
    /// How many.
    pub quantity: i64,
}

/// How an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderStatus {
    /// Its stock is held.
    Placed,
    /// Its money has come.
    Paid,
    /// It is on its way.
    Shipped,
    /// It has arrived.
    Delivered,
    /// It was called off.
    Cancelled,
    /// It was not paid in time.
    Expired,
}

/// An order.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// Short, for people.
    pub number: String,
    /// Who ordered.
    pub user_id: UserId,
    /// How it stands.
    pub status: OrderStatus,
    /// What was ordered.
    pub items: Vec<OrderItem>,
    /// What it costs.
    pub total: Money,
    /// What a change is based on.
    pub version: Version,
    /// When it was placed.
    pub created_at: Timestamp,
}
