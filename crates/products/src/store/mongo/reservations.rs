//! Reservations: the hot path. Load what a batch names, decide each command in turn, save all changes: a handful of
//! commands, however many orders there are. Every change of a product is guarded by the number of its last movement.

use std::collections::{BTreeSet, HashMap};

use holdfast_storage::mongo::{Document, Fault, Query, Tx, doc, fields};
use holdfast_types::{
    BatchId, Error, OrderId, OrderLines, ProductId, Reservation, ReservationState, Result,
    Timestamp, Unconfirmed,
};

use super::{
    documents::{self, PRODUCTS},
    journal,
};
use crate::{
    model::{Demand, Earliers, Numbers, NumbersById, Shelf, ShelfItem, decide_all},
    store::reserving::{Decide, MovedStock, TakenStock, Taking},
};

pub(super) const RESERVATIONS: &str = "reservations";
pub(super) const UNCONFIRMED: &str = "unconfirmed_batches";

pub(super) async fn take(tx: &Tx, demand: &Demand, now: Timestamp) -> Result<Taking, Fault> {
    let shelf = shelf(tx, demand.products()).await?;
    let before: HashMap<ProductId, Numbers> = shelf.iter().map(numbers_of).collect();
    let earliers = earliers(tx, demand).await?;
    let decided = match decide_all(demand, &earliers, shelf, now) {
        Ok(decided) => decided,
        Err(wanted) => return Ok(Taking::Wants(wanted)),
    };
    let changes = decided.numbers.iter().map(|(id, after)| (*id, before[id], *after));
    tx.update(PRODUCTS, changes.map(change).collect()).await?;
    let reservations = decided.reservations(&demand.commands);
    let documents = reservations.iter().map(document).collect::<Result<_, _>>()?;
    tx.insert(RESERVATIONS, documents).await?;
    set_states(tx, &decided.states()).await?;
    journal::append(tx, &decided.movements).await?;
    Ok(Taking::Done(TakenStock::of(decided, demand, &reservations, now)))
}

async fn shelf(tx: &Tx, products: BTreeSet<ProductId>) -> Result<Shelf, Fault> {
    let products: Vec<ProductId> = products.into_iter().collect();
    let wanted = doc! {"sku": 1, "name": 1, "price": 1, "currency": 1, "archived": 1, "quantity": 1, "reserved": 1,
    "sequence": 1, "opens_at": 1, "closes_at": 1, "limit_per_customer": 1};
    let query = Query { projection: Some(wanted), ..documents::among(&products) };
    let found = tx.find(PRODUCTS, &query).await?;
    Ok(found.iter().map(shelf_item).collect::<Result<_>>()?)
}

fn shelf_item(found: &Document) -> Result<(ProductId, ShelfItem)> {
    let Numbers { quantity, reserved, sequence } = documents::numbers(found)?;
    let item = ShelfItem {
        sku: fields::optional_text(found, "sku")?,
        name: fields::text(found, "name")?.to_owned(),
        price: documents::money(found)?,
        is_active: !fields::flag(found, "archived")?,
        sale_window: documents::sale_window(found)?,
        limit_per_customer: fields::optional_number(found, "limit_per_customer")?,
        quantity,
        reserved,
        sequence,
    };
    Ok((fields::id(found, "_id")?, item))
}

fn numbers_of((id, item): (&ProductId, &ShelfItem)) -> (ProductId, Numbers) {
    let ShelfItem { quantity, reserved, sequence, .. } = item;
    (*id, Numbers { quantity: *quantity, reserved: *reserved, sequence: *sequence })
}

/// What a product must still be like, and what is added to its numbers.
fn change((id, before, after): (ProductId, Numbers, Numbers)) -> (Document, Document) {
    let like = doc! {"_id": fields::uuid(id.uuid()), "sequence": before.sequence};
    let add = doc! {
        "quantity": after.quantity - before.quantity,
        "reserved": after.reserved - before.reserved,
        "sequence": after.sequence - before.sequence,
    };
    (like, doc! {"$inc": add})
}

/// The reservations of the batch that are there already.
async fn earliers(tx: &Tx, demand: &Demand) -> Result<Earliers, Fault> {
    let ids: Vec<OrderId> = demand.reservations().into_iter().collect();
    let found = tx.find(RESERVATIONS, &among(&ids)).await?;
    let earlier = |found| reservation(found).and_then(|found| Ok((found.id, found.try_into()?)));
    Ok(found.iter().map(earlier).collect::<Result<_>>()?)
}

fn among(ids: &[OrderId]) -> Query {
    let ids: Vec<_> = ids.iter().map(|id| fields::uuid(id.uuid())).collect();
    Query::of(doc! {"_id": {"$in": ids}})
}

pub(super) fn document(reservation: &Reservation) -> Result<Document, Fault> {
    let Reservation { id, fingerprint, state, lines, claimed, at } = reservation;
    let mut document = doc! {
        "_id": fields::uuid(id.uuid()),
        "fingerprint": fields::binary(&fingerprint.0),
        "state": state.code(),
        "lines": lines.json(),
        "at": at.as_millis(),
    };
    if let Some(claimed) = claimed {
        document.insert("claimed", serde_json::to_string(claimed)?);
    }
    Ok(document)
}

