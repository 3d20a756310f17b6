//! Reservations: the hot path. Load what a batch names, decide each command in turn, save all changes.

use std::collections::{HashMap, HashSet};

use holdfast_storage::sqlite::Fault;
use holdfast_types::{
    Error, Fingerprint, Money, OrderId, OrderLine, ProductId, Reservation, ReservationState,
    ReserveBatch, Reserved, Result, Settlement, Timestamp,
};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row};

use super::{confirmations, journal::Journal, rows};
use crate::model::{
    Cause, Earlier, Movement, MovementKind, Shelf, ShelfItem, decide, settled_state,
};

pub(super) fn reserve(
    db: &Connection,
    batch: &ReserveBatch,
    now: Timestamp,
) -> Result<Vec<Result<Reserved>>, Fault> {
    confirmations::confirm(db, &batch.confirmed)?;
    let (mut shelf, seqs) = load(db, batch)?;
    let mut results = Vec::with_capacity(batch.commands.len());
    let (mut taken, mut touched) = (Vec::new(), HashSet::new());
    let (mut earlier, mut insert) = (Earliers::prepare(db)?, Inserts::prepare(db)?);
    let mut journal = Journal::prepare(db)?;
    for command in &batch.commands {
        let earlier = earlier.find(command.id)?;
        let result = decide(command, earlier.as_ref(), &mut shelf, now);
        if let (Ok(reserved), None) = (&result, &earlier) {
            insert.insert(command.id, command.fingerprint, reserved)?;
            taken.push(command.id);
            for line in &reserved.lines {
                touched.insert(line.product_id);
                let numbers = (line.stock_sequence, 0, line.quantity);
                let movement = movement(command.id, MovementKind::Reservation, numbers, now);
                journal.append(seqs[&line.product_id], &movement)?;
            }
        }
        results.push(result);
    }
    confirmations::owe(db, batch.id, &taken, now)?;
    let mut update =
        db.prepare_cached("UPDATE stock SET reserved = ?2, sequence = ?3 WHERE product = ?1")?;
    for product in touched {
        let item = &shelf[&product];
        update.execute((seqs[&product], item.reserved, item.sequence))?;
    }
    Ok(results)
}

/// The products that the batch names, each once, and the integers that their rows are keyed by.
fn load(db: &Connection, batch: &ReserveBatch) -> Result<(Shelf, HashMap<ProductId, i64>), Fault> {
    let mut shelf = Shelf::new();
    let mut seqs = HashMap::new();
    let mut query = db.prepare_cached(
        "SELECT p.seq, p.sku, p.name, p.price, p.currency, p.archived, s.quantity, s.reserved, s.sequence
         FROM products p JOIN stock s ON s.product = p.seq WHERE p.id = ?1",
    )?;
    for (product, _) in batch.commands.iter().flat_map(|command| &command.items) {
        if seqs.contains_key(product) {
            continue;
        }
        if let Some((seq, item)) = query.query_row([product.bytes()], shelf_item).optional()? {
            seqs.insert(*product, seq);
            shelf.insert(*product, item);
        }
    }
    Ok((shelf, seqs))
}

fn shelf_item(row: &Row<'_>) -> rusqlite::Result<(i64, ShelfItem)> {
    let archived: bool = row.get(5)?;
    let item = ShelfItem {
        sku: row.get(1)?,
        name: row.get(2)?,
        price: rows::money(row, 3)?,
        is_active: !archived,
        quantity: row.get(6)?,
        reserved: row.get(7)?,
        sequence: row.get(8)?,
    };
    Ok((row.get(0)?, item))
}

/// Finds reservations that are there already.
struct Earliers<'db>(CachedStatement<'db>);

impl<'db> Earliers<'db> {
    fn prepare(db: &'db Connection) -> Result<Self, Fault> {
        let sql = "SELECT fingerprint, lines, at FROM reservations WHERE id = ?1";
        Ok(Self(db.prepare_cached(sql)?))
    }

    fn find(&mut self, id: OrderId) -> Result<Option<Earlier>, Fault> {
        let found = self.0.query_row([id.bytes()], |row| {
            let lines: Vec<OrderLine> = rows::json(row, 1)?;
            Ok((Fingerprint(row.get(0)?), lines, Timestamp::from_millis(row.get(2)?)))
        });
        let Some((fingerprint, lines, at)) = found.optional()? else { return Ok(None) };
        let total = total(&lines)?;
        Ok(Some(Earlier { fingerprint, reserved: Reserved { lines, total, at } }))
    }
}

