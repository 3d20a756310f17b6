//! Batches of reservations whose orders nobody has confirmed. One row stands for a whole batch.

use holdfast_storage::postgres::{Fault, Row, Tx};
use holdfast_types::{BatchId, OrderId, Result, Timestamp, Unconfirmed};
use uuid::Uuid;

/// The columns that [`unconfirmed_batch`] reads.
pub(super) const SELECT: &str = "SELECT id, orders FROM unconfirmed_batches";
/// Unconfirmed batches that one sweep looks at.
pub(super) const SWEEP: i64 = 10;

pub(super) async fn note(tx: &Tx, batch: &Unconfirmed, now: Timestamp) -> Result<(), Fault> {
    let orders: Vec<Uuid> = batch.orders.iter().map(|order| order.uuid()).collect();
    let sql = "INSERT INTO unconfirmed_batches AS b (id, orders, at) VALUES ($1, $2, $3)
               ON CONFLICT (id) DO UPDATE SET orders = b.orders || excluded.orders";
    tx.execute(sql, &[&batch.batch.uuid(), &orders, &now.as_millis()]).await.map(|_| ())
}

pub(super) async fn strike(tx: &Tx, batches: &[BatchId]) -> Result<(), Fault> {
    if batches.is_empty() {
        return Ok(());
    }
    let mut ids: Vec<Uuid> = batches.iter().map(|batch| batch.uuid()).collect();
    ids.sort_unstable();
    tx.execute("DELETE FROM unconfirmed_batches WHERE id = ANY($1)", &[&ids]).await.map(|_| ())
}

pub(super) fn unconfirmed_batch(row: &Row) -> Unconfirmed {
    let orders: Vec<Uuid> = row.get(1);
    Unconfirmed {
        batch: BatchId::new(row.get(0)),
        orders: orders.into_iter().map(OrderId::new).collect(),
    }
}
