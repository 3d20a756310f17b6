//! Kept answers over transactions: the record of an idempotent request is kept with its effect, so a repeat is answered and
//! not run again.

use holdfast_types::{Answer, Given, Operation, Result, Timestamp};

use super::{Fault, Tx};
use crate::{Database, mongo, postgres, sqlite};

const SQLITE: &str = "id BLOB PRIMARY KEY, fingerprint BLOB NOT NULL, status INTEGER NOT NULL, etag TEXT, body BLOB NOT NULL, at INTEGER NOT NULL";
const POSTGRES: &str = "id uuid PRIMARY KEY, fingerprint bytea NOT NULL, status integer NOT NULL, etag text, body bytea NOT NULL, at bigint NOT NULL";

impl Database {
    /// Makes the table of a service's kept answers, unless it is there.
    pub async fn define_answers(&self, table: &'static str) -> Result<()> {
        let sql = |columns: &str, strict: &str| {
            format!(
                "CREATE TABLE IF NOT EXISTS {table} ({columns}){strict};
                 CREATE INDEX IF NOT EXISTS {table}_by_time ON {table} (at);"
            )
        };
        match self {
            Self::Sqlite(db) => {
                let sql = sql(SQLITE, " STRICT");
                db.write(move |db| Ok(db.execute_batch(&sql)?)).await
            }
            Self::Postgres(db) => {
                let sql = &sql(POSTGRES, "");
                db.define(|tx| async move { tx.batch(sql).await }).await
            }
            Self::Mongo(db) => {
                let index = mongo::doc! {"name": "by_time", "key": {"at": 1}};
                let indexes = mongo::doc! {"createIndexes": table, "indexes": [index]};
                db.define(vec![mongo::doc! {"create": table}, indexes]).await
            }
        }
    }

    /// The answer that `operation` was given before, if any.
    /// Refuses with `idempotency-key-reused` when the earlier request had another content.
    pub async fn replay(
        &self,
        answers: &'static str,
        operation: &Operation,
    ) -> Result<Option<Answer>> {
        match self {
            Self::Sqlite(db) => db.get(|db| sqlite::operations::replay(db, answers, operation)),
            Self::Postgres(db) => postgres::operations::replay(db, answers, operation).await,
            Self::Mongo(db) => mongo::operations::replay(db, answers, operation).await,
        }
    }

    /// Forgets answers given before `before`.
    pub async fn forget_answers(&self, answers: &'static str, before: Timestamp) -> Result<()> {
        match self {
            Self::Sqlite(db) => sqlite::operations::forget(db, answers, before).await,
            Self::Postgres(db) => postgres::operations::forget(db, answers, before).await,
            Self::Mongo(db) => mongo::operations::forget(db, answers, before).await,
        }
    }

    /// Runs `job` once per operation, and keeps its answer in the same transaction: a repeat is given the kept answer.
    /// Refuses with `idempotency-key-reused` when the earlier request had another content.
    pub async fn once<J, F>(
        &self,
        answers: &'static str,
        operation: &Operation,
        now: Timestamp,
        job: J,
    ) -> Result<Given>
    where
        J: Fn(Tx) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Answer, Fault>> + Send,
    {
        let operation = *operation;
        self.transact(move |tx| {
            let effect = job(tx.clone());
            async move {
                if let Some(answer) = tx.kept(answers, operation).await? {
                    return Ok(Given { answer, replayed: true });
                }
                match effect.await {
                    Ok(answer) => {
                        tx.keep(answers, operation, &answer, now).await?;
                        Ok(Given { answer, replayed: false })
                    }
                    // The same request may have come twice, and this one waited for its twin: the twin's answer is the answer.
                    Err(Fault::Refused(error)) => match tx.kept(answers, operation).await? {
                        Some(answer) => Ok(Given { answer, replayed: true }),
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
    /// The answer that an operation was given before, if any.
    /// Refuses with `idempotency-key-reused` when the earlier request had another content.
    async fn kept(
        &self,
        answers: &'static str,
        operation: Operation,
    ) -> Result<Option<Answer>, Fault> {
        Ok(match self {
            Self::Sqlite(tx) => {
                tx.run(move |db| sqlite::operations::replay(db, answers, &operation)).await?
            }
            Self::Postgres(tx) => {
                Box::pin(postgres::operations::kept(tx, answers, &operation)).await?
            }
            Self::Mongo(tx) => Box::pin(mongo::operations::kept(tx, answers, &operation)).await?,
        })
    }

    /// Keeps the answer that an operation is given.
    async fn keep(
        &self,
        answers: &'static str,
        operation: Operation,
        answer: &Answer,
        at: Timestamp,
    ) -> Result<(), Fault> {
        match self {
            Self::Sqlite(tx) => {
                let answer = answer.clone();
                let keep =
                    move |db: &_| sqlite::operations::keep(db, answers, &operation, &answer, at);
                tx.run(keep).await?;
            }
            Self::Postgres(tx) => {
                Box::pin(postgres::operations::keep(tx, answers, &operation, answer, at)).await?;
            }
            Self::Mongo(tx) => {
                Box::pin(mongo::operations::keep(tx, answers, &operation, answer, at)).await?;
            }
        }
        Ok(())
    }
}
