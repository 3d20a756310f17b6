//! Idempotency records: the answer of a request is kept in the transaction of its effect, so that a repeat under the same
//! `Idempotency-Key` is answered, and not run again.

use holdfast_types::{Answer, Fingerprint, IdempotentAnswer, Operation, Result, Timestamp, reused};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Column, Fault, Index, Kind, Record, Table, Taken, Tx, Value};
use crate::Database;

/// What a request was answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IdempotencyRecord {
    /// Who answered.
    #[serde(default)]
    pub service: String,
    /// The operation.
    pub id: Uuid,
    /// What its request was like.
    pub fingerprint: Fingerprint,
    /// What it was answered.
    pub answer: Answer,
    /// When.
    pub at: Timestamp,
}

impl Record for IdempotencyRecord {
    const TABLE: Table = Table {
        columns: &[Column::of("at", Kind::Integer)],
        indexes: &[Index::of("time", &["at"])],
        ..Table::of("idempotency_records", "kept answer")
    };

    fn key(&self) -> Value {
        self.id.into()
    }

    fn columns(&self) -> Vec<Option<Value>> {
        vec![Some(self.at.into())]
    }
}

impl IdempotencyRecord {
    /// Refuses with `idempotency-key-reused` when the earlier request had another content.
    fn answer(self, operation: &Operation) -> Result<Answer> {
        match self.fingerprint == operation.fingerprint {
            true => Ok(self.answer),
            false => Err(reused()),
        }
    }
}

impl Database {
    /// The answer that `operation` was given before, if any.
    /// Refuses with `idempotency-key-reused` when the earlier request had another content.
    pub async fn replay(&self, operation: &Operation) -> Result<Option<Answer>> {
        let kept: Option<IdempotencyRecord> = self.get(operation.id).await?;
        kept.map(|kept| kept.answer(operation)).transpose()
    }

    /// Forgets answers given before `before`.
    pub async fn forget_answers(&self, before: Timestamp) -> Result<()> {
        self.forget::<IdempotencyRecord>("time", before).await
    }

    /// Runs `job` once per operation, and keeps its answer in the same transaction: a repeat is given the kept answer.
    /// Refuses with `idempotency-key-reused` when the earlier request had another content.
    pub(crate) async fn once<J, F>(
        &self,
        service: &'static str,
        operation: &Operation,
        now: Timestamp,
        job: J,
    ) -> Result<IdempotentAnswer>
    where
        J: Fn(Tx) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Answer, Fault>> + Send,
    {
        let operation = operation.clone();
        self.transact(move |tx| {
            let (operation, effect) = (operation.clone(), job(tx.clone()));
            async move {
                if let Some(answer) = tx.replay(&operation).await? {
                    return Ok(IdempotentAnswer { answer, replayed: true });
                }
                match effect.await {
                    Ok(answer) => {
                        tx.keep(service, &operation, &answer, now).await?;
                        Ok(IdempotentAnswer { answer, replayed: false })
                    }
                    // The same request may have come twice, and this one waited for its twin: the twin's answer is the answer.
                    Err(Fault::Refused(error)) => match tx.replay(&operation).await? {
                        Some(answer) => Ok(IdempotentAnswer { answer, replayed: true }),
                        None => Err(Fault::Refused(error)),
                    },
                    Err(fault) => Err(fault),
                }
            }
        })
        .await
    }
}

impl Tx {
    async fn replay(&self, operation: &Operation) -> Result<Option<Answer>, Fault> {
        let kept = self.get::<IdempotencyRecord>(operation.id).await?;
        Ok(kept.map(|kept| kept.into_inner().answer(operation)).transpose()?)
    }

    /// Keeps the answer that an operation is given. When its twin was faster, the transaction is run again.
    async fn keep(
        &self,
        service: &str,
        operation: &Operation,
        answer: &Answer,
        at: Timestamp,
    ) -> Result<(), Fault> {
        let Operation { id, fingerprint, .. } = *operation;
        let service = service.to_owned();
        let kept = IdempotencyRecord { service, id, fingerprint, answer: answer.clone(), at };
        match self.insert(&kept).await? {
            Ok(()) => Ok(()),
            Err(Taken::Key | Taken::Index(_)) => Err(Fault::Stale),
        }
    }
}
