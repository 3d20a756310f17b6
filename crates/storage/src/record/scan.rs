//! Which records, in which order.

use std::ops::Bound;

use serde::{Deserialize, Serialize};

use super::{Record, Value};

/// Some records, in the order of an index.
#[derive(Clone, Debug)]
pub struct Scan {
    /// `None` for the order of keys.
    pub(super) index: Option<&'static str>,
    /// Values of the first columns.
    pub(super) equal: Vec<Value>,
    /// What the column after those may be, where that is said.
    pub(super) among: Option<Vec<Value>>,
    /// Where the column after those begins and ends.
    pub(super) range: (Bound<Value>, Bound<Value>),
    pub(super) after: Option<Position>,
    pub(super) limit: usize,
    pub(super) is_descending: bool,
}

/// Where a record stands in an index: after it the next page begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The values of the index.
    pub values: Vec<Value>,
    /// The key.
    pub key: Value,
}

impl Position {
    /// Whether it is one in that index: positions come back from strangers.
    pub(super) fn fits<R: Record>(&self, index: Option<&str>) -> bool {
        let kinds = index.map_or_else(Vec::new, |name| {
            let places = R::TABLE.index(name).1.into_iter();
            places.map(|place| R::TABLE.columns[place].kind).collect()
        });
        self.key.kind() == R::TABLE.key
            && self.values.iter().map(Value::kind).eq(kinds.iter().copied())
    }
}

impl Scan {
    /// The first `limit` records in the order of their keys.
    #[must_use]
    pub const fn of_keys(limit: usize) -> Self {
        Self::over(None, limit)
    }

    /// The first `limit` records in the order of an index: all that are in it.
    #[must_use]
    pub const fn of(index: &'static str, limit: usize) -> Self {
        Self::over(Some(index), limit)
    }

    pub(super) const fn over(index: Option<&'static str>, limit: usize) -> Self {
        let range = (Bound::Unbounded, Bound::Unbounded);
        Self {
            index,
            equal: Vec::new(),
            among: None,
            range,
            after: None,
            limit,
            is_descending: false,
        }
    }

    /// At most so many.
    #[must_use]
    pub const fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Only those with this value in the next column of the index.
    #[must_use]
    pub fn equal(mut self, value: impl Into<Value>) -> Self {
        self.equal.push(value.into());
        self
    }

    /// Only those whose next column (in the order of keys, the key) is one of these: some hundred at most.
    #[must_use]
    pub fn among(mut self, values: Vec<Value>) -> Self {
        self.among = Some(values);
        self
    }

    /// Only those whose next column (in the order of keys, the key) is within these bounds.
    #[must_use]
    pub fn range(mut self, from: Bound<Value>, to: Bound<Value>) -> Self {
        self.range = (from, to);
        self
    }

    /// Only those that come after a place, in the direction of the scan.
    #[must_use]
    pub fn after(mut self, place: Option<Position>) -> Self {
        self.after = place;
        self
    }

    /// The last first.
    #[must_use]
    pub const fn descending(mut self) -> Self {
        self.is_descending = true;
        self
    }
}
