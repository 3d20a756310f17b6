//! MongoDB: transactions on a replica set or a sharded cluster, with snapshot reads and majority writes, run again when
//! they may be.
//!
//! Nothing is locked here: a transaction that changes a document which another has changed since its snapshot is
//! aborted at once and begun afresh after a pause with jitter. What a decision rests on is therefore also written, or
//! guarded by a unique `_id`. Every transaction may be run twice; see [`crate::postgres`].

mod connect;
mod elections;
mod fault;
pub mod fields;
mod migrate;
pub(crate) mod secrets;
mod tx;
mod watch;

use std::{sync::Arc, time::Duration};

use elections::Elections;
pub use fault::Fault;
use futures_util::{TryStreamExt, future::BoxFuture};
use holdfast_types::{Error, Random, Result};
pub use mongodb::bson::{self, Bson, Document, doc};
use mongodb::{
    Client,
    options::{FindOptions, Hint},
};
pub use tx::{Cursor, Tx};

use crate::{Flow, Sink, backoff::Backoff, migrations::Steps};

/// A query of a list is given up after this long.
const READ_TIME: Duration = Duration::from_secs(5);

/// A database on a MongoDB server. Clones share the connections.
#[derive(Clone)]
pub struct Mongo(Arc<Inner>);

struct Inner {
    client: Client,
    database: mongodb::Database,
    random: Random,
    elections: Elections,
}

impl std::fmt::Debug for Mongo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mongo").finish_non_exhaustive()
    }
}

/// What a query asks for.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// What documents must be like.
    pub filter: Document,
    /// The members that are wanted; all when empty.
    pub projection: Option<Document>,
    /// In which order.
    pub sort: Option<Document>,
    /// How many are left out before the first.
    pub skip: Option<u64>,
    /// How many at most.
    pub limit: Option<i64>,
    /// The name of the index to use, where the server should not choose.
    pub hint: Option<&'static str>,
}

impl Query {
    /// All documents like `filter`.
    #[must_use]
    pub fn of(filter: Document) -> Self {
        Self { filter, ..Self::default() }
    }

    fn options(&self) -> FindOptions {
        FindOptions::builder()
            .projection(self.projection.clone())
            .sort(self.sort.clone())
            .skip(self.skip)
            .limit(self.limit)
            .hint(self.hint.map(|name| Hint::Name(name.to_owned())))
            .build()
    }
}

impl Mongo {
    /// Connects, and refuses what could not keep the promises: a standalone server has no transactions.
    pub async fn open(url: &str) -> Result<Self> {
        let elections = Elections::default();
        let (client, database) = connect::connect(url, &elections).await?;
        watch::require_transactions(&database).await?;
        watch::keep_transactions_short(client.clone());
        let random = Random::system();
        Ok(Self(Arc::new(Inner { client, database, random, elections })))
    }

    /// Runs `job` in one transaction, again and again while what hinders it may pass, for a few seconds.
    /// `job` must be harmless when it is run twice: the outcome of a commit may be unknown.
    pub async fn transaction<T, J, F>(&self, job: J) -> Result<T>
    where
        J: Fn(Tx) -> F + Send + Sync,
        F: Future<Output = Result<T, Fault>> + Send,
        T: Send,
    {
        let mut backoff = Backoff::new(&self.0.random);
        loop {
            match self.attempt(&job, &mut backoff).await {
                Err(fault) if fault.may_pass() => fault.wait(&mut backoff).await?,
                done => return Ok(done?),
            }
        }
    }

    /// Runs `job` on one snapshot, in which it cannot change anything.
    pub async fn snapshot<T, J, F>(&self, job: J) -> Result<T>
    where
        J: Fn(Tx) -> F + Send + Sync,
        F: Future<Output = Result<T, Fault>> + Send,
        T: Send,
    {
        let attempt = || async {
            job(Tx::snapshot(&self.0.client, &self.0.database, tx::READ_TIME).await?).await
        };
        self.until_done(attempt).await
    }

