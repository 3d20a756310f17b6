//! Recording orders, and the steps of their lifecycle.

use std::collections::{BTreeSet, HashMap};

use holdfast_storage::mongo::{Document, Fault, Mongo, Query, Tx, doc, fields};
use holdfast_types::{OrderId, Result, Timestamp};

use super::documents::{self, ORDERS};
use crate::{
    model::{Order, PendingStock, Status},
    store::Recorded,
};

/// Orders that one round of expiry takes.
const EXPIRY: i64 = 100;
/// Orders whose stock one round moves.
const ROUND: i64 = 100;

/// Records those whose id is free. If one of them comes in between, all of it is done again.
pub(super) async fn record(tx: &Tx, orders: Vec<Order>) -> Result<Vec<Recorded>, Fault> {
    if orders.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<OrderId> = orders.iter().map(|order| order.id).collect();
    let found = documents::find(tx, &ids).await?;
    let mut before: HashMap<OrderId, Document> = found
        .into_iter()
        .map(|found| Ok((fields::id(&found, "_id")?, found)))
        .collect::<Result<_>>()?;
    let new = orders.iter().filter(|order| !before.contains_key(&order.id));
    tx.insert(ORDERS, new.map(documents::document).collect::<Result<_, _>>()?).await?;
    let outcome = |order: Order| match before.remove(&order.id) {
        None => Ok(Recorded::New(order)),
        Some(found) if documents::is_tombstone(&found) => Ok(Recorded::Undone),
        Some(found) => Ok(Recorded::Before(documents::order(&found)?)),
    };
    orders.into_iter().map(outcome).collect()
}

/// Writes an order back that has gone a step.
pub(super) async fn save(tx: &Tx, order: &Order) -> Result<(), Fault> {
    let like = doc! {"_id": fields::uuid(order.id.uuid()), "version": order.version.0 - 1};
    tx.update(ORDERS, vec![(like, doc! {"$set": documents::progress(order)?})]).await
}

/// Orders whose time has come.
pub(super) async fn due(db: &Mongo, now: Timestamp) -> Result<Vec<OrderId>> {
    let query = Query {
        filter: doc! {"status": 0, "expires_at": {"$exists": true, "$lte": now.as_millis()}},
        sort: Some(doc! {"expires_at": 1}),
        limit: Some(EXPIRY),
        projection: Some(doc! {"_id": 1}),
        ..Query::default()
    };
    db.find(ORDERS, &query).await?.iter().map(|found| fields::id(found, "_id")).collect()
}

/// What products has not acknowledged, oldest first.
pub(super) async fn pending_stock(
    db: &Mongo,
    before: Timestamp,
) -> Result<Vec<(OrderId, PendingStock)>> {
    let query = Query {
        filter: doc! {"pending_stock": {"$exists": true}, "updated_at": {"$lte": before.as_millis()}},
        sort: Some(doc! {"updated_at": 1}),
        limit: Some(ROUND),
        projection: Some(doc! {"pending_stock": 1}),
        ..Query::default()
    };
    let pending_stock_of = |found: &Document| {
        Ok((
            fields::id(found, "_id")?,
            PendingStock::from_code(fields::number(found, "pending_stock")?)?,
        ))
    };
    db.find(ORDERS, &query).await?.iter().map(pending_stock_of).collect()
}

/// Strikes out what has been acknowledged, where nothing else has become pending.
pub(super) async fn clear_pending_stock(
    tx: Tx,
    pending_stock: &[(OrderId, PendingStock)],
) -> Result<(), Fault> {
    let codes: BTreeSet<i64> = pending_stock.iter().map(|(_, action)| action.code()).collect();
    for code in codes {
        let ids = pending_stock.iter().filter(|(_, action)| action.code() == code);
        let ids: Vec<_> = ids.map(|(id, _)| fields::uuid(id.uuid())).collect();
        if !ids.is_empty() {
            let like = doc! {"_id": {"$in": ids}, "pending_stock": code};
            tx.update_all(ORDERS, like, doc! {"$unset": {"pending_stock": ""}}).await?;
        }
    }
    Ok(())
}

/// Puts tombstones where there is no order, and says how the others stand.
pub(super) async fn bury(
    tx: &Tx,
    ids: &[OrderId],
    now: Timestamp,
) -> Result<HashMap<OrderId, Status>, Fault> {
    let found = documents::find(tx, ids).await?;
    let mut missing: Vec<OrderId> = ids.to_vec();
    let mut statuses = HashMap::new();
    for found in &found {
        let id = fields::id(found, "_id")?;
        missing.retain(|missing| *missing != id);
        if !documents::is_tombstone(found) {
            statuses.insert(id, Status::from_code(fields::number(found, "status")?)?);
        }
    }
    let tombstones = missing.into_iter().map(|id| documents::tombstone(id, now));
    tx.insert(ORDERS, tombstones.collect()).await?;
    Ok(statuses)
}
