//! What releasing, shipping and giving back does to reservations and to the shelf.

use std::collections::{BTreeMap, HashMap};

use holdfast_types::{
    Error, Kept, Message, OrderId, OrderLines, ProductId, Reservation, ReservationState, Result,
    StockAction, Timestamp,
};

use super::{Cause, Claim, Hold, Movement, MovementKind, Numbers, QUANTITY_MAX};

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

/// Reservations as they are.
pub(crate) type Reservations = HashMap<OrderId, Reservation>;
/// The numbers of every product that they name.
pub(crate) type NumbersById = HashMap<ProductId, Numbers>;

/// What releasing, shipping and giving back changes.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    pub(crate) states: Vec<(OrderId, ReservationState)>,
    /// What is left of those of which units were given back.
    pub(crate) lines: Vec<(OrderId, OrderLines)>,
    /// What counts against limits from now on, of the reservations that changed: 0 units no more.
    pub(crate) claims: Vec<Claim>,
    /// Holds that there must be.
    pub(crate) holds: Vec<Hold>,
    pub(crate) movements: Vec<(ProductId, Movement)>,
    /// The new numbers of the products that moved, by id.
    pub(crate) numbers: BTreeMap<ProductId, Numbers>,
    /// Products of which units left the house or came back to it, and how often: each is a version.
    pub(crate) versions: BTreeMap<ProductId, i64>,
}

impl Applied {
    /// What there is to tell; `before` is what the numbers were.
    pub(crate) fn messages(&self, before: &NumbersById, now: Timestamp) -> Vec<Message> {
        let told = self.numbers.iter().filter_map(|(product, numbers)| {
            numbers.message_after(before.get(product)?.available(), *product, now)
        });
        told.collect()
    }

    /// Moves units of a product for an order: on hand, and promised.
    fn move_units(
        &mut self,
        product: ProductId,
        before: &NumbersById,
        (kind, quantity_delta, reserved_delta): (MovementKind, i64, i64),
        (order, now): (OrderId, Timestamp),
    ) -> Result<()> {
        let known = before.get(&product);
        let known = known
            .ok_or_else(|| Error::internal("a reservation names a product that is not there"))?;
        let item = self.numbers.entry(product).or_insert(*known);
        let quantity_delta = quantity_delta.min(QUANTITY_MAX - item.quantity);
        item.quantity += quantity_delta;
        item.reserved += reserved_delta;
        item.sequence += 1;
        if quantity_delta != 0 {
            *self.versions.entry(product).or_default() += 1;
        }
        let (sequence, cause) = (item.sequence, Cause::Order(order));
        let movement = Movement { sequence, kind, quantity_delta, reserved_delta, cause, at: now };
        self.movements.push((product, movement));
        Ok(())
    }
}

/// Moves nothing: says what these reservations claim as they are, and which holds they are for.
pub(crate) fn count_all(reservations: Reservations) -> Result<Applied> {
    let mut applied = Applied::default();
    for reservation in reservations.into_values() {
        applied.claims.extend(Claim::all_of(&reservation));
        if reservation.state == ReservationState::Held {
            applied.holds.extend(Hold::of(&reservation, reservation.at)?);
        }
    }
    Ok(applied)
}

/// Releases or ships each reservation in turn.
pub(crate) fn apply_all(
    actions: &[(OrderId, StockAction)],
    mut reservations: Reservations,
    numbers: &NumbersById,
    now: Timestamp,
) -> Result<Applied> {
    let mut applied = Applied::default();
    for (id, action) in actions {
        let Some(reservation) = reservations.get_mut(id) else { continue };
        let Some(next) = state_after(reservation.state, *action) else { continue };
        reservation.state = next;
        applied.states.push((*id, next));
        applied.claims.extend(Claim::all_of(reservation));
        for line in reservation.lines.iter().filter(|line| line.quantity > 0) {
            let units = line.quantity;
            let moved = match next {
                ReservationState::Shipped => (MovementKind::Shipment, -units, -units),
                ReservationState::Held | ReservationState::Released => {
                    let is_hold = reservation.is_hold();
                    let kind = if is_hold { MovementKind::HoldEnd } else { MovementKind::Release };
                    (kind, 0, -units)
                }
            };
            applied.move_units(line.product_id, numbers, moved, (*id, now))?;
        }
    }
    Ok(applied)
}

/// Takes back what goes beyond the units that stand: what is held is for sale again, what had left is on hand again, and what
/// was released is so already.
pub(crate) fn give_back_all(
    kept: &[(OrderId, Kept)],
    mut reservations: Reservations,
    numbers: &NumbersById,
    now: Timestamp,
) -> Result<Applied> {
    let mut applied = Applied::default();
    for (id, kept) in kept {
        let Some(reservation) = reservations.get_mut(id) else { continue };
        let left = reservation.lines.keeping(kept)?;
        if left == reservation.lines {
            continue;
        }
        let fewer = reservation.lines.iter().zip(left.iter());
        let fewer = fewer.map(|(line, left)| (line.product_id, line.quantity - left.quantity));
        for (product, units) in fewer.filter(|(_, units)| *units > 0) {
            let moved = match reservation.state {
                ReservationState::Held => (MovementKind::Release, 0, -units),
                ReservationState::Shipped => (MovementKind::Return, units, 0),
                ReservationState::Released => continue,
            };
            applied.move_units(product, numbers, moved, (*id, now))?;
        }
        applied.lines.push((*id, left.clone()));
        reservation.lines = left;
        applied.claims.extend(Claim::all_of(reservation));
    }
    Ok(applied)
}
