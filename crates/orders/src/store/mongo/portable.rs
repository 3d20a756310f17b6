//! Everything about orders, out of this engine and into it.

use holdfast_storage::mongo::{Document, Fault, Query, Tx, fields};
use holdfast_types::Result;

use super::documents::{self, ORDERS};
use crate::store::portable::Record;

pub(super) async fn dump(tx: Tx) -> Result<Vec<Record>, Fault> {
    let found = tx.find(ORDERS, &Query::default()).await?;
    let record = |found: &Document| match documents::is_tombstone(found) {
        true => {
            Ok(Record::Tombstone(fields::id(found, "_id")?, fields::time(found, "created_at")?))
        }
        false => {
            let order = Box::new(documents::order(found)?);
            Ok(Record::Order(order, documents::events(found)?))
        }
    };
    Ok(found.iter().map(record).collect::<Result<_>>()?)
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
