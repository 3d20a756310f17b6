//! Writing products.

use futures_util::future::{try_join, try_join3};
use holdfast_storage::postgres::{Fault, Tx};
use holdfast_types::{Code, Error, ProductId, Result, Timestamp, fold, words};

use super::journal;
use crate::model::{Movement, Product, Status, Written};

/// Writes products, created or changed, with their journals.
pub(super) async fn write(tx: &Tx, written: Vec<Written>) -> Result<(), Fault> {
    for Written { before, product, movement } in written {
        match before {
            Some(before) => save(tx, &product, before.details.sku.as_deref(), movement).await?,
            None => {
                if let Some(sku) = &product.details.sku
                    && !take_sku(tx, sku, product.id).await?
                {
                    return Err(sku_taken().into());
                }
                insert(tx, &product).await?;
            }
        }
    }
    Ok(())
}

async fn insert(tx: &Tx, product: &Product) -> Result<(), Fault> {
    let creation = [(product.id, product.creation())];
    let inserted = try_join3(
        insert_details(tx, product),
        insert_stock(tx, product),
        journal::append(tx, &creation),
    );
    match inserted.await? {
        (1, 1, ()) => Ok(()),
        _ => Err(Fault::Stale),
    }
}

async fn insert_details(tx: &Tx, product: &Product) -> Result<u64, Fault> {
    let details = &product.details;
    tx.execute(
        "INSERT INTO products (id, sku, name, sort_name, description, category, images, metadata, price, currency,
                               archived, seller_id, version, details_version, quantity_version, fingerprint,
                               created_at, updated_at, words, opens_at, closes_at, limit_per_customer)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
                 array_to_tsvector($19::text[]), $20, $21, $22)
         ON CONFLICT (id) DO NOTHING",
        &[
            &product.id.uuid(),
            &details.sku,
            &details.name,
            &fold(&details.name),
            &details.description,
            &details.category,
            &serde_json::to_string(&details.images)?,
            &serde_json::to_string(&details.metadata)?,
            &details.price.amount,
            &details.price.currency.as_str(),
            &(details.status == Status::Archived),
            &product.seller.uuid(),
            &product.version.0,
            &product.details_version.0,
            &product.quantity_version.0,
            &product.fingerprint.0.as_slice(),
            &product.created_at.as_millis(),
            &product.updated_at.as_millis(),
            &words(&product.words()),
            &details.sale_window.opens_at.map(Timestamp::as_millis),
            &details.sale_window.closes_at.map(Timestamp::as_millis),
            &details.limit_per_customer,
        ],
    )
    .await
}

async fn insert_stock(tx: &Tx, product: &Product) -> Result<u64, Fault> {
    tx.execute(
        "INSERT INTO stock (product_id, quantity, reserved, sequence) VALUES ($1, $2, $3, $4)
         ON CONFLICT (product_id) DO NOTHING",
        &[&product.id.uuid(), &product.quantity, &product.reserved, &product.sequence],
    )
    .await
}

/// Writes a product without its journal, unless it is there.
pub(super) async fn load(tx: &Tx, product: &Product) -> Result<(), Fault> {
    if let Some(sku) = &product.details.sku {
        take_sku(tx, sku, product.id).await?;
    }
    try_join(insert_details(tx, product), insert_stock(tx, product)).await.map(|_| ())
}

/// False when another product has it.
async fn take_sku(tx: &Tx, sku: &str, product: ProductId) -> Result<bool, Fault> {
    let sql =
        "INSERT INTO product_skus (sku, product_id) VALUES ($1, $2) ON CONFLICT (sku) DO NOTHING";
    Ok(tx.execute(sql, &[&sku, &product.uuid()]).await? == 1)
}

fn sku_taken() -> Error {
    Error::new(Code::SkuTaken, "another product has this sku")
}

/// Writes a changed product back; `sku` is the one that it had.
async fn save(
    tx: &Tx,
    product: &Product,
    sku: Option<&str>,
    movement: Option<Movement>,
) -> Result<(), Fault> {
    if product.details.sku.as_deref() != sku {
        change_sku(tx, product, sku).await?;
    }
    try_join(update(tx, product), save_numbers(tx, product, movement)).await.map(|_| ())
}

async fn change_sku(tx: &Tx, product: &Product, from: Option<&str>) -> Result<(), Fault> {
    if let Some(sku) = &product.details.sku
        && !take_sku(tx, sku, product.id).await?
    {
        return Err(sku_taken().into());
    }
    tx.execute("DELETE FROM product_skus WHERE sku = $1", &[&from]).await.map(|_| ())
}

async fn update(tx: &Tx, product: &Product) -> Result<u64, Fault> {
    let details = &product.details;
    tx.execute(
        "UPDATE products SET sku = $2, name = $3, sort_name = $4, description = $5, category = $6, images = $7,
                metadata = $8, price = $9, currency = $10, archived = $11, version = $12, details_version = $13,
                quantity_version = $14, updated_at = $15, words = array_to_tsvector($16::text[]),
                opens_at = $17, closes_at = $18, limit_per_customer = $19
         WHERE id = $1",
        &[
            &product.id.uuid(),
            &details.sku,
            &details.name,
            &fold(&details.name),
            &details.description,
            &details.category,
            &serde_json::to_string(&details.images)?,
            &serde_json::to_string(&details.metadata)?,
            &details.price.amount,
            &details.price.currency.as_str(),
            &(details.status == Status::Archived),
            &product.version.0,
            &product.details_version.0,
            &product.quantity_version.0,
            &product.updated_at.as_millis(),
            &words(&product.words()),
            &details.sale_window.opens_at.map(Timestamp::as_millis),
            &details.sale_window.closes_at.map(Timestamp::as_millis),
            &details.limit_per_customer,
        ],
    )
    .await
}

async fn save_numbers(tx: &Tx, product: &Product, movement: Option<Movement>) -> Result<(), Fault> {
    let Some(movement) = movement else { return Ok(()) };
    journal::set_numbers(tx, [(product.id, product.numbers())]).await?;
    journal::append(tx, &[(product.id, movement)]).await
}
