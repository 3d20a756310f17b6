//! Refunds for units of an order: what they are worth, and how many may be refunded and go back to the stock.

use std::collections::BTreeMap;

use holdfast_types::{BookedOrder, ProductId, Result, Validation};

use super::{Claim, Refund, RefundItem, RefundStatus};

/// Units by product.
type Units = BTreeMap<ProductId, i64>;

impl Claim {
    /// Whether units go back to the stock.
    pub(crate) fn restocks(&self) -> bool {
        self.items.iter().any(|item| item.restock)
    }

    /// The claim with what its units are worth, unless it says how much; `before` are all refunds of the payment. Refuses with
    /// `validation` products that were not ordered, and more units than are left.
    pub(crate) fn priced(mut self, order: &BookedOrder, before: &[Refund]) -> Result<Self> {
        let mut validation = Validation::default();
        let mut refunded = units(before, |refund, _| refund.status != RefundStatus::Failed);
        let (mut restocked, mut worth) = (restocked(before), 0);
        for (index, item) in self.items.iter().enumerate() {
            let line = order.lines.iter().find(|line| line.product_id == item.product_id);
            let Some(line) = line else {
                let pointer = format!("#/items/{index}/productId");
                validation.refuse(&pointer, "the order has no such product");
                continue;
            };
            // Beyond what can be it is refused below.
            let price = line.unit_price.amount.saturating_mul(item.quantity);
            worth = i64::saturating_add(worth, price);
            let mut take = |units: &mut Units, member: &str, what: &str| {
                let before = units.entry(item.product_id).or_default();
                let left = line.quantity - *before;
                if item.quantity > left {
                    let ordered = line.quantity;
                    let why = match *before {
                        0 => format!("the order has {ordered} units"),
                        some => format!("{some} of {ordered} units {what}: {left} are left"),
                    };
                    validation.refuse(&format!("#/items/{index}/{member}"), why);
                }
                *before += item.quantity;
            };
            take(&mut refunded, "quantity", "were refunded before");
            if item.restock {
                take(&mut restocked, "restock", "are back in the stock already");
            }
        }
        self.amount = self.amount.or(Some(worth));
        validation.finish().map(|()| self)
    }
}

/// Units that are back in the stock by these refunds: goods stay where they are, also where the money did not go back in the end.
pub(crate) fn restocked(refunds: &[Refund]) -> Units {
    units(refunds, |_, item| item.restock)
}

fn units(refunds: &[Refund], counts: impl Fn(&Refund, &RefundItem) -> bool) -> Units {
    let mut units = Units::new();
    for refund in refunds {
        for item in refund.items.iter().filter(|item| counts(refund, item)) {
            *units.entry(item.product_id).or_default() += item.quantity;
        }
    }
    units
}
