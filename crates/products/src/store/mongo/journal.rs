//! The journal of movements. A line's `_id` is its product and its number in the product's journal.

use holdfast_storage::mongo::{Document, Fault, Mongo, Query, Tx, doc, fields};
use holdfast_types::{Cursor, Error, Page, PageRequest, ProductId, Result, UserId};

use crate::model::{Cause, Movement, MovementKind};

pub(super) const MOVEMENTS: &str = "movements";

/// Appends to the journals of several products at once.
pub(super) async fn append(tx: &Tx, movements: &[(ProductId, Movement)]) -> Result<(), Fault> {
    let lines = movements.iter().map(|(product, movement)| line(*product, movement));
    tx.insert(MOVEMENTS, lines.collect()).await
}

pub(super) fn line(product: ProductId, movement: &Movement) -> Document {
    let mut line = doc! {
        "_id": {"product": fields::uuid(product.uuid()), "sequence": movement.sequence},
        "kind": movement.kind.code(),
        "quantity_delta": movement.quantity_delta,
        "reserved_delta": movement.reserved_delta,
        "at": movement.at.as_millis(),
    };
    match &movement.cause {
        Cause::Order(order) => {
            line.insert("order_id", fields::uuid(order.uuid()));
        }
        Cause::Person { by, reason } => {
            line.insert("by_user", fields::uuid(by.uuid()));
            line.insert("reason", reason.clone());
        }
    }
    line
}

pub(super) async fn list(
    db: &Mongo,
    id: ProductId,
    request: &PageRequest,
) -> Result<Page<Movement>> {
    let filters = format!("movements of {id}");
    let after: i64 = request.after.as_ref().map_or(Ok(0), |cursor| cursor.position(&filters))?;
    let query = Query {
        filter: doc! {"_id.product": fields::uuid(id.uuid()), "_id.sequence": {"$gt": after}},
        sort: Some(doc! {"_id.product": 1, "_id.sequence": 1}),
        limit: i64::try_from(request.limit + 1).ok(),
        ..Query::default()
    };
    let found = db.find(MOVEMENTS, &query).await?;
    let found = found.iter().map(movement).collect::<Result<_>>()?;
    Ok(Page::cut(found, request.limit, |movement| Cursor::new(&filters, &movement.sequence)))
}

pub(super) fn movement(line: &Document) -> Result<Movement> {
    let code = fields::number(line, "kind")?;
    let kind = MovementKind::from_code(code)
        .ok_or_else(|| Error::internal(format!("a movement has the unknown kind {code}")))?;
    let cause = match fields::optional_id(line, "order_id")? {
        Some(order) => Cause::Order(order),
        None => {
            let by: UserId = fields::id(line, "by_user")?;
            Cause::Person { by, reason: fields::optional_text(line, "reason")? }
        }
    };
    let id = line.get_document("_id").map_err(Error::internal)?;
    Ok(Movement {
        sequence: fields::number(id, "sequence")?,
        kind,
        quantity_delta: fields::number(line, "quantity_delta")?,
        reserved_delta: fields::number(line, "reserved_delta")?,
        cause,
        at: fields::time(line, "at")?,
    })
}

/// The product whose journal a line is of.
pub(super) fn product_of(line: &Document) -> Result<ProductId> {
    fields::id(line.get_document("_id").map_err(Error::internal)?, "product")
}
