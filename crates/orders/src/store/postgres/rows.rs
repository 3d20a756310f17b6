//! Rows of orders: finding, listing and reading them.

use std::fmt::Write;

use holdfast_storage::postgres::{Fault, Postgres, Row, Tx, Value, bytes};
use holdfast_types::{
    Currency, Error, Fingerprint, Money, OrderId, Page, PageRequest, Result, StockAction,
    Timestamp, UserId, Version,
};
use uuid::Uuid;

use crate::{
    model::{Order, Progress, Status},
    store::{OrderFilter, TOMBSTONE},
};

/// A query for orders, to which a condition is added; [`order`] reads its rows.
pub(super) const SELECT: &str = "SELECT id, user_id, status, version, lines, total, currency, buyer, fingerprint, pending_stock, \
    created_at, updated_at, expires_at, paid_at, shipped_at, delivered_at, cancelled_at, expired_at, reference, carrier, \
    tracking_number FROM orders";

pub(super) async fn get(db: &Postgres, id: OrderId) -> Result<Option<Order>> {
    let sql = format!("{SELECT} WHERE id = $1 AND status <> {TOMBSTONE}");
    let row = db.query_opt(&sql, &[&id.uuid()]).await?;
    Ok(row.map(|row| order(&row)).transpose()?)
}

/// Locks orders in the order of their ids and reads them; tombstones are not among them.
pub(super) async fn lock(tx: &Tx, ids: &[Uuid]) -> Result<Vec<Order>, Fault> {
    let sql =
        format!("{SELECT} WHERE id = ANY($1) AND status <> {TOMBSTONE} ORDER BY id FOR UPDATE");
    tx.query(&sql, &[&ids]).await?.iter().map(order).collect()
}

pub(super) async fn list(
    db: &Postgres,
    filter: &OrderFilter,
    request: &PageRequest,
) -> Result<Page<Order>> {
    let (at, id) = filter.after(request)?;
    let (user, id) = (filter.user.map(UserId::uuid), id.uuid());
    let limit = i64::try_from(request.limit + 1).unwrap_or(i64::MAX);
    let mut sql = format!("{SELECT} WHERE (created_at, id) < ($1, $2)");
    // Written out, so that the partial indexes apply.
    match filter.status {
        Some(status) => write!(sql, " AND status = {}", status.code()),
        None => write!(sql, " AND status <> {TOMBSTONE}"),
    }
    .map_err(Error::internal)?;
    let mut values: Vec<Value<'_>> = vec![&at, &id, &limit];
    if let Some(user) = &user {
        sql.push_str(" AND user_id = $4");
        values.push(user);
    }
    sql.push_str(" ORDER BY created_at DESC, id DESC LIMIT $3");
    let rows = db.query(&sql, &values).await?;
    let orders = rows.iter().map(order).collect::<Result<Vec<_>, _>>()?;
    Ok(Page::cut(orders, request.limit, |order| filter.position(order)))
}

pub(super) fn order(row: &Row) -> Result<Order, Fault> {
    let currency: Currency =
        row.get::<_, &str>(6).parse().map_err(|error: &str| Error::internal(error))?;
    let buyer: Option<&str> = row.get(7);
    let time = |column: usize| row.get::<_, Option<i64>>(column).map(Timestamp::from_millis);
    Ok(Order {
        id: OrderId::new(row.get(0)),
        user: UserId::new(row.get(1)),
        status: Status::from_code(row.get(2))?,
        version: Version(row.get(3)),
        lines: serde_json::from_str(row.get(4))?,
        total: Money { amount: row.get(5), currency },
        buyer: buyer.map(serde_json::from_str).transpose()?.unwrap_or_default(),
        fingerprint: Fingerprint(bytes(row.get(8))?),
        pending_stock: row.get::<_, Option<i64>>(9).map(StockAction::from_code).transpose()?,
        created_at: Timestamp::from_millis(row.get(10)),
        updated_at: Timestamp::from_millis(row.get(11)),
        expires_at: time(12),
        progress: Progress {
            paid_at: time(13),
            shipped_at: time(14),
            delivered_at: time(15),
            cancelled_at: time(16),
            expired_at: time(17),
            reference: row.get(18),
            carrier: row.get(19),
            tracking_number: row.get(20),
        },
    })
}
