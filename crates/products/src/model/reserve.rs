//! Taking stock for an order: for every line or for none. The rule that prevents overselling is written here, once,
//! for every storage engine.

use std::collections::{BTreeMap, HashMap};

use holdfast_types::{
    Code, Error, FieldError, Fingerprint, Message, Money, OrderId, OrderLine, OrderLines,
    ProductId, Reservation, ReserveCommand, Reserved, Result, Timestamp, reused,
};
use serde::Serialize;
use serde_json::json;

use super::{Cause, Movement, MovementKind, Numbers, SaleWindow};

/// What a decision reads of a product, and changes.
#[derive(Clone, Debug)]
pub(crate) struct ShelfItem {
    pub(crate) sku: Option<String>,
    pub(crate) name: String,
    pub(crate) price: Money,
    pub(crate) is_active: bool,
    pub(crate) sale_window: SaleWindow,
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
    /// The commands whose stock was taken just now, by their place in the batch.
    pub(crate) taken: Vec<usize>,
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
    pub(crate) fn reservations<'a>(
        &'a self,
        commands: &'a [ReserveCommand],
    ) -> Vec<(OrderId, Fingerprint, &'a Reserved)> {
        let mut taken: Vec<_> = self
            .taken
            .iter()
            .filter_map(|place| {
                let command = &commands[*place];
                let reserved = self.results[*place].as_ref().ok()?;
                Some((command.id, command.fingerprint, reserved))
            })
            .collect();
        taken.sort_unstable_by_key(|(id, ..)| *id);
        taken
    }
}

