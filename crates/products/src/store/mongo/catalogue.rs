//! Writing products.

use holdfast_storage::mongo::{Document, Fault, Tx, doc, fields};
use holdfast_types::{Code, Error, Operation, ProductId, Result};

use super::{
    documents::{self, PRODUCTS, SKUS},
    journal,
};
use crate::model::{BatchOutcome, BatchRequest, Change, Movement, Product, Written, decide_batch};

/// Creates a product, or finds the one that is there under its id.
pub(super) async fn create(tx: &Tx, product: &Product) -> Result<(Product, bool), Fault> {
    if let Some(found) = documents::get(tx, product.id).await? {
        return Ok((found, true));
    }
    check_sku(tx, product).await?;
    insert(tx, &[product]).await?;
    Ok((product.clone(), false))
}

async fn check_sku(tx: &Tx, product: &Product) -> Result<(), Fault> {
    let Some(sku) = &product.details.sku else { return Ok(()) };
    match tx.get(SKUS, sku.as_str()).await? {
        Some(_) => Err(Error::new(Code::SkuTaken, "another product has this sku").into()),
        None => Ok(()),
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
pub(super) async fn save(
    tx: &Tx,
    product: &Product,
    sku: Option<&str>,
    movement: Option<Movement>,
) -> Result<(), Fault> {
    if product.details.sku.as_deref() != sku {
        check_sku(tx, product).await?;
        tx.insert(SKUS, sku_of(product).into_iter().collect()).await?;
        tx.delete(SKUS, doc! {"_id": sku}).await?;
    }
    let like = doc! {"_id": fields::uuid(product.id.uuid())};
    tx.update(PRODUCTS, vec![(like, doc! {"$set": documents::members(product)?})]).await?;
    let movement: Vec<(ProductId, Movement)> =
        movement.into_iter().map(|movement| (product.id, movement)).collect();
    journal::append(tx, &movement).await
}

pub(super) async fn write_batch(
    tx: &Tx,
    request: &BatchRequest,
    operation: &Operation,
    change: Change,
) -> Result<Vec<BatchOutcome>, Fault> {
    let existing = documents::by_sku(tx, &request.skus()).await?;
    let (outcomes, written) = decide_batch(request, existing, operation, change)?;
    let created: Vec<&Product> = written
        .iter()
        .filter(|written| matches!(written, Written::Created(_)))
        .map(Written::product)
        .collect();
    insert(tx, &created).await?;
    for written in &written {
        if let Written::Updated(product, movement) = written {
            save(tx, product, product.details.sku.as_deref(), movement.clone()).await?;
        }
    }
    Ok(outcomes)
}
