//! Everything about orders, out of this engine and into it.

use holdfast_storage::{
    Damage, Entry, Sink,
    postgres::{Fault, Row, Tx},
};
use holdfast_types::{OrderId, Result, Timestamp};
use uuid::Uuid;

use super::{lifecycle, pending_stock, recording, rows};
use crate::{
    model::{Event, Order},
    store::{TOMBSTONE, portable::Record},
};

pub(super) async fn dump(tx: Tx, sink: &mut Sink<Entry<Record>>) -> Result<(), Fault> {
    let sql = format!("{} ORDER BY order_id, version", lifecycle::EVENTS);
    let mut events = tx.cursor("every_event", &sql).await?;
    let mut orders = tx.cursor("every_order", &format!("{} ORDER BY id", rows::SELECT)).await?;
    let mut event = events.next().await?;
    while let Some(row) = orders.next().await? {
        let id: Uuid = row.get(0);
        let mut history = Vec::new();
        while let Some(found) = event.take_if(|event| event.get::<_, Uuid>(4) <= id) {
            history.push(found);
            event = events.next().await?;
        }
        let record = record(&row, &history).map_err(|error| Damage::new("order", id, error));
        sink.put(record).await?;
    }
    Ok(())
}

fn record(row: &Row, history: &[Row]) -> Result<Record, Fault> {
    if row.get::<_, i64>(2) == TOMBSTONE {
        let at = Timestamp::from_millis(row.get(10));
        return Ok(Record::Tombstone(OrderId::new(row.get(0)), at));
    }
    let events = history.iter().map(lifecycle::event).collect::<Result<_>>()?;
    Ok(Record::Order(Box::new(rows::order(row)?), events))
}

pub(super) async fn load(tx: Tx, records: &[Record]) -> Result<(), Fault> {
    for record in records {
        match record {
            Record::Order(order, events) => load_order(&tx, order, events).await?,
            Record::Tombstone(id, at) => pending_stock::bury(&tx, &[*id], *at).await.map(|_| ())?,
        }
    }
    Ok(())
}

async fn load_order(tx: &Tx, order: &Order, events: &[Event]) -> Result<(), Fault> {
    if recording::insert(tx, &[order]).await?.is_empty() {
        return Ok(());
    }
    lifecycle::save(tx, order, events).await
}
