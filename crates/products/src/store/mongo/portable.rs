//! Everything about products, out of this engine and into it.

use holdfast_storage::{
    Damage, Entry, Sink,
    mongo::{Document, Fault, Query, Tx, doc, fields},
};
use holdfast_types::{Error, OrderId, ProductId, Result, Unconfirmed};

use super::{
    catalogue,
    documents::{self, PRODUCTS, SKUS},
    journal::{self, MOVEMENTS},
    reservations::{self, RESERVATIONS, UNCONFIRMED},
};
use crate::store::portable::Record;

pub(super) async fn dump(tx: Tx, sink: &mut Sink<Entry<Record>>) -> Result<(), Fault> {
    let mut batches = tx.cursor(UNCONFIRMED, &Query::default()).await?;
    while let Some(found) = batches.next().await? {
        let Unconfirmed { batch, orders } = reservations::unconfirmed_batch(&found)?;
        let at = fields::time(&found, "at")?;
        sink.put(Ok(Record::Unconfirmed { batch, orders, at })).await?;
    }
    let mut all = tx.cursor(RESERVATIONS, &by_id()).await?;
    while let Some(found) = all.next().await? {
        let id: OrderId = fields::id(&found, "_id")?;
        let found = reservations::reservation(&found);
        let found = found.map_err(|error| Damage::new("reservation", id.uuid(), error));
        sink.put(found.map(Record::Reservation)).await?;
    }
    dump_products(&tx, sink).await
}

fn by_id() -> Query {
    Query { sort: Some(doc! {"_id": 1}), ..Query::default() }
}

async fn dump_products(tx: &Tx, sink: &mut Sink<Entry<Record>>) -> Result<(), Fault> {
    let mut lines = tx.cursor(MOVEMENTS, &by_id()).await?;
    let mut line = lines.next().await?;
    let mut products = tx.cursor(PRODUCTS, &by_id()).await?;
    while let Some(found) = products.next().await? {
        let id: ProductId = fields::id(&found, "_id")?;
        let product = documents::product(&found);
        let product = product.map_err(|error| Damage::new("product", id.uuid(), error));
        sink.put(product.map(|product| Record::Product(Box::new(product)))).await?;
        while let Some(found) =
            line.take_if(|line| journal::product_of(line).is_ok_and(|of| of <= id))
        {
            sink.put(movement(&found, Some(id))?).await?;
            line = lines.next().await?;
        }
    }
    while let Some(found) = line {
        sink.put(movement(&found, None)?).await?;
        line = lines.next().await?;
    }
    Ok(())
}

/// A line of the journal of the product that was just read.
fn movement(found: &Document, product: Option<ProductId>) -> Result<Entry<Record>> {
    let of = journal::product_of(found)?;
    let movement = match product == Some(of) {
        true => journal::movement(found),
        false => Err(Error::internal("there is no such product")),
    };
    let movement = movement.map_err(|error| Damage::new("journal of product", of.uuid(), error));
    Ok(movement.map(|movement| Record::Movement(of, movement)))
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
            Record::Reservation(reservation) => held.push(reservations::document(reservation)?),
            Record::Unconfirmed { batch, orders, at } => {
                unconfirmed.push(reservations::unconfirmed_document(*batch, orders, *at));
            }
        }
    }
    tx.insert_missing(SKUS, skus).await?;
    tx.insert_missing(PRODUCTS, products).await?;
    tx.insert_missing(MOVEMENTS, movements).await?;
    tx.insert_missing(RESERVATIONS, held).await?;
    tx.insert_missing(UNCONFIRMED, unconfirmed).await
}
