//! Taking stock for an order: for every line or for none. The rule that prevents overselling is written here, once,
//! for every storage engine.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use holdfast_types::{
    Claimed, Code, Error, FieldError, Fingerprint, Message, Money, OrderId, OrderLine, OrderLines,
    ProductId, Reservation, ReservationState, ReserveCommand, Reserved, Result, Timestamp, reused,
};
use serde::Serialize;
use serde_json::json;

use super::{
    Cause, Movement, MovementKind, Numbers, SaleWindow,
    limit::{self, Claims, Counter},
};

/// What a decision reads of a product, and changes.
#[derive(Clone, Debug)]
pub(crate) struct ShelfItem {
    pub(crate) sku: Option<String>,
    pub(crate) name: String,
    pub(crate) price: Money,
    pub(crate) is_active: bool,
    pub(crate) sale_window: SaleWindow,
    pub(crate) limit_per_customer: Option<i64>,
    pub(crate) quantity: i64,
    pub(crate) reserved: i64,
    pub(crate) sequence: i64,
}

/// The products that a batch of commands names; those that do not exist are absent.
pub(crate) type Shelf = HashMap<ProductId, ShelfItem>;

/// A reservation that is there already.
#[derive(Clone, Debug)]
pub(crate) struct Earlier {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) reserved: Reserved,
}

impl TryFrom<Reservation> for Earlier {
    type Error = Error;

    /// The total is the sum of the lines.
    fn try_from(Reservation { fingerprint, lines, at, .. }: Reservation) -> Result<Self> {
        let mut totals = lines.iter().map(|line| line.total);
        let first = totals.next().ok_or_else(|| Error::internal("a reservation has no lines"))?;
        let total = totals
            .try_fold(first, Money::plus)
            .ok_or_else(|| Error::internal("a reservation's total is too large"))?;
        Ok(Self { fingerprint, reserved: Reserved { lines, total, at } })
    }
}

/// The reservations of a batch that are there already.
pub(crate) type Earliers = HashMap<OrderId, Earlier>;

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
}

