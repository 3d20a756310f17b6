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

/// Connections for lookups: as many as threads that serve requests on a usual machine.
const LOOKUP_CONNECTIONS: usize = 4;
/// Lists that run at once; more wait.
const LIST_CONNECTIONS: usize = 4;
/// How long a list may wait for its turn before the client hears `overloaded`.
const LIST_WAIT: Duration = Duration::from_secs(2);
/// How long a list may run before it is interrupted.
const LIST_TIME: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Readers {
    lookups: Vec<Mutex<Connection>>,
    next: AtomicUsize,
    lists: Arc<Lists>,
}

#[derive(Debug)]
struct Lists {
    idle: Mutex<Vec<Connection>>,
    turns: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn open(path: &Path) -> Result<Self, Fault> {
        let open = |count| {
            (0..count).map(|_| connection::reading(path)).collect::<rusqlite::Result<Vec<_>>>()
        };
        let lookups = open(LOOKUP_CONNECTIONS)?.into_iter().map(Mutex::new).collect();
        let lists = Lists {
            idle: Mutex::new(open(LIST_CONNECTIONS)?),
            turns: Arc::new(Semaphore::new(LIST_CONNECTIONS)),
        };
        Ok(Self { lookups, next: AtomicUsize::new(0), lists: Arc::new(lists) })
    }

    pub(super) fn get<T>(&self, query: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T> {
        Ok(query(&self.lookup())?)
    }

    /// A free connection, or the next one in turn when all are taken.
    fn lookup(&self) -> MutexGuard<'_, Connection> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        for offset in 0..LOOKUP_CONNECTIONS {
            match self.lookups[(first + offset) % LOOKUP_CONNECTIONS].try_lock() {
                Ok(connection) => return connection,
                Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        self.lookups[first % LOOKUP_CONNECTIONS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn read<T, F>(&self, query: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let overloaded =
            || Error::new(Code::Overloaded, "too many lists are being read at once: repeat");
        let turn = Arc::clone(&self.lists.turns).acquire_owned();
        let turn = tokio::time::timeout(LIST_WAIT, turn)
            .await
            .map_err(|_| overloaded())?
            .map_err(Error::internal)?;
        let lists = Arc::clone(&self.lists);
        // The turn goes with the query: a client that has gone does not end it.
        let reading = tokio::task::spawn_blocking(move || {
            let result = lists.run(query);
            drop(turn);
            result
        });
        reading.await.map_err(Error::internal)?
    }
}

impl Lists {
    fn run<T>(&self, query: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T> {
        let taken = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection =
            taken.ok_or_else(|| Error::new(Code::Overloaded, "no connection is free: repeat"))?;
        let mut borrowed = Borrowed { connection: Some(connection), lists: self };
        let connection = borrowed
            .connection
            .as_mut()
            .ok_or_else(|| Error::internal("the connection is gone"))?;
        let deadline = Instant::now() + LIST_TIME;
        connection
            .progress_handler(10_000, Some(move || Instant::now() > deadline))
            .map_err(Fault::from)?;
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

/// Runs long queries on a connection of their own, all in one snapshot.
pub(super) async fn scan<T, F>(path: PathBuf, query: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
{
    let scan = move || {
        let db = connection::reading(&path).map_err(Fault::from)?;
        // It ends with the connection; there is nothing to commit.
        let snapshot = db.unchecked_transaction().map_err(Fault::from)?;
        Ok(query(&snapshot)?)
    };
    tokio::task::spawn_blocking(scan).await.map_err(Error::internal)?
}
