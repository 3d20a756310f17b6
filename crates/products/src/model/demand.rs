//! What is asked of stock at once: many commands, each decided in turn, and everything that changes.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use holdfast_types::{
    Claimed, HoldId, Message, OrderId, OrderLine, ProductId, Reservation, ReservationState,
    ReserveCommand, Reserved, Result, Timestamp,
};

use super::{
    Cause, Movement, MovementKind, Numbers,
    hold::{Hold, Holds},
    limit::{self, Claims, Counter},
    reserve::{Earliers, Shelf, ShelfItem, Stand, decide},
};

/// What is asked of stock at once, and what is known beside the products.
#[derive(Clone, Debug, Default)]
pub(crate) struct Demand {
    pub(crate) commands: Arc<Vec<ReserveCommand>>,
    /// What customers have of products with a limit.
    pub(crate) claims: Claims,
    /// Holds that give way to orders.
    pub(crate) holds: Holds,
    /// Whether it is for holds, and not for orders.
    pub(crate) is_for_holds: bool,
}

impl Demand {
    /// The products that a command is about.
    pub(crate) fn products_of<'a>(
        &'a self,
        command: &'a ReserveCommand,
    ) -> impl Iterator<Item = ProductId> + 'a {
        let hold = command.hold.and_then(|id| self.holds.get(&id));
        let held = hold.into_iter().flat_map(|hold| hold.lines.iter().map(|line| line.product_id));
        command.items.iter().map(|(product, _)| *product).chain(held)
    }

    /// The reservations that it is about: those of the commands, which may be there, and those of holds.
    pub(crate) fn reservations(&self) -> BTreeSet<OrderId> {
        let holds = self.holds.values().map(Hold::reservation);
        self.commands.iter().map(|command| command.id).chain(holds).collect()
    }

    /// All products that it is about.
    pub(crate) fn products(&self) -> BTreeSet<ProductId> {
        self.commands.iter().flat_map(|command| self.products_of(command)).collect()
    }
}

/// What a batch leads to.
#[derive(Debug)]
pub(crate) struct Decided {
    /// In the order of the commands.
    pub(crate) results: Vec<Result<Reserved>>,
    /// The commands whose stock was taken just now, by their place in the batch, and what they count against.
    taken: Vec<(usize, Option<Claimed>)>,
    pub(crate) movements: Vec<(ProductId, Movement)>,
    /// The new numbers of the products that units were taken of, by id.
    pub(crate) numbers: BTreeMap<ProductId, Numbers>,
    /// Holds that gave way, and to which orders.
    pub(crate) ended: Vec<(HoldId, OrderId)>,
    /// What could be ordered before of products that were held.
    available: HashMap<ProductId, i64>,
}

impl Decided {
    /// What there is to tell: whatever was taken of was there before, unless it was held.
    pub(crate) fn messages(&self, now: Timestamp) -> Vec<Message> {
        let told = self.numbers.iter().filter_map(|(product, numbers)| {
            let before = self.available.get(product).copied().unwrap_or(1);
            numbers.message_after(before, *product, now)
        });
        told.collect()
    }

    /// What becomes of the reservations of holds that gave way.
    pub(crate) fn states(&self) -> Vec<(OrderId, ReservationState)> {
        let over =
            |(hold, _): &(HoldId, OrderId)| (OrderId::new(hold.uuid()), ReservationState::Released);
        self.ended.iter().map(over).collect()
    }

    /// The reservations to write, by id: the order in which every batch inserts.
    pub(crate) fn reservations(&self, commands: &[ReserveCommand]) -> Vec<Reservation> {
        let reservation = |(place, claimed): &(usize, Option<Claimed>)| {
            let ReserveCommand { id, fingerprint, .. } = commands[*place];
            let Reserved { lines, at, .. } = self.results[*place].as_ref().ok()?;
            let (state, lines, claimed) = (ReservationState::Held, lines.clone(), claimed.clone());
            Some(Reservation { id, fingerprint, state, lines, claimed, at: *at })
        };
        let mut taken: Vec<_> = self.taken.iter().filter_map(reservation).collect();
        taken.sort_unstable_by_key(|reservation| reservation.id);
        taken
    }
}

