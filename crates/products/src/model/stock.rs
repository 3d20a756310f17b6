//! Stock and its journal: every change of a number is a movement.

use holdfast_types::{Code, Error, OrderId, Result, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Product, QUANTITY_MAX};

/// Why a number moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MovementKind {
    /// The product came into being.
    Creation,
    /// Somebody counted, bought or lost units.
    Adjustment,
    /// An order promised units.
    Reservation,
    /// A promise ended; the units are for sale again.
    Release,
    /// Promised units left the house.
    Shipment,
    /// Units that had left came back.
    Return,
    /// A hold promised units.
    Hold,
    /// A hold has ended; an order may have its units.
    #[serde(rename = "hold-end")]
    HoldEnd,
}

impl MovementKind {
    /// The number in a database.
    #[must_use]
    pub const fn code(self) -> i64 {
        match self {
            Self::Creation => 0,
            Self::Adjustment => 1,
            Self::Reservation => 2,
            Self::Release => 3,
            Self::Shipment => 4,
            Self::Return => 5,
            Self::Hold => 6,
            Self::HoldEnd => 7,
        }
    }

    /// Reads what [`Self::code`] gave.
    #[must_use]
    pub const fn from_code(code: i64) -> Option<Self> {
        match code {
            0 => Some(Self::Creation),
            1 => Some(Self::Adjustment),
            2 => Some(Self::Reservation),
            3 => Some(Self::Release),
            4 => Some(Self::Shipment),
            5 => Some(Self::Return),
            6 => Some(Self::Hold),
            7 => Some(Self::HoldEnd),
            _ => None,
        }
    }
}

/// The numbers of a product, apart from its details.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numbers {
    pub(crate) quantity: i64,
    pub(crate) reserved: i64,
    /// Lines in the journal.
    pub(crate) sequence: i64,
}

/// Who or what made a number move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Cause {
    /// An order, or a hold by the id of its reservation.
    Order(OrderId),
    /// Somebody, and why if they said so.
    Person { by: UserId, reason: Option<String> },
}

/// Whose change it is, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    pub(crate) by: UserId,
    pub(crate) at: Timestamp,
}

/// One line of a product's journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Movement {
    /// 1, 2, 3, … without gaps.
    pub sequence: i64,
    /// Why.
    pub kind: MovementKind,
    /// What it did to the units on hand.
    pub quantity_delta: i64,
    /// What it did to the units promised.
    pub reserved_delta: i64,
    /// Who or what.
    pub(crate) cause: Cause,
    /// When.
    pub at: Timestamp,
}

impl Product {
    /// The first line of the journal.
    pub(crate) fn creation(&self) -> Movement {
        let cause = Cause::Person { by: self.seller, reason: None };
        Movement { cause, ..self.movement(MovementKind::Creation, self.quantity, self.created_at) }
    }

    /// Adds or removes units on hand. It commutes with other adjustments and with sales, so it needs no version.
    /// Refuses with `below-reserved`, or `validation` past the largest quantity.
    pub(crate) fn adjust(&mut self, delta: i64, reason: &str, change: Change) -> Result<Movement> {
        let quantity = self.quantity.saturating_add(delta);
        if quantity > QUANTITY_MAX {
            return Err(Error::invalid(
                "#/delta",
                format!("the quantity would be {quantity}, more than {QUANTITY_MAX}"),
            ));
        }
        self.set_quantity(quantity, Some(reason.to_owned()), change)
    }

    /// Sets the units on hand and moves the version.
    pub(super) fn set_quantity(
        &mut self,
        quantity: i64,
        reason: Option<String>,
        change: Change,
    ) -> Result<Movement> {
        if quantity < self.reserved {
            let why = format!("{} units are promised to open orders and holds", self.reserved);
            return Err(Error::new(Code::BelowReserved, why).with("reserved", self.reserved));
        }
        let delta = quantity - self.quantity;
        self.quantity = quantity;
        self.version = self.version.next();
        self.quantity_version = self.version;
        self.updated_at = change.at;
        self.sequence += 1;
        let cause = Cause::Person { by: change.by, reason };
        Ok(Movement { cause, ..self.movement(MovementKind::Adjustment, delta, change.at) })
    }

    fn movement(&self, kind: MovementKind, quantity_delta: i64, at: Timestamp) -> Movement {
        let cause = Cause::Person { by: self.seller, reason: None };
        Movement { sequence: self.sequence, kind, quantity_delta, reserved_delta: 0, cause, at }
    }
}