pub(super) async fn move_stock(
    tx: &Tx,
    orders: &[OrderId],
    decide: &Decide,
    now: Timestamp,
) -> Result<MovedStock, Fault> {
    let found = tx.find(RESERVATIONS, &among(orders)).await?;
    let found = found.iter().map(reservation).collect::<Result<Vec<_>>>()?;
    let products: BTreeSet<ProductId> = found
        .iter()
        .flat_map(|reservation| reservation.lines.iter())
        .map(|line| line.product_id)
        .collect();
    let products: Vec<ProductId> = products.into_iter().collect();
    let wanted = Some(doc! {"quantity": 1, "reserved": 1, "sequence": 1, "version": 1});
    let query = Query { projection: wanted, ..documents::among(&products) };
    let (mut before, mut versions) = (NumbersById::new(), HashMap::new());
    for found in tx.find(PRODUCTS, &query).await? {
        let id: ProductId = fields::id(&found, "_id")?;
        before.insert(id, documents::numbers(&found)?);
        versions.insert(id, fields::number(&found, "version")?);
    }
    let reservations = found.into_iter().map(|found| (found.id, found)).collect();
    let applied = decide(reservations, &before)?;
    let changes = applied.numbers.iter().map(|(id, after)| {
        let newer = applied.versions.get(id).map(|moves| versions[id] + moves);
        move_version(change((*id, before[id], *after)), newer, now)
    });
    tx.update(PRODUCTS, changes.collect()).await?;
    set_states(tx, &applied.states).await?;
    let lines = applied.lines.iter().map(|(id, lines)| {
        (doc! {"_id": fields::uuid(id.uuid())}, doc! {"$set": {"lines": lines.json()}})
    });
    tx.update(RESERVATIONS, lines.collect()).await?;
    journal::append(tx, &applied.movements).await?;
    let messages = applied.messages(&before, now);
    Ok(MovedStock { claims: applied.claims, holds: applied.holds, messages })
}

async fn set_states(tx: &Tx, states: &[(OrderId, ReservationState)]) -> Result<(), Fault> {
    let changes = states.iter().map(|(id, state)| {
        let like = doc! {"_id": fields::uuid(id.uuid()), "state": ReservationState::Held.code()};
        (like, doc! {"$set": {"state": state.code()}})
    });
    tx.update(RESERVATIONS, changes.collect()).await
}

/// What leaves or comes back changes the quantity, and with it the version.
fn move_version(
    (like, mut change): (Document, Document),
    version: Option<i64>,
    now: Timestamp,
) -> (Document, Document) {
    if let Some(version) = version {
        let newer =
            doc! {"version": version, "quantity_version": version, "updated_at": now.as_millis()};
        change.insert("$set", newer);
    }
    (like, change)
}

pub(super) fn reservation(found: &Document) -> Result<Reservation> {
    let claimed = fields::optional_text(found, "claimed")?;
    let claimed = claimed.map(|text| serde_json::from_str(&text)).transpose();
    Ok(Reservation {
        id: fields::id(found, "_id")?,
        fingerprint: fields::fingerprint(found, "fingerprint")?,
        state: ReservationState::from_code(fields::number(found, "state")?)?,
        lines: OrderLines::from_json(fields::text(found, "lines")?).map_err(Error::internal)?,
        claimed: claimed.map_err(Error::internal)?,
        at: fields::time(found, "at")?,
    })
}

pub(super) async fn note(tx: &Tx, batch: &Unconfirmed, now: Timestamp) -> Result<(), Fault> {
    let orders: Vec<_> = batch.orders.iter().map(|id| fields::uuid(id.uuid())).collect();
    let add = doc! {
        "$push": {"orders": {"$each": orders}},
        "$setOnInsert": {"at": now.as_millis()},
    };
    tx.upsert(UNCONFIRMED, doc! {"_id": fields::uuid(batch.batch.uuid())}, add).await
}

pub(super) fn unconfirmed_document(batch: BatchId, orders: &[OrderId], at: Timestamp) -> Document {
    let orders: Vec<_> = orders.iter().map(|id| fields::uuid(id.uuid())).collect();
    doc! {"_id": fields::uuid(batch.uuid()), "orders": orders, "at": at.as_millis()}
}

pub(super) async fn strike(tx: &Tx, batches: &[BatchId]) -> Result<(), Fault> {
    if batches.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = batches.iter().map(|batch| fields::uuid(batch.uuid())).collect();
    tx.delete(UNCONFIRMED, doc! {"_id": {"$in": ids}}).await.map(|_| ())
}

pub(super) fn unconfirmed_batch(found: &Document) -> Result<Unconfirmed> {
    let orders = found.get_array("orders").map_err(Error::internal)?;
    let orders = orders.iter().map(|id| fields::id_of(Some(id))).collect::<Result<_>>()?;
    Ok(Unconfirmed { batch: fields::id(found, "_id")?, orders })
}
