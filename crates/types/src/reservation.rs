//! The contract between orders and products: take stock for a whole order or for none of it.

use serde::{Deserialize, Serialize};

use crate::{
    BatchId, Error, Fingerprint, HoldId, Money, OrderId, OrderLines, ProductId, Result, Timestamp,
    UserId,
};

/// One order's demand for stock.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReserveCommand {
    /// The order; also names the reservation.
    pub id: OrderId,
    /// Tells a repeat from another request under the same id.
    pub fingerprint: Fingerprint,
    /// Whose limits it counts against.
    pub customer: UserId,
    /// Products and units, each product once, in the order of the request.
    pub items: Vec<(ProductId, i64)>,
    /// What the buyer expects to pay, if they said so.
    pub expected_total: Option<Money>,
    /// A hold of the customer's that gives way to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldId>,
}

/// What one call carries to products: the demands that wait, and the confirmations that ride along.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReserveBatch {
    /// Names the batch until it is confirmed.
    pub id: BatchId,
    /// Each id at most once.
    pub commands: Vec<ReserveCommand>,
    /// Batches before, whose orders are recorded.
    pub confirmed: Vec<BatchId>,
    /// The trace of the first order in it that has one (W3C Trace Context, `traceparent`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}

/// A batch of which products has not heard that its orders are recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unconfirmed {
    /// The batch.
    pub batch: BatchId,
    /// Orders that it took stock for.
    pub orders: Vec<OrderId>,
}

/// A line of an order, frozen at the moment of ordering.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderLine {
    /// The product.
    pub product_id: ProductId,
    /// Its stock keeping unit then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// Its name then.
    pub name: String,
    /// Its price then.
    pub unit_price: Money,
    /// Units ordered.
    pub quantity: i64,
    /// Price of all units.
    pub total: Money,
    /// The line's place in the product's journal.
    pub stock_sequence: i64,
}

/// Stock that was taken for an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserved {
    /// The frozen lines.
    pub lines: OrderLines,
    /// Their sum.
    pub total: Money,
    /// When the stock was taken; the order's `createdAt`.
    pub at: Timestamp,
}

/// Where a reservation stands. Its row stays for good, so late and repeated calls are harmless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReservationState {
    /// The units are promised.
    Held,
    /// The units went back.
    Released,
    /// The units left the house.
    Shipped,
}

impl ReservationState {
    /// The number in a database.
    #[must_use]
    pub const fn code(self) -> i64 {
        match self {
            Self::Held => 0,
            Self::Released => 1,
            Self::Shipped => 2,
        }
    }

    /// Reads what [`Self::code`] gave.
    pub fn from_code(code: i64) -> Result<Self> {
        match code {
            0 => Ok(Self::Held),
            1 => Ok(Self::Released),
            2 => Ok(Self::Shipped),
            _ => Err(Error::internal(format!("{code} is not the state of a reservation"))),
        }
    }
}

/// Stock that was taken for an order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reservation {
    /// The order.
    pub id: OrderId,
    /// What the request was like.
    pub fingerprint: Fingerprint,
    /// Where it stands.
    pub state: ReservationState,
    /// What it holds.
    pub lines: OrderLines,
    /// For whom it is, where that matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed: Option<Claimed>,
    /// When the stock was taken.
    pub at: Timestamp,
}

/// For whom a reservation is, where that matters: its units count against limits per customer, or it is a hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimed {
    /// The customer.
    pub customer: UserId,
    /// The products that had a limit when their stock was taken.
    pub products: Vec<ProductId>,
    /// Whether it is for a hold, and not for an order.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_hold: bool,
}

impl Reservation {
    /// Whether it is for a hold, and not for an order.
    #[must_use]
    pub fn is_hold(&self) -> bool {
        self.claimed.as_ref().is_some_and(|claimed| claimed.is_hold)
    }
}

/// What becomes of the stock of an order, by a step that the order has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StockAction {
    /// The order stands: its units stay promised.
    Keep,
    /// The order is over: the units go back.
    Release,
    /// The order was shipped: the units leave.
    Ship,
}

/// Units of an order that stand after some were given back, by product: telling it again changes nothing.
pub type Kept = Vec<(ProductId, i64)>;

impl StockAction {
    /// The number in a database.
    #[must_use]
    pub const fn code(self) -> i64 {
        match self {
            Self::Keep => 0,
            Self::Release => 1,
            Self::Ship => 2,
        }
    }

    /// Reads what [`Self::code`] gave.
    pub fn from_code(code: i64) -> Result<Self> {
        match code {
            0 => Ok(Self::Keep),
            1 => Ok(Self::Release),
            2 => Ok(Self::Ship),
            _ => Err(Error::internal(format!("{code} is not something that happens to stock"))),
        }
    }
}
