//! Steps of the lifecycle, and their history.

use holdfast_storage::postgres::{Fault, Postgres, Row, Tx};
use holdfast_types::{Error, OrderId, Result, Settlement, Timestamp, UserId, Version};
use uuid::Uuid;

use super::rows;
use crate::model::{Action, Event, Order, Status};

/// Orders that one round of expiry takes.
const EXPIRY: i64 = 100;

pub(super) async fn transition(
    tx: &Tx,
    id: OrderId,
    action: &Action,
    by: UserId,
    now: Timestamp,
) -> Result<Order, Fault> {
    let found = rows::lock(tx, &[id.uuid()]).await?.pop();
    let mut order = found.ok_or_else(|| Error::not_found("order"))?;
    take(tx, &mut order, action, (Some(by), now)).await?;
    Ok(order)
}

async fn take(
    tx: &Tx,
    order: &mut Order,
    action: &Action,
    (by, now): (Option<UserId>, Timestamp),
) -> Result<(), Fault> {
    let Some(event) = order.take(action, by, now)? else { return Ok(()) };
    save(tx, order).await?;
    note(tx, order.id, &event).await
}

/// Writes down what happened.
pub(super) async fn note(tx: &Tx, id: OrderId, event: &Event) -> Result<(), Fault> {
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

pub(super) async fn save(tx: &Tx, order: &Order) -> Result<(), Fault> {
    let progress = &order.progress;
    let millis = |time: Option<Timestamp>| time.map(Timestamp::as_millis);
    tx.execute(
        "UPDATE orders SET status = $2, version = $3, owed = $4, updated_at = $5, paid_at = $6, shipped_at = $7,
                delivered_at = $8, cancelled_at = $9, expired_at = $10, reference = $11, carrier = $12,
                tracking_number = $13
         WHERE id = $1",
        &[
            &order.id.uuid(),
            &order.status.code(),
            &order.version.0,
            &order.owed.map(Settlement::code),
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
    .await
    .map(|_| ())
}

/// Orders whose time has come.
pub(super) async fn due(db: &Postgres, now: Timestamp) -> Result<Vec<Uuid>> {
    let sql =
        "SELECT id FROM orders WHERE status = 0 AND expires_at IS NOT NULL AND expires_at <= $1
               ORDER BY expires_at LIMIT $2";
    let rows = db.query(sql, &[&now.as_millis(), &EXPIRY]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Expires those of `due` that are still only placed.
pub(super) async fn expire(tx: Tx, due: &[Uuid], now: Timestamp) -> Result<Vec<OrderId>, Fault> {
    let mut expired = Vec::with_capacity(due.len());
    for mut order in rows::lock(&tx, due).await? {
        match take(&tx, &mut order, &Action::Expire, (None, now)).await {
            Ok(()) => expired.push(order.id),
            Err(Fault::Refused(_)) => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(expired)
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
