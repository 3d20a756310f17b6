//! Rows of orders: recording, finding, listing.

use std::fmt::Write;

use holdfast_storage::sqlite::{Fault, IdIndex};
use holdfast_types::{
    Fingerprint, Money, OrderId, Page, PageRequest, Result, StockAction, Timestamp, UserId, Version,
};
use rusqlite::{Connection, OptionalExtension, Row, types::Value};

use crate::{
    model::{Buyer, Order, Progress, Status},
    store::{OrderFilter, Recorded, TOMBSTONE},
};

pub(super) const COLUMNS: &str = "id, user_id, status, version, lines, total, currency, buyer, fingerprint, pending_stock, created_at, \
    updated_at, expires_at, paid_at, shipped_at, delivered_at, cancelled_at, expired_at, reference, carrier, tracking_number";

const INSERT: &str =
    "INSERT INTO orders (id, user_id, status, version, lines, total, currency, buyer, fingerprint, created_at, updated_at,
                         expires_at)
     VALUES (?1, ?2, 0, 1, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9)";

pub(super) fn record(
    db: &Connection,
    ids: &IdIndex,
    orders: Vec<Order>,
) -> Result<Vec<Recorded>, Fault> {
    let mut recorded = Vec::with_capacity(orders.len());
    for order in orders {
        recorded.push(match insert(db, ids, &order)? {
            true => Recorded::New(order),
            false => get(db, ids, order.id)?.map_or(Recorded::Undone, Recorded::Before),
        });
    }
    Ok(recorded)
}

/// Inserts an order as one that was just placed. False when the id is taken.
pub(super) fn insert(db: &Connection, ids: &IdIndex, order: &Order) -> Result<bool, Fault> {
    if ids.find(db, order.id.bytes())?.is_some() {
        return Ok(false);
    }
    let buyer = if order.buyer == Buyer::default() {
        None
    } else {
        Some(serde_json::to_string(&order.buyer)?)
    };
    db.prepare_cached(INSERT)?.execute((
        order.id.bytes(),
        order.user.bytes(),
        serde_json::to_string(&order.lines)?,
        order.total.amount,
        order.total.currency.as_str(),
        buyer,
        order.fingerprint.0,
        order.created_at.as_millis(),
        order.expires_at.map(Timestamp::as_millis),
    ))?;
    ids.add(db, order.id.bytes())?;
    Ok(true)
}

pub(super) fn get(db: &Connection, ids: &IdIndex, id: OrderId) -> Result<Option<Order>, Fault> {
    let mut query = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM orders WHERE seq = ?1 AND id = ?2 AND status <> {TOMBSTONE}"
    ))?;
    Ok(query.query_row((ids.find(db, id.bytes())?, id.bytes()), order).optional()?)
}

/// The same for several.
pub(super) fn get_all(
    db: &Connection,
    index: &IdIndex,
    ids: &[OrderId],
) -> Result<Vec<Order>, Fault> {
    ids.iter().filter_map(|id| get(db, index, *id).transpose()).collect()
}

pub(super) fn list(
    db: &Connection,
    filter: &OrderFilter,
    request: &PageRequest,
) -> Result<Page<Order>, Fault> {
    let (at, id) = filter.after(request)?;
    let mut sql = format!("SELECT {COLUMNS} FROM orders WHERE (created_at, id) < (?, ?)");
    let mut values = vec![Value::from(at), Value::from(id.bytes().to_vec())];
    match filter.status {
        // Written out, so that the partial indexes apply.
        Some(status) => write!(sql, " AND status = {}", status.code()),
        None => write!(sql, " AND status <> {TOMBSTONE}"),
    }
    .map_err(holdfast_types::Error::internal)?;
    if let Some(user) = filter.user {
        sql.push_str(" AND user_id = ?");
        values.push(Value::from(user.bytes().to_vec()));
    }
    sql.push_str(" ORDER BY created_at DESC, id DESC LIMIT ?");
    values.push(Value::from(i64::try_from(request.limit + 1).unwrap_or(i64::MAX)));
    let mut query = db.prepare_cached(&sql)?;
    let orders =
        query.query_map(rusqlite::params_from_iter(values), order)?.collect::<Result<_, _>>()?;
    Ok(Page::cut(orders, request.limit, |order| filter.position(order)))
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

pub(super) fn erase_buyers(db: &Connection, users: &[UserId]) -> Result<(), Fault> {
    let mut erase = db.prepare_cached("UPDATE orders SET buyer = NULL WHERE user_id = ?1")?;
    for user in users {
        erase.execute([user.bytes()])?;
    }
    Ok(())
}

pub(super) fn order(row: &Row<'_>) -> rusqlite::Result<Order> {
    let currency = row.get_ref(6)?.as_str()?.parse().map_err(|error: &str| damaged(6, error))?;
    let buyer =
        if row.get_ref(7)?.as_str_or_null()?.is_some() { json(row, 7)? } else { Buyer::default() };
    Ok(Order {
        id: OrderId::from_bytes(row.get(0)?),
        user: UserId::from_bytes(row.get(1)?),
        status: status(2, row.get(2)?)?,
        version: Version(row.get(3)?),
        lines: json(row, 4)?,
        total: Money { amount: row.get(5)?, currency },
        buyer,
        fingerprint: Fingerprint(row.get(8)?),
        pending_stock: row
            .get::<_, Option<i64>>(9)?
            .map(|code| stock_action(9, code))
            .transpose()?,
        created_at: Timestamp::from_millis(row.get(10)?),
        updated_at: Timestamp::from_millis(row.get(11)?),
        expires_at: time(row, 12)?,
        progress: Progress {
            paid_at: time(row, 13)?,
            shipped_at: time(row, 14)?,
            delivered_at: time(row, 15)?,
            cancelled_at: time(row, 16)?,
            expired_at: time(row, 17)?,
            reference: row.get(18)?,
            carrier: row.get(19)?,
            tracking_number: row.get(20)?,
        },
    })
}

fn time(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(index)?.map(Timestamp::from_millis))
}

pub(super) fn status(column: usize, code: i64) -> rusqlite::Result<Status> {
    Status::from_code(code).map_err(|error| damaged(column, error))
}

pub(super) fn stock_action(column: usize, code: i64) -> rusqlite::Result<StockAction> {
    StockAction::from_code(code).map_err(|error| damaged(column, error))
}

fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, index: usize) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(index)?.as_str()?).map_err(|error| damaged(index, error))
}

pub(super) fn damaged(
    index: usize,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(index, rusqlite::types::Type::Text, error.into())
}
