//! What orders owe to products, and the fate of reservations without an order.

use holdfast_storage::sqlite::{Fault, IdIndex};
use holdfast_types::{OrderId, Result, Settlement, Timestamp};
use rusqlite::{Connection, OptionalExtension};

use super::rows;
use crate::store::TOMBSTONE;

/// Debts that one round pays.
const ROUND: i64 = 100;

pub(super) fn standing(
    db: &Connection,
    before: Timestamp,
) -> Result<Vec<(OrderId, Settlement)>, Fault> {
    let mut query = db.prepare_cached(
        "SELECT id, owed FROM orders WHERE owed IS NOT NULL AND updated_at <= ?1 ORDER BY updated_at LIMIT ?2",
    )?;
    let debts = query.query_map((before.as_millis(), ROUND), |row| {
        Ok((OrderId::from_bytes(row.get(0)?), rows::settlement(1, row.get(1)?)?))
    })?;
    Ok(debts.collect::<Result<_, _>>()?)
}

pub(super) fn strike(
    db: &Connection,
    index: &IdIndex,
    debts: impl IntoIterator<Item = (OrderId, Settlement)>,
) -> Result<(), Fault> {
    let mut update =
        db.prepare_cached("UPDATE orders SET owed = NULL WHERE seq = ?1 AND owed = ?2")?;
    for (id, settlement) in debts {
        update.execute((index.find(db, id.bytes())?, settlement.code()))?;
    }
    Ok(())
}

pub(super) fn judge(
    db: &Connection,
    index: &IdIndex,
    ids: &[OrderId],
    now: Timestamp,
) -> Result<Vec<(OrderId, Settlement)>, Fault> {
    ids.iter().map(|id| Ok((*id, judge_one(db, index, *id, now)?))).collect()
}

fn judge_one(
    db: &Connection,
    index: &IdIndex,
    id: OrderId,
    now: Timestamp,
) -> Result<Settlement, Fault> {
    let status: Option<i64> = db
        .prepare_cached("SELECT status FROM orders WHERE seq = ?1")?
        .query_row([index.find(db, id.bytes())?], |row| row.get(0))
        .optional()?;
    match status {
        Some(TOMBSTONE) => Ok(Settlement::Release),
        Some(code) => Ok(rows::status(0, code)?.settlement()),
        None => {
            db.prepare_cached(
                "INSERT INTO orders (id, user_id, status, version, lines, total, currency, fingerprint, created_at, updated_at)
                 VALUES (?1, x'', ?2, 0, '[]', 0, '', x'', ?3, ?3)",
            )?
            .execute((id.bytes(), TOMBSTONE, now.as_millis()))?;
            index.add(db, id.bytes())?;
            Ok(Settlement::Release)
        }
    }
}
