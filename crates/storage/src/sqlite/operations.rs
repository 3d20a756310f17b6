//! Kept answers: a mutation and its answer are stored in one transaction, so a repeat is answered and not run again.

use holdfast_types::{Answer, Fingerprint, Given, Operation, Result, Timestamp, reused};
use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use super::{Fault, Sqlite};
use crate::{Dated, Flow, Kept};

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
    keep(db, table, operation, &answer, now)?;
    Ok(Given { answer, replayed: false })
}

/// Keeps the answer that `operation` is given.
pub(crate) fn keep(
    db: &Connection,
    table: &'static str,
    operation: &Operation,
    answer: &Answer,
    at: Timestamp,
) -> Result<(), Fault> {
    db.prepare_cached(&format!("INSERT INTO {table} (id, fingerprint, status, etag, body, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"))?
        .execute((
            operation.id.as_bytes(),
            operation.fingerprint.0,
            answer.status,
            &answer.etag,
            &answer.body,
            at.as_millis(),
        ))?;
    Ok(())
}

/// Forgets answers given before `before`.
pub async fn forget(db: &Sqlite, table: &'static str, before: Timestamp) -> Result<()> {
    db.forget(Dated { table, key: "rowid", at: "at" }, before).await
}

/// See [`crate::Database::answers`].
pub(crate) async fn answers(db: &Sqlite, table: &'static str) -> Result<Flow<Kept>> {
    db.flow(move |db, sink| {
        let sql = format!("SELECT id, fingerprint, status, etag, body, at FROM {table}");
        let mut query = db.prepare(&sql)?;
        let kept = query.query_map([], |row| {
            Ok(Kept {
                id: Uuid::from_bytes(row.get(0)?),
                fingerprint: Fingerprint(row.get(1)?),
                answer: Answer { status: row.get(2)?, etag: row.get(3)?, body: row.get(4)? },
                at: Timestamp::from_millis(row.get(5)?),
            })
        })?;
        for kept in kept {
            sink.put_blocking(kept?)?;
        }
        Ok(())
    })
    .await
}

/// See [`crate::Database::put_secret`].
pub(crate) async fn put_secret(db: &Sqlite, service: &'static str, secret: [u8; 32]) -> Result<()> {
    let sql = "UPDATE holdfast_secrets SET secret = ?2 WHERE service = ?1";
    db.write(move |db| Ok(db.execute(sql, (service, secret)).map(|_| ())?)).await
}

/// The secret that stands under that name, if any.
pub(crate) fn find_secret(db: &Sqlite, name: &str) -> Result<Option<[u8; 32]>> {
    let sql = "SELECT secret FROM holdfast_secrets WHERE service = ?1";
    db.get(|db| Ok(db.prepare_cached(sql)?.query_row([name], |row| row.get(0)).optional()?))
}

/// See [`crate::Database::put_kept`].
pub(crate) async fn put_kept(db: &Sqlite, table: &'static str, kept: Vec<Kept>) -> Result<()> {
    db.write(move |db| {
        let mut insert = db.prepare_cached(&format!("INSERT OR IGNORE INTO {table} (id, fingerprint, status, etag, body, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"))?;
        for Kept { id, fingerprint, answer, at } in kept {
            let Answer { status, etag, body } = answer;
            insert.execute((id.as_bytes(), fingerprint.0, status, etag, body, at.as_millis()))?;
        }
        Ok(())
    })
    .await
}
