//! Steps of the lifecycle.

use holdfast_storage::postgres::{Fault, Postgres, Tx};
use holdfast_types::{OrderId, Result, Timestamp};

use crate::{
    model::{Order, PendingStock},
    store::to_text,
};

/// Orders that one round of expiry takes.
const EXPIRY: i64 = 100;

/// Writes an order back that has gone a step.
pub(super) async fn save(tx: &Tx, order: &Order) -> Result<(), Fault> {
    tx.execute(
        "UPDATE orders SET status = $2, version = $3, pending_stock = $4, updated_at = $5, progress = $6, expires_at = $7 WHERE id = $1",
        &[
            &order.id.uuid(),
            &order.status.code(),
            &order.version.0,
            &order.pending_stock.map(PendingStock::code),
            &order.updated_at.as_millis(),
            &to_text(&order.progress)?,
            &order.expires_at.map(Timestamp::as_millis),
        ],
    )
    .await
    .map(|_| ())
}

/// Orders whose time has come.
pub(super) async fn due(db: &Postgres, now: Timestamp) -> Result<Vec<OrderId>> {
    let sql =
        "SELECT id FROM orders WHERE status = 0 AND expires_at IS NOT NULL AND expires_at <= $1
               ORDER BY expires_at LIMIT $2";
    let rows = db.query(sql, &[&now.as_millis(), &EXPIRY]).await?;
    Ok(rows.iter().map(|row| OrderId::new(row.get(0))).collect())
}