impl Decided {
    /// What there is to tell: whatever was taken of was there before, and some of it is gone now.
    pub(crate) fn messages(&self, now: Timestamp) -> Vec<Message> {
        let gone = self.numbers.iter().filter(|(_, numbers)| numbers.available() <= 0);
        gone.filter_map(|(product, numbers)| numbers.message_after(1, *product, now)).collect()
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
/// says what is missing of `claims`.
pub(crate) fn decide_all(
    commands: &[ReserveCommand],
    earliers: &Earliers,
    (mut shelf, mut claims): (Shelf, Claims),
    now: Timestamp,
) -> Result<Decided, BTreeSet<Counter>> {
    let new = commands.iter().filter(|command| !earliers.contains_key(&command.id));
    let unknown = limit::unknown(new, &shelf, &claims);
    if !unknown.is_empty() {
        return Err(unknown);
    }
    let mut decided = Decided {
        results: Vec::with_capacity(commands.len()),
        taken: Vec::new(),
        movements: Vec::new(),
        numbers: BTreeMap::new(),
    };
    for (place, command) in commands.iter().enumerate() {
        let earlier = earliers.get(&command.id);
        let result = decide(command, earlier, (&mut shelf, &mut claims), now);
        if let (Ok(reserved), None) = (&result, earlier) {
            decided.taken.push((place, limit::claimed(command, &shelf)));
            decided.movements.extend(reserved.lines.iter().map(|line| {
                let movement = Movement {
                    sequence: line.stock_sequence,
                    kind: MovementKind::Reservation,
                    quantity_delta: 0,
                    reserved_delta: line.quantity,
                    cause: Cause::Order(command.id),
                    at: now,
                };
                (line.product_id, movement)
            }));
        }
        decided.results.push(result);
    }
    for (product, _) in &decided.movements {
        let ShelfItem { quantity, reserved, sequence, .. } = shelf[product];
        decided.numbers.insert(*product, Numbers { quantity, reserved, sequence });
    }
    Ok(decided)
}

/// Decides one command: takes the stock of all its lines out of `shelf`, or nothing.
///
/// A command whose reservation is there already takes nothing and returns it. The refusals, in this order:
/// `idempotency-key-reused`, `unknown-product`, `mixed-currencies`, `total-too-large`, `price-changed`,
/// `not-on-sale`, `limit-reached`, `insufficient-stock`.
fn decide(
    command: &ReserveCommand,
    earlier: Option<&Earlier>,
    (shelf, claims): (&mut Shelf, &mut Claims),
    now: Timestamp,
) -> Result<Reserved> {
    if let Some(earlier) = earlier {
        return if earlier.fingerprint == command.fingerprint {
            Ok(earlier.reserved.clone())
        } else {
            Err(reused())
        };
    }
    check_known(command, shelf)?;
    let total = price(command, shelf)?;
    if command.expected_total.is_some_and(|expected| expected != total) {
        return Err(Error::new(Code::PriceChanged, "the order would cost another total")
            .with("total", json!(total)));
    }
    check_windows(command, shelf, now)?;
    limit::check(command, shelf, claims)?;
    check_stock(command, shelf)?;
    limit::count(command, shelf, claims);
    let lines = command.items.iter().map(|(product, quantity)| take(*product, *quantity, shelf));
    Ok(Reserved { lines: OrderLines::new(lines.collect())?, total, at: now })
}

fn check_known(command: &ReserveCommand, shelf: &Shelf) -> Result<()> {
    let unknown = |(index, (product, _)): (usize, &(ProductId, i64))| {
        let known = shelf.get(product).is_some_and(|item| item.is_active);
        let detail = format!("there is no product {product} on offer");
        (!known).then(|| FieldError {
            pointer: format!("#/items/{index}/productId"),
            code: "unknown-product".into(),
            detail,
        })
    };
    let fields: Vec<FieldError> = command.items.iter().enumerate().filter_map(unknown).collect();
    match fields.is_empty() {
        true => Ok(()),
        false => {
            Err(Error::new(Code::UnknownProduct, "some products do not exist or are archived")
                .with_fields(fields))
        }
    }
}

fn price(command: &ReserveCommand, shelf: &Shelf) -> Result<Money> {
    let mut prices =
        command.items.iter().map(|(product, quantity)| (shelf[product].price, *quantity));
    let currency =
        prices.clone().next().map(|(price, _)| price.currency).expect("an order has a line");
    if prices.any(|(price, _)| price.currency != currency) {
        return Err(Error::new(
            Code::MixedCurrencies,
            "the items are priced in several currencies",
        ));
    }
    let nothing = Money { amount: 0, currency };
    let add = |sum: Money, (product, quantity): &(ProductId, i64)| {
        sum.plus(shelf[product].price.times(*quantity)?)
    };
    let total = command.items.iter().try_fold(nothing, add);
    total
        .ok_or_else(|| Error::new(Code::TotalTooLarge, "the total is more than 2^53-1 minor units"))
}

/// A product that is not on sale now.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shut {
    product_id: ProductId,
    #[serde(flatten)]
    window: SaleWindow,
}

/// Refuses what is not on sale now; says when all of it will be, if it ever is.
fn check_windows(command: &ReserveCommand, shelf: &Shelf, now: Timestamp) -> Result<()> {
    let item = |(product, _): &(ProductId, i64)| Shut {
        product_id: *product,
        window: shelf[product].sale_window,
    };
    let shut: Vec<Shut> =
        command.items.iter().map(item).filter(|item| !item.window.is_open(now)).collect();
    if shut.is_empty() {
        return Ok(());
    }
    let refusal = Error::new(Code::NotOnSale, "not on sale now").with("items", json!(shut));
    let opens = shut.iter().filter_map(|item| item.window.opens_at).max();
    let will_be = |at: &Timestamp| {
        let mut windows = command.items.iter().map(|(product, _)| shelf[product].sale_window);
        *at > now && windows.all(|window| window.is_open(*at))
    };
    Err(match opens.filter(will_be) {
        Some(at) => refusal.with("opensAt", json!(at)),
        None => refusal,
    })
}

fn check_stock(command: &ReserveCommand, shelf: &Shelf) -> Result<()> {
    let short = |(product, quantity): &(ProductId, i64)| {
        let item = &shelf[product];
        let available = item.quantity - item.reserved;
        (available < *quantity)
            .then(|| json!({"productId": product, "requested": quantity, "available": available}))
    };
    let short: Vec<serde_json::Value> = command.items.iter().filter_map(short).collect();
    match short.is_empty() {
        true => Ok(()),
        false => {
            Err(Error::new(Code::InsufficientStock, "not enough is left").with("items", short))
        }
    }
}

fn take(product: ProductId, quantity: i64, shelf: &mut Shelf) -> OrderLine {
    let item = shelf.get_mut(&product).expect("the product was found before");
    item.reserved += quantity;
    item.sequence += 1;
    assert!(item.reserved <= item.quantity, "the stock was checked before");
    OrderLine {
        product_id: product,
        sku: item.sku.clone(),
        name: item.name.clone(),
        unit_price: item.price,
        quantity,
        total: item.price.times(quantity).expect("the total was checked before"),
        stock_sequence: item.sequence,
    }
}

#[cfg(test)]
mod tests;
