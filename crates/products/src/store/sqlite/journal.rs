//! The journal of movements.

use holdfast_storage::sqlite::{Fault, IdIndex, pair};
use holdfast_types::{
    Cursor, Error, OrderId, Page, PageRequest, ProductId, Result, Timestamp, UserId,
};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row};

use super::rows;
use crate::model::{Cause, Movement, MovementKind};

/// Appends to the journal.
pub(super) struct Journal<'db> {
    db: &'db Connection,
    index: &'db IdIndex,
    insert: CachedStatement<'db>,
}

impl<'db> Journal<'db> {
    pub(super) fn prepare(db: &'db Connection, index: &'db IdIndex) -> Result<Self, Fault> {
        let insert = db.prepare_cached(
            "INSERT INTO movements (product, sequence, kind, quantity_delta, reserved_delta, order_id, by_user, reason, at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?;
        Ok(Self { db, index, insert })
    }

    pub(super) fn append(&mut self, product: i64, movement: &Movement) -> Result<(), Fault> {
        let (order, by, reason) = match &movement.cause {
            Cause::Order(order) => (Some(order.bytes()), None, None),
            Cause::Person { by, reason } => (None, Some(by.bytes()), reason.as_deref()),
        };
        self.insert.execute((
            product,
            movement.sequence,
            movement.kind.code(),
            movement.quantity_delta,
            movement.reserved_delta,
            order,
            by,
            reason,
            movement.at.as_millis(),
        ))?;
        self.index.add(self.db, &pair(product, movement.sequence))
    }
}

/// Every line of every journal; [`movement`] reads its rows. Only their places are sorted, then each row is fetched.
pub(super) const SELECT_ALL: &str = "SELECT sequence, kind, quantity_delta, reserved_delta, order_id, by_user, reason, at, \
    product FROM (SELECT seq AS place FROM movements ORDER BY product, sequence LIMIT -1) CROSS JOIN movements ON seq = place";

pub(super) fn list(
    db: &Connection,
    index: &IdIndex,
    id: ProductId,
    request: &PageRequest,
) -> Result<Page<Movement>, Fault> {
    let filters = format!("movements of {id}");
    let after: i64 = request.after.as_ref().map_or(Ok(0), |cursor| cursor.position(&filters))?;
    let product = rows::seq(db, id)?;
    let (after, last) = (pair(product, after.max(0)), pair(product, i64::MAX));
    let mut query = db.prepare_cached(
        "SELECT sequence, kind, quantity_delta, reserved_delta, order_id, by_user, reason, at FROM movements
         WHERE seq = ?1 AND product = ?2",
    )?;
    let mut found = Vec::new();
    for (at, seq) in index.range(db, &after, &last, request.limit + 1)? {
        let line = query.query_row((seq, product), movement).optional()?.transpose()?;
        match line.filter(|line| pair(product, line.sequence) == at) {
            Some(line) => found.push(line),
            // What is not committed yet ends a journal; in the place of what was undone there may be something else.
            None => break,
        }
    }
    Ok(Page::cut(found, request.limit, |movement| Cursor::new(&filters, &movement.sequence)))
}

pub(super) fn movement(row: &Row<'_>) -> rusqlite::Result<Result<Movement, Error>> {
    let code: i64 = row.get(1)?;
    let Some(kind) = MovementKind::from_code(code) else {
        return Ok(Err(Error::internal(format!("a movement has the unknown kind {code}"))));
    };
    let cause = match (row.get::<_, Option<[u8; 16]>>(4)?, row.get::<_, Option<[u8; 16]>>(5)?) {
        (Some(order), _) => Cause::Order(OrderId::from_bytes(order)),
        (None, by) => {
            Cause::Person { by: UserId::from_bytes(by.unwrap_or_default()), reason: row.get(6)? }
        }
    };
    Ok(Ok(Movement {
        sequence: row.get(0)?,
        kind,
        quantity_delta: row.get(2)?,
        reserved_delta: row.get(3)?,
        cause,
        at: Timestamp::from_millis(row.get(7)?),
    }))
}
