//! Kept answers: a mutation and its answer are stored in one transaction, so a repeat is answered and not run again.

use holdfast_types::{Answer, Given, Operation, Result, Timestamp, reused};
use tokio_postgres::Row;

use super::{Fault, Postgres, Tx, fault};

/// Rows that one statement forgets.
const FORGET_ROWS: i64 = 1000;

/// The answer that `operation` was given before, if any.
/// Refuses with `idempotency-key-reused` when the earlier request had another content.
pub async fn replay(db: &Postgres, table: &str, operation: &Operation) -> Result<Option<Answer>> {
    let found = db.query_opt(&select(table), &[&operation.id]).await?;
    Ok(found.map(|row| answer(&row, operation)).transpose()?)
}

fn select(table: &str) -> String {
    format!("SELECT fingerprint, status, etag, body FROM {table} WHERE id = $1")
}

fn answer(row: &Row, operation: &Operation) -> Result<Answer, Fault> {
    if row.get::<_, &[u8]>(0) != operation.fingerprint.0 {
        return Err(reused().into());
    }
    let status = u16::try_from(row.get::<_, i32>(1)).map_err(holdfast_types::Error::internal)?;
    Ok(Answer { status, etag: row.get(2), body: row.get(3) })
}

/// Runs `effect` once per operation: a repeat gets the kept answer. Two that run at once are told apart by the primary
/// key: the later one waits for the earlier and is run again.
pub async fn once(
    tx: &Tx,
    table: &str,
    operation: &Operation,
    now: Timestamp,
    effect: impl Future<Output = Result<Answer, Fault>>,
) -> Result<Given, Fault> {
    let kept = async || match tx.query_opt(&select(table), &[&operation.id]).await? {
        Some(row) => answer(&row, operation).map(|answer| Some(Given { answer, replayed: true })),
        None => Ok(None),
    };
    if let Some(given) = kept().await? {
        return Ok(given);
    }
    let answer = match effect.await {
        Ok(answer) => answer,
        // The same request may have come twice, and this one waited for its twin: the twin's answer is the answer.
        Err(Fault::Refused(error)) => {
            return kept().await?.ok_or(Fault::Refused(error));
        }
        Err(fault) => return Err(fault),
    };
    let insert = format!(
        "INSERT INTO {table} (id, fingerprint, status, etag, body, at) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (id) DO NOTHING"
    );
    let kept = tx
        .execute(
            &insert,
            &[
                &operation.id,
                &operation.fingerprint.0.as_slice(),
                &i32::from(answer.status),
                &answer.etag,
                &answer.body,
                &now.as_millis(),
            ],
        )
        .await?;
    if kept == 0 { Err(Fault::Stale) } else { Ok(Given { answer, replayed: false }) }
}

/// Forgets answers given before `before`, a thousand in each statement.
pub async fn forget(db: &Postgres, table: &'static str, before: Timestamp) -> Result<()> {
    let sql = format!(
        "DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE at < $1 ORDER BY id LIMIT {FORGET_ROWS})"
    );
    loop {
        let sql = &sql;
        let forgotten = db
            .transaction(|tx| async move { tx.execute(sql, &[&before.as_millis()]).await })
            .await?;
        if forgotten < FORGET_ROWS.unsigned_abs() {
            return Ok(());
        }
    }
}

/// Sixteen bytes of a fingerprint column.
pub fn fingerprint(row: &Row, column: usize) -> Result<holdfast_types::Fingerprint, Fault> {
    Ok(holdfast_types::Fingerprint(fault::bytes(row.get(column))?))
}
