//! What an audit reads.

use holdfast_storage::postgres::{Fault, Row, Tx};
use holdfast_types::{ProductId, Result};

use super::{confirmations, reservations, rows};
use crate::store::{Audit, Books};

pub(super) async fn audit(tx: Tx) -> Result<Audit, Fault> {
    let found = tx.query("SELECT id, state, lines, at FROM reservations", &[]).await?;
    let unconfirmed = tx.query(confirmations::SELECT, &[]).await?;
    let sums = tx
        .query(
            "SELECT s.product_id, s.quantity, s.reserved, s.sequence, count(m.sequence), max(m.sequence),
                    coalesce(sum(m.quantity_delta), 0)::bigint, coalesce(sum(m.reserved_delta), 0)::bigint
             FROM stock s LEFT JOIN movements m ON m.product_id = s.product_id GROUP BY s.product_id",
            &[],
        )
        .await?;
    let books = |row: &Row| Books {
        product: ProductId::new(row.get(0)),
        numbers: rows::numbers(row, 1),
        lines: row.get(4),
        last: row.get(5),
        quantity: row.get(6),
        reserved: row.get(7),
    };
    Ok(Audit::of(
        reservations::read(&found)?,
        unconfirmed.iter().map(confirmations::unconfirmed_batch).collect(),
        &sums.iter().map(books).collect::<Vec<_>>(),
    ))
}
