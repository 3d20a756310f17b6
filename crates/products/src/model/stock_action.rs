//! What releasing and shipping does to reservations and to the shelf.

use std::collections::{BTreeMap, HashMap};

use holdfast_types::{
    Error, Message, OrderId, OrderLines, ProductId, ReservationState, Result, StockAction,
    Timestamp,
};

use super::{Cause, Movement, MovementKind, Numbers};

/// Where a reservation goes; `None` when it stays where it is. Only held ones move.
pub(crate) const fn state_after(
    state: ReservationState,
    action: StockAction,
) -> Option<ReservationState> {
    match (state, action) {
        (ReservationState::Held, StockAction::Release) => Some(ReservationState::Released),
        (ReservationState::Held, StockAction::Ship) => Some(ReservationState::Shipped),
        _ => None,
    }
}

/// What releasing and shipping changes.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    pub(crate) states: Vec<(OrderId, ReservationState)>,
    pub(crate) movements: Vec<(ProductId, Movement)>,
    /// The new numbers of the products that moved, by id.
    pub(crate) numbers: BTreeMap<ProductId, Numbers>,
    /// Products of which units left the house, and how many shipments: each is a version.
    pub(crate) shipped: BTreeMap<ProductId, i64>,
}

impl Applied {
    /// What there is to tell; `before` is what the numbers were.
    pub(crate) fn messages(
        &self,
        before: &HashMap<ProductId, Numbers>,
        now: Timestamp,
    ) -> Vec<Message> {
        let told = self.numbers.iter().filter_map(|(product, numbers)| {
            numbers.message_after(before.get(product)?.available(), *product, now)
        });
        told.collect()
    }
}

/// Releases or ships each reservation in turn. `numbers` has every product that they name, as it was before.
pub(crate) fn apply_all(
    actions: &[(OrderId, StockAction)],
    mut reservations: HashMap<OrderId, (ReservationState, OrderLines)>,
    numbers: &HashMap<ProductId, Numbers>,
    now: Timestamp,
) -> Result<Applied> {
    let mut applied = Applied::default();
    for (id, action) in actions {
        let Some((state, lines)) = reservations.get_mut(id) else { continue };
        let Some(next) = state_after(*state, *action) else { continue };
        *state = next;
        applied.states.push((*id, next));
        for line in lines.iter() {
            let before = numbers.get(&line.product_id).ok_or_else(|| {
                Error::internal("a reservation names a product that is not there")
            })?;
            let item = applied.numbers.entry(line.product_id).or_insert(*before);
            let kind = match next {
                ReservationState::Shipped => MovementKind::Shipment,
                ReservationState::Held | ReservationState::Released => MovementKind::Release,
            };
            let leaving = if kind == MovementKind::Shipment { line.quantity } else { 0 };
            item.quantity -= leaving;
            item.reserved -= line.quantity;
            item.sequence += 1;
            if leaving > 0 {
                *applied.shipped.entry(line.product_id).or_default() += 1;
            }
            let movement = Movement {
                sequence: item.sequence,
                kind,
                quantity_delta: -leaving,
                reserved_delta: -line.quantity,
                cause: Cause::Order(*id),
                at: now,
            };
            applied.movements.push((line.product_id, movement));
        }
    }
    Ok(applied)
}
