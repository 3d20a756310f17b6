//! What an audit reads.

use holdfast_storage::sqlite::Fault;
use holdfast_types::{ProductId, Result};
use rusqlite::Connection;

use super::{confirmations, reservations};
use crate::{
    model::Numbers,
    store::{Audit, Books},
};

pub(super) fn audit(db: &Connection) -> Result<Audit, Fault> {
    let mut query = db.prepare("SELECT id, state, lines, at FROM reservations")?;
    let reservations = query.query_map([], reservations::reservation)?.collect::<Result<_, _>>()?;
    let mut query = db.prepare(
        "SELECT p.id, s.quantity, s.reserved, s.sequence, count(m.sequence), max(m.sequence),
                coalesce(sum(m.quantity_delta), 0), coalesce(sum(m.reserved_delta), 0)
         FROM stock s JOIN products p ON p.seq = s.product LEFT JOIN movements m ON m.product = s.product
         GROUP BY s.product",
    )?;
    let books = query.query_map([], |row| {
        Ok(Books {
            product: ProductId::from_bytes(row.get(0)?),
            numbers: Numbers {
                quantity: row.get(1)?,
                reserved: row.get(2)?,
                sequence: row.get(3)?,
            },
            lines: row.get(4)?,
            last: row.get(5)?,
            quantity: row.get(6)?,
            reserved: row.get(7)?,
        })
    })?;
    Ok(Audit::of(reservations, confirmations::all(db)?, &books.collect::<Result<Vec<_>, _>>()?))
}
