//! Batches of reservations whose orders nobody has confirmed. One row stands for a whole batch.

use holdfast_storage::sqlite::Fault;
use holdfast_types::{BatchId, OrderId, Result, Timestamp, Unconfirmed};
use rusqlite::{Connection, Row};

/// Unconfirmed batches that one sweep looks at.
const SWEEP: i64 = 10;

pub(super) fn note(db: &Connection, batch: &Unconfirmed, now: Timestamp) -> Result<(), Fault> {
    let ids: Vec<u8> = batch.orders.iter().flat_map(|id| *id.bytes()).collect();
    let sql = "INSERT INTO unconfirmed_batches (id, orders, at) VALUES (?1, ?2, ?3)
               ON CONFLICT (id) DO UPDATE SET orders = CAST(orders || excluded.orders AS BLOB)";
    db.prepare_cached(sql)?.execute((batch.batch.bytes(), ids, now.as_millis()))?;
    Ok(())
}

pub(super) fn strike(db: &Connection, batches: &[BatchId]) -> Result<(), Fault> {
    let mut delete = db.prepare_cached("DELETE FROM unconfirmed_batches WHERE id = ?1")?;
    for batch in batches {
        delete.execute([batch.bytes()])?;
    }
    Ok(())
}

pub(super) fn unconfirmed(db: &Connection, before: Timestamp) -> Result<Vec<Unconfirmed>, Fault> {
    let mut query = db.prepare_cached(
        "SELECT id, orders FROM unconfirmed_batches WHERE at < ?1 ORDER BY at LIMIT ?2",
    )?;
    let batches = query.query_map((before.as_millis(), SWEEP), unconfirmed_batch)?;
    Ok(batches.collect::<Result<_, _>>()?)
}

pub(super) fn unconfirmed_batch(row: &Row<'_>) -> rusqlite::Result<Unconfirmed> {
    let (ids, _) = row.get_ref(1)?.as_blob()?.as_chunks::<16>();
    let orders = ids.iter().map(|id| OrderId::from_bytes(*id)).collect();
    Ok(Unconfirmed { batch: BatchId::from_bytes(row.get(0)?), orders })
}
