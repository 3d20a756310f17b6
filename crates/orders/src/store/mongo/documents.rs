//! Documents of orders: making, finding, listing and reading them. What happened to an order stands in its document.

use holdfast_storage::mongo::{Document, Fault, Mongo, Query, Tx, doc, fields};
use holdfast_types::{
    Error, Money, OrderId, Page, PageRequest, Result, StockAction, Timestamp, Version,
};

use crate::{
    model::{Buyer, Event, Order, Progress, Status},
    store::{OrderFilter, TOMBSTONE},
};

pub(super) const ORDERS: &str = "orders";

pub(super) async fn get(db: &Mongo, id: OrderId) -> Result<Option<Order>> {
    let found = db.get(ORDERS, fields::uuid(id.uuid())).await?;
    found.filter(|found| !is_tombstone(found)).map(|found| order(&found)).transpose()
}

/// The documents with these ids, tombstones included.
pub(super) async fn find(tx: &Tx, ids: &[OrderId]) -> Result<Vec<Document>, Fault> {
    let ids: Vec<_> = ids.iter().map(|id| fields::uuid(id.uuid())).collect();
    tx.find(ORDERS, &Query::of(doc! {"_id": {"$in": ids}})).await
}

pub(super) fn is_tombstone(found: &Document) -> bool {
    fields::number(found, "status").is_ok_and(|status| status == TOMBSTONE)
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
        "created_at": {"$lte": at},
        "$or": [{"created_at": {"$lt": at}}, tie],
        "status": match filter.status {
            Some(status) => doc! {"$eq": status.code()},
            None => doc! {"$ne": TOMBSTONE},
        },
    };
    if let Some(user) = filter.user {
        like.insert("user_id", fields::uuid(user.uuid()));
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

/// A new order; what it does not have yet is missing.
pub(super) fn placed(order: &Order) -> Result<Document, Fault> {
    let mut document = doc! {
        "_id": fields::uuid(order.id.uuid()),
        "user_id": fields::uuid(order.user.uuid()),
        "status": order.status.code(),
        "version": order.version.0,
        "lines": serde_json::to_string(&order.lines)?,
        "total": order.total.amount,
        "currency": order.total.currency.as_str(),
        "fingerprint": fields::binary(&order.fingerprint.0),
        "created_at": order.created_at.as_millis(),
        "updated_at": order.updated_at.as_millis(),
    };
    if order.buyer != Buyer::default() {
        document.insert("buyer", serde_json::to_string(&order.buyer)?);
    }
    if let Some(at) = order.expires_at {
        document.insert("expires_at", at.as_millis());
    }
    Ok(document)
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

/// The change that a step of the lifecycle makes.
pub(super) fn step(order: &Order, event: &Event) -> Document {
    doc! {"$set": progress(order), "$push": {"events": happened(event)}}
}

/// An order that has come some way already.
pub(super) fn grown(order: &Order, events: &[Event]) -> Result<Document, Fault> {
    let mut document = placed(order)?;
    document.extend(progress(order));
    if !events.is_empty() {
        document.insert("events", events.iter().map(happened).collect::<Vec<_>>());
    }
    Ok(document)
}

/// What steps of the lifecycle change.
fn progress(order: &Order) -> Document {
    let progress = &order.progress;
    let mut set = doc! {
        "status": order.status.code(),
        "version": order.version.0,
        "updated_at": order.updated_at.as_millis(),
        "reference": progress.reference.clone(),
        "carrier": progress.carrier.clone(),
        "tracking_number": progress.tracking_number.clone(),
    };
    let times = [
        ("paid_at", progress.paid_at),
        ("shipped_at", progress.shipped_at),
        ("delivered_at", progress.delivered_at),
        ("cancelled_at", progress.cancelled_at),
        ("expired_at", progress.expired_at),
    ];
    for (name, time) in times {
        set.extend(time.map(|time| (name.to_owned(), time.as_millis().into())));
    }
    set.extend(
        order
            .pending_stock
            .map(|pending_stock| ("pending_stock".to_owned(), pending_stock.code().into())),
    );
    set
}

fn happened(event: &Event) -> Document {
    let mut happened = doc! {
        "version": event.version.0,
        "status": event.status.code(),
        "at": event.at.as_millis(),
    };
    happened.extend(event.by.map(|by| ("by".to_owned(), fields::uuid(by.uuid()))));
    happened
}

/// What happened after the order was placed.
pub(super) fn events(found: &Document) -> Result<Vec<Event>> {
    let Ok(events) = found.get_array("events") else { return Ok(Vec::new()) };
    let event = |event: &holdfast_storage::mongo::Bson| {
        let event = event.as_document().ok_or_else(|| Error::internal("an event is damaged"))?;
        Ok(Event {
            status: Status::from_code(fields::number(event, "status")?)?,
            version: Version(fields::number(event, "version")?),
            at: fields::time(event, "at")?,
            by: fields::optional_id(event, "by")?,
        })
    };
    events.iter().map(event).collect()
}

pub(super) fn order(found: &Document) -> Result<Order> {
    let buyer = fields::optional_text(found, "buyer")?;
    let buyer = buyer.map(|buyer| serde_json::from_str(&buyer)).transpose();
    let pending_stock = fields::optional_number(found, "pending_stock")?;
    Ok(Order {
        id: fields::id(found, "_id")?,
        user: fields::id(found, "user_id")?,
        status: Status::from_code(fields::number(found, "status")?)?,
        version: Version(fields::number(found, "version")?),
        lines: fields::json(found, "lines")?,
        total: Money {
            amount: fields::number(found, "total")?,
            currency: fields::currency(found, "currency")?,
        },
        buyer: buyer.map_err(Error::internal)?.unwrap_or_default(),
        fingerprint: fields::fingerprint(found, "fingerprint")?,
        pending_stock: pending_stock.map(StockAction::from_code).transpose()?,
        created_at: fields::time(found, "created_at")?,
        updated_at: fields::time(found, "updated_at")?,
        expires_at: fields::optional_time(found, "expires_at")?,
        progress: Progress {
            paid_at: fields::optional_time(found, "paid_at")?,
            shipped_at: fields::optional_time(found, "shipped_at")?,
            delivered_at: fields::optional_time(found, "delivered_at")?,
            cancelled_at: fields::optional_time(found, "cancelled_at")?,
            expired_at: fields::optional_time(found, "expired_at")?,
            reference: fields::optional_text(found, "reference")?,
            carrier: fields::optional_text(found, "carrier")?,
            tracking_number: fields::optional_text(found, "tracking_number")?,
        },
    })
}
