//! Writing products.

use holdfast_storage::sqlite::{Fault, IdIndex};
use holdfast_types::{Code, Error, Result, Timestamp, fold};
use rusqlite::Connection;

use super::{journal::Journal, rows};
use crate::model::{Movement, Product, Status, Written};

/// Writes a product, created or changed, with its journal.
pub(super) fn write(db: &Connection, journal: &IdIndex, written: &Written) -> Result<(), Fault> {
    let Written { before, product, movement } = written;
    match before {
        Some(_) => save(db, journal, product, movement.as_ref()),
        None => {
            let seq = insert(db, product)?;
            Journal::prepare(db, journal)?.append(seq, &product.creation())
        }
    }
}

/// Writes a product without its journal; returns what its row is keyed by.
pub(super) fn insert(db: &Connection, product: &Product) -> Result<i64, Fault> {
    let details = &product.details;
    db.prepare_cached(
        "INSERT INTO products (id, sku, name, sort_name, description, category, images, metadata, price, currency,
                               archived, seller_id, version, details_version, quantity_version, fingerprint,
                               created_at, updated_at, opens_at, closes_at, limit_per_customer)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)",
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
        product.version.0,
        product.details_version.0,
        product.quantity_version.0,
        product.fingerprint.0,
        product.created_at.as_millis(),
        product.updated_at.as_millis(),
        details.sale_window.opens_at.map(Timestamp::as_millis),
        details.sale_window.closes_at.map(Timestamp::as_millis),
        details.limit_per_customer,
    ])
    .map_err(sku_taken)?;
    let seq = db.last_insert_rowid();
    db.prepare_cached(
        "INSERT INTO stock (product, quantity, reserved, sequence) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute((seq, product.quantity, product.reserved, product.sequence))?;
    index_words(db, seq, product)?;
    Ok(seq)
}

/// Writes a changed product back, and the movement that the change made.
fn save(
    db: &Connection,
    journal: &IdIndex,
    product: &Product,
    movement: Option<&Movement>,
) -> Result<(), Fault> {
    let details = &product.details;
    let seq = rows::seq(db, product.id)?;
    db.prepare_cached(
        "UPDATE products SET sku = ?2, name = ?3, sort_name = ?4, description = ?5, category = ?6, images = ?7,
                metadata = ?8, price = ?9, currency = ?10, archived = ?11, version = ?12, details_version = ?13,
                quantity_version = ?14, updated_at = ?15, opens_at = ?16, closes_at = ?17, limit_per_customer = ?18
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
        details.sale_window.opens_at.map(Timestamp::as_millis),
        details.sale_window.closes_at.map(Timestamp::as_millis),
        details.limit_per_customer,
    ])
    .map_err(sku_taken)?;
    if let Some(movement) = movement {
        db.prepare_cached("UPDATE stock SET quantity = ?2, sequence = ?3 WHERE product = ?1")?
            .execute((seq, product.quantity, product.sequence))?;
        Journal::prepare(db, journal)?.append(seq, movement)?;
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
