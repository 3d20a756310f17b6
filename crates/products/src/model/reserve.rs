//! Taking stock for an order: for every line or for none. The rule that prevents overselling is written here, once,
//! for every storage engine.

use std::collections::HashMap;

use holdfast_types::{
    Code, Error, FieldError, Fingerprint, Money, OrderId, OrderLine, OrderLines, ProductId,
    Reservation, ReservationState, ReserveCommand, Reserved, Result, Timestamp, reused,
};
use serde::Serialize;
use serde_json::json;

use super::{
    SaleWindow,
    hold::{self, Hold, Holds},
    limit::{self, Claims},
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
    pub(crate) state: ReservationState,
    pub(crate) reserved: Reserved,
}

impl TryFrom<Reservation> for Earlier {
    type Error = Error;

    fn try_from(Reservation { fingerprint, state, lines, at, .. }: Reservation) -> Result<Self> {
        let total = total_of(&lines)?;
        Ok(Self { fingerprint, state, reserved: Reserved { lines, total, at } })
    }
}

/// The total is the sum of the lines.
pub(super) fn total_of(lines: &OrderLines) -> Result<Money> {
    let mut totals = lines.iter().map(|line| line.total);
    let first = totals.next().ok_or_else(|| Error::internal("a reservation has no lines"))?;
    totals
        .try_fold(first, Money::plus)
        .ok_or_else(|| Error::internal("a reservation's total is too large"))
}

/// The reservations of a batch that are there already.
pub(crate) type Earliers = HashMap<OrderId, Earlier>;

/// What decisions rest on, and change.
pub(super) struct Stand {
    pub(super) shelf: Shelf,
    pub(super) claims: Claims,
    /// Those that may give way.
    pub(super) holds: Holds,
    pub(super) now: Timestamp,
}

/// Decides one command: takes the stock of all its lines off the shelf, or nothing. Says which hold gave way to it, with the places
/// of its end in the journals.
///
/// A command whose reservation is there already takes nothing and returns it. The refusals, in this order:
/// `idempotency-key-reused`, `unknown-product`, `mixed-currencies`, `total-too-large`, `hold-expired`, `price-changed`,
/// `not-on-sale`, `limit-reached`, `insufficient-stock`.
pub(super) fn decide(
    command: &ReserveCommand,
    earlier: Option<&Earlier>,
    stand: &mut Stand,
) -> Result<(Reserved, Option<Hold>)> {
    if let Some(earlier) = earlier {
        return if earlier.fingerprint == command.fingerprint {
            Ok((earlier.reserved.clone(), None))
        } else {
            Err(reused())
        };
    }
    check_known(command, &stand.shelf)?;
    let total = price(command, &stand.shelf)?;
    let Some(id) = command.hold else {
        return take_all(command, (total, None), stand).map(|reserved| (reserved, None));
    };
    let is_theirs = |hold: &&Hold| hold.customer == command.customer && hold.is_open(stand.now);
    let hold = stand.holds.get(&id).filter(is_theirs).cloned().ok_or_else(hold::expired)?;
    let ended = stand.end(&hold)?;
    match take_all(command, (total, Some(&hold)), stand) {
        Ok(reserved) => {
            stand.holds.remove(&id);
            Ok((reserved, Some(ended)))
        }
        Err(error) => {
            stand.undo(&hold);
            Err(error)
        }
    }
}

fn take_all(
    command: &ReserveCommand,
    (total, hold): (Money, Option<&Hold>),
    Stand { shelf, claims, now, .. }: &mut Stand,
) -> Result<Reserved> {
    if command.expected_total.is_some_and(|expected| expected != total) {
        return Err(Error::new(Code::PriceChanged, "the order would cost another total")
            .with("total", json!(total)));
    }
    check_windows(command, hold, shelf, *now)?;
    limit::check(command, shelf, claims)?;
    check_stock(command, shelf)?;
    limit::count(command, shelf, claims);
    let lines = command.items.iter().map(|(product, quantity)| take(*product, *quantity, shelf));
    Ok(Reserved { lines: OrderLines::new(lines.collect())?, total, at: *now })
}

impl Stand {
    /// Puts back what is held. Returns the hold with the places of that in the journals.
    fn end(&mut self, hold: &Hold) -> Result<Hold> {
        let mut lines = hold.lines.to_vec();
        if !lines.iter().all(|line| self.shelf.contains_key(&line.product_id)) {
            return Err(Error::internal("a hold names a product that is not there"));
        }
        for line in lines.iter_mut().filter(|line| line.quantity > 0) {
            let item = self.shelf.get_mut(&line.product_id).expect("all of them are there");
            item.reserved -= line.quantity;
            item.sequence += 1;
            line.stock_sequence = item.sequence;
        }
        self.count(hold, -1);
        Ok(Hold { lines: OrderLines::new(lines)?, ..hold.clone() })
    }

    /// As it was before [`Self::end`].
    fn undo(&mut self, hold: &Hold) {
        for line in hold.lines.iter().filter(|line| line.quantity > 0) {
            let item = self.shelf.get_mut(&line.product_id).expect("it was there before");
            item.reserved += line.quantity;
            item.sequence -= 1;
        }
        self.count(hold, 1);
    }

    fn count(&mut self, hold: &Hold, times: i64) {
        for line in hold.lines.iter().filter(|line| hold.limited.contains(&line.product_id)) {
            if let Some(units) = self.claims.get_mut(&(line.product_id, hold.customer)) {
                *units += line.quantity * times;
            }
        }
    }
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

/// Refuses what is not on sale now, and was not held while it was; says when all of it will be, if it ever is.
fn check_windows(
    command: &ReserveCommand,
    hold: Option<&Hold>,
    shelf: &Shelf,
    now: Timestamp,
) -> Result<()> {
    let item = |(product, _): &(ProductId, i64)| Shut {
        product_id: *product,
        window: shelf[product].sale_window,
    };
    let is_held = |(product, units): &&(ProductId, i64)| {
        hold.is_some_and(|hold| hold.units(*product) >= *units)
    };
    let free = command.items.iter().filter(|item| !is_held(item));
    let shut: Vec<Shut> = free.clone().map(item).filter(|item| !item.window.is_open(now)).collect();
    if shut.is_empty() {
        return Ok(());
    }
    let refusal = Error::new(Code::NotOnSale, "not on sale now").with("items", json!(shut));
    let opens = shut.iter().filter_map(|item| item.window.opens_at).max();
    let will_be = |at: &Timestamp| {
        let mut windows = free.clone().map(|(product, _)| shelf[product].sale_window);
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
