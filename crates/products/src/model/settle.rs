//! What becomes of a reservation when its order is over or shipped.

use holdfast_types::{ReservationState, Settlement};

/// Where a held reservation goes; `None` when there is nothing to do: only held ones move, so late and repeated
/// calls are harmless.
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
