//! Reading connections: a few for lookups by key on the calling thread, a few for lists on blocking threads.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use holdfast_types::{Code, Error, Result};
use rusqlite::Connection;
use tokio::{sync::Semaphore, time::Instant};

use super::{Fault, connection};
use crate::{Flow, Sink};

/// Connections for lookups: as many as threads that serve requests on a usual machine.
const LOOKUP_CONNECTIONS: usize = 4;
/// Lists of one service that run at once; more wait.
const LIST_CONNECTIONS: usize = 4;
/// How long a list may wait for its turn before the client hears `overloaded`.
const LIST_WAIT: Duration = Duration::from_secs(2);
/// How long a list may run before it is interrupted.
const LIST_TIME: Duration = Duration::from_secs(2);

/// Connections for lookups.
#[derive(Debug)]
pub(super) struct Lookups {
    connections: Vec<Mutex<Connection>>,
    next: AtomicUsize,
}

impl Lookups {
    pub(super) fn open(path: &Path) -> Result<Self, Fault> {
        let open = |_| Ok(Mutex::new(connection::reading(path)?));
        let connections = (0..LOOKUP_CONNECTIONS).map(open).collect::<Result<_, Fault>>()?;
        Ok(Self { connections, next: AtomicUsize::new(0) })
    }

    pub(super) fn get<T>(&self, query: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T> {
        Ok(query(&self.lookup())?)
    }

    /// A free connection, or the next one in turn when all are taken.
    fn lookup(&self) -> MutexGuard<'_, Connection> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        for offset in 0..LOOKUP_CONNECTIONS {
            match self.connections[(first + offset) % LOOKUP_CONNECTIONS].try_lock() {
                Ok(connection) => return connection,
                Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        self.connections[first % LOOKUP_CONNECTIONS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connections for lists, opened as they are needed.
#[derive(Debug)]
pub(super) struct Lists {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    turns: Arc<Semaphore>,
}

/// Reads on a thread for blocking work, within a time limit.
pub(super) async fn read<T, F>(lists: &Arc<Lists>, query: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
{
    let overloaded =
        || Error::new(Code::Overloaded, "too many lists are being read at once: repeat");
    let turn = Arc::clone(&lists.turns).acquire_owned();
    let turn = tokio::time::timeout(LIST_WAIT, turn)
        .await
        .map_err(|_| overloaded())?
        .map_err(Error::internal)?;
    let lists = Arc::clone(lists);
    // The turn goes with the query: a client that has gone does not end it.
    let reading = tokio::task::spawn_blocking(move || {
        let result = lists.run(query);
        drop(turn);
        result
    });
    reading.await.map_err(Error::internal)?
}

impl Lists {
    pub(super) fn new(path: &Path) -> Self {
        let turns = Arc::new(Semaphore::new(LIST_CONNECTIONS));
        Self { path: path.to_owned(), idle: Mutex::default(), turns }
    }

    fn run<T>(&self, query: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T> {
        let taken = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = match taken {
            Some(connection) => connection,
            None => connection::reading(&self.path).map_err(Fault::from)?,
        };
        let deadline = Instant::now() + LIST_TIME;
        connection
            .progress_handler(10_000, Some(move || Instant::now() > deadline))
            .map_err(Fault::from)?;
        let borrowed = Borrowed { connection: Some(connection), lists: self };
        let connection = borrowed
            .connection
            .as_ref()
            .ok_or_else(|| Error::internal("the connection is gone"))?;
        Ok(query(connection)?)
    }
}

/// Goes back when dropped, also when the query panicked.
struct Borrowed<'a> {
    connection: Option<Connection>,
    lists: &'a Lists,
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        self.lists
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(self.connection.take());
    }
}

/// Reads one snapshot with a connection of its own.
pub(super) async fn flow<T, F>(path: PathBuf, read: F) -> Result<Flow<T>>
where
    T: Send + 'static,
    F: FnOnce(&Connection, &mut Sink<T>) -> Result<(), Fault> + Send + 'static,
{
    let (mut sink, flow) = Flow::new();
    tokio::task::spawn_blocking(move || {
        let reading = || {
            let db = connection::reading(&path)?;
            // It ends with the connection; there is nothing to commit.
            let snapshot = db.unchecked_transaction()?;
            read(&snapshot, &mut sink)
        };
        let done = reading().map_err(Error::from);
        sink.end_blocking(done);
    });
    flow.begun().await
}
