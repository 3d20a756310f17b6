//! Keyset pagination: a page begins after a place, not after a count, so page 1,000 costs what page 1 costs.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};

use crate::{Code, Error, Result};

/// Part of a list, and where the next part begins.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// At most as many as were asked for.
    pub items: Vec<T>,
    /// Present when more may follow.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// Makes a page of rows fetched with a limit of one more than wanted; `place` names where an item stands.
    #[must_use]
    pub fn cut(mut items: Vec<T>, limit: usize, place: impl Fn(&T) -> Cursor) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(place) } else { None };
        Self { items, next }
    }
}

/// Which part of a list is asked for.
#[derive(Clone, Debug)]
pub struct PageRequest {
    /// How many items at most: 1 to 100.
    pub limit: usize,
    /// Where the part before this one ended.
    pub after: Option<Cursor>,
}

/// A place in a list: opaque to clients, bound to the filters and the sort it was made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(String);

impl Cursor {
    /// A cursor at `place` in the list that `filters` describe.
    #[must_use]
    pub fn new(filters: &str, place: &impl Serialize) -> Self {
        let json =
            serde_json::to_string(&(checksum(filters), place)).expect("places are plain values");
        Self(BASE64_URL_SAFE_NO_PAD.encode(json))
    }

    /// Takes what a client sent; [`Self::position`] judges it.
    #[must_use]
    pub fn from_wire(text: String) -> Self {
        Self(text)
    }

    /// What clients see.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The place, or `invalid-cursor` when the cursor is damaged or belongs to another list.
    pub fn position<P: DeserializeOwned>(&self, filters: &str) -> Result<P> {
        let invalid = || {
            Error::new(
                Code::InvalidCursor,
                "the cursor is not one that this list gave out: begin without one",
            )
        };
        let json = BASE64_URL_SAFE_NO_PAD.decode(&self.0).map_err(|_| invalid())?;
        let (sum, place): (u32, P) = serde_json::from_slice(&json).map_err(|_| invalid())?;
        if sum == checksum(filters) { Ok(place) } else { Err(invalid()) }
    }
}

/// FNV-1a, 32 bits: a guard against mixing cursors up, not against forgery (a forged cursor names a mere place).
fn checksum(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
