//! What an order has become, as those hear of it who follow it.

/// What an order has become, without a payment having done it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderMove {
    /// It was called off.
    Cancelled,
    /// Its time was over.
    Expired,
    /// The staff have noted that the money has come otherwise.
    Paid,
}

impl OrderMove {
    /// Why money goes back then.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Cancelled => "the order was cancelled",
            Self::Expired => "the order expired",
            Self::Paid => "the order was paid otherwise",
        }
    }
}
