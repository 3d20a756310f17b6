//! Everything about orders, out of this engine and into it.

use std::collections::HashMap;

use holdfast_storage::postgres::{Fault, Tx};
use holdfast_types::{OrderId, Result, Timestamp};

use super::{debts, lifecycle, recording, rows};
use crate::{
    model::{Event, Order},
    store::{TOMBSTONE, portable::Record},
};

pub(super) async fn dump(tx: Tx) -> Result<Vec<Record>, Fault> {
    let mut events: HashMap<OrderId, Vec<Event>> = HashMap::new();
    for row in tx.query(&format!("{} ORDER BY order_id, version", lifecycle::EVENTS), &[]).await? {
        events.entry(OrderId::new(row.get(4))).or_default().push(lifecycle::event(&row)?);
    }
    let sql = format!("{} WHERE status <> {TOMBSTONE} ORDER BY created_at, id", rows::SELECT);
    let mut records = Vec::new();
    for row in tx.query(&sql, &[]).await? {
        let order = rows::order(&row)?;
        let events = events.remove(&order.id).unwrap_or_default();
        records.push(Record::Order(Box::new(order), events));
    }
    let sql = "SELECT id, created_at FROM orders WHERE status = $1";
    for row in tx.query(sql, &[&TOMBSTONE]).await? {
        let at = Timestamp::from_millis(row.get(1));
        records.push(Record::Tombstone(OrderId::new(row.get(0)), at));
    }
    Ok(records)
}

pub(super) async fn load(tx: Tx, records: &[Record]) -> Result<(), Fault> {
    for record in records {
        match record {
            Record::Order(order, events) => load_order(&tx, order, events).await?,
            Record::Tombstone(id, at) => debts::judge(tx.clone(), &[*id], *at).await.map(|_| ())?,
        }
    }
    Ok(())
}

async fn load_order(tx: &Tx, order: &Order, events: &[Event]) -> Result<(), Fault> {
    if recording::insert(tx, &[order]).await?.is_empty() {
        return Ok(());
    }
    lifecycle::save(tx, order).await?;
    for event in events {
        lifecycle::note(tx, order.id, event).await?;
    }
    Ok(())
}
