//! One transaction, or one snapshot.

use std::{sync::Arc, time::Duration};

use futures_util::TryStreamExt;
use holdfast_types::Error;
use mongodb::{
    Client, ClientSession, Database, SessionCursor,
    bson::{Bson, Document, doc},
    options::{DatabaseOptions, ReadConcern, TransactionOptions},
};
use tokio::sync::Mutex;

use super::{Fault, Query, connect, fields};
use crate::backoff::Backoff;

/// An operation of a transaction that is not answered by then is given up.
const OPERATION_TIME: Duration = Duration::from_secs(10);
/// The same for a snapshot: adding a whole shop up takes as long as it takes.
pub(super) const SCAN_TIME: Duration = Duration::from_secs(3600);
/// The same for a few questions.
pub(super) const READ_TIME: Duration = Duration::from_secs(5);

/// A handle on a running transaction.
#[derive(Clone)]
pub struct Tx {
    session: Arc<Mutex<ClientSession>>,
    database: Database,
    /// An operation that is not answered by then is given up.
    time: Duration,
    is_snapshot: bool,
}

impl std::fmt::Debug for Tx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tx").finish_non_exhaustive()
    }
}

async fn in_time<T>(
    time: Duration,
    operation: impl Future<Output = mongodb::error::Result<T>>,
) -> Result<T, Fault> {
    match tokio::time::timeout(time, operation).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(Fault::Late),
    }
}

/// Documents that come a few at a time.
#[derive(Debug)]
pub struct Cursor {
    tx: Tx,
    found: SessionCursor<Document>,
}

impl Cursor {
    /// The next document.
    pub async fn next(&mut self) -> Result<Option<Document>, Fault> {
        let mut session = self.tx.session.lock().await;
        let next = self.found.next(&mut session);
        in_time(self.tx.time, async { next.await.transpose() }).await
    }
}

impl Tx {
    pub(super) async fn begin(client: &Client, database: &Database) -> Result<Self, Fault> {
        let mut session = in_time(OPERATION_TIME, client.start_session().into_future()).await?;
        let options = TransactionOptions::builder()
            .read_concern(ReadConcern::snapshot())
            .write_concern(connect::sure())
            .max_commit_time(OPERATION_TIME)
            .build();
        in_time(OPERATION_TIME, session.start_transaction().with_options(options).into_future())
            .await?;
        Ok(Self::of(session, database, OPERATION_TIME, false))
    }

    pub(super) async fn snapshot(
        client: &Client,
        database: &Database,
        time: Duration,
    ) -> Result<Self, Fault> {
        let session =
            in_time(OPERATION_TIME, client.start_session().snapshot(true).into_future()).await?;
        // The driver leaves alone what a database says of its reads, and ours says otherwise.
        let options = DatabaseOptions::builder().read_concern(ReadConcern::snapshot()).build();
        let database = client.database_with_options(database.name(), options);
        Ok(Self::of(session, &database, time, true))
    }

    fn of(session: ClientSession, database: &Database, time: Duration, is_snapshot: bool) -> Self {
        let session = Arc::new(Mutex::new(session));
        Self { session, database: database.clone(), time, is_snapshot }
    }

    pub(super) async fn commit(&self, backoff: &mut Backoff<'_>) -> Result<(), Fault> {
        let mut session = self.session.lock().await;
        loop {
            match in_time(self.time, session.commit_transaction().into_future()).await {
                Err(fault) if fault.is_unknown_commit() => fault.wait(backoff).await?,
                done => return done,
            }
        }
    }

    pub(super) async fn abort(&self) {
        let mut session = self.session.lock().await;
        // What cannot be aborted now is aborted by the server, soon.
        let _ = in_time(self.time, session.abort_transaction().into_future()).await;
    }

    /// The documents of `collection` that a query finds.
    pub async fn find(&self, collection: &str, query: &Query) -> Result<Vec<Document>, Fault> {
        let collection = self.database.collection::<Document>(collection);
        let mut session = self.session.lock().await;
        let find = collection.find(query.filter.clone()).with_options(query.options());
        in_time(self.time, async {
            let mut cursor = find.session(&mut *session).await?;
            cursor.stream(&mut session).try_collect().await
        })
        .await
    }

    /// The same, a few at a time.
    pub async fn cursor(&self, collection: &str, query: &Query) -> Result<Cursor, Fault> {
        let collection = self.database.collection::<Document>(collection);
        let mut session = self.session.lock().await;
        let find = collection.find(query.filter.clone()).with_options(query.options());
        let found = in_time(self.time, find.session(&mut *session).into_future()).await?;
        drop(session);
        Ok(Cursor { tx: self.clone(), found })
    }

