//! Rows of orders: recording, finding, listing, reading them all.

use holdfast_storage::{
    Entry, Sink,
    sqlite::{Fault, damage},
};
use holdfast_types::{Fingerprint, Money, OrderId, OrderLines, Result, Timestamp, UserId, Version};
use rusqlite::{Connection, OptionalExtension, Row};
use serde::de::DeserializeOwned;

use super::indexes::Indexes;
use crate::{
    model::{Order, PendingStock, Status},
    store::{Recorded, TOMBSTONE, from_text, portable::Record, to_text},
};

pub(super) const COLUMNS: &str = "id, user_id, status, version, lines, total, currency, buyer, fingerprint, pending_stock, created_at, \
    updated_at, expires_at, progress";

const INSERT: &str =
    "INSERT INTO orders (id, user_id, status, version, lines, total, currency, buyer, fingerprint, pending_stock, created_at,
                         updated_at, expires_at, progress)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";

pub(super) fn record(
    db: &Connection,
    indexes: &Indexes,
    orders: Vec<Order>,
) -> Result<Vec<Recorded>, Fault> {
    let mut recorded = Vec::with_capacity(orders.len());
    for order in orders {
        recorded.push(match insert(db, indexes, &order)? {
            true => Recorded::New(order),
            false => get(db, indexes, order.id)?.map_or(Recorded::Undone, Recorded::Before),
        });
    }
    Ok(recorded)
}

/// False when the id is taken.
fn insert(db: &Connection, indexes: &Indexes, order: &Order) -> Result<bool, Fault> {
    if indexes.find(db, order.id)?.is_some() {
        return Ok(false);
    }
    db.prepare_cached(INSERT)?.execute(rusqlite::params![
        order.id.bytes(),
        order.user.bytes(),
        order.status.code(),
        order.version.0,
        order.lines.json(),
        order.total.amount,
        order.total.currency.as_str(),
        to_text(&order.buyer)?,
        order.fingerprint.0,
        order.pending_stock.map(PendingStock::code),
        order.created_at.as_millis(),
        order.updated_at.as_millis(),
        order.expires_at.map(Timestamp::as_millis),
        to_text(&order.progress)?,
    ])?;
    indexes.add(db, order)?;
    Ok(true)
}

pub(super) fn get(db: &Connection, indexes: &Indexes, id: OrderId) -> Result<Option<Order>, Fault> {
    let mut query = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM orders WHERE seq = ?1 AND id = ?2 AND status <> {TOMBSTONE}"
    ))?;
    Ok(query.query_row((indexes.find(db, id)?, id.bytes()), order).optional()?)
}

/// The same for several.
pub(super) fn get_all(
    db: &Connection,
    indexes: &Indexes,
    ids: &[OrderId],
) -> Result<Vec<Order>, Fault> {
    ids.iter().filter_map(|id| get(db, indexes, *id).transpose()).collect()
}

/// Those of the users whose orders still say something about them.
pub(super) fn with_buyer(db: &Connection, users: &[UserId]) -> Result<Vec<UserId>, Fault> {
    let mut query = db.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM orders WHERE user_id = ?1 AND buyer IS NOT NULL)",
    )?;
    let mut known = Vec::new();
    for user in users {
        if query.query_row([user.bytes()], |row| row.get(0))? {
            known.push(*user);
        }
    }
    Ok(known)
}

pub(super) fn erase_buyers(
    db: &Connection,
    indexes: &Indexes,
    users: &[UserId],
) -> Result<(), Fault> {
    let mut find = db.prepare_cached(
        "SELECT email, created_at, seq FROM orders WHERE user_id = ?1 AND email IS NOT NULL",
    )?;
    let mut erase = db.prepare_cached("UPDATE orders SET buyer = NULL WHERE user_id = ?1")?;
    for user in users {
        let mut found = find.query([user.bytes()])?;
        while let Some(row) = found.next()? {
            let email: String = row.get(0)?;
            indexes.forget(db, (&email, row.get(1)?, row.get(2)?))?;
        }
        erase.execute([user.bytes()])?;
    }
    Ok(())
}

/// Everything, by id, which no index sorts: only the ids are sorted, then each row is fetched.
pub(super) fn dump(db: &Connection, sink: &mut Sink<Entry<Record>>) -> Result<(), Fault> {
    let sql = format!(
        "SELECT {COLUMNS} FROM (SELECT seq AS place FROM orders ORDER BY id LIMIT -1) CROSS JOIN orders ON seq = place"
    );
    let mut query = db.prepare(&sql)?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let id = OrderId::from_bytes(row.get(0)?);
        let record = match row.get::<_, i64>(2) {
            Ok(TOMBSTONE) => Ok(Record::Tombstone(id, Timestamp::from_millis(row.get(10)?))),
            _ => order(row).map(|order| Record::Order(Box::new(order))),
        };
        sink.put_blocking(record.map_err(|error| damage("order", id.uuid(), row, error)))?;
    }
    Ok(())
}

pub(super) fn order(row: &Row<'_>) -> rusqlite::Result<Order> {
    let currency = row.get_ref(6)?.as_str()?.parse().map_err(|error: &str| damaged(6, error))?;
    let action = row.get::<_, Option<i64>>(9)?;
    let expires_at: Option<i64> = row.get(12)?;
    Ok(Order {
        id: OrderId::from_bytes(row.get(0)?),
        user: UserId::from_bytes(row.get(1)?),
        status: status(2, row.get(2)?)?,
        version: Version(row.get(3)?),
        lines: OrderLines::from_json(row.get_ref(4)?.as_str()?)
            .map_err(|error| damaged(4, error))?,
        total: Money { amount: row.get(5)?, currency },
        buyer: json(row, 7)?,
        fingerprint: Fingerprint(row.get(8)?),
        pending_stock: action.map(|code| pending_stock(9, code)).transpose()?,
        created_at: Timestamp::from_millis(row.get(10)?),
        updated_at: Timestamp::from_millis(row.get(11)?),
        expires_at: expires_at.map(Timestamp::from_millis),
        progress: json(row, 13)?,
    })
}

pub(super) fn status(column: usize, code: i64) -> rusqlite::Result<Status> {
    Status::from_code(code).map_err(|error| damaged(column, error))
}

pub(super) fn pending_stock(column: usize, code: i64) -> rusqlite::Result<PendingStock> {
    PendingStock::from_code(code).map_err(|error| damaged(column, error))
}

fn json<T: DeserializeOwned + Default>(row: &Row<'_>, index: usize) -> rusqlite::Result<T> {
    from_text(row.get_ref(index)?.as_str_or_null()?).map_err(|error| damaged(index, error))
}

fn damaged(
    index: usize,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(index, rusqlite::types::Type::Text, error.into())
}
