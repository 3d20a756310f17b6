//! Kept answers: a mutation and its answer are stored in one transaction, so a repeat is answered and not run again.

use holdfast_types::{Answer, Error, Given, Operation, Result, Timestamp, reused};
use mongodb::bson::{Document, doc};

use super::{Fault, Mongo, Query, Tx, fields};
use crate::{Flow, Kept, Sink};

const SECRETS: &str = "holdfast_secrets";

/// The answer that `operation` was given before, if any.
/// Refuses with `idempotency-key-reused` when the earlier request had another content.
pub async fn replay(db: &Mongo, collection: &str, operation: &Operation) -> Result<Option<Answer>> {
    let found = db.get(collection, fields::uuid(operation.id)).await?;
    found.map(|found| answer(&found, operation)).transpose()
}

fn answer(found: &Document, operation: &Operation) -> Result<Answer> {
    if fields::fingerprint(found, "fingerprint")? != operation.fingerprint {
        return Err(reused());
    }
    let status = u16::try_from(fields::number(found, "status")?).map_err(Error::internal)?;
    let etag = fields::optional_text(found, "etag")?;
    Ok(Answer { status, etag, body: fields::blob(found, "body")? })
}

/// Runs `effect` once per operation: a repeat gets the kept answer. Two that run at once meet at the `_id`: the later
/// one is run again.
pub async fn once(
    tx: &Tx,
    collection: &str,
    operation: &Operation,
    now: Timestamp,
    effect: impl Future<Output = Result<Answer, Fault>>,
) -> Result<Given, Fault> {
    if let Some(answer) = kept(tx, collection, operation).await? {
        return Ok(Given { answer, replayed: true });
    }
    let answer = effect.await?;
    keep(tx, collection, operation, &answer, now).await?;
    Ok(Given { answer, replayed: false })
}

/// The same as [`replay`], within a transaction.
pub(crate) async fn kept(
    tx: &Tx,
    collection: &str,
    operation: &Operation,
) -> Result<Option<Answer>, Fault> {
    let found = tx.get(collection, fields::uuid(operation.id)).await?;
    Ok(found.map(|found| answer(&found, operation)).transpose()?)
}

/// Keeps the answer that `operation` is given. When its twin was faster, the transaction is run again.
pub(crate) async fn keep(
    tx: &Tx,
    collection: &str,
    operation: &Operation,
    answer: &Answer,
    at: Timestamp,
) -> Result<(), Fault> {
    tx.insert(collection, vec![document(operation, answer, at)]).await
}

/// Forgets answers given before `before`.
pub async fn forget(db: &Mongo, collection: &str, before: Timestamp) -> Result<()> {
    db.forget(collection, doc! {"at": {"$lt": before.as_millis()}}).await
}

fn document(operation: &Operation, answer: &Answer, at: Timestamp) -> Document {
    doc! {
        "_id": fields::uuid(operation.id),
        "fingerprint": fields::binary(&operation.fingerprint.0),
        "status": i64::from(answer.status),
        "etag": answer.etag.clone(),
        "body": fields::binary(&answer.body),
        "at": at.as_millis(),
    }
}

/// See [`crate::Database::answers`].
pub(crate) async fn answers(db: &Mongo, collection: &'static str) -> Result<Flow<Kept>> {
    db.flow(move |tx, sink| Box::pin(read_answers(tx, collection, sink))).await
}

async fn read_answers(tx: Tx, collection: &str, sink: &mut Sink<Kept>) -> Result<(), Fault> {
    let mut found = tx.cursor(collection, &Query::default()).await?;
    while let Some(found) = found.next().await? {
        let id: holdfast_types::OrderId = fields::id(&found, "_id")?;
        let fingerprint = fields::fingerprint(&found, "fingerprint")?;
        let answer = answer(&found, &Operation { id: id.uuid(), fingerprint })?;
        let at = fields::time(&found, "at")?;
        sink.put(Kept { id: id.uuid(), fingerprint, answer, at }).await?;
    }
    Ok(())
}

/// See [`crate::Database::put_secret`].
pub(crate) async fn put_secret(db: &Mongo, service: &str, secret: [u8; 32]) -> Result<()> {
    db.transaction(|tx| async move {
        let secret = doc! {"$set": {"secret": fields::binary(&secret)}};
        tx.update(SECRETS, vec![(doc! {"_id": service}, secret)]).await
    })
    .await
}

/// The secret that stands under that name, if any.
pub(crate) async fn find_secret(db: &Mongo, name: &str) -> Result<Option<[u8; 32]>> {
    let found = db.get(SECRETS, name).await?;
    found.map(|found| fields::bytes(&found, "secret")).transpose()
}

/// See [`crate::Database::put_kept`].
pub(crate) async fn put_kept(db: &Mongo, collection: &str, kept: &[Kept]) -> Result<()> {
    db.transaction(|tx| async move {
        let documents = kept.iter().map(|Kept { id, fingerprint, answer, at }| {
            document(&Operation { id: *id, fingerprint: *fingerprint }, answer, *at)
        });
        tx.insert_missing(collection, documents.collect()).await
    })
    .await
}
