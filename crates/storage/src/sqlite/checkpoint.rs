//! Moves pages from the write-ahead log into the file, on a thread of its own: the writer goes on meanwhile.
//!
//! When nothing happens, and at the end, all of it is moved, so that the file alone is the whole database.
//!
//! The log starts over only once all of it is moved, and the writer adds to it all the time. So the thread goes over it
//! until little is left, and the writer itself moves that between two transactions.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI32, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use holdfast_types::{Error, Result, Seldom};
use rusqlite::{
    Connection, MAIN_DB, Transaction, TransactionBehavior,
    hooks::Wal,
    wal::CheckpointMode::{self, PASSIVE, TRUNCATE},
};
use tokio::time::Instant;

use super::{
    Fault, connection,
    fault::survive,
    high_water::{self, Count, HighWater},
    lock::Lock,
};

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
/// Between two lines in the log about a log that cannot be cut back.
const HELD_UP_PAUSE: Duration = Duration::from_secs(30);
/// Between two attempts to cut the log file back.
const CUT_PAUSE: Duration = Duration::from_secs(1);

/// A database in which nothing happens for so long is made complete: all of its log is moved into the file.
const IDLE_TIME: Duration = Duration::from_secs(1);

/// What the writer and the thread tell each other.
#[derive(Debug, Default)]
struct Shared {
    /// Pages in the log after the last commit.
    logged: AtomicI32,
    /// The thread has done its part, what is left is the writer's.
    handed_over: AtomicBool,
}

/// The writer's side. The thread ends with it.
#[derive(Debug)]
pub(super) struct Checkpoints {
    shared: Arc<Shared>,
    wanted: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    /// The length of a full log.
    pages: i32,
    /// The length at which moving the log is worth the next attempt.
    due: i32,
    log: PathBuf,
    /// The index of the log, on which readers have their locks.
    index: PathBuf,
    last_cut: Instant,
    held_up: Seldom,
}

impl Checkpoints {
    /// Starts the thread, and counts what `writer` commits from now on. A log of `pages` is full.
    pub(super) fn start(
        path: &Path,
        writer: &mut Connection,
        water: &Arc<HighWater>,
        pages: i32,
    ) -> Result<Self, Fault> {
        let shared = Arc::new(Shared::default());
        let counter = Arc::clone(&shared);
        // In the place of SQLite's own, which would move pages inside the commit and ignore that the disk failed.
        let hook = move |_: &mut Wal, logged| {
            counter.logged.store(logged, Relaxed);
            Ok(())
        };
        writer.wal_hook(Some(hook))?;
        let mover = Mover {
            db: connection::moving(path)?,
            shared: Arc::clone(&shared),
            rest: pages / REST,
            lock: Lock::open(path)?,
            water: Arc::clone(water),
            seen: None,
        };
        // Without a place to wait in: what is wanted while the thread is at it is being done.
        let (wanted, wishes) = sync_channel(0);
        let thread = std::thread::Builder::new()
            .name("sqlite-mover".into())
            .spawn(move || mover.run(&wishes))
            .map_err(Error::internal)?;
        Ok(Self {
            shared,
            wanted: Some(wanted),
            thread: Some(thread),
            pages,
            due: pages,
            log: super::beside(path, "-wal"),
            index: super::beside(path, "-shm"),
            held_up: Seldom::new(HELD_UP_PAUSE),
            last_cut: Instant::now(),
        })
    }

    fn want(&self) {
        if let Some(wanted) = &self.wanted {
            // It is being done when the thread is not waiting.
            let _ = wanted.try_send(());
        }
    }

    /// After a commit, the count before which was `before`. When the file was complete until now, it must not look so for
    /// long: the page that says it is in the log yet.
    pub(super) fn committed(&self, before: Count) {
        if before.is_complete() {
            self.want();
        }
    }