fn total(lines: &[OrderLine]) -> Result<Money> {
    let mut totals = lines.iter().map(|line| line.total);
    let first = totals.next().ok_or_else(|| Error::internal("a reservation has no lines"))?;
    totals
        .try_fold(first, Money::plus)
        .ok_or_else(|| Error::internal("a reservation's total is too large"))
}

/// Writes new reservations.
struct Inserts<'db>(CachedStatement<'db>);

impl<'db> Inserts<'db> {
    fn prepare(db: &'db Connection) -> Result<Self, Fault> {
        let sql = "INSERT INTO reservations (id, fingerprint, lines, at) VALUES (?1, ?2, ?3, ?4)";
        Ok(Self(db.prepare_cached(sql)?))
    }

    fn insert(
        &mut self,
        id: OrderId,
        fingerprint: Fingerprint,
        reserved: &Reserved,
    ) -> Result<(), Fault> {
        let lines = serde_json::to_string(&reserved.lines)?;
        self.0.execute((id.bytes(), fingerprint.0, lines, reserved.at.as_millis()))?;
        Ok(())
    }
}

/// `numbers` are the sequence, what happens to the units on hand, and what happens to the units promised.
fn movement(
    order: OrderId,
    kind: MovementKind,
    numbers: (i64, i64, i64),
    at: Timestamp,
) -> Movement {
    let (sequence, quantity_delta, reserved_delta) = numbers;
    Movement { sequence, kind, quantity_delta, reserved_delta, cause: Cause::Order(order), at }
}

pub(super) fn settle(
    db: &Connection,
    settlements: &[(OrderId, Settlement)],
    now: Timestamp,
) -> Result<(), Fault> {
    for (id, settlement) in settlements {
        let Some(reservation) = find(db, *id)? else { continue };
        let Some(state) = settled_state(reservation.state, *settlement) else { continue };
        db.prepare_cached("UPDATE reservations SET state = ?2 WHERE id = ?1")?
            .execute((id.bytes(), state_code(state)))?;
        for line in &reservation.lines {
            settle_line(db, *id, line, state, now)?;
        }
    }
    Ok(())
}

fn settle_line(
    db: &Connection,
    order: OrderId,
    line: &OrderLine,
    state: ReservationState,
    now: Timestamp,
) -> Result<(), Fault> {
    let seq = rows::seq(db, line.product_id)?;
    let shipped = state == ReservationState::Shipped;
    let (kind, leaving) =
        if shipped { (MovementKind::Shipment, line.quantity) } else { (MovementKind::Release, 0) };
    let sequence: i64 = db
        .prepare_cached(
            "UPDATE stock SET quantity = quantity - ?2, reserved = reserved - ?3, sequence = sequence + 1
             WHERE product = ?1 RETURNING sequence",
        )?
        .query_row((seq, leaving, line.quantity), |row| row.get(0))?;
    if shipped {
        db.prepare_cached(
            "UPDATE products SET version = version + 1, quantity_version = version + 1, updated_at = ?2 WHERE seq = ?1",
        )?
        .execute((seq, now.as_millis()))?;
    }
    let numbers = (sequence, -leaving, -line.quantity);
    Journal::prepare(db)?.append(seq, &movement(order, kind, numbers, now))
}

fn find(db: &Connection, id: OrderId) -> Result<Option<Reservation>, Fault> {
    let mut query =
        db.prepare_cached("SELECT id, state, lines, at FROM reservations WHERE id = ?1")?;
    Ok(query.query_row([id.bytes()], reservation).optional()?)
}

/// Reads `id, state, lines, at`; nothing is said about its confirmation.
pub(super) fn reservation(row: &Row<'_>) -> rusqlite::Result<Reservation> {
    let state = match row.get::<_, i64>(1)? {
        0 => ReservationState::Held,
        1 => ReservationState::Released,
        2 => ReservationState::Shipped,
        other => return Err(rusqlite::Error::IntegralValueOutOfRange(1, other)),
    };
    Ok(Reservation {
        id: OrderId::from_bytes(row.get(0)?),
        state,
        confirmed: true,
        lines: rows::json(row, 2)?,
        at: Timestamp::from_millis(row.get(3)?),
    })
}

const fn state_code(state: ReservationState) -> i64 {
    match state {
        ReservationState::Held => 0,
        ReservationState::Released => 1,
        ReservationState::Shipped => 2,
    }
}
