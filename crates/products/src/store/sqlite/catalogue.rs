//! Writing products.

use holdfast_storage::sqlite::Fault;
use holdfast_types::{Code, Error, Operation, Result, fold};
use rusqlite::Connection;

use super::{journal::Journal, rows};
use crate::model::{
    BatchItem, BatchMode, BatchOutcome, BatchRequest, Change, Movement, NewProduct, Product,
    Status, Upsert, upsert,
};

pub(super) fn create(db: &Connection, new: &NewProduct) -> Result<Product, Fault> {
    let product = Product::new(new);
    let details = &product.details;
    db.prepare_cached(
        "INSERT INTO products (id, sku, name, sort_name, description, category, images, metadata, price, currency,
                               archived, seller_id, version, details_version, quantity_version, fingerprint,
                               created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 1, 1, 1, ?13, ?14, ?14)",
    )?
    .execute(rusqlite::params![
        product.id.bytes(),
        details.sku,
        details.name,
        fold(&details.name),
        details.description,
        details.category,
        serde_json::to_string(&details.images)?,
        serde_json::to_string(&details.metadata)?,
        details.price.amount,
        details.price.currency.as_str(),
        details.status == Status::Archived,
        product.seller.bytes(),
        product.fingerprint.0,
        product.created_at.as_millis(),
    ])
    .map_err(sku_taken)?;
    let seq = db.last_insert_rowid();
    db.prepare_cached(
        "INSERT INTO stock (product, quantity, reserved, sequence) VALUES (?1, ?2, 0, 1)",
    )?
    .execute((seq, product.quantity))?;
    Journal::prepare(db)?.append(seq, &product.creation())?;
    index_words(db, seq, &product)?;
    Ok(product)
}

/// Writes a changed product back, and the movement that the change made.
pub(super) fn save(
    db: &Connection,
    product: &Product,
    movement: Option<&Movement>,
) -> Result<(), Fault> {
    let details = &product.details;
    let seq = rows::seq(db, product.id)?;
    db.prepare_cached(
        "UPDATE products SET sku = ?2, name = ?3, sort_name = ?4, description = ?5, category = ?6, images = ?7,
                metadata = ?8, price = ?9, currency = ?10, archived = ?11, version = ?12, details_version = ?13,
                quantity_version = ?14, updated_at = ?15
         WHERE seq = ?1",
    )?
    .execute(rusqlite::params![
        seq,
        details.sku,
        details.name,
        fold(&details.name),
        details.description,
        details.category,
        serde_json::to_string(&details.images)?,
        serde_json::to_string(&details.metadata)?,
        details.price.amount,
        details.price.currency.as_str(),
        details.status == Status::Archived,
        product.version.0,
        product.details_version.0,
        product.quantity_version.0,
        product.updated_at.as_millis(),
    ])
    .map_err(sku_taken)?;
    if let Some(movement) = movement {
        db.prepare_cached("UPDATE stock SET quantity = ?2, sequence = ?3 WHERE product = ?1")?
            .execute((seq, product.quantity, product.sequence))?;
        Journal::prepare(db)?.append(seq, movement)?;
    }
    if product.details_version == product.version {
        index_words(db, seq, product)?;
    }
    Ok(())
}

fn index_words(db: &Connection, seq: i64, product: &Product) -> Result<(), Fault> {
    db.prepare_cached("INSERT OR REPLACE INTO product_words (rowid, words) VALUES (?1, ?2)")?
        .execute((seq, product.words()))?;
    Ok(())
}

fn sku_taken(error: rusqlite::Error) -> Fault {
    let fault = Fault::from(error);
    match fault.is_taken("products.sku") {
        true => Error::new(Code::SkuTaken, "another product has this sku").into(),
        false => fault,
    }
}

pub(super) fn write_batch(
    db: &Connection,
    request: BatchRequest,
    operation: &Operation,
    change: Change,
) -> Result<Vec<BatchOutcome>, Fault> {
    let mut outcomes = Vec::with_capacity(request.items.len());
    let (mode, rights) = (request.mode, (request.overwrite, request.is_admin));
    for (index, item) in request.items.into_iter().enumerate() {
        let written = item
            .map_err(Fault::from)
            .and_then(|item| write_item(db, item, rights, operation, change));
        let outcome = match written {
            Ok(outcome) => outcome,
            Err(Fault::Refused(error)) if mode == BatchMode::Partial => {
                let current = conflicting(db, &error)?;
                BatchOutcome::Refused(error, current)
            }
            Err(Fault::Refused(error)) => return Err(error.with("index", index).into()),
            Err(fault) => return Err(fault),
        };
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

/// The product that a version conflict names.
fn conflicting(db: &Connection, error: &Error) -> Result<Option<Product>, Fault> {
    let named = error.extras().get("productId").and_then(|id| id.as_str()?.parse().ok());
    match named {
        Some(id) if error.code() == Code::VersionConflict => rows::get(db, id),
        _ => Ok(None),
    }
}

fn write_item(
    db: &Connection,
    item: BatchItem,
    rights: (bool, bool),
    operation: &Operation,
    change: Change,
) -> Result<BatchOutcome, Fault> {
    let existing = match &item.details.sku {
        Some(sku) => rows::find_by_sku(db, sku)?,
        None => None,
    };
    Ok(match upsert(item, existing, rights, operation, change)? {
        Upsert::Create(new) => BatchOutcome::Created(create(db, &new)?),
        Upsert::Update(product, movement) => {
            save(db, &product, movement.as_ref())?;
            BatchOutcome::Updated(product)
        }
    })
}
