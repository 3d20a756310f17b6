//! Rows of orders: finding, listing and reading them, one or all.

use std::fmt::Write;

use holdfast_storage::{
    Damage, Entry, Sink,
    postgres::{Fault, Postgres, Row, Tx, Value, bytes},
};
use holdfast_types::{
    Currency, Error, Fingerprint, Money, OrderId, OrderLines, Page, PageRequest, Result, Timestamp,
    UserId, Version,
};
use uuid::Uuid;

use crate::{
    model::{Number, Order, PendingStock, Status},
    store::{OrderFilter, TOMBSTONE, from_text, portable::Record},
};

/// A query for orders, to which a condition is added; [`order`] reads its rows.
const SELECT: &str = "SELECT id, user_id, status, version, lines, total, currency, buyer, fingerprint, pending_stock, \
    created_at, updated_at, expires_at, progress FROM orders";

pub(super) async fn get(db: &Postgres, id: OrderId) -> Result<Option<Order>> {
    let sql = format!("{SELECT} WHERE id = $1 AND status <> {TOMBSTONE}");
    let row = db.query_opt(&sql, &[&id.uuid()]).await?;
    Ok(row.map(|row| order(&row)).transpose()?)
}

/// The orders with these ids as they are now; tombstones are not among them.
pub(super) async fn get_all(tx: &Tx, ids: &[Uuid]) -> Result<Vec<Order>, Fault> {
    tx.query(&select_among(), &[&ids]).await?.iter().map(order).collect()
}

/// The same outside of a transaction.
pub(super) async fn get_all_alone(db: &Postgres, ids: Vec<OrderId>) -> Result<Vec<Order>> {
    let ids: Vec<Uuid> = ids.into_iter().map(OrderId::uuid).collect();
    let rows = db.query(&select_among(), &[&ids]).await?;
    Ok(rows.iter().map(order).collect::<Result<_, _>>()?)
}

fn select_among() -> String {
    format!("{SELECT} WHERE id = ANY($1) AND status <> {TOMBSTONE}")
}

/// Locks orders in the order of their ids and reads them; tombstones are not among them.
pub(super) async fn lock(tx: &Tx, ids: &[Uuid]) -> Result<Vec<Order>, Fault> {
    let sql = format!("{} ORDER BY id FOR UPDATE", select_among());
    tx.query(&sql, &[&ids]).await?.iter().map(order).collect()
}

pub(super) async fn numbered(db: &Postgres, number: Number) -> Result<Vec<Order>> {
    // As the end of an id is written.
    let hex = number.hex();
    let end = format!("{}-{}", &hex[..3], &hex[3..]);
    let sql = format!("{SELECT} WHERE right(id::text, 16) = $1 AND status <> {TOMBSTONE}");
    let rows = db.query(&sql, &[&end]).await?;
    Ok(rows.iter().map(order).collect::<Result<_, _>>()?)
}

pub(super) async fn list(
    db: &Postgres,
    filter: &OrderFilter,
    request: &PageRequest,
) -> Result<Page<Order>> {
    let (at, id) = filter.after(request)?;
    let (user, id, earliest) = (filter.user.map(UserId::uuid), id.uuid(), filter.earliest());
    let limit = i64::try_from(request.limit + 1).unwrap_or(i64::MAX);
    let mut sql = format!("{SELECT} WHERE (created_at, id) < ($1, $2)");
    // Written out, so that the partial indexes apply.
    match filter.status {
        Some(status) => write!(sql, " AND status = {}", status.code()),
        None => write!(sql, " AND status <> {TOMBSTONE}"),
    }
    .map_err(Error::internal)?;
    let mut values: Vec<Value<'_>> = vec![&at, &id, &limit];
    let mut add = |condition: &str, value| {
        values.push(value);
        write!(sql, " AND {condition} ${}", values.len()).map_err(Error::internal)
    };
    if let Some(user) = &user {
        add("user_id =", user)?;
    }
    if let Some(email) = &filter.email {
        add("email =", email)?;
    }
    if filter.created_after.is_some() {
        add("created_at >=", &earliest)?;
    }
    sql.push_str(" ORDER BY created_at DESC, id DESC LIMIT $3");
    let rows = db.query(&sql, &values).await?;
    let orders = rows.iter().map(order).collect::<Result<Vec<_>, _>>()?;
    Ok(Page::cut(orders, request.limit, |order| filter.position(order)))
}

/// Everything, by id.
pub(super) async fn dump(tx: Tx, sink: &mut Sink<Entry<Record>>) -> Result<(), Fault> {
    let mut orders = tx.cursor("every_order", &format!("{SELECT} ORDER BY id")).await?;
    while let Some(row) = orders.next().await? {
        let id: Uuid = row.get(0);
        let record = match row.get::<_, i64>(2) {
            TOMBSTONE => {
                Ok(Record::Tombstone(OrderId::new(id), Timestamp::from_millis(row.get(10))))
            }
            _ => order(&row).map(|order| Record::Order(Box::new(order))),
        };
        sink.put(record.map_err(|error| Damage::new("order", id, error))).await?;
    }
    Ok(())
}

fn order(row: &Row) -> Result<Order, Fault> {
    let currency: Currency =
        row.get::<_, &str>(6).parse().map_err(|error: &str| Error::internal(error))?;
    Ok(Order {
        id: OrderId::new(row.get(0)),
        user: UserId::new(row.get(1)),
        status: Status::from_code(row.get(2))?,
        version: Version(row.get(3)),
        lines: OrderLines::from_json(row.get(4))?,
        total: Money { amount: row.get(5), currency },
        buyer: from_text(row.get(7))?,
        fingerprint: Fingerprint(bytes(row.get(8))?),
        pending_stock: row.get::<_, Option<i64>>(9).map(PendingStock::from_code).transpose()?,
        created_at: Timestamp::from_millis(row.get(10)),
        updated_at: Timestamp::from_millis(row.get(11)),
        expires_at: row.get::<_, Option<i64>>(12).map(Timestamp::from_millis),
        progress: from_text(row.get(13))?,
    })
}
