//! Everything about orders, out of this engine and into it.

use holdfast_storage::sqlite::{Fault, IdIndex};
use holdfast_types::{OrderId, Result, Timestamp};
use rusqlite::Connection;

use super::{debts, lifecycle, rows};
use crate::{
    model::{Event, Order},
    store::{TOMBSTONE, portable::Record},
};

pub(super) fn dump(db: &Connection) -> Result<Vec<Record>, Fault> {
    let mut records = Vec::new();
    for order in rows::all(db)? {
        let events = lifecycle::events(db, &order)?.split_off(1);
        records.push(Record::Order(Box::new(order), events));
    }
    let mut query = db.prepare("SELECT id, created_at FROM orders WHERE status = ?1")?;
    let tombstones = query.query_map([TOMBSTONE], |row| {
        let id = OrderId::from_bytes(row.get(0)?);
        Ok(Record::Tombstone(id, Timestamp::from_millis(row.get(1)?)))
    })?;
    for tombstone in tombstones {
        records.push(tombstone?);
    }
    Ok(records)
}

pub(super) fn load(db: &Connection, ids: &IdIndex, records: Vec<Record>) -> Result<(), Fault> {
    for record in records {
        match record {
            Record::Order(order, events) => load_order(db, ids, &order, &events)?,
            Record::Tombstone(id, at) => debts::judge(db, ids, &[id], at).map(|_| ())?,
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
    lifecycle::save(db, ids, order)?;
    events.iter().try_for_each(|event| lifecycle::note(db, order.id, event))
}
