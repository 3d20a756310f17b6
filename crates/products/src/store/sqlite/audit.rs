//! The audit of the products' tables.

use std::collections::{HashMap, HashSet};

use holdfast_storage::sqlite::Fault;
use holdfast_types::{OrderId, ProductId, ReservationState, Result};
use rusqlite::Connection;

use super::{confirmations, reservations};
use crate::store::Audit;

/// Findings after which an audit stops listing.
const FINDINGS: usize = 100;

pub(super) fn audit(db: &Connection) -> Result<Audit, Fault> {
    // One snapshot for all questions: the shop may be selling meanwhile.
    db.execute_batch("BEGIN")?;
    let audit = compare(db);
    db.execute_batch("COMMIT")?;
    audit
}

fn compare(db: &Connection) -> Result<Audit, Fault> {
    let mut audit = Audit::default();
    let mut held: HashMap<ProductId, i64> = HashMap::new();
    let unconfirmed = confirmations::all(db)?;
    let unconfirmed: HashSet<OrderId> =
        unconfirmed.into_iter().flat_map(|batch| batch.orders).collect();
    let mut query = db.prepare("SELECT id, state, lines, at FROM reservations")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let mut reservation = reservations::reservation(row)?;
        reservation.confirmed = !unconfirmed.contains(&reservation.id);
        for line in reservation.lines.iter().filter(|_| reservation.state == ReservationState::Held)
        {
            *held.entry(line.product_id).or_default() += line.quantity;
        }
        audit.reservations.push(reservation);
    }
    let mut query = db.prepare(
        "SELECT p.id, s.quantity, s.reserved, s.sequence, count(m.sequence), max(m.sequence),
                sum(m.quantity_delta), sum(m.reserved_delta)
         FROM stock s JOIN products p ON p.seq = s.product LEFT JOIN movements m ON m.product = s.product
         GROUP BY s.product",
    )?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let id = ProductId::from_bytes(row.get(0)?);
        let numbers = Numbers {
            quantity: row.get(1)?,
            reserved: row.get(2)?,
            sequence: row.get(3)?,
            held: held.remove(&id).unwrap_or(0),
            journal: (row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?),
        };
        audit.products += 1;
        audit.findings.extend(
            numbers.judge(id).into_iter().take(FINDINGS - audit.findings.len().min(FINDINGS)),
        );
    }
    let orphans = held.into_iter().map(|(id, units)| {
        format!("{units} units of product {id} are held, but there is no such product")
    });
    audit.findings.extend(orphans);
    Ok(audit)
}

/// One product's numbers, as its row, its reservations and its journal have them.
struct Numbers {
    quantity: i64,
    reserved: i64,
    sequence: i64,
    held: i64,
    /// Lines, last number, sum over quantity, sum over reserved.
    journal: (i64, Option<i64>, Option<i64>, Option<i64>),
}

impl Numbers {
    fn judge(&self, id: ProductId) -> Vec<String> {
        let Self { quantity, reserved, sequence, held, journal } = self;
        let mut findings = Vec::new();
        if reserved != held {
            findings.push(format!(
                "product {id}: {reserved} units are reserved, but held reservations hold {held}"
            ));
        }
        if !(0..=*quantity).contains(reserved) {
            findings.push(format!(
                "product {id}: {reserved} of {quantity} units are reserved: oversold"
            ));
        }
        let (lines, last, quantities, reservations) = journal;
        if lines != sequence || last != &Some(*sequence) {
            findings.push(format!("product {id}: the journal has {lines} lines up to {last:?}, but {sequence} were written"));
        }
        if quantities.unwrap_or(0) != *quantity || reservations.unwrap_or(0) != *reserved {
            findings.push(format!("product {id}: the journal does not add up to {quantity} units with {reserved} reserved"));
        }
        findings
    }
}
