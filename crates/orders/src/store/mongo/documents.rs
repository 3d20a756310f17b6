//! Documents of orders: making, finding, listing and reading them, one or all.

use holdfast_storage::{
    Damage, Entry, Sink,
    mongo::{Document, Fault, Mongo, Query, Tx, doc, fields},
};
use holdfast_types::{
    Error, Money, OrderId, OrderLines, Page, PageRequest, Result, Timestamp, Version,
};
use serde::de::DeserializeOwned;

use crate::{
    model::{Number, Order, PendingStock, Status},
    store::{OrderFilter, TOMBSTONE, from_text, portable::Record, to_text},
};

pub(super) const ORDERS: &str = "orders";

pub(super) async fn get(db: &Mongo, id: OrderId) -> Result<Option<Order>> {
    let found = db.get(ORDERS, fields::uuid(id.uuid())).await?;
    found.filter(|found| !is_tombstone(found)).map(|found| order(&found)).transpose()
}

/// Holds up whoever else changes these orders, or decides by how they stand, until the transaction has ended.
pub(super) async fn hold(tx: &Tx, ids: &[OrderId]) -> Result<(), Fault> {
    let ids: Vec<_> = ids.iter().map(|id| fields::uuid(id.uuid())).collect();
    let turn = doc! {"$inc": {"locks": 1_i64}};
    tx.update_all(ORDERS, doc! {"_id": {"$in": ids}}, turn).await.map(|_| ())
}

/// The documents with these ids, tombstones included.
pub(super) async fn find(tx: &Tx, ids: &[OrderId]) -> Result<Vec<Document>, Fault> {
    tx.find(ORDERS, &among(ids)).await
}

fn among(ids: &[OrderId]) -> Query {
    let ids: Vec<_> = ids.iter().map(|id| fields::uuid(id.uuid())).collect();
    Query::of(doc! {"_id": {"$in": ids}})
}

/// The orders with these ids outside of a transaction.
pub(super) async fn get_all(db: &Mongo, ids: &[OrderId]) -> Result<Vec<Order>> {
    let found = db.find(ORDERS, &among(ids)).await?;
    found.iter().filter(|found| !is_tombstone(found)).map(order).collect()
}

pub(super) fn is_tombstone(found: &Document) -> bool {
    fields::number(found, "status").is_ok_and(|status| status == TOMBSTONE)
}

pub(super) async fn numbered(db: &Mongo, number: Number) -> Result<Vec<Order>> {
    let like = doc! {"number": number.hex(), "status": {"$ne": TOMBSTONE}};
    db.find(ORDERS, &Query::of(like)).await?.iter().map(order).collect()
}

pub(super) async fn list(
    db: &Mongo,
    filter: &OrderFilter,
    request: &PageRequest,
) -> Result<Page<Order>> {
    let (at, id) = filter.after(request)?;
    let tie = doc! {"created_at": at, "_id": {"$lt": fields::uuid(id.uuid())}};
    let mut like = doc! {
        // The first of them bounds the walk over the index; the second is exact.
        "created_at": {"$lte": at, "$gte": filter.earliest()},
        "$or": [{"created_at": {"$lt": at}}, tie],
        "status": match filter.status {
            Some(status) => doc! {"$eq": status.code()},
            None => doc! {"$ne": TOMBSTONE},
        },
    };
    if let Some(user) = filter.user {
        like.insert("user_id", fields::uuid(user.uuid()));
    }
    if let Some(email) = &filter.email {
        like.insert("email", email);
    }
    let query = Query {
        filter: like,
        sort: Some(doc! {"created_at": -1, "_id": -1}),
        limit: i64::try_from(request.limit + 1).ok(),
        ..Query::default()
    };
    let found = db.find(ORDERS, &query).await?;
    let orders = found.iter().map(order).collect::<Result<_>>()?;
    Ok(Page::cut(orders, request.limit, |order| filter.position(order)))
}

/// What it does not have is missing.
pub(super) fn document(order: &Order) -> Result<Document, Fault> {
    let mut document = doc! {
        "_id": fields::uuid(order.id.uuid()),
        "number": Number::of(order.id).hex(),
        "user_id": fields::uuid(order.user.uuid()),
        "lines": order.lines.json(),
        "total": order.total.amount,
        "currency": order.total.currency.as_str(),
        "fingerprint": fields::binary(&order.fingerprint.0),
        "created_at": order.created_at.as_millis(),
    };
    document.extend(progress(order)?);
    if let Some(buyer) = to_text(&order.buyer)? {
        document.insert("buyer", buyer);
    }
    if let Some(email) = order.buyer.email_key() {
        document.insert("email", email);
    }
    if let Some(at) = order.expires_at {
        document.insert("expires_at", at.as_millis());
    }
    Ok(document)
}

/// What steps of the lifecycle change.
pub(super) fn progress(order: &Order) -> Result<Document, Fault> {
    let mut set = doc! {
        "status": order.status.code(),
        "version": order.version.0,
        "updated_at": order.updated_at.as_millis(),
    };
    if let Some(progress) = to_text(&order.progress)? {
        set.insert("progress", progress);
    }
    if let Some(action) = order.pending_stock {
        set.insert("pending_stock", action.code());
    }
    if let Some(at) = order.expires_at {
        set.insert("expires_at", at.as_millis());
    }
    Ok(set)
}

/// An attempt that was undone: nothing may ever be recorded under its id.
pub(super) fn tombstone(id: OrderId, now: Timestamp) -> Document {
    doc! {
        "_id": fields::uuid(id.uuid()),
        "status": TOMBSTONE,
        "lines": "[]",
        "created_at": now.as_millis(),
        "updated_at": now.as_millis(),
    }
}

/// Everything, by id.
pub(super) async fn dump(tx: Tx, sink: &mut Sink<Entry<Record>>) -> Result<(), Fault> {
    let by_id = Query { sort: Some(doc! {"_id": 1}), ..Query::default() };
    let mut orders = tx.cursor(ORDERS, &by_id).await?;
    while let Some(found) = orders.next().await? {
        let id: OrderId = fields::id(&found, "_id")?;
        let record = match is_tombstone(&found) {
            true => fields::time(&found, "created_at").map(|at| Record::Tombstone(id, at)),
            false => order(&found).map(|order| Record::Order(Box::new(order))),
        };
        sink.put(record.map_err(|error| Damage::new("order", id.uuid(), error))).await?;
    }
    Ok(())
}

pub(super) fn order(found: &Document) -> Result<Order> {
    let pending_stock = fields::optional_number(found, "pending_stock")?;
    Ok(Order {
        id: fields::id(found, "_id")?,
        user: fields::id(found, "user_id")?,
        status: Status::from_code(fields::number(found, "status")?)?,
        version: Version(fields::number(found, "version")?),
        lines: OrderLines::from_json(fields::text(found, "lines")?).map_err(Error::internal)?,
        total: Money {
            amount: fields::number(found, "total")?,
            currency: fields::currency(found, "currency")?,
        },
        buyer: json(found, "buyer")?,
        fingerprint: fields::fingerprint(found, "fingerprint")?,
        pending_stock: pending_stock.map(PendingStock::from_code).transpose()?,
        created_at: fields::time(found, "created_at")?,
        updated_at: fields::time(found, "updated_at")?,
        expires_at: fields::optional_time(found, "expires_at")?,
        progress: json(found, "progress")?,
    })
}

fn json<T: DeserializeOwned + Default>(found: &Document, name: &str) -> Result<T> {
    from_text(fields::optional_text(found, name)?.as_deref()).map_err(Error::internal)
}
