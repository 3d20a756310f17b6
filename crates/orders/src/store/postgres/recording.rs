//! Recording the orders of a batch: one statement, however many there are.

use std::collections::HashMap;

use holdfast_storage::postgres::{Fault, Tx};
use holdfast_types::{OrderId, Result, Timestamp};
use uuid::Uuid;

use super::rows;
use crate::{
    model::{Order, PendingStock},
    store::{Recorded, to_text},
};

pub(super) async fn record(tx: &Tx, orders: Vec<Order>) -> Result<Vec<Recorded>, Fault> {
    if orders.is_empty() {
        return Ok(Vec::new());
    }
    // Every batch inserts in one order, so two that have orders in common do not wait for each other in a circle.
    let mut sorted: Vec<&Order> = orders.iter().collect();
    sorted.sort_unstable_by_key(|order| order.id);
    let inserted = insert(tx, &sorted).await?;
    if inserted.len() == orders.len() {
        return Ok(orders.into_iter().map(Recorded::New).collect());
    }
    let mut before = earlier(tx, &orders, &inserted).await?;
    let outcome = |order: Order| match inserted.contains(&order.id) {
        true => Recorded::New(order),
        false => before.remove(&order.id).map_or(Recorded::Undone, Recorded::Before),
    };
    Ok(orders.into_iter().map(outcome).collect())
}

/// Inserts those whose id is free, and says which.
async fn insert(tx: &Tx, orders: &[&Order]) -> Result<Vec<OrderId>, Fault> {
    let lines: Vec<&str> = orders.iter().map(|order| order.lines.json()).collect();
    let buyers = orders.iter().map(|order| to_text(&order.buyer));
    let buyers: Vec<Option<String>> = buyers.collect::<Result<_, _>>()?;
    let progress = orders.iter().map(|order| to_text(&order.progress));
    let progress: Vec<Option<String>> = progress.collect::<Result<_, _>>()?;
    let numbers =
        |read: fn(&Order) -> i64| -> Vec<i64> { orders.iter().map(|order| read(order)).collect() };
    let some = |read: fn(&Order) -> Option<i64>| -> Vec<Option<i64>> {
        orders.iter().map(|order| read(order)).collect()
    };
    let rows = tx
        .query(
            "INSERT INTO orders (id, user_id, status, version, lines, total, currency, buyer, fingerprint, pending_stock,
                                 created_at, updated_at, expires_at, progress, email)
             SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::text[],
                                  $8::text[], $9::bytea[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[],
                                  $14::text[], $15::text[])
             ON CONFLICT (id) DO NOTHING RETURNING id",
            &[
                &orders.iter().map(|order| order.id.uuid()).collect::<Vec<_>>(),
                &orders.iter().map(|order| order.user.uuid()).collect::<Vec<_>>(),
                &numbers(|order| order.status.code()),
                &numbers(|order| order.version.0),
                &lines,
                &numbers(|order| order.total.amount),
                &orders.iter().map(|order| order.total.currency.as_str()).collect::<Vec<_>>(),
                &buyers,
                &orders.iter().map(|order| order.fingerprint.0.as_slice()).collect::<Vec<_>>(),
                &some(|order| order.pending_stock.map(PendingStock::code)),
                &numbers(|order| order.created_at.as_millis()),
                &numbers(|order| order.updated_at.as_millis()),
                &some(|order| order.expires_at.map(Timestamp::as_millis)),
                &progress,
                &orders.iter().map(|order| order.buyer.email_key()).collect::<Vec<_>>(),
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
    // Not locked: nobody's stock may wait for whoever holds one of them.
    let orders = rows::get_all(tx, &ids).await?;
    Ok(orders.into_iter().map(|order| (order.id, order)).collect())
}
