//! The transactional outbox (Richardson, "Microservices Patterns", 2018, §3.2.6): what a transaction did is written down by
//! that transaction, in one row, however much it was; whoever collects it takes what is there, and says when it is kept
//! elsewhere. Nobody reads "after" a row: rows do not become visible in the order of their keys.

use std::{fmt, marker::PhantomData};

use async_trait::async_trait;
use holdfast_types::{Answer, IdempotentAnswer, Message, Operation, Random, Result, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use uuid::Uuid;

use crate::{
    Database,
    record::{Fault, Record, Scan, Stored, Table, Tx, Value},
};

/// Rows that are looked at for one settlement.
const SETTLE_ROWS: usize = 100;

/// Names the outbox of a service.
pub trait OutboxTable: Send + Sync + 'static {
    /// The name of the service.
    const SERVICE: &'static str;
    /// Where its rows are: [`Table::of`].
    const TABLE: Table;
}

/// What one transaction did.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OutboxBatch {
    /// Names it.
    pub id: Uuid,
    /// In the order in which it happened.
    pub messages: Vec<Message>,
}

/// The same as a row of the outbox of `S`.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct OutboxRow<S> {
    #[serde(flatten)]
    batch: OutboxBatch,
    #[serde(skip)]
    of: PhantomData<fn() -> S>,
}

impl<S> OutboxRow<S> {
    const fn new(batch: OutboxBatch) -> Self {
        Self { batch, of: PhantomData }
    }
}

impl<S> fmt::Debug for OutboxRow<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.batch.fmt(f)
    }
}

impl<S: OutboxTable> Record for OutboxRow<S> {
    const TABLE: Table = S::TABLE;

    fn key(&self) -> Value {
        self.batch.id.into()
    }

    fn columns(&self) -> Vec<Option<Value>> {
        Vec::new()
    }
}

/// Where a service tells what it has done. Clones share it.
pub struct Outbox<S> {
    db: Database,
    random: Random,
    of: PhantomData<fn() -> S>,
}

impl<S> Clone for Outbox<S> {
    fn clone(&self) -> Self {
        Self { db: self.db.clone(), random: self.random.clone(), of: PhantomData }
    }
}

impl<S> fmt::Debug for Outbox<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").finish_non_exhaustive()
    }
}

impl<S: OutboxTable> Outbox<S> {
    /// That of a service, in its database.
    #[must_use]
    pub fn new(db: &Database, random: &Random) -> Self {
        Self { db: db.clone(), random: random.clone(), of: PhantomData }
    }

    /// Runs `job` once per operation, and keeps its answer in the same transaction: a repeat is given the kept answer. Where
    /// somebody answers for the operation, that is told as well. Refuses with `idempotency-key-reused` when the earlier request had
    /// another content.
    pub async fn once<J, F>(
        &self,
        operation: &Operation,
        now: Timestamp,
        job: J,
    ) -> Result<IdempotentAnswer>
    where
        J: Fn(Tx) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Answer, Fault>> + Send,
    {
        let (outbox, audit) = (self.clone(), operation.audit.clone());
        let told = move |tx: Tx| {
            let (outbox, audit, effect) = (outbox.clone(), audit.clone(), job(tx.clone()));
            async move {
                let answer = effect.await?;
                outbox.put(&tx, audit.map(|audit| audit.message(now))).await?;
                Ok(answer)
            }
        };
        self.db.once(S::SERVICE, operation, now, told).await
    }

    /// Writes down what the transaction does, if it does anything.
    pub async fn put(
        &self,
        tx: &Tx,
        messages: impl IntoIterator<Item = Message> + Send,
    ) -> Result<(), Fault> {
        let messages: Vec<Message> = messages.into_iter().collect();
        let Some(at) = messages.iter().map(|message| message.at).max() else { return Ok(()) };
        let batch = OutboxBatch { id: self.random.uuid_v7(at), messages };
        Ok(tx.insert(&OutboxRow::<S>::new(batch)).await??)
    }
}

/// The outbox of a service, for whoever collects, wherever the service is.
#[async_trait]
pub trait EventSource: Send + Sync {
    /// What is there, the oldest first: `limit` transactions at most.
    async fn take(&self, limit: usize) -> Result<Vec<OutboxBatch>>;

    /// Forgets what is kept elsewhere, as far as it is there.
    async fn settle(&self, batches: &[Uuid]) -> Result<()>;

    /// What there is to say about each of these messages, which do not say it themselves.
    async fn describe(&self, messages: &[Message]) -> Result<Vec<Json>>;
}

/// For services whose messages say everything themselves: of the others there is nothing to say.
#[async_trait]
impl<S: OutboxTable> EventSource for Outbox<S> {
    async fn take(&self, limit: usize) -> Result<Vec<OutboxBatch>> {
        // In a transaction, so that every engine shows what is committed by now.
        let take = move |tx: Tx| async move {
            let rows = tx.scan::<OutboxRow<S>>(Scan::of_keys(limit)).await?;
            Ok(rows.into_iter().map(|row| row.into_inner().batch).collect())
        };
        self.db.read(take).await
    }

    async fn settle(&self, batches: &[Uuid]) -> Result<()> {
        for some in batches.chunks(SETTLE_ROWS) {
            let some = some.to_vec();
            let settle = move |tx: Tx| {
                let some = some.clone();
                async move {
                    let mut there: Vec<Stored<OutboxRow<S>>> = Vec::new();
                    for id in some {
                        there.extend(tx.get(id).await?);
                    }
                    tx.delete_all(there).await
                }
            };
            self.db.transact(settle).await?;
        }
        Ok(())
    }

    async fn describe(&self, messages: &[Message]) -> Result<Vec<Json>> {
        Ok(vec![Json::Null; messages.len()])
    }
}
