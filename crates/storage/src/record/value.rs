//! Values that engines compare. All of them agree on the order: numbers by size, ids and texts by their bytes, bytes of one
//! length by their bytes (of different lengths, MongoDB puts the shorter first).

use holdfast_types::{Id, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number, also a point in time or a yes and no.
    Integer,
    /// Text.
    Text,
    /// A UUID.
    Id,
    /// Bytes, always as many.
    Bytes,
}

/// A value that a record is found by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Value {
    /// See [`Kind::Integer`].
    Integer(i64),
    /// See [`Kind::Text`].
    Text(String),
    /// See [`Kind::Id`].
    Id(Uuid),
    /// See [`Kind::Bytes`].
    Bytes(Vec<u8>),
}

impl Value {
    pub(super) const fn kind(&self) -> Kind {
        match self {
            Self::Integer(_) => Kind::Integer,
            Self::Text(_) => Kind::Text,
            Self::Id(_) => Kind::Id,
            Self::Bytes(_) => Kind::Bytes,
        }
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Integer(i64::from(flag))
    }
}

impl From<Timestamp> for Value {
    fn from(at: Timestamp) -> Self {
        Self::Integer(at.as_millis())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Uuid> for Value {
    fn from(id: Uuid) -> Self {
        Self::Id(id)
    }
}

impl<K> From<Id<K>> for Value {
    fn from(id: Id<K>) -> Self {
        Self::Id(id.uuid())
    }
}

impl<const N: usize> From<[u8; N]> for Value {
    fn from(bytes: [u8; N]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}
