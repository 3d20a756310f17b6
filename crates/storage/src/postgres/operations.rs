//! Kept answers: a mutation and its answer are stored in one transaction, so a repeat is answered and not run again.

use holdfast_types::{Answer, Given, Operation, Result, Timestamp, reused};
use tokio_postgres::Row;

use super::{Fault, Postgres, Tx, fault};
use crate::{Dated, Flow, Kept, Sink};

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
    let again = |answer| Given { answer, replayed: true };
    if let Some(answer) = kept(tx, table, operation).await? {
        return Ok(again(answer));
    }
    let answer = match effect.await {
        Ok(answer) => answer,
        // The same request may have come twice, and this one waited for its twin: the twin's answer is the answer.
        Err(Fault::Refused(error)) => {
            let kept = kept(tx, table, operation).await?;
            return kept.map(again).ok_or(Fault::Refused(error));
        }
        Err(fault) => return Err(fault),
    };
    keep(tx, table, operation, &answer, now).await?;
    Ok(Given { answer, replayed: false })
}

/// The same as [`replay`], within a transaction.
pub(crate) async fn kept(
    tx: &Tx,
    table: &str,
    operation: &Operation,
) -> Result<Option<Answer>, Fault> {
    let row = tx.query_opt(&select(table), &[&operation.id]).await?;
    row.map(|row| answer(&row, operation)).transpose()
}

/// Keeps the answer that `operation` is given. When its twin was faster, the transaction is run again.
pub(crate) async fn keep(
    tx: &Tx,
    table: &str,
    operation: &Operation,
    answer: &Answer,
    at: Timestamp,
) -> Result<(), Fault> {
    match keep_missing(tx, &insert(table), operation, answer, at).await? {
        0 => Err(Fault::Stale),
        _ => Ok(()),
    }
}

/// Forgets answers given before `before`.
pub async fn forget(db: &Postgres, table: &'static str, before: Timestamp) -> Result<()> {
    db.forget(Dated { table, key: "id", at: "at" }, before).await
}

/// Sixteen bytes of a fingerprint column.
fn fingerprint(row: &Row, column: usize) -> Result<holdfast_types::Fingerprint, Fault> {
    Ok(holdfast_types::Fingerprint(fault::bytes(row.get(column))?))
}

/// See [`crate::Database::answers`].
pub(crate) async fn answers(db: &Postgres, table: &'static str) -> Result<Flow<Kept>> {
    db.flow(move |tx, sink| Box::pin(read_answers(tx, table, sink))).await
}

async fn read_answers(tx: Tx, table: &'static str, sink: &mut Sink<Kept>) -> Result<(), Fault> {
    let sql = format!("SELECT fingerprint, status, etag, body, id, at FROM {table}");
    let mut rows = tx.cursor(table, &sql).await?;
    while let Some(row) = rows.next().await? {
        let (id, fingerprint) = (row.get(4), fingerprint(&row, 0)?);
        let answer = answer(&row, &Operation { id, fingerprint })?;
        let at = Timestamp::from_millis(row.get(5));
        sink.put(Kept { id, fingerprint, answer, at }).await?;
    }
    Ok(())
}

/// See [`crate::Database::put_secret`].
pub(crate) async fn put_secret(db: &Postgres, service: &str, secret: [u8; 32]) -> Result<()> {
    db.transaction(|tx| async move {
        let sql = "UPDATE holdfast_secrets SET secret = $2 WHERE service = $1";
        tx.execute(sql, &[&service, &secret.as_slice()]).await.map(|_| ())
    })
    .await
}

/// The secret that stands under that name, if any.
pub(crate) async fn find_secret(db: &Postgres, name: &str) -> Result<Option<[u8; 32]>> {
    let sql = "SELECT secret FROM holdfast_secrets WHERE service = $1";
    let found = db.query_opt(sql, &[&name]).await?;
    Ok(found.map(|row| fault::bytes(row.get(0))).transpose()?)
}

/// See [`crate::Database::put_kept`].
pub(crate) async fn put_kept(db: &Postgres, table: &str, kept: &[Kept]) -> Result<()> {
    let sql = &insert(table);
    db.transaction(|tx| async move {
        for Kept { id, fingerprint, answer, at } in kept {
            let operation = Operation { id: *id, fingerprint: *fingerprint };
            keep_missing(&tx, sql, &operation, answer, *at).await?;
        }
        Ok(())
    })
    .await
}

fn insert(table: &str) -> String {
    format!(
        "INSERT INTO {table} (id, fingerprint, status, etag, body, at) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (id) DO NOTHING"
    )
}

/// Says how many answers were written: none when one is there.
async fn keep_missing(
    tx: &Tx,
    sql: &str,
    operation: &Operation,
    answer: &Answer,
    at: Timestamp,
) -> Result<u64, Fault> {
    tx.execute(
        sql,
        &[
            &operation.id,
            &operation.fingerprint.0.as_slice(),
            &i32::from(answer.status),
            &answer.etag,
            &answer.body,
            &at.as_millis(),
        ],
    )
    .await
}
