//! What orders owe to products, and the fate of reservations without an order.

use std::collections::HashMap;

use holdfast_storage::postgres::{Fault, Postgres, Tx};
use holdfast_types::{OrderId, Result, Timestamp};
use uuid::Uuid;

use crate::{
    model::{PendingStock, Status},
    store::TOMBSTONE,
};

/// Orders whose stock one round moves.
const ROUND: i64 = 100;

pub(super) async fn find(db: &Postgres, before: Timestamp) -> Result<Vec<(OrderId, PendingStock)>> {
    let sql = "SELECT id, pending_stock FROM orders WHERE pending_stock IS NOT NULL AND updated_at <= $1 ORDER BY updated_at LIMIT $2";
    let rows = db.query(sql, &[&before.as_millis(), &ROUND]).await?;
    rows.iter()
        .map(|row| Ok((OrderId::new(row.get(0)), PendingStock::from_code(row.get(1))?)))
        .collect()
}

pub(super) async fn clear(tx: Tx, pending_stock: &[(OrderId, PendingStock)]) -> Result<(), Fault> {
    let mut pending_stock = pending_stock.to_vec();
    pending_stock.sort_unstable_by_key(|(id, _)| *id);
    let ids: Vec<Uuid> = pending_stock.iter().map(|(id, _)| id.uuid()).collect();
    let codes: Vec<i64> = pending_stock.iter().map(|(_, action)| action.code()).collect();
    tx.query("SELECT FROM orders WHERE id = ANY($1) ORDER BY id FOR UPDATE", &[&ids]).await?;
    let sql =
        "UPDATE orders o SET pending_stock = NULL FROM unnest($1::uuid[], $2::bigint[]) AS n (id, pending_stock)
               WHERE o.id = n.id AND o.pending_stock = n.pending_stock";
    tx.execute(sql, &[&ids, &codes]).await.map(|_| ())
}

/// Puts tombstones where there is no order, and says how the others stand.
pub(super) async fn bury(
    tx: &Tx,
    ids: &[OrderId],
    now: Timestamp,
) -> Result<HashMap<OrderId, Status>, Fault> {
    let mut uuids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    uuids.sort_unstable();
    tx.execute(
        "INSERT INTO orders (id, user_id, status, version, lines, total, currency, fingerprint, created_at, updated_at)
         SELECT id, '00000000-0000-0000-0000-000000000000', $2, 0, '[]', 0, '', '', $3, $3 FROM unnest($1::uuid[]) AS n (id)
         ON CONFLICT (id) DO NOTHING",
        &[&uuids, &TOMBSTONE, &now.as_millis()],
    )
    .await?;
    let sql = "SELECT id, status FROM orders WHERE id = ANY($1) AND status <> $2";
    let rows = tx.query(sql, &[&uuids, &TOMBSTONE]).await?;
    rows.iter().map(|row| Ok((OrderId::new(row.get(0)), Status::from_code(row.get(1))?))).collect()
}

/// Erases what orders say about buyers, those of one user in one statement.
pub(super) async fn erase_buyers(tx: Tx, users: &[Uuid]) -> Result<(), Fault> {
    for user in users {
        let sql = "UPDATE orders SET buyer = NULL, email = NULL WHERE id IN
                   (SELECT id FROM orders WHERE user_id = $1 AND buyer IS NOT NULL ORDER BY id FOR UPDATE)";
        tx.execute(sql, &[user]).await?;
    }
    Ok(())
}

/// Those of the users whose orders still say something about them.
pub(super) async fn with_buyer(db: &Postgres, users: &[Uuid]) -> Result<Vec<Uuid>> {
    let sql = "SELECT DISTINCT user_id FROM orders WHERE user_id = ANY($1) AND buyer IS NOT NULL";
    Ok(db.query(sql, &[&users]).await?.iter().map(|row| row.get(0)).collect())
}
