//! Everything about orders, out of this engine and into it.

use holdfast_storage::{
    Entry, Sink,
    sqlite::{Fault, IdIndex, damage},
};
use holdfast_types::{OrderId, Result, Timestamp};
use rusqlite::{Connection, Row};

use super::{lifecycle, pending_stock, rows};
use crate::{
    model::{Event, Order},
    store::{TOMBSTONE, portable::Record},
};

/// By id, which no index sorts: only the ids are sorted, then each row is fetched.
pub(super) fn dump(db: &Connection, sink: &mut Sink<Entry<Record>>) -> Result<(), Fault> {
    let sql = format!(
        "SELECT {} FROM (SELECT seq AS place FROM orders ORDER BY id LIMIT -1) CROSS JOIN orders ON seq = place",
        rows::COLUMNS
    );
    let mut query = db.prepare(&sql)?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let id = OrderId::from_bytes(row.get(0)?);
        let record = record(db, row).map_err(|error| damage("order", id.uuid(), row, error));
        sink.put_blocking(record)?;
    }
    Ok(())
}

fn record(db: &Connection, row: &Row<'_>) -> rusqlite::Result<Record> {
    if row.get::<_, i64>("status")? == TOMBSTONE {
        let at = Timestamp::from_millis(row.get("created_at")?);
        return Ok(Record::Tombstone(OrderId::from_bytes(row.get(0)?), at));
    }
    let order = rows::order(row)?;
    let events = lifecycle::events(db, &order);
    // Its columns are not those of the row.
    let events = events.map_err(|error| rows::damaged(usize::MAX, format!("events: {error}")))?;
    let events = events.into_iter().skip(1).collect();
    Ok(Record::Order(Box::new(order), events))
}

pub(super) fn load(db: &Connection, ids: &IdIndex, records: Vec<Record>) -> Result<(), Fault> {
    for record in records {
        match record {
            Record::Order(order, events) => load_order(db, ids, &order, &events)?,
            Record::Tombstone(id, at) => pending_stock::bury(db, ids, &[id], at).map(|_| ())?,
        }
    }
    Ok(())
}

fn load_order(
    db: &Connection,
    ids: &IdIndex,
    order: &Order,
    events: &[Event],
) -> Result<(), Fault> {
    if !rows::insert(db, ids, order)? {
        return Ok(());
    }
    lifecycle::save(db, ids, order, events)
}
