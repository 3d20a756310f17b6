//! Reservations: the hot path. Load what a batch names, decide each command in turn, save all changes.

use std::collections::{HashMap, HashSet};

use holdfast_storage::sqlite::Fault;
use holdfast_types::{
    Error, Fingerprint, Money, OrderId, OrderLine, ProductId, Reservation, ReservationState,
    ReserveBatch, Reserved, Result, Settlement, Timestamp,
};
use rusqlite::{Connection, OptionalExtension, Row};

use super::{journal, rows};
use crate::model::{
    Cause, Earlier, Movement, MovementKind, Shelf, ShelfItem, decide, settled_state,
};

/// Unconfirmed reservations that one sweep looks at.
const SWEEP: i64 = 100;

pub(super) fn reserve(
    db: &Connection,
    batch: &ReserveBatch,
    now: Timestamp,
) -> Result<Vec<Result<Reserved>>, Fault> {
    confirm(db, &batch.confirmed)?;
    let (mut shelf, seqs) = load(db, batch)?;
    let mut results = Vec::with_capacity(batch.commands.len());
    let mut touched = HashSet::new();
    for command in &batch.commands {
        let earlier = earlier(db, command.id)?;
        let result = decide(command, earlier.as_ref(), &mut shelf, now);
        if let (Ok(reserved), None) = (&result, &earlier) {
            insert(db, command.id, command.fingerprint, reserved)?;
            for line in &reserved.lines {
                let seq = seqs[&line.product_id];
                touched.insert(line.product_id);
                append(
                    db,
                    seq,
                    command.id,
                    MovementKind::Reservation,
                    (line.stock_sequence, 0, line.quantity),
                    now,
                )?;
            }
        }
        results.push(result);
    }
    let mut update =
        db.prepare_cached("UPDATE stock SET reserved = ?2, sequence = ?3 WHERE product = ?1")?;
    for product in touched {
        let item = &shelf[&product];
        update.execute((seqs[&product], item.reserved, item.sequence))?;
    }
    Ok(results)
}

fn confirm(db: &Connection, confirmed: &[OrderId]) -> Result<(), Fault> {
    let mut update =
        db.prepare_cached("UPDATE reservations SET confirmed = 1 WHERE id = ?1 AND confirmed = 0")?;
    for id in confirmed {
        update.execute([id.bytes()])?;
    }
    Ok(())
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

fn earlier(db: &Connection, id: OrderId) -> Result<Option<Earlier>, Fault> {
    let mut query =
        db.prepare_cached("SELECT fingerprint, lines, at FROM reservations WHERE id = ?1")?;
    let found = query.query_row([id.bytes()], |row| {
        let lines: Vec<OrderLine> = rows::json(row, 1)?;
        Ok((Fingerprint(row.get(0)?), lines, Timestamp::from_millis(row.get(2)?)))
    });
    let Some((fingerprint, lines, at)) = found.optional()? else { return Ok(None) };
    let total = total(&lines)?;
    Ok(Some(Earlier { fingerprint, reserved: Reserved { lines, total, at } }))
}

fn total(lines: &[OrderLine]) -> Result<Money> {
    let mut totals = lines.iter().map(|line| line.total);
    let first = totals.next().ok_or_else(|| Error::internal("a reservation has no lines"))?;
    totals
        .try_fold(first, Money::plus)
        .ok_or_else(|| Error::internal("a reservation's total is too large"))
}

fn insert(
    db: &Connection,
    id: OrderId,
    fingerprint: Fingerprint,
    reserved: &Reserved,
) -> Result<(), Fault> {
    db.prepare_cached(
        "INSERT INTO reservations (id, fingerprint, lines, at) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute((
        id.bytes(),
        fingerprint.0,
        serde_json::to_string(&reserved.lines)?,
        reserved.at.as_millis(),
    ))?;
    Ok(())
}

/// `numbers` are the sequence, what happens to the units on hand, and what happens to the units promised.
fn append(
    db: &Connection,
    product: i64,
    order: OrderId,
    kind: MovementKind,
    numbers: (i64, i64, i64),
    at: Timestamp,
) -> Result<(), Fault> {
    let (sequence, quantity_delta, reserved_delta) = numbers;
    let cause = Cause::Order(order);
    journal::append(
        db,
        product,
        &Movement { sequence, kind, quantity_delta, reserved_delta, cause, at },
    )
}

pub(super) fn settle(
    db: &Connection,
    settlements: &[(OrderId, Settlement)],
    now: Timestamp,
) -> Result<(), Fault> {
    for (id, settlement) in settlements {
        let Some(reservation) = find(db, *id)? else { continue };
        if *settlement == Settlement::Confirm {
            confirm(db, &[*id])?;
        }
        let Some(state) = settled_state(reservation.state, *settlement) else { continue };
        db.prepare_cached("UPDATE reservations SET state = ?2, confirmed = 1 WHERE id = ?1")?
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
    append(db, seq, order, kind, (sequence, -leaving, -line.quantity), now)
}

pub(super) fn unconfirmed(db: &Connection, before: Timestamp) -> Result<Vec<OrderId>, Fault> {
    let mut query = db.prepare_cached(
        "SELECT id FROM reservations WHERE state = 0 AND confirmed = 0 AND at < ?1 ORDER BY at LIMIT ?2",
    )?;
    let ids =
        query.query_map((before.as_millis(), SWEEP), |row| Ok(OrderId::from_bytes(row.get(0)?)))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

fn find(db: &Connection, id: OrderId) -> Result<Option<Reservation>, Fault> {
    let mut query = db
        .prepare_cached("SELECT id, state, confirmed, lines, at FROM reservations WHERE id = ?1")?;
    Ok(query.query_row([id.bytes()], reservation).optional()?)
}

/// Reads `id, state, confirmed, lines, at`.
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
        confirmed: row.get(2)?,
        lines: rows::json(row, 3)?,
        at: Timestamp::from_millis(row.get(4)?),
    })
}

const fn state_code(state: ReservationState) -> i64 {
    match state {
        ReservationState::Held => 0,
        ReservationState::Released => 1,
        ReservationState::Shipped => 2,
    }
}
