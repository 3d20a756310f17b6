//! Steps of the lifecycle, and their history.

use holdfast_storage::sqlite::{Fault, IdIndex};
use holdfast_types::{OrderId, Result, StockAction, Timestamp, UserId, Version};
use rusqlite::Connection;

use super::rows;
use crate::model::{Event, Order};

/// Orders that one round of expiry takes.
const EXPIRY: i64 = 100;

/// Writes down what happened.
fn note(db: &Connection, id: OrderId, event: &Event) -> Result<(), Fault> {
    let sql = "INSERT INTO order_events (order_id, version, status, by_user, at) VALUES (?1, ?2, ?3, ?4, ?5)";
    db.prepare_cached(sql)?.execute((
        id.bytes(),
        event.version.0,
        event.status.code(),
        event.by.as_ref().map(UserId::bytes),
        event.at.as_millis(),
    ))?;
    Ok(())
}

/// Writes an order back, and what happened to it.
pub(super) fn save(
    db: &Connection,
    ids: &IdIndex,
    order: &Order,
    events: &[Event],
) -> Result<(), Fault> {
    let progress = &order.progress;
    let millis = |time: Option<Timestamp>| time.map(Timestamp::as_millis);
    db.prepare_cached(
        "UPDATE orders SET status = ?2, version = ?3, pending_stock = ?4, updated_at = ?5, paid_at = ?6, shipped_at = ?7,
                delivered_at = ?8, cancelled_at = ?9, expired_at = ?10, reference = ?11, carrier = ?12,
                tracking_number = ?13
         WHERE seq = ?1",
    )?
    .execute((
        ids.find(db, order.id.bytes())?,
        order.status.code(),
        order.version.0,
        order.pending_stock.map(StockAction::code),
        order.updated_at.as_millis(),
        millis(progress.paid_at),
        millis(progress.shipped_at),
        millis(progress.delivered_at),
        millis(progress.cancelled_at),
        millis(progress.expired_at),
        &progress.reference,
        &progress.carrier,
        &progress.tracking_number,
    ))?;
    events.iter().try_for_each(|event| note(db, order.id, event))
}

pub(super) fn due(db: &Connection, now: Timestamp) -> Result<Vec<OrderId>, Fault> {
    let mut query = db.prepare_cached(
        "SELECT id FROM orders WHERE status = 0 AND expires_at IS NOT NULL AND expires_at <= ?1 ORDER BY expires_at LIMIT ?2",
    )?;
    let ids =
        query.query_map((now.as_millis(), EXPIRY), |row| Ok(OrderId::from_bytes(row.get(0)?)))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

pub(super) fn events(db: &Connection, order: &Order) -> rusqlite::Result<Vec<Event>> {
    let mut query =
        db.prepare_cached("SELECT status, version, at, by_user FROM order_events WHERE order_id = ?1 ORDER BY version")?;
    let later = query.query_map([order.id.bytes()], |row| {
        Ok(Event {
            status: rows::status(0, row.get(0)?)?,
            version: Version(row.get(1)?),
            at: Timestamp::from_millis(row.get(2)?),
            by: row.get::<_, Option<[u8; 16]>>(3)?.map(UserId::from_bytes),
        })
    })?;
    let mut events = vec![order.placing()];
    events.extend(later.collect::<Result<Vec<_>, _>>()?);
    Ok(events)
}
