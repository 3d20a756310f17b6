//! Steps of the lifecycle.

use holdfast_storage::sqlite::Fault;
use holdfast_types::{OrderId, Result, Timestamp};
use rusqlite::Connection;

use super::indexes::Indexes;
use crate::{
    model::{Order, PendingStock},
    store::to_text,
};

/// Orders that one round of expiry takes.
const EXPIRY: i64 = 100;

/// Writes an order back that has gone a step.
pub(super) fn save(db: &Connection, indexes: &Indexes, order: &Order) -> Result<(), Fault> {
    db.prepare_cached(
        "UPDATE orders SET status = ?2, version = ?3, pending_stock = ?4, updated_at = ?5, progress = ?6, expires_at = ?7 WHERE seq = ?1",
    )?
    .execute((
        indexes.find(db, order.id)?,
        order.status.code(),
        order.version.0,
        order.pending_stock.map(PendingStock::code),
        order.updated_at.as_millis(),
        to_text(&order.progress)?,
        order.expires_at.map(Timestamp::as_millis),
    ))?;
    Ok(())
}

pub(super) fn due(db: &Connection, now: Timestamp) -> Result<Vec<OrderId>, Fault> {
    let mut query = db.prepare_cached(
        "SELECT id FROM orders WHERE status = 0 AND expires_at IS NOT NULL AND expires_at <= ?1 ORDER BY expires_at LIMIT ?2",
    )?;
    let ids =
        query.query_map((now.as_millis(), EXPIRY), |row| Ok(OrderId::from_bytes(row.get(0)?)))?;
    Ok(ids.collect::<Result<_, _>>()?)
}
