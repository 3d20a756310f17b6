//! A move to another engine, and the audit.

use holdfast_storage::{Entry, Flow};
use holdfast_types::{OrderId, Reservation, Result};
use serde::{Deserialize, Serialize};

use super::{Audit, Products};
use crate::{
    model::{Claim, Hold},
    store::portable::Record,
};

/// Something that products keep, as it moves from one engine to another.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Portable(Record);

impl Portable {
    /// The orders of a batch that nobody has confirmed, if it is one.
    #[must_use]
    pub fn unconfirmed(&self) -> Option<&[OrderId]> {
        match &self.0 {
            Record::Unconfirmed { orders, .. } => Some(orders),
            _ => None,
        }
    }

    /// The order whose stock it is, if it is a reservation.
    #[must_use]
    pub fn order(&self) -> Option<OrderId> {
        match &self.0 {
            Record::Reservation(reservation) => Some(reservation.id),
            _ => None,
        }
    }

    /// The reservation, if it is one. Whether it is confirmed, batches say.
    #[must_use]
    pub fn into_reservation(self) -> Option<Reservation> {
        match self.0 {
            Record::Reservation(reservation) => Some(reservation),
            _ => None,
        }
    }

    /// Shows the record to an audit.
    pub fn show(&self, audit: &mut Audit) {
        audit.see(&self.0);
    }
}

impl Products {
    /// Everything that is kept, in one snapshot, apart from the secret and the kept answers: batches that nobody has
    /// confirmed, reservations by id, then each product with its journal after it.
    pub async fn dump(&self) -> Result<Flow<Entry<Portable>>> {
        Ok(self.store().dump().await?.map(|entry| entry.map(Portable)))
    }

    /// Shows an audit what is counted against limits per customer, and the holds.
    pub async fn show_kept(&self, audit: &mut Audit) -> Result<()> {
        let mut claims = self.store().database().records::<Claim>().await?;
        while let Some(claim) = claims.next().await? {
            // One that cannot be read was found damaged.
            let _ = claim.map(|claim| audit.see_counted(&claim));
        }
        let mut holds = self.store().database().records::<Hold>().await?;
        while let Some(hold) = holds.next().await? {
            let _ = hold.map(|hold| audit.see_hold(&hold));
        }
        Ok(())
    }

    /// Makes what is counted against limits, and the holds, say what these reservations say.
    pub async fn recount(&self, reservations: Vec<OrderId>) -> Result<()> {
        self.store().recount(reservations).await
    }

    /// Keeps what [`Self::dump`] told, unless it is there.
    pub async fn load(&self, records: Vec<Portable>) -> Result<()> {
        self.store().load(records.into_iter().map(|record| record.0).collect()).await
    }
}
