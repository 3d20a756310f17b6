//! A move to another engine, and what an audit sees of it.

use holdfast_storage::{Entry, Flow};
use holdfast_types::{Kept, OrderId, OrderLines, Result, StockAction};
use serde::{Deserialize, Serialize};

use super::Orders;
use crate::store::portable::Record;

/// Something that orders keep, as it moves from one engine to another.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Portable(pub(super) Record);

impl Portable {
    /// The order, or the attempt that was undone.
    #[must_use]
    pub fn id(&self) -> OrderId {
        match &self.0 {
            Record::Order(order) => order.id,
            Record::Tombstone(id, _) => *id,
        }
    }

    /// Whether it is an attempt that was undone.
    #[must_use]
    pub fn is_tombstone(&self) -> bool {
        matches!(self.0, Record::Tombstone(..))
    }

    /// What its reservation must become or be; `None` for a tombstone, whose reservation is released or not there.
    #[must_use]
    pub fn stock_action(&self) -> Option<StockAction> {
        match &self.0 {
            Record::Order(order) => Some(order.status.stock_action()),
            Record::Tombstone(..) => None,
        }
    }

    /// Whether products has still to be told.
    #[must_use]
    pub fn has_pending_stock(&self) -> bool {
        matches!(&self.0, Record::Order(order) if order.pending_stock.is_some())
    }

    /// Whether that is a reservation for what was ordered: without the units that were given back since.
    #[must_use]
    pub fn is_held_by(&self, lines: &OrderLines) -> bool {
        match &self.0 {
            Record::Order(order) => order.kept_lines().is_ok_and(|kept| kept == *lines),
            Record::Tombstone(..) => true,
        }
    }

    /// Units of it that stand, where some were given back.
    #[must_use]
    pub fn kept(&self) -> Kept {
        match &self.0 {
            Record::Order(order) => order.kept(),
            Record::Tombstone(..) => Kept::new(),
        }
    }
}

impl Orders {
    /// Everything that is kept, by the ids of the orders, in one snapshot: apart from the secret and the kept answers.
    pub async fn dump(&self) -> Result<Flow<Entry<Portable>>> {
        Ok(self.store().dump().await?.map(|entry| entry.map(Portable)))
    }

    /// Keeps what [`Self::dump`] told, unless it is there.
    pub async fn load(&self, records: Vec<Portable>) -> Result<()> {
        self.store().load(records.into_iter().map(|record| record.0).collect()).await
    }
}
