//! Units of an order that are back in the stock while the order stands.

use holdfast_types::{
    Code, Error, Kept, OrderLines, ProductId, Result, ReturnedItem, StockAction, Timestamp,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Order, PendingStock, Status};

/// Units of a product that are back in the stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReturnedItem)]
pub(crate) struct ReturnedUnits {
    #[schema(value_type = uuid::Uuid)]
    product_id: ProductId,
    quantity: i64,
}

impl Order {
    /// Notes that so many units are back in the stock by now, of each of these products, before the parcel has left or after;
    /// says whether that is news. Refuses with `invalid-transition` where the stock is not paid or not taken any more.
    pub(crate) fn give_back(&mut self, units: &[(ProductId, i64)], now: Timestamp) -> Result<bool> {
        if !matches!(self.status, Status::Paid | Status::Shipped | Status::Delivered) {
            let status = self.status.as_str();
            let why = format!("no units of an order that is {status} go back to the stock");
            return Err(Error::new(Code::InvalidTransition, why).with("orderStatus", status));
        }
        let before = self.progress.returned.clone();
        for (product, back) in units {
            let line = self.lines.iter().find(|line| line.product_id == *product);
            let back = line.map_or(0, |line| line.quantity.min(*back));
            let returned = &mut self.progress.returned;
            match returned.iter_mut().find(|(known, _)| known == product) {
                Some((_, known)) => *known = back.max(*known),
                None if back > 0 => returned.push((*product, back)),
                None => {}
            }
        }
        if self.progress.returned == before {
            return Ok(false);
        }
        self.version = self.version.next();
        self.updated_at = now;
        let returned = self.progress.returned.iter().map(|(_, units)| units).sum();
        let action = self.pending_stock.map_or(StockAction::Keep, |pending| pending.action);
        self.pending_stock = Some(PendingStock { action, returned });
        Ok(true)
    }

    /// The units that are back, by product.
    pub(crate) fn returned(&self) -> Vec<ReturnedUnits> {
        let units = self.progress.returned.iter();
        units
            .map(|(product, units)| ReturnedUnits { product_id: *product, quantity: *units })
            .collect()
    }

    /// The same by the name of the product.
    pub(crate) fn returned_items(&self) -> Vec<ReturnedItem> {
        let named = |(product, units): &(ProductId, i64)| {
            let line = self.lines.iter().find(|line| line.product_id == *product)?;
            Some(ReturnedItem { name: line.name.clone(), quantity: *units })
        };
        self.progress.returned.iter().filter_map(named).collect()
    }

    /// The units that stand, of products of which some are back.
    pub(crate) fn kept(&self) -> Kept {
        let stand = |(product, back): &(ProductId, i64)| {
            let line = self.lines.iter().find(|line| line.product_id == *product)?;
            Some((*product, line.quantity - back))
        };
        self.progress.returned.iter().filter_map(stand).collect()
    }

    /// What its reservation has to be for.
    pub(crate) fn kept_lines(&self) -> Result<OrderLines> {
        match self.progress.returned.as_slice() {
            [] => Ok(self.lines.clone()),
            _ => self.lines.keeping(&self.kept()),
        }
    }
}

#[cfg(test)]
mod tests {
    use holdfast_types::{Fingerprint, Money, OrderId, OrderLine, Reserved, UserId};

    use super::*;
    use crate::model::{Action, Buyer, Placement};

    const PRODUCT: ProductId = ProductId::from_bytes([7; 16]);

    fn an_order_of_three() -> Order {
        let command = holdfast_types::ReserveCommand {
            id: OrderId::from_bytes([1; 16]),
            fingerprint: Fingerprint([0; 16]),
            customer: UserId::from_bytes([2; 16]),
            items: Vec::new(),
            expected_total: None,
            hold: None,
        };
        let unit_price = Money { amount: 5, currency: "USD".parse().unwrap() };
        let total = Money { amount: 15, ..unit_price };
        let line = OrderLine {
            product_id: PRODUCT,
            sku: None,
            name: "Tea".into(),
            unit_price,
            quantity: 3,
            total,
            stock_sequence: 1,
        };
        let lines = OrderLines::new(vec![line]).unwrap();
        let reserved = Reserved { lines, total, at: Timestamp::from_millis(0) };
        let buyer = Buyer::default();
        let placement = Placement { command, buyer, trace: None, audit: None };
        Order::new(&placement, reserved, None)
    }

    #[test]
    fn units_go_back_once_and_only_while_they_are_out() {
        let now = Timestamp::from_millis(1);
        let mut order = an_order_of_three();
        assert!(order.give_back(&[(PRODUCT, 1)], now).is_err(), "nobody has paid");
        order.take(&Action::Pay { reference: None }, None, now).unwrap();
        assert!(order.give_back(&[(PRODUCT, 1)], now).unwrap());
        let again = order.clone();
        for units in [1, 0] {
            assert!(!order.give_back(&[(PRODUCT, units)], now).unwrap());
        }
        assert!(!order.give_back(&[(ProductId::from_bytes([8; 16]), 1)], now).unwrap());
        assert_eq!(order, again);
        assert_eq!(order.kept_lines().unwrap()[0].quantity, 2);
        let ship = Action::Ship { carrier: None, tracking_number: None };
        order.take(&ship, None, now).unwrap();
        let pending = |action, returned| Some(PendingStock { action, returned });
        assert_eq!(order.pending_stock, pending(StockAction::Ship, 1), "nothing is forgotten");
        assert!(order.give_back(&[(PRODUCT, 9)], now).unwrap());
        assert_eq!(order.kept(), [(PRODUCT, 0)]);
        assert_eq!(order.pending_stock, pending(StockAction::Ship, 3));
        assert_eq!(order.lines[0].quantity, 3, "what was ordered stays");
    }
}