/// Decides the commands of a batch in turn; see [`decide`].
pub(crate) fn decide_all(
    commands: &[ReserveCommand],
    earliers: &Earliers,
    mut shelf: Shelf,
    now: Timestamp,
) -> Decided {
    let mut decided = Decided {
        results: Vec::with_capacity(commands.len()),
        taken: Vec::new(),
        movements: Vec::new(),
        numbers: BTreeMap::new(),
    };
    for (place, command) in commands.iter().enumerate() {
        let earlier = earliers.get(&command.id);
        let result = decide(command, earlier, &mut shelf, now);
        if let (Ok(reserved), None) = (&result, earlier) {
            decided.taken.push(place);
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
    decided
}

/// Decides one command: takes the stock of all its lines out of `shelf`, or nothing.
///
/// A command whose reservation is there already takes nothing and returns it. The refusals, in this order:
/// `idempotency-key-reused`, `unknown-product`, `mixed-currencies`, `total-too-large`, `price-changed`,
/// `not-on-sale`, `insufficient-stock`.
fn decide(
    command: &ReserveCommand,
    earlier: Option<&Earlier>,
    shelf: &mut Shelf,
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
    check_stock(command, shelf)?;
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
mod tests {
    use holdfast_types::OrderId;
    use proptest::prelude::*;

    use super::*;

    fn product(number: u8) -> ProductId {
        ProductId::from_bytes([number; 16])
    }

    fn shelf(stock: &[(u8, i64, i64)]) -> Shelf {
        let item = |(number, quantity, price): &(u8, i64, i64)| {
            let currency = if *number == 9 { "EUR" } else { "USD" };
            let item = ShelfItem {
                sku: None,
                name: format!("product {number}"),
                price: Money { amount: *price, currency: currency.parse().unwrap() },
                is_active: *number != 8,
                sale_window: SaleWindow {
                    opens_at: (*number == 6).then_some(Timestamp::from_millis(10)),
                    closes_at: (*number == 6).then_some(Timestamp::from_millis(20)),
                },
                quantity: *quantity,
                reserved: 0,
                sequence: 1,
            };
            (product(*number), item)
        };
        stock.iter().map(item).collect()
    }

    fn command(id: u8, items: &[(u8, i64)]) -> ReserveCommand {
        ReserveCommand {
            id: OrderId::from_bytes([id; 16]),
            fingerprint: Fingerprint([id; 16]),
            items: items.iter().map(|(number, quantity)| (product(*number), *quantity)).collect(),
            expected_total: None,
        }
    }

    fn code(command: &ReserveCommand, shelf: &mut Shelf) -> Code {
        decide(command, None, shelf, Timestamp::from_millis(0)).unwrap_err().code()
    }

    #[test]
    fn reasons_to_refuse_come_in_order() {
        let mut shelf = shelf(&[(1, 5, 100), (8, 5, 100), (9, 5, 100), (7, 5, 1_000_000_000_000)]);
        let dollars = |amount| Some(Money { amount, currency: "USD".parse().unwrap() });
        assert_eq!(code(&command(1, &[(1, 9), (2, 1), (9, 1)]), &mut shelf), Code::UnknownProduct);
        assert_eq!(code(&command(1, &[(8, 1)]), &mut shelf), Code::UnknownProduct, "archived");
        assert_eq!(code(&command(1, &[(1, 9), (9, 1)]), &mut shelf), Code::MixedCurrencies);
        assert_eq!(code(&command(1, &[(7, 1_000_000)]), &mut shelf), Code::TotalTooLarge);
        let surprised = ReserveCommand { expected_total: dollars(99), ..command(1, &[(1, 9)]) };
        assert_eq!(code(&surprised, &mut shelf), Code::PriceChanged);
        let short = ReserveCommand { expected_total: dollars(900), ..command(1, &[(1, 9)]) };
        assert_eq!(code(&short, &mut shelf), Code::InsufficientStock);
        assert!(shelf.values().all(|item| item.reserved == 0), "a refusal takes nothing");
    }

    #[test]
    fn a_window_is_open_from_its_first_millisecond_until_before_its_last() {
        let mut shelf = shelf(&[(1, 5, 100), (6, 5, 100)]);
        let order = command(1, &[(1, 1), (6, 9)]);
        for (now, expected) in [
            (9, Code::NotOnSale),
            (10, Code::InsufficientStock),
            (19, Code::InsufficientStock),
            (20, Code::NotOnSale),
        ] {
            let refused = decide(&order, None, &mut shelf, Timestamp::from_millis(now));
            let refused = refused.unwrap_err();
            assert_eq!(refused.code(), expected, "{now}");
            // When it opens is said as long as it will.
            assert_eq!(refused.extras().contains_key("opensAt"), now == 9, "{now}");
            assert_eq!(refused.extras()["items"].as_array().unwrap().len(), 1);
        }
        assert!(shelf.values().all(|item| item.reserved == 0), "a refusal takes nothing");
    }

    #[test]
    fn no_moment_is_promised_at_which_another_sale_is_over() {
        let mut shelf = shelf(&[(1, 5, 100), (6, 5, 100)]);
        let later = SaleWindow { opens_at: Some(Timestamp::from_millis(20)), closes_at: None };
        shelf.get_mut(&product(1)).unwrap().sale_window = later;
        for now in [9, 10] {
            let refused = decide(
                &command(1, &[(1, 1), (6, 1)]),
                None,
                &mut shelf,
                Timestamp::from_millis(now),
            );
            assert!(!refused.unwrap_err().extras().contains_key("opensAt"), "{now}");
        }
        let alone = decide(&command(1, &[(1, 1)]), None, &mut shelf, Timestamp::from_millis(9));
        assert!(alone.unwrap_err().extras().contains_key("opensAt"));
    }

    #[test]
    fn a_repeat_takes_nothing() {
        let mut shelf = shelf(&[(1, 5, 100)]);
        let order = command(1, &[(1, 2)]);
        let reserved = decide(&order, None, &mut shelf, Timestamp::from_millis(0)).unwrap();
        let earlier = Earlier { fingerprint: order.fingerprint, reserved: reserved.clone() };
        assert_eq!(
            decide(&order, Some(&earlier), &mut shelf, Timestamp::from_millis(9)).unwrap(),
            reserved
        );
        let other = ReserveCommand { fingerprint: Fingerprint([9; 16]), ..order };
        let refused =
            decide(&other, Some(&earlier), &mut shelf, Timestamp::from_millis(9)).unwrap_err();
        assert_eq!(refused.code(), Code::IdempotencyKeyReused);
        assert_eq!(shelf[&product(1)].reserved, 2);
    }

    proptest! {
        /// Against a naive model: one command at a time, a line at a time, undone when a line is short.
        #[test]
        fn a_batch_is_what_one_at_a_time_would_be(
            stock in prop::collection::vec(0_i64..30, 4),
            orders in prop::collection::vec(prop::collection::btree_map(0_u8..4, 1_i64..8, 1..4), 0..40),
        ) {
            let rows: Vec<_> = stock.iter().zip(0_u8..).map(|(quantity, number)| (number, *quantity, 10)).collect();
            let mut shelf = shelf(&rows);
            let mut left = stock;
            let mut journal = [1_i64; 4];
            for (order, id) in orders.iter().zip(0_u8..) {
                let items: Vec<_> = order.iter().map(|(number, quantity)| (*number, *quantity)).collect();
                let decided = decide(&command(id, &items), None, &mut shelf, Timestamp::from_millis(0));
                let mut undone = left.clone();
                let mut fits = true;
                for (number, quantity) in &items {
                    undone[usize::from(*number)] -= quantity;
                    fits &= undone[usize::from(*number)] >= 0;
                }
                prop_assert_eq!(decided.is_ok(), fits);
                if let Ok(reserved) = decided {
                    left = undone;
                    for (line, (number, quantity)) in reserved.lines.iter().zip(&items) {
                        journal[usize::from(*number)] += 1;
                        prop_assert_eq!(line.stock_sequence, journal[usize::from(*number)]);
                        prop_assert_eq!(line.total.amount, quantity * 10);
                    }
                }
            }
            for (number, quantity) in left.iter().zip(0_u8..).map(|(quantity, number)| (number, *quantity)) {
                let item = &shelf[&product(number)];
                prop_assert_eq!(item.quantity - item.reserved, quantity);
                prop_assert!((0..=item.quantity).contains(&item.reserved));
            }
        }
    }
}
