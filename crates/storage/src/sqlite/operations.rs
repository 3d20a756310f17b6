//! Kept answers: a mutation and its answer are stored in one transaction, so a repeat is answered and not run again.

use holdfast_types::{Answer, Given, Operation, Result, Timestamp, reused};
use rusqlite::{Connection, OptionalExtension};

use super::{Fault, Sqlite};

/// Rows that one transaction forgets: it holds up orders for a few milliseconds.
const FORGET_ROWS: usize = 1000;

/// The answer that `operation` was given before, if any.
/// Refuses with `idempotency-key-reused` when the earlier request had another content.
pub fn replay(
    db: &Connection,
    table: &'static str,
    operation: &Operation,
) -> Result<Option<Answer>, Fault> {
    let found = db
        .prepare_cached(&format!(
            "SELECT fingerprint, status, etag, body FROM {table} WHERE id = ?1"
        ))?
        .query_row([operation.id.as_bytes()], |row| {
            let answer = Answer { status: row.get(1)?, etag: row.get(2)?, body: row.get(3)? };
            Ok((row.get::<_, [u8; 16]>(0)?, answer))
        })
        .optional()?;
    match found {
        None => Ok(None),
        Some((fingerprint, answer)) if fingerprint == operation.fingerprint.0 => Ok(Some(answer)),
        Some(_) => Err(reused().into()),
    }
}

/// Runs `effect` once per operation: a repeat gets the kept answer.
pub fn once(
    db: &Connection,
    table: &'static str,
    operation: &Operation,
    now: Timestamp,
    effect: impl FnOnce(&Connection) -> Result<Answer, Fault>,
) -> Result<Given, Fault> {
    if let Some(answer) = replay(db, table, operation)? {
        return Ok(Given { answer, replayed: true });
    }
    let answer = effect(db)?;
    db.prepare_cached(&format!("INSERT INTO {table} (id, fingerprint, status, etag, body, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"))?
        .execute((
            operation.id.as_bytes(),
            operation.fingerprint.0,
            answer.status,
            &answer.etag,
            &answer.body,
            now.as_millis(),
        ))?;
    Ok(Given { answer, replayed: false })
}

/// Forgets answers given before `before`, a thousand in each transaction.
pub async fn forget(db: &Sqlite, table: &'static str, before: Timestamp) -> Result<()> {
    let sql = format!(
        "DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} WHERE at < ?1 LIMIT {FORGET_ROWS})"
    );
    loop {
        let sql = sql.clone();
        if db.write(move |db| Ok(db.execute(&sql, [before.as_millis()])?)).await? < FORGET_ROWS {
            return Ok(());
        }
    }
}
