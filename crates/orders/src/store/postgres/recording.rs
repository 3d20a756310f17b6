//! Recording the orders of a batch: one statement, however many there are.

use std::collections::HashMap;

use holdfast_storage::postgres::{Fault, Tx};
use holdfast_types::{OrderId, Result, Timestamp};
use uuid::Uuid;

use super::rows;
use crate::{
    model::{Buyer, Order},
    store::Recorded,
};

pub(super) async fn record(tx: Tx, orders: &[Order]) -> Result<Vec<Recorded>, Fault> {
    // Every batch inserts in one order, so two that have orders in common do not wait for each other in a circle.
    let mut sorted: Vec<&Order> = orders.iter().collect();
    sorted.sort_unstable_by_key(|order| order.id);
    let inserted = insert(&tx, &sorted).await?;
    if inserted.len() == orders.len() {
        return Ok(orders.iter().cloned().map(Recorded::New).collect());
    }
    let mut before = earlier(&tx, orders, &inserted).await?;
    let outcome = |order: &Order| match inserted.contains(&order.id) {
        true => Recorded::New(order.clone()),
        false => before.remove(&order.id).map_or(Recorded::Undone, Recorded::Before),
    };
    Ok(orders.iter().map(outcome).collect())
}

/// Inserts those whose id is free, and says which.
pub(super) async fn insert(tx: &Tx, orders: &[&Order]) -> Result<Vec<OrderId>, Fault> {
    let lines = orders.iter().map(|order| serde_json::to_string(&order.lines));
    let lines: Vec<String> = lines.collect::<Result<_, _>>()?;
    let buyers = orders.iter().map(|order| match order.buyer == Buyer::default() {
        true => Ok(None),
        false => serde_json::to_string(&order.buyer).map(Some),
    });
    let buyers: Vec<Option<String>> = buyers.collect::<Result<_, _>>()?;
    let numbers =
        |read: fn(&Order) -> i64| -> Vec<i64> { orders.iter().map(|order| read(order)).collect() };
    let rows = tx
        .query(
            "INSERT INTO orders (id, user_id, status, version, lines, total, currency, buyer, fingerprint, created_at,
                                 updated_at, expires_at)
             SELECT id, user_id, 0, 1, lines, total, currency, buyer, fingerprint, created_at, created_at, expires_at
             FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::bytea[],
                         $8::bigint[], $9::bigint[])
                  AS n (id, user_id, lines, total, currency, buyer, fingerprint, created_at, expires_at)
             ON CONFLICT (id) DO NOTHING RETURNING id",
            &[
                &orders.iter().map(|order| order.id.uuid()).collect::<Vec<_>>(),
                &orders.iter().map(|order| order.user.uuid()).collect::<Vec<_>>(),
                &lines,
                &numbers(|order| order.total.amount),
                &orders.iter().map(|order| order.total.currency.as_str()).collect::<Vec<_>>(),
                &buyers,
                &orders.iter().map(|order| order.fingerprint.0.as_slice()).collect::<Vec<_>>(),
                &numbers(|order| order.created_at.as_millis()),
                &orders
                    .iter()
                    .map(|order| order.expires_at.map(Timestamp::as_millis))
                    .collect::<Vec<_>>(),
            ],
        )
        .await?;
    Ok(rows.iter().map(|row| OrderId::new(row.get(0))).collect())
}

/// The orders that were there before; a tombstone is none.
async fn earlier(
    tx: &Tx,
    orders: &[Order],
    inserted: &[OrderId],
) -> Result<HashMap<OrderId, Order>, Fault> {
    let ids = orders.iter().map(|order| order.id).filter(|id| !inserted.contains(id));
    let ids: Vec<Uuid> = ids.map(OrderId::uuid).collect();
    let orders = rows::lock(tx, &ids).await?;
    Ok(orders.into_iter().map(|order| (order.id, order)).collect())
}
