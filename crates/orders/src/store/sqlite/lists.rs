//! Lists of orders: keyset pages over an index, and searches.

use std::{cmp::Reverse, fmt::Write};

use holdfast_storage::sqlite::{Fault, places_of};
use holdfast_types::{Error, OrderId, Page, PageRequest, Result};
use rusqlite::{Connection, OptionalExtension, types::Value};

use super::{
    indexes::Indexes,
    rows::{COLUMNS, order},
};
use crate::{
    model::{Number, Order},
    store::{OrderFilter, TOMBSTONE},
};

/// Orders that one search looks at.
const ROWS: usize = 2_000;
/// Orders that are fetched at once.
const CHUNK: usize = 200;

pub(super) fn numbered(
    db: &Connection,
    indexes: &Indexes,
    number: Number,
) -> Result<Vec<Order>, Fault> {
    let rows = indexes.numbered(db, number)?;
    let orders = rows.into_iter().filter_map(|row| fetch(db, row).transpose());
    orders.collect()
}

/// The order of a row; none where there is a tombstone, or what is not committed.
fn fetch(db: &Connection, row: i64) -> Result<Option<Order>, Fault> {
    let sql = format!("SELECT {COLUMNS} FROM orders WHERE seq = ?1 AND status <> {TOMBSTONE}");
    Ok(db.prepare_cached(&sql)?.query_row([row], order).optional()?)
}

pub(super) fn list(
    db: &Connection,
    indexes: &Indexes,
    filter: &OrderFilter,
    request: &PageRequest,
) -> Result<Page<Order>, Fault> {
    // Who sees only their own orders has them looked through, not everybody's.
    if let (Some(email), None) = (&filter.email, filter.user) {
        return of_email(db, indexes, (filter, email), request);
    }
    let (at, id) = filter.after(request)?;
    let mut sql = format!("SELECT {COLUMNS} FROM orders WHERE (created_at, id) < (?, ?)");
    let mut values = vec![Value::from(at), Value::from(id.bytes().to_vec())];
    match filter.status {
        // Written out, so that the partial indexes apply.
        Some(status) => write!(sql, " AND status = {}", status.code()),
        None => write!(sql, " AND status <> {TOMBSTONE}"),
    }
    .map_err(Error::internal)?;
    if let Some(user) = filter.user {
        sql.push_str(" AND user_id = ?");
        values.push(Value::from(user.bytes().to_vec()));
    }
    if let Some(email) = &filter.email {
        sql.push_str(" AND email = ?");
        values.push(Value::from(email.clone()));
    }
    if filter.created_after.is_some() {
        sql.push_str(" AND created_at >= ?");
        values.push(Value::from(filter.earliest()));
    }
    sql.push_str(" ORDER BY created_at DESC, id DESC LIMIT ?");
    values.push(Value::from(i64::try_from(request.limit + 1).unwrap_or(i64::MAX)));
    let mut query = db.prepare_cached(&sql)?;
    let orders =
        query.query_map(rusqlite::params_from_iter(values), order)?.collect::<Result<_, _>>()?;
    Ok(Page::cut(orders, request.limit, |order| filter.position(order)))
}

/// Orders of an address. Their index knows moments, but not the order of ids within one: so a moment is read to its end.
fn of_email(
    db: &Connection,
    indexes: &Indexes,
    (filter, email): (&OrderFilter, &str),
    request: &PageRequest,
) -> Result<Page<Order>, Fault> {
    let place = |order: &Order| (order.created_at.as_millis(), order.id);
    let after: (i64, OrderId) = filter.after(request)?;
    let (mut read_to, last) = places_of(email, after.0);
    let (mut found, mut looked_at) = (Vec::new(), 0);
    // The moment that may not be read to its end.
    let mut open = None;
    loop {
        let chunk = indexes.emails.range(db, &read_to, &last, CHUNK)?;
        let is_last = chunk.len() < CHUNK;
        looked_at += chunk.len();
        for (at, row) in chunk {
            read_to = at;
            let Some(order) = fetch(db, row)? else { continue };
            open = Some(order.created_at.as_millis());
            if filter.passes(&order) && place(&order) < after {
                found.push(order);
            }
        }
        let is_past = open.is_some_and(|moment| moment < filter.earliest());
        if is_last || is_past {
            open = None;
            break;
        }
        let whole = |order: &&Order| Some(order.created_at.as_millis()) != open;
        let whole = found.iter().filter(whole).count();
        if whole > request.limit || (looked_at >= ROWS && open != Some(after.0)) {
            break;
        }
    }
    found.retain(|order| Some(order.created_at.as_millis()) != open);
    found.sort_unstable_by_key(|order| Reverse(place(order)));
    let page = Page::cut(found, request.limit, |order| filter.position(order));
    Ok(Page { next: page.next.or(open.map(|moment| filter.position_before(moment))), ..page })
}
