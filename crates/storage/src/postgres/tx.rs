//! One transaction.

use std::{sync::Arc, time::Duration, vec};

use deadpool_postgres::Object;
use tokio_postgres::Row;

use super::{Fault, Value};

/// How a transaction begins, and how long one of its statements may stay unanswered. The server cancels most of them
/// sooner; this is for a server that does not answer at all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    begin: &'static str,
    time: Duration,
}

/// A change.
pub(super) const CHANGE: Kind = Kind { begin: "BEGIN", time: Duration::from_secs(12) };
/// One snapshot for a few questions.
pub(super) const READ: Kind = Kind {
    begin: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 5000",
    time: Duration::from_secs(6),
};
/// A migration: another process may be at it, and its steps are worth waiting for.
pub(super) const MIGRATION: Kind = Kind {
    begin: "BEGIN; SET LOCAL lock_timeout = 60000; SET LOCAL statement_timeout = 60000",
    time: Duration::from_secs(65),
};
/// One snapshot for all questions. It holds nobody up, and reading a whole shop takes as long as it takes.
pub(super) const SNAPSHOT: Kind = Kind {
    begin: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
        SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 60000",
    time: Duration::from_secs(3600),
};

/// Rows that a cursor fetches at a time.
const FETCH: usize = 200;

/// A handle on a running transaction.
#[derive(Clone)]
pub struct Tx {
    connection: Arc<Object>,
    /// A statement that is not answered by then is given up.
    time: Duration,
}

impl std::fmt::Debug for Tx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tx").finish_non_exhaustive()
    }
}

impl Tx {
    /// The rows of a query.
    pub async fn query(&self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, Fault> {
        self.in_time(async {
            let statement = self.connection.prepare_cached(sql).await?;
            self.connection.query(&statement, values).await
        })
        .await
    }

    async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Fault> {
        // Boxed, since transactions are made of many of these.
        match tokio::time::timeout(self.time, Box::pin(work)).await {
            Ok(done) => Ok(done?),
            Err(_) => Err(Fault::Late),
        }
    }

    /// The first row of a query, if there is one.
    pub async fn query_opt(&self, sql: &str, values: &[Value<'_>]) -> Result<Option<Row>, Fault> {
        Ok(self.query(sql, values).await?.into_iter().next())
    }

    /// The only row of a query.
    pub async fn query_one(&self, sql: &str, values: &[Value<'_>]) -> Result<Row, Fault> {
        self.query_opt(sql, values).await?.ok_or_else(|| {
            Fault::Refused(holdfast_types::Error::internal("a query has no row that must be there"))
        })
    }

    /// A query whose rows come a few at a time. `name` is the only one of the transaction.
    pub async fn cursor(&self, name: &'static str, sql: &str) -> Result<Cursor, Fault> {
        self.batch(&format!("DECLARE {name} NO SCROLL CURSOR FOR {sql}")).await?;
        Ok(Cursor { tx: self.clone(), name, rows: Vec::new().into_iter() })
    }

    /// Runs a statement; says how many rows it touched.
    pub async fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<u64, Fault> {
        self.in_time(async {
            let statement = self.connection.prepare_cached(sql).await?;
            self.connection.execute(&statement, values).await
        })
        .await
    }

    /// Runs several statements without values.
    pub(crate) async fn batch(&self, sql: &str) -> Result<(), Fault> {
        self.in_time(self.connection.batch_execute(sql)).await
    }
}

/// Rows that come a few at a time.
#[derive(Debug)]
pub struct Cursor {
    tx: Tx,
    name: &'static str,
    rows: vec::IntoIter<Row>,
}

impl Cursor {
    /// The next row.
    pub async fn next(&mut self) -> Result<Option<Row>, Fault> {
        if self.rows.as_slice().is_empty() {
            let fetch = format!("FETCH {FETCH} FROM {}", self.name);
            // Not kept prepared: another transaction may use the name for other columns.
            self.rows = self.tx.in_time(self.tx.connection.query(&fetch, &[])).await?.into_iter();
        }
        Ok(self.rows.next())
    }
}

/// A transaction that has begun. One that is dropped before it ends takes its connection with it, so the server rolls
/// it back at once.
pub(super) struct Running(Option<Tx>);

pub(super) async fn begin(connection: Object, kind: Kind) -> Result<Running, Fault> {
    let running = Running(Some(Tx { connection: Arc::new(connection), time: kind.time }));
    running.tx().batch(kind.begin).await?;
    Ok(running)
}

impl Running {
    pub(super) fn tx(&self) -> Tx {
        self.0.clone().expect("a running transaction has its connection")
    }

    pub(super) async fn commit(mut self) -> Result<(), Fault> {
        self.tx().batch("COMMIT").await?;
        self.0 = None;
        Ok(())
    }

    pub(super) async fn roll_back(mut self, why: &Fault) {
        if why.leaves_connection() && self.tx().batch("ROLLBACK").await.is_ok() {
            self.0 = None;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(object) = self.0.take().and_then(|tx| Arc::into_inner(tx.connection)) {
            drop(Object::take(object));
        }
    }
}
