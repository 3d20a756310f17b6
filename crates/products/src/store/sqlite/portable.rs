//! Everything about products, out of this engine and into it.

use std::collections::HashMap;

use holdfast_storage::sqlite::{Fault, IdIndex};
use holdfast_types::{BatchId, Error, Fingerprint, OrderId, ReservationState, Result, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row};

use super::{
    catalogue, confirmations,
    journal::{self, Journal},
    rows,
};
use crate::{
    model::Product,
    store::portable::{Held, Record},
};

pub(super) fn dump(db: &Connection) -> Result<Vec<Record>, Fault> {
    let sql = format!(
        "SELECT {}, p.seq FROM products p JOIN stock s ON s.product = p.seq ORDER BY p.seq",
        rows::COLUMNS
    );
    let (mut records, mut ids) = (Vec::new(), HashMap::new());
    let mut query = db.prepare(&sql)?;
    for product in query.query_map([], |row| Ok((rows::product(row)?, row.get("seq")?)))? {
        let (product, seq): (Product, i64) = product?;
        ids.insert(seq, product.id);
        records.push(Record::Product(Box::new(product)));
    }
    let mut query = db.prepare(journal::SELECT_ALL)?;
    let movements =
        query.query_map([], |row| Ok((row.get("product")?, journal::movement(row)?)))?;
    for movement in movements {
        let (seq, movement): (i64, _) = movement?;
        let id = ids.get(&seq).ok_or_else(|| Error::internal("a movement has no product"))?;
        records.push(Record::Movement(*id, movement?));
    }
    let mut query =
        db.prepare("SELECT id, fingerprint, state, lines, at FROM reservations ORDER BY seq")?;
    for reservation in query.query_map([], held)? {
        records.push(Record::Reservation(reservation?));
    }
    let mut query = db.prepare("SELECT id, orders, at FROM unconfirmed_batches")?;
    for batch in query.query_map([], unconfirmed)? {
        records.push(batch?);
    }
    Ok(records)
}

fn held(row: &Row<'_>) -> rusqlite::Result<Held> {
    Ok(Held {
        id: OrderId::from_bytes(row.get(0)?),
        fingerprint: Fingerprint(row.get(1)?),
        state: ReservationState::from_code(row.get(2)?).map_err(|error| rows::damaged(2, error))?,
        lines: rows::json(row, 3)?,
        at: Timestamp::from_millis(row.get(4)?),
    })
}

fn unconfirmed(row: &Row<'_>) -> rusqlite::Result<Record> {
    let found = confirmations::unconfirmed_batch(row)?;
    let at = Timestamp::from_millis(row.get(2)?);
    Ok(Record::Unconfirmed { batch: found.batch, orders: found.orders, at })
}

pub(super) fn load(db: &Connection, index: &IdIndex, records: Vec<Record>) -> Result<(), Fault> {
    for record in records {
        match record {
            Record::Product(product) => {
                if rows::get(db, product.id)?.is_none() {
                    catalogue::insert(db, &product)?;
                }
            }
            Record::Movement(product, movement) => {
                let seq = rows::seq(db, product)?;
                let sql = "SELECT 1 FROM movements WHERE product = ?1 AND sequence = ?2";
                let there =
                    db.query_row(sql, (seq, movement.sequence), |_| Ok(())).optional()?.is_some();
                if !there {
                    Journal::prepare(db)?.append(seq, &movement)?;
                }
            }
            Record::Reservation(held) => load_reservation(db, index, &held)?,
            Record::Unconfirmed { batch, orders, at } => load_unconfirmed(db, batch, &orders, at)?,
        }
    }
    Ok(())
}

fn load_reservation(db: &Connection, index: &IdIndex, held: &Held) -> Result<(), Fault> {
    if index.find(db, held.id.bytes())?.is_some() {
        return Ok(());
    }
    let sql =
        "INSERT INTO reservations (id, fingerprint, state, lines, at) VALUES (?1, ?2, ?3, ?4, ?5)";
    let lines = serde_json::to_string(&held.lines)?;
    let (state, at) = (held.state.code(), held.at.as_millis());
    db.prepare_cached(sql)?.execute((held.id.bytes(), held.fingerprint.0, state, lines, at))?;
    index.add(db, held.id.bytes())
}

fn load_unconfirmed(
    db: &Connection,
    batch: BatchId,
    orders: &[OrderId],
    at: Timestamp,
) -> Result<(), Fault> {
    confirmations::confirm(db, &[batch])?;
    confirmations::owe(db, batch, orders, at)
}
