//! Writing products.

use holdfast_storage::mongo::{Document, Fault, Query, Tx, doc, fields};
use holdfast_types::{Code, Error, ProductId, Result};

use super::{
    documents::{self, PRODUCTS, SKUS},
    journal,
};
use crate::model::{Movement, Product, Written};

/// Writes products, created or changed, with their journals: those that are created in a few commands.
pub(super) async fn write(tx: &Tx, written: Vec<Written>) -> Result<(), Fault> {
    let (created, changed): (Vec<Written>, Vec<Written>) =
        written.into_iter().partition(|written| written.before.is_none());
    let created: Vec<&Product> = created.iter().map(|written| &written.product).collect();
    check_skus(tx, &created).await?;
    insert(tx, &created).await?;
    for Written { before, product, movement } in &changed {
        let before = before.as_ref().and_then(|before| before.details.sku.as_deref());
        save(tx, product, before, movement.clone()).await?;
    }
    Ok(())
}

async fn check_skus(tx: &Tx, products: &[&Product]) -> Result<(), Fault> {
    let skus: Vec<&String> =
        products.iter().filter_map(|product| product.details.sku.as_ref()).collect();
    if skus.is_empty() {
        return Ok(());
    }
    let taken = Query { limit: Some(1), ..Query::of(doc! {"_id": {"$in": skus}}) };
    match tx.find(SKUS, &taken).await?.is_empty() {
        true => Ok(()),
        false => Err(Error::new(Code::SkuTaken, "another product has this sku").into()),
    }
}

/// A product without its journal.
pub(super) fn document(product: &Product) -> Result<Document, Fault> {
    let mut document = doc! {
        "_id": fields::uuid(product.id.uuid()),
        "seller_id": fields::uuid(product.seller.uuid()),
        "fingerprint": fields::binary(&product.fingerprint.0),
        "created_at": product.created_at.as_millis(),
    };
    document.extend(documents::members(product)?);
    Ok(document)
}

pub(super) fn sku_of(product: &Product) -> Option<Document> {
    let sku = product.details.sku.as_ref()?;
    Some(doc! {"_id": sku, "product": fields::uuid(product.id.uuid())})
}

async fn insert(tx: &Tx, products: &[&Product]) -> Result<(), Fault> {
    let skus = products.iter().filter_map(|product| sku_of(product)).collect();
    tx.insert(SKUS, skus).await?;
    let documents = products.iter().map(|product| document(product));
    tx.insert(PRODUCTS, documents.collect::<Result<_, Fault>>()?).await?;
    let creations: Vec<(ProductId, Movement)> =
        products.iter().map(|product| (product.id, product.creation())).collect();
    journal::append(tx, &creations).await
}

/// Writes a changed product back; `sku` is the one that it had.
async fn save(
    tx: &Tx,
    product: &Product,
    sku: Option<&str>,
    movement: Option<Movement>,
) -> Result<(), Fault> {
    if product.details.sku.as_deref() != sku {
        check_skus(tx, &[product]).await?;
        tx.insert(SKUS, sku_of(product).into_iter().collect()).await?;
        tx.delete(SKUS, doc! {"_id": sku}).await?;
    }
    let like = doc! {"_id": fields::uuid(product.id.uuid())};
    tx.update(PRODUCTS, vec![(like, doc! {"$set": documents::members(product)?})]).await?;
    let movement: Vec<(ProductId, Movement)> =
        movement.into_iter().map(|movement| (product.id, movement)).collect();
    journal::append(tx, &movement).await
}