/// Decides the commands of a batch in turn; see [`decide`]. What customers have of products with a limit must be known: else it
/// says what is missing.
pub(crate) fn decide_all(
    demand: &Demand,
    earliers: &Earliers,
    shelf: Shelf,
    now: Timestamp,
) -> Result<Decided, BTreeSet<Counter>> {
    let Demand { commands, claims, holds, is_for_holds } = demand;
    let new = commands.iter().filter(|command| !earliers.contains_key(&command.id));
    let unknown = limit::unknown(new, &shelf, claims);
    if !unknown.is_empty() {
        return Err(unknown);
    }
    let mut decided = Decided {
        results: Vec::with_capacity(commands.len()),
        taken: Vec::new(),
        movements: Vec::new(),
        numbers: BTreeMap::new(),
        ended: Vec::new(),
        available: available(holds, &shelf),
    };
    // Under the lock of its products, the reservation says whether a hold is there still.
    let is_held = |hold: &&Hold| {
        let held = earliers.get(&hold.reservation());
        held.is_some_and(|held| held.state == ReservationState::Held)
    };
    let open = holds.values().filter(is_held).map(|hold| (hold.id, hold.clone())).collect();
    let mut stand = Stand { shelf, claims: claims.clone(), holds: open, now };
    let kind = if *is_for_holds { MovementKind::Hold } else { MovementKind::Reservation };
    for (place, command) in commands.iter().enumerate() {
        let earlier = earliers.get(&command.id);
        let result = decide(command, earlier, &mut stand);
        if let (Ok((reserved, ended)), None) = (&result, earlier) {
            let claimed = limit::claimed(command, &stand.shelf, *is_for_holds);
            decided.taken.push((place, claimed));
            decided.ended.extend(ended.iter().map(|hold| (hold.id, command.id)));
            let ended = ended.iter().flat_map(|hold| hold_moved(hold, now));
            let taken = reserved.lines.iter().map(|line| line_moved(line, kind, command.id, now));
            decided.movements.extend(ended.chain(taken));
        }
        decided.results.push(result.map(|(reserved, _)| reserved));
    }
    for (product, _) in &decided.movements {
        let ShelfItem { quantity, reserved, sequence, .. } = stand.shelf[product];
        decided.numbers.insert(*product, Numbers { quantity, reserved, sequence });
    }
    Ok(decided)
}

fn available(holds: &Holds, shelf: &Shelf) -> HashMap<ProductId, i64> {
    let products = holds.values().flat_map(|hold| hold.lines.iter().map(|line| line.product_id));
    let items = products.filter_map(|product| Some((product, shelf.get(&product)?)));
    items.map(|(product, item)| (product, item.quantity - item.reserved)).collect()
}

/// What the end of a hold moved: its lines say at which place of the journals.
fn hold_moved(hold: &Hold, now: Timestamp) -> Vec<(ProductId, Movement)> {
    let moved = |line| {
        let (product, movement) = line_moved(line, MovementKind::HoldEnd, hold.reservation(), now);
        (product, Movement { reserved_delta: -movement.reserved_delta, ..movement })
    };
    hold.lines.iter().filter(|line| line.quantity > 0).map(moved).collect()
}

fn line_moved(
    line: &OrderLine,
    kind: MovementKind,
    order: OrderId,
    at: Timestamp,
) -> (ProductId, Movement) {
    let movement = Movement {
        sequence: line.stock_sequence,
        kind,
        quantity_delta: 0,
        reserved_delta: line.quantity,
        cause: Cause::Order(order),
        at,
    };
    (line.product_id, movement)
}
