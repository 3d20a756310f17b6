//! PostgreSQL 15 and newer: a pool of connections, and transactions that are run again when they may be.
//!
//! Everything is correct at READ COMMITTED: rows that a decision rests on are locked first, in the order of their ids.
//! Every transaction may be run twice, since a connection can break while its COMMIT is on the way: what it does is
//! found again under the id of its operation, so the second run tells what the first one did.

mod connect;
mod fault;
mod migrate;
pub(crate) mod secrets;
mod tx;

use std::{sync::Arc, time::Duration};

use deadpool_postgres::{Object, Pool};
use futures_util::future::BoxFuture;
use holdfast_types::{Error, Random, Result};
use tokio::time::Instant;
pub use tokio_postgres::{Row, types::ToSql};

pub use fault::{Fault, bytes};
use tx::Kind;
pub use tx::{Cursor, Tx};

use crate::{Flow, Sink, backoff::Backoff, migrations::Steps};

/// A value of a statement.
pub type Value<'a> = &'a (dyn ToSql + Sync);

/// A query of a list is given up after this long; see also the limits of a session.
const READ_TIME: Duration = Duration::from_secs(5);

/// A database on a PostgreSQL server. Clones share the pool.
#[derive(Clone)]
pub struct Postgres(Arc<Inner>);

struct Inner {
    pool: Pool,
    random: Random,
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Postgres").finish_non_exhaustive()
    }
}

impl Postgres {
    /// Makes a pool for the server that `url` names; connects at the first use.
    /// Refuses a connection string that cannot be used.
    pub fn open(url: &str) -> Result<Self> {
        Ok(Self(Arc::new(Inner { pool: connect::pool(url)?, random: Random::system() })))
    }

    /// Runs `job` in one transaction, again and again while what hinders it may pass, for a few seconds.
    /// `job` must be harmless when it is run twice: the outcome of a COMMIT may be unknown.
    pub async fn transaction<T, J, F>(&self, job: J) -> Result<T>
    where
        J: Fn(Tx) -> F + Send + Sync,
        F: Future<Output = Result<T, Fault>> + Send,
        T: Send,
    {
        self.run(tx::CHANGE, job).await
    }

    /// Runs `job` on one snapshot, in which it cannot change anything.
    pub async fn snapshot<T, J, F>(&self, job: J) -> Result<T>
    where
        J: Fn(Tx) -> F + Send + Sync,
        F: Future<Output = Result<T, Fault>> + Send,
        T: Send,
    {
        self.run(tx::READ, job).await
    }

    /// Runs `job` in one transaction that may make tables, while nobody else does.
    pub(crate) async fn define<J, F>(&self, job: J) -> Result<()>
    where
        J: Fn(Tx) -> F + Send + Sync,
        F: Future<Output = Result<(), Fault>> + Send,
    {
        let define = |tx: Tx| {
            let defined = job(tx.clone());
            async move {
                migrate::lock(&tx).await?;
                defined.await
            }
        };
        self.run(tx::MIGRATION, define).await
    }

    async fn run<T, J, F>(&self, kind: Kind, job: J) -> Result<T>
    where
        J: Fn(Tx) -> F + Send + Sync,
        F: Future<Output = Result<T, Fault>> + Send,
        T: Send,
    {
        let mut backoff = Backoff::new(&self.0.random);
        loop {
            match self.attempt(kind, &job).await {
                Err(fault) if fault.may_pass() => backoff.wait(fault).await?,
                done => return Ok(done?),
            }
        }
    }

    async fn attempt<T, J, F>(&self, kind: Kind, job: &J) -> Result<T, Fault>
    where
        J: Fn(Tx) -> F + Send + Sync,
        F: Future<Output = Result<T, Fault>> + Send,
        T: Send,
    {
        let running = tx::begin(self.connection().await?, kind).await?;
        match job(running.tx()).await {
            Ok(done) => running.commit().await.map(|()| done),
            Err(fault) => {
                running.roll_back(&fault).await;
                Err(fault)
            }
        }
    }

    /// Runs one query outside of a transaction: it sees one snapshot.
    pub async fn query(&self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>> {
        let mut backoff = Backoff::new(&self.0.random);
        let deadline = Instant::now() + READ_TIME;
        loop {
            let found = tokio::time::timeout_at(deadline, self.query_once(sql, values)).await;
            match found.unwrap_or(Err(Fault::Late)) {
                Err(fault) if fault.may_pass() => backoff.wait(fault).await?,
                done => return Ok(done?),
            }
        }
    }

    async fn query_once(&self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, Fault> {
        let client = self.connection().await?;
        let statement = client.prepare_cached(sql).await?;
        Ok(client.query(&statement, values).await?)
    }

    /// The first row of a query, if there is one.
    pub async fn query_opt(&self, sql: &str, values: &[Value<'_>]) -> Result<Option<Row>> {
        Ok(self.query(sql, values).await?.into_iter().next())
    }

    /// Records of one snapshot, read for as long as it takes: for audits and exports.
    pub async fn flow<T, J>(&self, read: J) -> Result<Flow<T>>
    where
        T: Send + 'static,
        J: for<'a> FnOnce(Tx, &'a mut Sink<T>) -> BoxFuture<'a, Result<(), Fault>> + Send + 'static,
    {
        let running = tx::begin(self.connection().await?, tx::SNAPSHOT).await?;
        let (mut sink, flow) = Flow::new();
        tokio::spawn(async move {
            let mut done = read(running.tx(), &mut sink).await;
            if done.is_ok() {
                done = running.commit().await;
            }
            sink.end(done.map_err(Error::from)).await;
        });
        flow.begun().await
    }

    async fn connection(&self) -> Result<Object, Fault> {
        Ok(self.0.pool.get().await?)
    }

    /// Brings the tables of `service` up to date; refuses a database that a newer program wrote.
    pub(crate) async fn migrate(&self, steps: Steps) -> Result<()> {
        self.run(tx::MIGRATION, |tx| migrate::run(tx, steps)).await
    }

    /// Answers when the server takes writes: the readiness probe.
    pub async fn ready(&self) -> Result<()> {
        let found = self.query_opt("SELECT pg_is_in_recovery()", &[]).await?;
        match found.is_some_and(|row| row.get(0)) {
            false => Ok(()),
            true => Err(fault::standby()),
        }
    }
}