    /// The document of `collection` with that id.
    pub async fn get(
        &self,
        collection: &str,
        id: impl Into<Bson> + Send,
    ) -> Result<Option<Document>, Fault> {
        Ok(self.find(collection, &Query::of(doc! {"_id": id.into()})).await?.pop())
    }

    /// The results of an aggregation.
    pub async fn aggregate(
        &self,
        collection: &str,
        pipeline: Vec<Document>,
    ) -> Result<Vec<Document>, Fault> {
        let collection = self.database.collection::<Document>(collection);
        let mut session = self.session.lock().await;
        in_time(self.time, async {
            let mut cursor = collection.aggregate(pipeline).session(&mut *session).await?;
            cursor.stream(&mut session).try_collect().await
        })
        .await
    }

    /// Inserts documents. One whose `_id` is taken ends the transaction, which then looks again.
    pub async fn insert(&self, collection: &str, documents: Vec<Document>) -> Result<(), Fault> {
        if documents.is_empty() {
            return Ok(());
        }
        let count = documents.len();
        let inserted = self.write("insert", collection, "documents", documents).await?;
        if inserted == count { Ok(()) } else { Err(Fault::Stale) }
    }

    /// Inserts those of the documents whose `_id` is free.
    pub async fn insert_missing(
        &self,
        collection: &str,
        mut documents: Vec<Document>,
    ) -> Result<(), Fault> {
        let ids = documents.iter().filter_map(|document| document.get("_id").cloned());
        let query = Query {
            filter: doc! {"_id": {"$in": ids.collect::<Vec<Bson>>()}},
            projection: Some(doc! {"_id": 1}),
            ..Query::default()
        };
        let there = self.find(collection, &query).await?;
        documents
            .retain(|document| !there.iter().any(|found| found.get("_id") == document.get("_id")));
        self.insert(collection, documents).await
    }

    /// Changes one document for each pair of what it must be like and what to do with it. One that is not like that any
    /// more makes the decision stale.
    pub async fn update(
        &self,
        collection: &str,
        changes: Vec<(Document, Document)>,
    ) -> Result<(), Fault> {
        if changes.is_empty() {
            return Ok(());
        }
        let count = changes.len();
        let changes = changes.into_iter().map(|(like, change)| doc! {"q": like, "u": change});
        let matched = self.write("update", collection, "updates", changes.collect()).await?;
        if matched == count { Ok(()) } else { Err(Fault::Stale) }
    }

    /// Changes the document like `filter`, or makes it.
    pub async fn upsert(
        &self,
        collection: &str,
        filter: Document,
        change: Document,
    ) -> Result<(), Fault> {
        let changes = vec![doc! {"q": filter, "u": change, "upsert": true}];
        self.write("update", collection, "updates", changes).await.map(|_| ())
    }

    /// Changes all documents like `filter`; says how many there were.
    pub async fn update_all(
        &self,
        collection: &str,
        filter: Document,
        change: Document,
    ) -> Result<usize, Fault> {
        let changes = vec![doc! {"q": filter, "u": change, "multi": true}];
        self.write("update", collection, "updates", changes).await
    }

    /// Deletes all documents like `filter`; says how many there were.
    pub async fn delete(&self, collection: &str, filter: Document) -> Result<usize, Fault> {
        let deletes = vec![doc! {"q": filter, "limit": 0}];
        self.write("delete", collection, "deletes", deletes).await
    }

    /// Deletes one document for each filter; says how many there were.
    pub async fn delete_each(
        &self,
        collection: &str,
        filters: Vec<Document>,
    ) -> Result<usize, Fault> {
        if filters.is_empty() {
            return Ok(0);
        }
        let deletes = filters.into_iter().map(|filter| doc! {"q": filter, "limit": 1});
        self.write("delete", collection, "deletes", deletes.collect()).await
    }

    /// Runs a write command of several statements; says how many documents it met.
    async fn write(
        &self,
        command: &str,
        collection: &str,
        member: &str,
        statements: Vec<Document>,
    ) -> Result<usize, Fault> {
        if self.is_snapshot {
            return Err(Error::internal("a snapshot is only read").into());
        }
        let mut session = self.session.lock().await;
        let run = self.database.run_command(doc! {command: collection, member: statements});
        let reply = in_time(self.time, run.session(&mut *session).into_future()).await?;
        if let Ok(errors) = reply.get_array("writeErrors")
            && let Some(Bson::Document(error)) = errors.first()
        {
            return Err(Fault::of_statement(error));
        }
        let count = fields::number(&reply, "n")?;
        usize::try_from(count).map_err(|error| Error::internal(error).into())
    }
}
