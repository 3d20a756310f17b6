//! Everything about orders, out of this engine and into it.

use holdfast_storage::{
    Damage, Entry, Sink,
    mongo::{Document, Fault, Query, Tx, doc, fields},
};
use holdfast_types::{OrderId, Result};

use super::documents::{self, ORDERS};
use crate::store::portable::Record;

pub(super) async fn dump(tx: Tx, sink: &mut Sink<Entry<Record>>) -> Result<(), Fault> {
    let by_id = Query { sort: Some(doc! {"_id": 1}), ..Query::default() };
    let mut orders = tx.cursor(ORDERS, &by_id).await?;
    while let Some(found) = orders.next().await? {
        let id: OrderId = fields::id(&found, "_id")?;
        let record = record(&found).map_err(|error| Damage::new("order", id.uuid(), error));
        sink.put(record).await?;
    }
    Ok(())
}

fn record(found: &Document) -> Result<Record> {
    match documents::is_tombstone(found) {
        true => {
            Ok(Record::Tombstone(fields::id(found, "_id")?, fields::time(found, "created_at")?))
        }
        false => {
            let order = Box::new(documents::order(found)?);
            Ok(Record::Order(order, documents::events(found)?))
        }
    }
}

pub(super) async fn load(tx: Tx, records: &[Record]) -> Result<(), Fault> {
    let mut orders = Vec::with_capacity(records.len());
    for record in records {
        match record {
            Record::Order(order, events) => orders.push(documents::grown(order, events)?),
            Record::Tombstone(id, at) => orders.push(documents::tombstone(*id, *at)),
        }
    }
    tx.insert_missing(ORDERS, orders).await
}
