//! Moves pages from the write-ahead log into the file, on a thread of its own: the writer goes on meanwhile.
//!
//! The log starts over only once all of it is moved, and the writer adds to it all the time. So the thread goes over it
//! until little is left, and the writer itself moves that between two transactions.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI32, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::Duration,
};

use holdfast_types::{Error, Result};
use rusqlite::{
    Connection, MAIN_DB,
    hooks::Wal,
    wal::CheckpointMode::{PASSIVE, TRUNCATE},
};
use tokio::time::Instant;

use super::{Fault, writer};

/// Pages in the log before they are moved into the file: 128 MiB. A page that is written often is moved once.
pub(super) const PAGES: i32 = 32_768;
/// A log this many times as long is moved by the writer itself: the thread does not keep up.
const PATIENCE: i32 = 2;
/// The thread leaves one page in this many of a full log to the writer: some milliseconds' worth.
const REST: i32 = 32;
/// Passes after which the rest is the writer's, however much it is.
const PASSES: usize = 4;
/// A log file above this size is cut back.
const FILE_BYTES: u64 = 384 << 20;
/// Between two attempts to cut the log file back.
const CUT_PAUSE: Duration = Duration::from_secs(1);

/// What the writer and the thread tell each other.
#[derive(Debug, Default)]
struct Shared {
    /// Pages in the log after the last commit.
    logged: AtomicI32,
    /// The thread has done its part, what is left is the writer's.
    handed_over: AtomicBool,
}

/// The writer's side.
#[derive(Debug)]
pub(super) struct Checkpoints {
    shared: Arc<Shared>,
    wanted: SyncSender<()>,
    /// The length of a full log.
    pages: i32,
    /// The length at which moving the log is worth the next attempt.
    due: i32,
    log: PathBuf,
    last_cut: Instant,
}

impl Checkpoints {
    /// Starts the thread, and counts what `writer` commits from now on. A log of `pages` is full.
    pub(super) fn start(path: &Path, writer: &mut Connection, pages: i32) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let counter = Arc::clone(&shared);
        // In the place of SQLite's own, which would move pages inside the commit and ignore that the disk failed.
        let hook = move |_: &mut Wal, logged| {
            counter.logged.store(logged, Relaxed);
            Ok(())
        };
        writer.wal_hook(Some(hook)).map_err(Fault::from)?;
        let db = connect(path).map_err(Fault::from)?;
        let mover = Mover { db, shared: Arc::clone(&shared), rest: pages / REST };
        // Without a place to wait in: what is wanted while the thread is at it is being done.
        let (wanted, wishes) = sync_channel(0);
        std::thread::Builder::new()
            .name("sqlite-mover".into())
            .spawn(move || mover.run(&wishes))
            .map_err(Error::internal)?;
        let log = super::beside(path, "-wal");
        Ok(Self { shared, wanted, pages, due: pages, log, last_cut: Instant::now() })
    }

    /// Between two transactions of the writer.
    pub(super) fn after_commit(&mut self, db: &Connection) {
        let logged = self.shared.logged.load(Relaxed);
        if logged < self.pages {
            self.due = self.pages;
        }
        let overdue = logged >= self.due.max(PATIENCE * self.pages);
        if self.shared.handed_over.swap(false, Relaxed) || overdue {
            move_pages(db);
            // Should a reader keep the log from starting over, then more must have come before the next attempt.
            self.due = logged + self.pages;
            self.cut(db);
        } else if logged >= self.due {
            let _ = self.wanted.try_send(());
        }
    }

    /// Cuts the log file back when readers have kept it from being reused. Never waits for them: the next try is soon.
    fn cut(&mut self, db: &Connection) {
        let size = std::fs::metadata(&self.log).map_or(0, |file| file.len());
        if size <= FILE_BYTES || self.last_cut.elapsed() < CUT_PAUSE {
            return;
        }
        self.last_cut = Instant::now();
        let impatient = db.busy_timeout(Duration::ZERO);
        let cut = impatient.and_then(|()| db.wal_checkpoint_v2(Some(MAIN_DB), TRUNCATE));
        let patient = db.busy_timeout(writer::BUSY_TIME);
        if let Err(error) = cut.and(patient) {
            tracing::warn!(error = %writer::survive(error), "cannot cut the write-ahead log back");
        }
    }
}

/// The thread's side.
struct Mover {
    db: Connection,
    shared: Arc<Shared>,
    /// Pages that may be left to the writer.
    rest: i32,
}

impl Mover {
    /// Ends with the writer.
    fn run(self, wishes: &Receiver<()>) {
        while wishes.recv().is_ok() {
            for _ in 0..PASSES {
                let moved = move_pages(&self.db);
                if self.shared.logged.load(Relaxed) - moved <= self.rest {
                    break;
                }
            }
            self.shared.handed_over.store(true, Relaxed);
        }
    }
}

/// A connection that only moves pages: it prepares and caches nothing, and the file says already what it is.
fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open(path)?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "mmap_size", 0)?;
    Ok(db)
}

/// Moves what is in the log as far as readers allow. Returns how many of its pages are moved, now or before.
fn move_pages(db: &Connection) -> i32 {
    match db.wal_checkpoint_v2(Some(MAIN_DB), PASSIVE) {
        Ok((_, moved)) => moved,
        Err(error) => {
            // Another process is at it, or the disk is full: a later attempt makes it good.
            tracing::debug!(error = %writer::survive(error), "cannot move the write-ahead log");
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: i32 = 200;

    /// Commits about `pages` pages; returns the length of the log file.
    fn write(db: &Connection, checkpoints: &mut Checkpoints, pages: i32) -> u64 {
        for _ in 0..pages / 10 {
            db.execute("INSERT INTO bulk VALUES (randomblob(36000))", []).unwrap();
            checkpoints.after_commit(db);
            // The thread needs a processor now and then.
            std::thread::sleep(Duration::from_micros(200));
        }
        std::fs::metadata(&checkpoints.log).unwrap().len() / 4096
    }

    #[test]
    fn the_log_starts_over_when_nobody_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let mut db = writer::connect(&path).unwrap();
        db.execute("CREATE TABLE bulk (bytes BLOB)", []).unwrap();
        let mut checkpoints = Checkpoints::start(&path, &mut db, FULL).unwrap();
        let limit = u64::try_from(FULL * (PATIENCE + 1)).unwrap();
        assert!(write(&db, &mut checkpoints, 20 * FULL) < limit);

        let reader = writer::connect(&path).unwrap();
        reader.execute_batch("BEGIN; SELECT count(*) FROM bulk").unwrap();
        let held = write(&db, &mut checkpoints, 5 * FULL);
        assert!(held > limit, "the control: a snapshot keeps the log");
        reader.execute_batch("COMMIT").unwrap();
        assert!(write(&db, &mut checkpoints, 10 * FULL) < held + limit);
        let rows: i32 =
            reader.query_row("SELECT count(*) FROM bulk", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 35 * FULL / 10);
    }
}
