//! What orders move from one engine to another.

use holdfast_types::{OrderId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::model::{Event, Order};

/// Something that orders keep.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Record {
    /// An order, and what happened to it after it was placed.
    Order(Box<Order>, Vec<Event>),
    /// An attempt that was undone.
    Tombstone(OrderId, Timestamp),
}
