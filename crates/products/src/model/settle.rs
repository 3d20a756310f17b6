//! What settling does to reservations and to the shelf.

use std::collections::{BTreeMap, HashMap};

use holdfast_types::{
    Error, OrderId, OrderLine, ProductId, ReservationState, Result, Settlement, Timestamp,
};

use super::{Cause, Movement, MovementKind, Numbers};

/// Where a reservation goes; `None` when it stays where it is. Only held ones move.
pub(crate) const fn settled_state(
    state: ReservationState,
    settlement: Settlement,
) -> Option<ReservationState> {
    match (state, settlement) {
        (ReservationState::Held, Settlement::Release) => Some(ReservationState::Released),
        (ReservationState::Held, Settlement::Ship) => Some(ReservationState::Shipped),
        _ => None,
    }
}

/// What a round of settlements changes.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    pub(crate) states: Vec<(OrderId, ReservationState)>,
    pub(crate) movements: Vec<(ProductId, Movement)>,
    /// The new numbers of the products that moved, by id.
    pub(crate) numbers: BTreeMap<ProductId, Numbers>,
    /// Products of which units left the house, and how many shipments: each is a version.
    pub(crate) shipped: BTreeMap<ProductId, i64>,
}

/// Settles each reservation in turn. `numbers` has every product that they name, as it was before.
pub(crate) fn settle_all(
    settlements: &[(OrderId, Settlement)],
    mut reservations: HashMap<OrderId, (ReservationState, Vec<OrderLine>)>,
    numbers: &HashMap<ProductId, Numbers>,
    now: Timestamp,
) -> Result<Settled> {
    let mut settled = Settled::default();
    for (id, settlement) in settlements {
        let Some((state, lines)) = reservations.get_mut(id) else { continue };
        let Some(next) = settled_state(*state, *settlement) else { continue };
        *state = next;
        settled.states.push((*id, next));
        for line in lines {
            let before = numbers.get(&line.product_id).ok_or_else(|| {
                Error::internal("a reservation names a product that is not there")
            })?;
            let item = settled.numbers.entry(line.product_id).or_insert(*before);
            let kind = match next {
                ReservationState::Shipped => MovementKind::Shipment,
                ReservationState::Held | ReservationState::Released => MovementKind::Release,
            };
            let leaving = if kind == MovementKind::Shipment { line.quantity } else { 0 };
            item.quantity -= leaving;
            item.reserved -= line.quantity;
            item.sequence += 1;
            if leaving > 0 {
                *settled.shipped.entry(line.product_id).or_default() += 1;
            }
            let movement = Movement {
                sequence: item.sequence,
                kind,
                quantity_delta: -leaving,
                reserved_delta: -line.quantity,
                cause: Cause::Order(*id),
                at: now,
            };
            settled.movements.push((line.product_id, movement));
        }
    }
    Ok(settled)
}
