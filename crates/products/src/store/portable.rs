//! What products move from one engine to another.

use holdfast_types::{BatchId, OrderId, ProductId, Reservation, Timestamp};
use serde::{Deserialize, Serialize};

use crate::model::{Movement, Product};

/// Something that products keep.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Record {
    /// A product with its numbers.
    Product(Box<Product>),
    /// A line of a product's journal.
    Movement(ProductId, Movement),
    /// Stock for an order.
    Reservation(Reservation),
    /// A batch that nobody has confirmed.
    Unconfirmed { batch: BatchId, orders: Vec<OrderId>, at: Timestamp },
}