    /// Reads, again and again while what hinders it may pass, for a few seconds; and once more when a primary was elected
    /// meanwhile, whose view of what a majority has may be older than what has been promised.
    async fn until_done<T, A, F>(&self, attempt: A) -> Result<T>
    where
        A: Fn() -> F + Send + Sync,
        F: Future<Output = Result<T, Fault>> + Send,
    {
        let mut backoff = Backoff::new(&self.0.random);
        loop {
            let read = async {
                let found = attempt().await?;
                Ok::<_, Fault>((found, self.0.elections.settle(&self.0.database).await?))
            };
            match read.await {
                Ok((_, true)) => {}
                Ok((found, false)) => return Ok(found),
                Err(fault) if fault.may_pass() => fault.wait(&mut backoff).await?,
                Err(fault) => return Err(fault.into()),
            }
        }
    }

    /// Makes collections and indexes, unless they are there.
    pub(crate) async fn define(&self, commands: Vec<Document>) -> Result<()> {
        for command in commands {
            migrate::run_once(&self.0.database, command).await?;
        }
        Ok(())
    }

    async fn attempt<T, J, F>(&self, job: &J, backoff: &mut Backoff<'_>) -> Result<T, Fault>
    where
        J: Fn(Tx) -> F + Send + Sync,
        F: Future<Output = Result<T, Fault>> + Send,
        T: Send,
    {
        let tx = Tx::begin(&self.0.client, &self.0.database).await?;
        match job(tx.clone()).await {
            Ok(done) => tx.commit(backoff).await.map(|()| done),
            Err(fault) => {
                tx.abort().await;
                Err(fault)
            }
        }
    }

    /// The documents of `collection` that a query finds; what a majority has.
    pub async fn find(&self, collection: &str, query: &Query) -> Result<Vec<Document>> {
        let attempt = || async {
            let found = tokio::time::timeout(READ_TIME, self.find_once(collection, query)).await;
            found.unwrap_or(Err(Fault::Late))
        };
        self.until_done(attempt).await
    }

    async fn find_once(&self, collection: &str, query: &Query) -> Result<Vec<Document>, Fault> {
        let collection = self.0.database.collection::<Document>(collection);
        let found = collection.find(query.filter.clone()).with_options(query.options());
        Ok(found.await?.try_collect().await?)
    }

    /// The document of `collection` with that id.
    pub async fn get(
        &self,
        collection: &str,
        id: impl Into<Bson> + Send,
    ) -> Result<Option<Document>> {
        Ok(self.find(collection, &Query::of(doc! {"_id": id.into()})).await?.pop())
    }

    /// The results of an aggregation.
    pub async fn aggregate(
        &self,
        collection: &str,
        pipeline: Vec<Document>,
    ) -> Result<Vec<Document>> {
        let attempt = || async {
            let aggregate = async {
                let collection = self.0.database.collection::<Document>(collection);
                Ok(collection.aggregate(pipeline.clone()).await?.try_collect().await?)
            };
            tokio::time::timeout(READ_TIME, aggregate).await.unwrap_or(Err(Fault::Late))
        };
        self.until_done(attempt).await
    }

    /// Records of one snapshot, read for as long as the server keeps it: for audits and exports.
    pub async fn flow<T, J>(&self, read: J) -> Result<Flow<T>>
    where
        T: Send + 'static,
        J: for<'a> FnOnce(Tx, &'a mut Sink<T>) -> BoxFuture<'a, Result<(), Fault>> + Send + 'static,
    {
        let tx = loop {
            let tx = Tx::snapshot(&self.0.client, &self.0.database, tx::SCAN_TIME).await?;
            // The snapshot is as of its first read.
            tx.find(migrate::MIGRATIONS, &Query { limit: Some(1), ..Query::default() }).await?;
            if !self.0.elections.settle(&self.0.database).await? {
                break tx;
            }
        };
        let (mut sink, flow) = Flow::new();
        tokio::spawn(async move {
            let done = read(tx, &mut sink).await;
            sink.end(done.map_err(Error::from)).await;
        });
        flow.begun().await
    }

    /// Brings the collections of `service` up to date; refuses a database that a newer program wrote.
    /// A step is a list of commands in Extended JSON that may be run twice.
    pub(crate) async fn migrate(&self, steps: Steps) -> Result<()> {
        Ok(migrate::run(&self.0.database, steps).await?)
    }

    /// Answers when a primary takes writes: the readiness probe.
    pub async fn ready(&self) -> Result<()> {
        let ping = self.0.database.run_command(doc! {"ping": 1});
        let ping = tokio::time::timeout(READ_TIME, ping).await;
        Ok(ping.map_err(|_| Fault::Late)?.map(|_| ()).map_err(Fault::from)?)
    }
}
