//! Rows of products, and finding one.

use std::collections::HashMap;

use holdfast_storage::sqlite::Fault;
use holdfast_types::{Fingerprint, Money, ProductId, Result, Timestamp, UserId, Version};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::model::{Details, Product, SaleWindow, Status};

/// The columns that [`product`] reads.
pub(super) const COLUMNS: &str = "p.id, p.sku, p.name, p.description, p.category, p.images, p.metadata, p.price, \
    p.currency, p.archived, p.seller_id, p.version, p.details_version, p.quantity_version, p.fingerprint, p.created_at, \
    p.updated_at, s.quantity, s.reserved, s.sequence, p.opens_at, p.closes_at, p.limit_per_customer";
/// How many that are.
pub(super) const COLUMN_COUNT: usize = 23;

pub(super) fn get(db: &Connection, id: ProductId) -> Result<Option<Product>, Fault> {
    find(db, "p.id = ?1", id.bytes())
}

/// The products that have these skus.
pub(super) fn find_by_sku(
    db: &Connection,
    skus: Vec<String>,
) -> Result<HashMap<String, Product>, Fault> {
    let mut found = HashMap::new();
    for sku in skus {
        if let Some(product) = find(db, "p.sku = ?1", &sku)? {
            found.insert(sku, product);
        }
    }
    Ok(found)
}

fn find(
    db: &Connection,
    condition: &'static str,
    value: impl rusqlite::ToSql,
) -> Result<Option<Product>, Fault> {
    let sql = format!(
        "SELECT {COLUMNS} FROM products p JOIN stock s ON s.product = p.seq WHERE {condition}"
    );
    Ok(db.prepare_cached(&sql)?.query_row([value], product).optional()?)
}

pub(super) fn seq(db: &Connection, id: ProductId) -> Result<i64, Fault> {
    Ok(db
        .prepare_cached("SELECT seq FROM products WHERE id = ?1")?
        .query_row([id.bytes()], |row| row.get(0))?)
}

pub(super) fn product(row: &Row<'_>) -> rusqlite::Result<Product> {
    let details = Details {
        sku: row.get(1)?,
        name: row.get(2)?,
        description: row.get(3)?,
        category: row.get(4)?,
        images: json_unless_empty(row, 5)?,
        metadata: json_unless_empty(row, 6)?,
        price: money(row, 7)?,
        status: if row.get(9)? { Status::Archived } else { Status::Active },
        sale_window: sale_window(row, 20)?,
        limit_per_customer: row.get(22)?,
    };
    Ok(Product {
        id: ProductId::from_bytes(row.get(0)?),
        seller: UserId::from_bytes(row.get(10)?),
        details,
        quantity: row.get(17)?,
        reserved: row.get(18)?,
        sequence: row.get(19)?,
        version: Version(row.get(11)?),
        details_version: Version(row.get(12)?),
        quantity_version: Version(row.get(13)?),
        fingerprint: Fingerprint(row.get(14)?),
        created_at: Timestamp::from_millis(row.get(15)?),
        updated_at: Timestamp::from_millis(row.get(16)?),
    })
}

/// An amount in column `index` and its currency in the next.
pub(super) fn money(row: &Row<'_>, index: usize) -> rusqlite::Result<Money> {
    let text = row.get_ref(index + 1)?.as_str()?;
    let currency = text.parse().map_err(|error: &str| damaged(index + 1, error))?;
    Ok(Money { amount: row.get(index)?, currency })
}

/// A window whose first moment is in column `index`, and its last in the next.
pub(super) fn sale_window(row: &Row<'_>, index: usize) -> rusqlite::Result<SaleWindow> {
    let at = |index| {
        Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(index)?.map(Timestamp::from_millis))
    };
    Ok(SaleWindow { opens_at: at(index)?, closes_at: at(index + 1)? })
}

/// Most products have neither images nor metadata, and are read often.
fn json_unless_empty<T: serde::de::DeserializeOwned + Default>(
    row: &Row<'_>,
    index: usize,
) -> rusqlite::Result<T> {
    match row.get_ref(index)?.as_str()? {
        "[]" | "{}" => Ok(T::default()),
        _ => json(row, index),
    }
}

/// JSON that may be missing.
pub(super) fn optional_json<T: serde::de::DeserializeOwned>(
    row: &Row<'_>,
    index: usize,
) -> rusqlite::Result<Option<T>> {
    let is_there = row.get_ref(index)? != rusqlite::types::ValueRef::Null;
    is_there.then(|| json(row, index)).transpose()
}

pub(super) fn json<T: serde::de::DeserializeOwned>(
    row: &Row<'_>,
    index: usize,
) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(index)?.as_str()?).map_err(|error| damaged(index, error))
}

pub(super) fn damaged(
    index: usize,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(index, rusqlite::types::Type::Text, error.into())
}
