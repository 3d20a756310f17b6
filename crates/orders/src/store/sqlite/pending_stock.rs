//! What orders owe to products, and the fate of reservations without an order.

use std::collections::HashMap;

use holdfast_storage::sqlite::Fault;
use holdfast_types::{OrderId, Result, Timestamp};
use rusqlite::Connection;

use super::{indexes::Indexes, rows};
use crate::{
    model::{PendingStock, Status},
    store::TOMBSTONE,
};

/// Orders whose stock one round moves.
const ROUND: i64 = 100;

pub(super) fn find(
    db: &Connection,
    before: Timestamp,
) -> Result<Vec<(OrderId, PendingStock)>, Fault> {
    let mut query = db.prepare_cached(
        "SELECT id, pending_stock FROM orders WHERE pending_stock IS NOT NULL AND updated_at <= ?1 ORDER BY updated_at LIMIT ?2",
    )?;
    let pending_stock = query.query_map((before.as_millis(), ROUND), |row| {
        Ok((OrderId::from_bytes(row.get(0)?), rows::pending_stock(1, row.get(1)?)?))
    })?;
    Ok(pending_stock.collect::<Result<_, _>>()?)
}

pub(super) fn clear(
    db: &Connection,
    indexes: &Indexes,
    pending_stock: impl IntoIterator<Item = (OrderId, PendingStock)>,
) -> Result<(), Fault> {
    let mut update = db.prepare_cached(
        "UPDATE orders SET pending_stock = NULL WHERE seq = ?1 AND pending_stock = ?2",
    )?;
    for (id, action) in pending_stock {
        update.execute((indexes.find(db, id)?, action.code()))?;
    }
    Ok(())
}

/// Puts tombstones where there is no order, and says how the others stand.
pub(super) fn bury(
    db: &Connection,
    indexes: &Indexes,
    ids: &[OrderId],
    now: Timestamp,
) -> Result<HashMap<OrderId, Status>, Fault> {
    let mut statuses = HashMap::new();
    let mut find = db.prepare_cached("SELECT status FROM orders WHERE seq = ?1")?;
    let mut insert = db.prepare_cached(
        "INSERT INTO orders (id, user_id, status, version, lines, total, currency, fingerprint, created_at, updated_at)
         VALUES (?1, x'', ?2, 0, '[]', 0, '', x'', ?3, ?3)",
    )?;
    for id in ids {
        let Some(seq) = indexes.find(db, *id)? else {
            insert.execute((id.bytes(), TOMBSTONE, now.as_millis()))?;
            indexes.add_tombstone(db, *id)?;
            continue;
        };
        match find.query_row([seq], |row| row.get(0))? {
            TOMBSTONE => {}
            code => {
                statuses.insert(*id, rows::status(0, code)?);
            }
        }
    }
    Ok(statuses)
}
