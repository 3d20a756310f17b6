//! Identifiers: lower-case UUID strings on the wire, 16 bytes in a database.
//! The kind is part of the type, so an order id cannot be passed where a product id is meant.

use std::{
    fmt,
    hash::{Hash, Hasher},
    marker::PhantomData,
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// The identifier of one `Kind` of thing.
pub struct Id<Kind>(Uuid, PhantomData<fn() -> Kind>);

/// Marks ids of users.
#[derive(Debug)]
pub enum UserKind {}
/// Marks ids of sessions, that is, of families of refresh tokens.
#[derive(Debug)]
pub enum SessionKind {}
/// Marks ids of API keys.
#[derive(Debug)]
pub enum KeyKind {}
/// Marks ids of products.
#[derive(Debug)]
pub enum ProductKind {}
/// Marks ids of orders.
#[derive(Debug)]
pub enum OrderKind {}
/// Marks ids of holds.
#[derive(Debug)]
pub enum HoldKind {}
/// Marks ids of batches of orders.
#[derive(Debug)]
pub enum BatchKind {}

/// Identifies a user.
pub type UserId = Id<UserKind>;
/// Identifies a session: the family of refresh tokens that one login began.
pub type SessionId = Id<SessionKind>;
/// Identifies an API key, whatever secret it has.
pub type KeyId = Id<KeyKind>;
/// Identifies a product.
pub type ProductId = Id<ProductKind>;
/// Identifies an order, its reservation and the operation that placed it.
pub type OrderId = Id<OrderKind>;
/// Identifies a hold, its reservation and the operation that made it.
pub type HoldId = Id<HoldKind>;
/// Identifies a batch of orders on its way to products.
pub type BatchId = Id<BatchKind>;

impl<Kind> Id<Kind> {
    /// Wraps a UUID.
    #[must_use]
    pub const fn new(uuid: Uuid) -> Self {
        Self(uuid, PhantomData)
    }

    /// The UUID inside.
    #[must_use]
    pub const fn uuid(self) -> Uuid {
        self.0
    }

    /// The 16 bytes that databases keep.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// Reads what [`Self::bytes`] gave.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self::new(Uuid::from_bytes(bytes))
    }
}

impl<Kind> Clone for Id<Kind> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<Kind> Copy for Id<Kind> {}
impl<Kind> PartialEq for Id<Kind> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<Kind> Eq for Id<Kind> {}
impl<Kind> PartialOrd for Id<Kind> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<Kind> Ord for Id<Kind> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}
impl<Kind> Hash for Id<Kind> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}
impl<Kind> fmt::Debug for Id<Kind> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
impl<Kind> fmt::Display for Id<Kind> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl<Kind> FromStr for Id<Kind> {
    type Err = uuid::Error;

    /// Accepts only the hyphenated form, in either case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hyphenated = uuid::fmt::Hyphenated::from_str(text)?;
        Ok(Self::new(hyphenated.into_uuid()))
    }
}

impl<Kind> Serialize for Id<Kind> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, Kind> Deserialize<'de> for Id<Kind> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(|_| {
            serde::de::Error::custom("expected a UUID such as 0192f0c1-7e3a-7b52-9c39-0a4b6f6f2d11")
        })
    }
}
