//! The rule that prevents overselling, at its edges and against a naive model.

use holdfast_types::{OrderId, UserId};
use proptest::prelude::*;

use std::sync::Arc;

use super::*;
use crate::model::{Demand, decide_all};

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
            limit_per_customer: (*number == 5).then_some(3),
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
        customer: UserId::from_bytes([1; 16]),
        items: items.iter().map(|(number, quantity)| (product(*number), *quantity)).collect(),
        expected_total: None,
        hold: None,
    }
}

/// What becomes of a command whose customer has nothing yet.
fn decided(
    command: &ReserveCommand,
    earlier: Option<&Earlier>,
    shelf: &mut Shelf,
    now: i64,
) -> Result<Reserved> {
    let now = Timestamp::from_millis(now);
    let taken = std::mem::take(shelf);
    let mut stand = Stand { shelf: taken, claims: Claims::new(), holds: Holds::new(), now };
    let result = decide(command, earlier, &mut stand);
    *shelf = stand.shelf;
    result.map(|(reserved, _)| reserved)
}

fn code(command: &ReserveCommand, shelf: &mut Shelf) -> Code {
    decided(command, None, shelf, 0).unwrap_err().code()
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
        let refused = decided(&order, None, &mut shelf, now);
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
        let refused = decided(&command(1, &[(1, 1), (6, 1)]), None, &mut shelf, now);
        assert!(!refused.unwrap_err().extras().contains_key("opensAt"), "{now}");
    }
    let alone = decided(&command(1, &[(1, 1)]), None, &mut shelf, 9);
    assert!(alone.unwrap_err().extras().contains_key("opensAt"));
}

#[test]
fn one_customer_has_no_more_than_the_limit_over_all_orders() {
    let (one, other) = (UserId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
    let of = |customer, id, items: &[(u8, i64)]| ReserveCommand { customer, ..command(id, items) };
    let batch = [
        of(one, 1, &[(1, 9), (5, 2)]),
        of(one, 2, &[(5, 2)]),
        of(one, 3, &[(5, 1)]),
        of(other, 4, &[(5, 3)]),
        of(one, 5, &[(5, 1)]),
        of(other, 6, &[(1, 1)]),
        of(other, 7, &[(5, 9)]),
    ];
    let now = Timestamp::from_millis(0);
    let shelf = || shelf(&[(1, 100, 1), (5, 8, 1)]);
    let commands = Arc::new(batch.to_vec());
    let demand = |claims| Demand { commands: Arc::clone(&commands), claims, ..Demand::default() };
    let wanted = decide_all(&demand(Claims::new()), &Earliers::new(), shelf(), now);
    let counters = [(product(5), one), (product(5), other)];
    assert_eq!(wanted.unwrap_err(), counters.into(), "what has no limit is not asked for");
    let claims = Claims::from([(counters[0], 0), (counters[1], 0)]);
    let decided = decide_all(&demand(claims), &Earliers::new(), shelf(), now).unwrap();
    let codes = decided.results.iter().map(|result| result.as_ref().err().map(Error::code));
    let [fine, limit] = [None, Some(Code::LimitReached)];
    assert_eq!(codes.collect::<Vec<_>>(), [fine, limit, fine, fine, limit, fine, limit]);
    let refused = decided.results[1].as_ref().unwrap_err();
    let item = json!({"productId": product(5), "limit": 3, "ordered": 2, "requested": 2});
    assert_eq!(refused.extras()["items"], json!([item]));
    let claimed = decided.reservations(&batch).into_iter().map(|held| held.claimed);
    let claimed: Vec<_> =
        claimed.map(|claimed| claimed.map(|it| (it.customer, it.products))).collect();
    let of = |customer| Some((customer, vec![product(5)]));
    assert_eq!(claimed, [of(one), of(one), of(other), None]);
}

#[test]
fn a_repeat_takes_nothing() {
    let mut shelf = shelf(&[(1, 5, 100)]);
    let order = command(1, &[(1, 2)]);
    let reserved = decided(&order, None, &mut shelf, 0).unwrap();
    let earlier = Earlier {
        fingerprint: order.fingerprint,
        state: ReservationState::Held,
        reserved: reserved.clone(),
    };
    assert_eq!(decided(&order, Some(&earlier), &mut shelf, 9).unwrap(), reserved);
    let other = ReserveCommand { fingerprint: Fingerprint([9; 16]), ..order };
    let refused = decided(&other, Some(&earlier), &mut shelf, 9).unwrap_err();
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
            let decided = decided(&command(id, &items), None, &mut shelf, 0);
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
