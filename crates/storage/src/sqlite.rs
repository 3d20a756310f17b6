//! SQLite: one writer thread per process with group commit, readers with connections of their own.
//!
//! `journal_mode=WAL`: readers and the writer do not wait for each other. One machine only: WAL needs shared memory.

mod cache;
mod checkpoint;
mod connection;
mod fault;
mod file;
mod high_water;
mod holders;
mod id_index;
mod lock;
mod migrate;
mod readers;
pub(crate) mod secrets;
mod tx;
mod writer;

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Arc,
};

use holdfast_types::{Code, Error, Result};
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::{Flow, Sink, migrations::Steps};
use cache::Generations;
pub use cache::{Cache, Generation};
pub use fault::{Fault, damage};
use id_index::IdIndexes;
pub use id_index::{IdIndex, pair, place, places_of, swapped};
use readers::{Lists, Lookups};
pub use tx::Tx;
use writer::Writer;

/// An open SQLite file. Clones share it.
#[derive(Clone, Debug)]
pub struct Sqlite {
    // Before the rest, which ends with moving all of the log: nobody should be reading it then.
    lists: Arc<Lists>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    // Before the writer, for the same reason.
    lookups: Lookups,
    writer: Writer,
    generations: Generations,
    ids: IdIndexes,
}

impl Sqlite {
    /// Opens the file, creating it where there is none. Refuses damaged files and those of other programs.
    pub fn open(path: &Path) -> Result<Self> {
        high_water::inspect(path)?;
        file::inspect(path)?;
        file::make(path)?;
        let ids = IdIndexes::default();
        let explain = |error| file::explain(path, error);
        let writer = Writer::open(path, ids.clone()).map_err(explain)?;
        let lookups = Lookups::open(path).map_err(explain)?;
        let generations = Generations::default();
        let shared = Shared { path: path.to_owned(), lookups, writer, generations, ids };
        Ok(Self { lists: Arc::new(Lists::new(path)), shared: Arc::new(shared) })
    }

    /// The same file with connections of its own for lists: those of one service do not wait for those of another.
    #[must_use]
    pub fn with_own_lists(&self) -> Self {
        Self { lists: Arc::new(Lists::new(self.path())), shared: Arc::clone(&self.shared) }
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Runs `job` in a savepoint of the writer's next transaction; returns when that is on disk.
    /// A job that is queued is carried to its end whether or not the caller still waits.
    /// Fails with `overloaded` when the queue stays full, `storage-full` when the disk is.
    pub async fn write<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        self.shared.writer.write(job).await
    }

    /// Runs an async `job` the same way. It may wait for nothing but its transaction.
    pub async fn transact<T, J, F>(&self, job: J) -> Result<T>
    where
        T: Send + 'static,
        J: FnOnce(Tx) -> F + Send + 'static,
        F: Future<Output = Result<T, Fault>>,
    {
        self.write(move |db| tx::drive(db, job)).await
    }

    /// Runs an async `job` on one snapshot, as [`Self::read`] reads.
    pub async fn snapshot<T, J, F>(&self, job: J) -> Result<T>
    where
        T: Send + 'static,
        J: FnOnce(Tx) -> F + Send + 'static,
        F: Future<Output = Result<T, Fault>>,
    {
        self.read(move |db| tx::drive(&*db.unchecked_transaction()?, job)).await
    }

    /// Reads at once on the calling thread: for lookups by key that take microseconds.
    pub fn get<T>(&self, query: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T> {
        self.shared.lookups.get(query)
    }

    /// Reads on a thread for blocking work, within a time limit: for lists and searches.
    /// Fails with `overloaded` past the limit.
    pub async fn read<T, F>(&self, query: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        readers::read(&self.lists, query).await
    }

    /// Records of one snapshot, read on a thread for blocking work for as long as it takes: for audits and exports.
    pub async fn flow<T, F>(&self, read: F) -> Result<Flow<T>>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &mut Sink<T>) -> Result<(), Fault> + Send + 'static,
    {
        readers::flow(self.path().to_owned(), read).await
    }

    /// The newest commit of whichever process; `None` when that cannot be told.
    #[must_use]
    pub fn generation(&self) -> Option<Generation> {
        self.shared.generations.newest(self.path())
    }

    /// What is wrong with the file's pages and indexes, a sentence each, some dozens at most.
    pub async fn integrity(&self) -> Result<Vec<String>> {
        let (mut found, mut findings) = (self.flow(file::integrity).await?, Vec::new());
        while let Some(finding) = found.next().await? {
            findings.push(finding);
        }
        Ok(findings)
    }

    /// Brings the tables of `service` up to date; refuses a database that a newer program wrote.
    pub(crate) async fn migrate(&self, steps: Steps) -> Result<()> {
        self.write(move |db| migrate::run(db, steps)).await
    }

    /// An index of a table's ids. Fails when the table's migration has not made one of that name.
    pub async fn id_index(&self, name: &'static str) -> Result<IdIndex> {
        let read = move |db: &Connection| {
            let sql = "SELECT coalesce(source, name), key FROM holdfast_id_indexes WHERE name = ?1";
            let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
            let found: Option<(String, String)> = db.query_row(sql, [name], read).optional()?;
            found.ok_or_else(|| Error::internal(format!("there is no index of ids {name}")).into())
        };
        let (table, key) = self.write(read).await?;
        Ok(self.shared.ids.keep(name, &table, &key))
    }

    /// Writes a consistent copy to `place`, which must not exist yet, while the shop goes on.
    pub async fn backup(&self, place: &Path) -> Result<()> {
        if place.exists() {
            let why = format!("{} exists already", place.display());
            return Err(Error::new(Code::InvalidParameter, why));
        }
        // Under a name of its own until it is whole: one that was cut short is in nobody's way.
        let unfinished = beside(place, ".unfinished");
        let (source, target) = (self.path().to_owned(), place.to_owned());
        let copy = move || {
            let io = |error| Error::io(unfinished.display(), error);
            match std::fs::remove_file(&unfinished) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(io(error)),
                _ => {}
            }
            // It may be copied into a file that is there, if that is empty.
            file::make(&unfinished)?;
            write_copy(&source, &unfinished).map_err(Fault::from)?;
            std::fs::rename(&unfinished, &target).map_err(io)
        };
        tokio::task::spawn_blocking(copy).await.map_err(Error::internal)?
    }

    /// Answers when the writer does: the readiness probe.
    pub async fn ready(&self) -> Result<()> {
        self.write(|db| Ok(db.query_row("SELECT 1", [], |_| Ok(())).optional().map(|_| ())?)).await
    }
}

fn write_copy(source: &Path, target: &Path) -> rusqlite::Result<()> {
    // The copy is opened with the rights of the original, so a connection for reading would not do.
    let db = Connection::open_with_flags(source, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    db.execute("VACUUM INTO ?1", [target.to_string_lossy()])?;
    let copy = Connection::open(target)?;
    copy.pragma_update(None, "synchronous", "FULL")?;
    high_water::begin_anew(&copy)
}

/// A file beside a database file.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
