//! Everything about products, out of this engine and into it.

use holdfast_storage::mongo::{Document, Fault, Query, Tx, doc, fields};
use holdfast_types::{ReservationState, Result, Unconfirmed};

use super::{
    catalogue,
    documents::{self, PRODUCTS, SKUS},
    journal::{self, MOVEMENTS},
    reservations::{self, RESERVATIONS, UNCONFIRMED},
};
use crate::store::portable::{Held, Record};

pub(super) async fn dump(tx: Tx) -> Result<Vec<Record>, Fault> {
    let all = Query::default();
    let mut records = Vec::new();
    for found in tx.find(PRODUCTS, &all).await? {
        records.push(Record::Product(Box::new(documents::product(&found)?)));
    }
    for found in tx.find(MOVEMENTS, &all).await? {
        records.push(Record::Movement(journal::product_of(&found)?, journal::movement(&found)?));
    }
    for found in tx.find(RESERVATIONS, &all).await? {
        records.push(Record::Reservation(held(&found)?));
    }
    for found in tx.find(UNCONFIRMED, &all).await? {
        let Unconfirmed { batch, orders } = reservations::unconfirmed_batch(&found)?;
        records.push(Record::Unconfirmed { batch, orders, at: fields::time(&found, "at")? });
    }
    Ok(records)
}

fn held(found: &Document) -> Result<Held> {
    Ok(Held {
        id: fields::id(found, "_id")?,
        fingerprint: fields::fingerprint(found, "fingerprint")?,
        state: ReservationState::from_code(fields::number(found, "state")?)?,
        lines: fields::json(found, "lines")?,
        at: fields::time(found, "at")?,
    })
}

pub(super) async fn load(tx: Tx, records: &[Record]) -> Result<(), Fault> {
    let (mut products, mut skus) = (Vec::new(), Vec::new());
    let (mut movements, mut held, mut unconfirmed) = (Vec::new(), Vec::new(), Vec::new());
    for record in records {
        match record {
            Record::Product(product) => {
                skus.extend(catalogue::sku_of(product));
                products.push(catalogue::document(product)?);
            }
            Record::Movement(product, movement) => {
                movements.push(journal::line(*product, movement));
            }
            Record::Reservation(reservation) => held.push(document(reservation)?),
            Record::Unconfirmed { batch, orders, at } => {
                unconfirmed.push(reservations::owed(*batch, orders, *at));
            }
        }
    }
    tx.insert_missing(SKUS, skus).await?;
    tx.insert_missing(PRODUCTS, products).await?;
    tx.insert_missing(MOVEMENTS, movements).await?;
    tx.insert_missing(RESERVATIONS, held).await?;
    tx.insert_missing(UNCONFIRMED, unconfirmed).await
}

fn document(held: &Held) -> Result<Document, Fault> {
    Ok(doc! {
        "_id": fields::uuid(held.id.uuid()),
        "fingerprint": fields::binary(&held.fingerprint.0),
        "state": held.state.code(),
        "lines": serde_json::to_string(&held.lines)?,
        "at": held.at.as_millis(),
    })
}