    /// Between two transactions of the writer.
    pub(super) fn after_commit(&mut self, db: &Connection) {
        let logged = self.shared.logged.load(Relaxed);
        if logged < self.pages {
            self.due = self.pages;
        }
        let overdue = logged >= self.due.max(PATIENCE * self.pages);
        if self.shared.handed_over.swap(false, Relaxed) || overdue {
            move_pages(db, PASSIVE);
            // Should a reader keep the log from starting over, then more must have come before the next attempt.
            self.due = logged + self.pages;
            self.cut(db);
        } else if logged >= self.due {
            self.want();
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
        let patient = db.busy_timeout(connection::BUSY_TIME);
        if let Err(error) = cut.and(patient) {
            tracing::warn!(error = %survive(error), "cannot cut the write-ahead log back");
        }
        let left = std::fs::metadata(&self.log).map_or(0, |file| file.len());
        if left > FILE_BYTES
            && let Some(times) = self.held_up.happened(Instant::now().into_std())
        {
            let readers = super::holders::readers(&self.index);
            tracing::warn!(
                megabytes = left >> 20,
                ?readers,
                times,
                "the write-ahead log grows, since somebody reads an old snapshot: end these processes, or what they read"
            );
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.wanted = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that moves the write-ahead log panicked");
        }
    }
}

/// The thread's side.
struct Mover {
    db: Connection,
    shared: Arc<Shared>,
    /// Pages that may be left to the writer.
    rest: i32,
    lock: Lock,
    water: Arc<HighWater>,
    /// The count when it was last looked at.
    seen: Option<Count>,
}

impl Mover {
    /// Ends with the writer.
    fn run(mut self, wishes: &Receiver<()>) {
        loop {
            match wishes.recv_timeout(IDLE_TIME) {
                Ok(()) => self.keep_up(),
                Err(RecvTimeoutError::Timeout) => self.look(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.complete(TRUNCATE);
    }

    fn keep_up(&self) {
        for _ in 0..PASSES {
            let moved = move_pages(&self.db, PASSIVE);
            if self.shared.logged.load(Relaxed) - moved <= self.rest {
                break;
            }
        }
        self.shared.handed_over.store(true, Relaxed);
    }

    /// Completes the file when nobody, of whichever process, has committed anything since the last look.
    fn look(&mut self) {
        let count = match Count::of(&self.db) {
            Ok(count) => count,
            Err(error) => {
                tracing::debug!(error = %survive(error), "cannot look at the write-ahead log");
                return;
            }
        };
        if self.seen.replace(count) == Some(count) && !count.is_complete() {
            self.complete(PASSIVE);
        }
    }

    /// Moves all of the log, and says in the file that it is whole.
    fn complete(&self, mode: CheckpointMode) {
        let counted = self.lock.hold(|| -> Result<(), Fault> {
            let tx = Transaction::new_unchecked(&self.db, TransactionBehavior::Immediate)?;
            if let Some(count) = high_water::count_move(&tx)? {
                tx.commit()?;
                self.water.note(count);
            }
            Ok(())
        });
        match counted {
            Ok(()) => {
                move_pages(&self.db, mode);
            }
            // A later attempt makes it good, or the next start.
            Err(fault) => {
                tracing::debug!(error = %survive(fault), "cannot complete the database file");
            }
        }
    }
}

/// Moves what is in the log as far as readers allow. Returns how many of its pages are moved, now or before.
fn move_pages(db: &Connection, mode: CheckpointMode) -> i32 {
    match db.wal_checkpoint_v2(Some(MAIN_DB), mode) {
        Ok((_, moved)) => moved,
        Err(error) => {
            // Another process is at it, or the disk is full: a later attempt makes it good.
            tracing::debug!(error = %survive(error), "cannot move the write-ahead log");
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
        let mut db = connection::writing(&path).unwrap();
        db.execute("CREATE TABLE bulk (bytes BLOB)", []).unwrap();
        let water = Arc::new(HighWater::open(&path, &db).unwrap());
        let mut checkpoints = Checkpoints::start(&path, &mut db, &water, FULL).unwrap();
        let limit = u64::try_from(FULL * (PATIENCE + 1)).unwrap();
        assert!(write(&db, &mut checkpoints, 20 * FULL) < limit);

        let reader = connection::writing(&path).unwrap();
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
