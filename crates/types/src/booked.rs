//! Orders, as those see them who take the money.

use crate::{Money, OrderId, OrderLines, ProductId, UserId};

/// An order, as far as money is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookedOrder {
    /// Whose it is.
    pub user: UserId,
    /// What it costs.
    pub total: Money,
    /// Where it stands, in a word.
    pub status: &'static str,
    /// Whether it waits for money.
    pub is_unpaid: bool,
    /// What the payment is called that it is paid by.
    pub reference: Option<String>,
    /// What was ordered.
    pub lines: OrderLines,
}

/// How an order stands, for an audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The order.
    pub order: OrderId,
    /// Where it stands, in a word.
    pub status: &'static str,
    /// Whether it has its money: it is paid, or further.
    pub is_paid: bool,
    /// What the payment is called where it was made.
    pub reference: Option<String>,
    /// Units that are back in the stock, by product.
    pub returned: Vec<(ProductId, i64)>,
}
