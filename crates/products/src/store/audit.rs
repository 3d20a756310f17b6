//! What an audit compares: the numbers of a product, its journal, and what its reservations hold.

use std::collections::{HashMap, HashSet};

use holdfast_types::{OrderId, ProductId, Reservation, ReservationState, Unconfirmed};

use crate::model::Numbers;

/// Findings after which an audit stops listing.
const FINDINGS: usize = 100;

/// What an audit found in the products' part of the database.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    /// One sentence per broken promise; at most 100.
    pub(crate) findings: Vec<String>,
    pub(crate) products: u64,
    pub(crate) reservations: Vec<Reservation>,
}

/// One product's numbers, as its row and its journal have them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Books {
    pub(crate) product: ProductId,
    pub(crate) numbers: Numbers,
    /// Lines in the journal.
    pub(crate) lines: i64,
    /// The number of the last line.
    pub(crate) last: Option<i64>,
    /// What the journal adds up to.
    pub(crate) quantity: i64,
    /// The same, for the units promised.
    pub(crate) reserved: i64,
}

impl Audit {
    /// Compares everything; all of it was read in one snapshot.
    pub(crate) fn of(
        mut reservations: Vec<Reservation>,
        unconfirmed: Vec<Unconfirmed>,
        books: &[Books],
    ) -> Self {
        let unconfirmed: HashSet<OrderId> =
            unconfirmed.into_iter().flat_map(|batch| batch.orders).collect();
        let mut held: HashMap<ProductId, i64> = HashMap::new();
        for reservation in &mut reservations {
            reservation.confirmed = !unconfirmed.contains(&reservation.id);
            if reservation.state == ReservationState::Held {
                for line in &reservation.lines {
                    *held.entry(line.product_id).or_default() += line.quantity;
                }
            }
        }
        let products = books.len() as u64;
        let mut findings: Vec<String> =
            books.iter().flat_map(|books| books.judge(held.remove(&books.product))).collect();
        findings.extend(held.into_iter().map(|(id, units)| {
            format!("{units} units of product {id} are held, but there is no such product")
        }));
        findings.truncate(FINDINGS);
        Self { findings, products, reservations }
    }
}

impl Books {
    fn judge(&self, held: Option<i64>) -> Vec<String> {
        let Self { product: id, numbers, lines, last, .. } = self;
        let Numbers { quantity, reserved, sequence } = numbers;
        let held = held.unwrap_or(0);
        let mut findings = Vec::new();
        if *reserved != held {
            findings.push(format!(
                "product {id}: {reserved} units are reserved, but held reservations hold {held}"
            ));
        }
        if !(0..=*quantity).contains(reserved) {
            findings.push(format!(
                "product {id}: {reserved} of {quantity} units are reserved: oversold"
            ));
        }
        if lines != sequence || *last != Some(*sequence) {
            findings.push(format!("product {id}: the journal has {lines} lines up to {last:?}, but {sequence} were written"));
        }
        if (self.quantity, self.reserved) != (*quantity, *reserved) {
            findings.push(format!("product {id}: the journal does not add up to {quantity} units with {reserved} reserved"));
        }
        findings
    }
}
