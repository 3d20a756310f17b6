//! Rows of products: locking, finding and reading them.

use std::collections::{HashMap, HashSet};

use holdfast_storage::postgres::{Fault, Row, Tx, bytes};
use holdfast_types::{
    Currency, Error, Fingerprint, Money, ProductId, Result, Timestamp, UserId, Version,
};
use uuid::Uuid;

use crate::model::{Details, Numbers, Product, SaleWindow, Status};

/// A query for products, to which a condition is added; [`product`] reads its rows.
pub(super) const SELECT: &str = "SELECT p.id, p.sku, p.name, p.description, p.category, p.images, p.metadata, p.price, \
    p.currency, p.archived, p.seller_id, p.version, p.details_version, p.quantity_version, p.fingerprint, p.created_at, \
    p.updated_at, s.quantity, s.reserved, s.sequence, p.opens_at, p.closes_at, p.limit_per_customer FROM products p JOIN stock s ON s.product_id = p.id";

/// The same over rows that a query has put together already.
pub(super) const SELECT_FROM: &str = "SELECT p.id, p.sku, p.name, p.description, p.category, p.images, p.metadata, p.price, \
    p.currency, p.archived, p.seller_id, p.version, p.details_version, p.quantity_version, p.fingerprint, p.created_at, \
    p.updated_at, p.quantity, p.reserved, p.sequence, p.opens_at, p.closes_at, p.limit_per_customer FROM";

/// Locks products in the order of their ids, as everybody does who changes several: nobody waits in a circle.
pub(super) async fn lock(tx: &Tx, ids: &[Uuid]) -> Result<(), Fault> {
    let sql = "SELECT FROM stock WHERE product_id = ANY($1) ORDER BY product_id FOR UPDATE";
    tx.query(sql, &[&ids]).await.map(|_| ())
}

/// Locks those of the products that nobody else holds, without waiting; returns those that somebody does.
pub(super) async fn lock_free(tx: &Tx, ids: &[Uuid]) -> Result<HashSet<Uuid>, Fault> {
    let all = "SELECT product_id FROM stock WHERE product_id = ANY($1)";
    let free = format!("{all} ORDER BY product_id FOR UPDATE SKIP LOCKED");
    let free = tx.query(&free, &[&ids]).await?;
    let all = tx.query(all, &[&ids]).await?;
    let free: HashSet<Uuid> = free.iter().map(|row| row.get(0)).collect();
    Ok(all.iter().map(|row| row.get(0)).filter(|id| !free.contains(id)).collect())
}

/// Locks one product and reads what it is then.
pub(super) async fn lock_one(tx: &Tx, id: ProductId) -> Result<Option<Product>, Fault> {
    lock(tx, &[id.uuid()]).await?;
    get(tx, id).await
}

pub(super) async fn get(tx: &Tx, id: ProductId) -> Result<Option<Product>, Fault> {
    let row = tx.query_opt(&format!("{SELECT} WHERE p.id = $1"), &[&id.uuid()]).await?;
    row.map(|row| product(&row)).transpose()
}

/// Locks the products that have these skus and reads them.
pub(super) async fn lock_by_sku(
    tx: &Tx,
    skus: &[String],
) -> Result<HashMap<String, Product>, Fault> {
    let found =
        tx.query("SELECT product_id FROM product_skus WHERE sku = ANY($1)", &[&skus]).await?;
    let ids: Vec<Uuid> = found.iter().map(|row| row.get(0)).collect();
    lock(tx, &ids).await?;
    let rows = tx.query(&format!("{SELECT} WHERE p.id = ANY($1)"), &[&ids]).await?;
    let products = rows.iter().map(|row| {
        let product = product(row)?;
        Ok((product.details.sku.clone().unwrap_or_default(), product))
    });
    let products: HashMap<String, Product> = products.collect::<Result<_, Fault>>()?;
    // One that changed its sku meanwhile is another one's or nobody's now.
    match products.len() == ids.len() && products.keys().all(|sku| skus.contains(sku)) {
        true => Ok(products),
        false => Err(Fault::Stale),
    }
}

pub(super) fn product(row: &Row) -> Result<Product, Fault> {
    let details = Details {
        sku: row.get(1),
        name: row.get(2),
        description: row.get(3),
        category: row.get(4),
        images: json(row.get(5))?,
        metadata: json(row.get(6))?,
        price: money(row, 7)?,
        status: if row.get(9) { Status::Archived } else { Status::Active },
        sale_window: sale_window(row, 20),
        limit_per_customer: row.get(22),
    };
    let Numbers { quantity, reserved, sequence } = numbers(row, 17);
    Ok(Product {
        id: ProductId::new(row.get(0)),
        seller: UserId::new(row.get(10)),
        details,
        quantity,
        reserved,
        sequence,
        version: Version(row.get(11)),
        details_version: Version(row.get(12)),
        quantity_version: Version(row.get(13)),
        fingerprint: Fingerprint(bytes(row.get(14))?),
        created_at: Timestamp::from_millis(row.get(15)),
        updated_at: Timestamp::from_millis(row.get(16)),
    })
}

/// The numbers of a product in column `index` and the two after it.
pub(super) fn numbers(row: &Row, index: usize) -> Numbers {
    Numbers { quantity: row.get(index), reserved: row.get(index + 1), sequence: row.get(index + 2) }
}

/// A window whose first moment is in column `index`, and its last in the next.
pub(super) fn sale_window(row: &Row, index: usize) -> SaleWindow {
    let at = |index| row.get::<_, Option<i64>>(index).map(Timestamp::from_millis);
    SaleWindow { opens_at: at(index), closes_at: at(index + 1) }
}

/// An amount in column `index` and its currency in the next.
pub(super) fn money(row: &Row, index: usize) -> Result<Money> {
    let currency: Currency =
        row.get::<_, &str>(index + 1).parse().map_err(|error: &str| Error::internal(error))?;
    Ok(Money { amount: row.get(index), currency })
}

/// Most products have neither images nor metadata.
pub(super) fn json<T: serde::de::DeserializeOwned + Default>(text: &str) -> Result<T, Fault> {
    match text {
        "[]" | "{}" => Ok(T::default()),
        _ => Ok(serde_json::from_str(text)?),
    }
}
