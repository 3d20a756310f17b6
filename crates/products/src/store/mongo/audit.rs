//! What an audit reads.

use std::collections::HashMap;

use holdfast_storage::mongo::{Document, Fault, Query, Tx, doc, fields};
use holdfast_types::{Error, ProductId, Result};

use super::{
    documents::{self, PRODUCTS},
    journal, reservations,
};
use crate::store::{Audit, Books};

pub(super) async fn audit(tx: Tx) -> Result<Audit, Fault> {
    let (reservations, unconfirmed) = reservations::all(&tx).await?;
    let sums = vec![doc! {"$group": {
        "_id": "$_id.product",
        "lines": {"$sum": 1},
        "last": {"$max": "$_id.sequence"},
        "quantity": {"$sum": "$quantity_delta"},
        "reserved": {"$sum": "$reserved_delta"},
    }}];
    let sums = tx.aggregate(journal::MOVEMENTS, sums).await?;
    let sums: HashMap<ProductId, &Document> =
        sums.iter().map(|sum| Ok((fields::id(sum, "_id")?, sum))).collect::<Result<_>>()?;
    let wanted = Some(doc! {"quantity": 1, "reserved": 1, "sequence": 1});
    let products = tx.find(PRODUCTS, &Query { projection: wanted, ..Query::default() }).await?;
    let books = products.iter().map(|found| books(found, &sums)).collect::<Result<Vec<_>>>()?;
    Ok(Audit::of(reservations, unconfirmed, &books))
}

fn books(found: &Document, sums: &HashMap<ProductId, &Document>) -> Result<Books> {
    let product = fields::id(found, "_id")?;
    let sum = sums.get(&product).ok_or_else(|| Error::internal("a product has no journal"))?;
    Ok(Books {
        product,
        numbers: documents::numbers(found)?,
        lines: fields::number(sum, "lines")?,
        last: fields::optional_number(sum, "last")?,
        quantity: fields::number(sum, "quantity")?,
        reserved: fields::number(sum, "reserved")?,
    })
}
