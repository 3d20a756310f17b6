//! How many units of a product one customer may order, over all of their orders. Counted is what was ordered while the
//! product had a limit, until its reservation is released or units go back.

use std::collections::{BTreeSet, HashMap};

use holdfast_types::{
    Claimed, Code, Error, OrderId, OrderLine, ProductId, Reservation, ReservationState,
    ReserveCommand, Result, UserId, named_id,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::Shelf;

/// A limit at most: so many claims of one customer on one product are read for an order.
pub(crate) const LIMIT_MAX: i64 = 1_000;

/// Whose units of what are counted.
pub(crate) type Counter = (ProductId, UserId);

/// Units that customers have, by counter.
pub(crate) type Claims = HashMap<Counter, i64>;

/// Units of a product that count against a customer's limit, for one order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Claim {
    pub(crate) order: OrderId,
    pub(crate) product: ProductId,
    pub(crate) customer: UserId,
    pub(crate) units: i64,
}

impl Claim {
    /// Names it for good.
    pub(crate) fn id(&self) -> Uuid {
        named_id("claim", &format!("{} {}", self.order, self.product))
    }

    pub(crate) const fn counter(&self) -> Counter {
        (self.product, self.customer)
    }

    /// What a reservation counts against limits as it is: 0 units of what is released, or has gone back.
    pub(crate) fn all_of(reservation: &Reservation) -> Vec<Self> {
        let Some(Claimed { customer, products, .. }) = &reservation.claimed else {
            return Vec::new();
        };
        let is_released = reservation.state == ReservationState::Released;
        let claim = |line: &OrderLine| Self {
            order: reservation.id,
            product: line.product_id,
            customer: *customer,
            units: if is_released { 0 } else { line.quantity },
        };
        let lines = reservation.lines.iter();
        lines.filter(|line| products.contains(&line.product_id)).map(claim).collect()
    }
}

/// Which limits a command counts against; `None` for most, which are for orders, and whose products have none.
pub(super) fn claimed(command: &ReserveCommand, shelf: &Shelf, is_hold: bool) -> Option<Claimed> {
    let products: Vec<ProductId> = limited(command, shelf).map(|(product, ..)| product).collect();
    let matters = is_hold || !products.is_empty();
    matters.then_some(Claimed { customer: command.customer, products, is_hold })
}

/// The counters that must be known before these commands are decided, and are not.
pub(super) fn unknown<'a>(
    commands: impl Iterator<Item = &'a ReserveCommand>,
    shelf: &Shelf,
    claims: &Claims,
) -> BTreeSet<Counter> {
    let counters = commands.flat_map(|command| {
        limited(command, shelf).map(|(product, ..)| (product, command.customer))
    });
    counters.filter(|counter| !claims.contains_key(counter)).collect()
}

/// The products of a command that have a limit, with it and with the units that are asked for.
fn limited<'a>(
    command: &'a ReserveCommand,
    shelf: &'a Shelf,
) -> impl Iterator<Item = (ProductId, i64, i64)> + 'a {
    command.items.iter().filter_map(|(product, units)| {
        Some((*product, shelf.get(product)?.limit_per_customer?, *units))
    })
}

/// Refuses more units than the customer may have.
pub(super) fn check(command: &ReserveCommand, shelf: &Shelf, claims: &Claims) -> Result<()> {
    let over = |(product, limit, units): (ProductId, i64, i64)| {
        let claimed = claims.get(&(product, command.customer)).copied().unwrap_or(0);
        let item =
            json!({"productId": product, "limit": limit, "ordered": claimed, "requested": units});
        (claimed + units > limit).then_some(item)
    };
    let over: Vec<_> = limited(command, shelf).filter_map(over).collect();
    match over.is_empty() {
        true => Ok(()),
        false => Err(Error::new(Code::LimitReached, "more than one customer may have")
            .with("items", json!(over))),
    }
}

/// Counts what a command was given.
pub(super) fn count(command: &ReserveCommand, shelf: &Shelf, claims: &mut Claims) {
    for (product, _, units) in limited(command, shelf) {
        *claims.entry((product, command.customer)).or_default() += units;
    }
}
