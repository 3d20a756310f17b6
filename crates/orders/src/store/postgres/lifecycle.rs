//! Steps of the lifecycle, and their history.

use holdfast_storage::postgres::{Fault, Postgres, Row, Tx};
use holdfast_types::{OrderId, Result, StockAction, Timestamp, UserId, Version};
use uuid::Uuid;

use crate::model::{Event, Order, Status};

/// Orders that one round of expiry takes.
const EXPIRY: i64 = 100;

/// Writes down what happened.
async fn note(tx: &Tx, id: OrderId, event: &Event) -> Result<(), Fault> {
    tx.execute(
        "INSERT INTO order_events (order_id, version, status, by_user, at) VALUES ($1, $2, $3, $4, $5)",
        &[
            &id.uuid(),
            &event.version.0,
            &event.status.code(),
            &event.by.map(UserId::uuid),
            &event.at.as_millis(),
        ],
    )
    .await
    .map(|_| ())
}

/// Writes an order back, and what happened to it.
pub(super) async fn save(tx: &Tx, order: &Order, events: &[Event]) -> Result<(), Fault> {
    let progress = &order.progress;
    let millis = |time: Option<Timestamp>| time.map(Timestamp::as_millis);
    tx.execute(
        "UPDATE orders SET status = $2, version = $3, pending_stock = $4, updated_at = $5, paid_at = $6, shipped_at = $7,
                delivered_at = $8, cancelled_at = $9, expired_at = $10, reference = $11, carrier = $12,
                tracking_number = $13
         WHERE id = $1",
        &[
            &order.id.uuid(),
            &order.status.code(),
            &order.version.0,
            &order.pending_stock.map(StockAction::code),
            &order.updated_at.as_millis(),
            &millis(progress.paid_at),
            &millis(progress.shipped_at),
            &millis(progress.delivered_at),
            &millis(progress.cancelled_at),
            &millis(progress.expired_at),
            &progress.reference,
            &progress.carrier,
            &progress.tracking_number,
        ],
    )
    .await?;
    for event in events {
        note(tx, order.id, event).await?;
    }
    Ok(())
}

/// Orders whose time has come.
pub(super) async fn due(db: &Postgres, now: Timestamp) -> Result<Vec<OrderId>> {
    let sql =
        "SELECT id FROM orders WHERE status = 0 AND expires_at IS NOT NULL AND expires_at <= $1
               ORDER BY expires_at LIMIT $2";
    let rows = db.query(sql, &[&now.as_millis(), &EXPIRY]).await?;
    Ok(rows.iter().map(|row| OrderId::new(row.get(0))).collect())
}

/// A query for events, to which a condition is added; [`event`] reads its rows.
pub(super) const EVENTS: &str = "SELECT status, version, at, by_user, order_id FROM order_events";

pub(super) async fn events(db: &Postgres, order: &Order) -> Result<Vec<Event>> {
    let sql = format!("{EVENTS} WHERE order_id = $1 ORDER BY version");
    let rows = db.query(&sql, &[&order.id.uuid()]).await?;
    let mut events = vec![order.placing()];
    events.extend(rows.iter().map(event).collect::<Result<Vec<_>>>()?);
    Ok(events)
}

pub(super) fn event(row: &Row) -> Result<Event> {
    Ok(Event {
        status: Status::from_code(row.get(0))?,
        version: Version(row.get(1)),
        at: Timestamp::from_millis(row.get(2)),
        by: row.get::<_, Option<Uuid>>(3).map(UserId::new),
    })
}
