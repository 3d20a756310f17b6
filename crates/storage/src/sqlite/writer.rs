//! The one writer: runs every job that waits in one transaction, and acknowledges after the commit is on disk.
//!
//! While one transaction commits the next jobs gather, so batches grow exactly when it is busy. Each job runs in a
//! savepoint, so that a refusal undoes that job alone; the first has the transaction for that, and is spared the copies of
//! pages that a savepoint keeps. SQLite rolls the whole transaction back by itself on some errors
//! (a full disk); then nothing more runs and every job of the batch fails.

use std::{
    any::Any,
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Arc, Mutex, PoisonError, mpsc::Receiver},
    time::Duration,
};

use holdfast_types::{Code, Error, Result, Seldom};
use rusqlite::Connection;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    Fault,
    checkpoint::{self, Checkpoints},
    connection,
    fault::{die, survive},
    high_water::{self, HighWater},
    id_index::IdIndexes,
    lock::Lock,
};

/// Jobs that may wait. A job is a batch of orders or one other request.
const QUEUE_JOBS: usize = 1024;
/// Jobs in one transaction: bounds the wait of the first of them.
const TRANSACTION_JOBS: usize = 256;
/// How long a job waits for a place in the queue before the client hears `overloaded`.
const QUEUE_WAIT: Duration = Duration::from_secs(2);
/// The nice value of the thread: -20 is the first, 0 what everybody else has.
const NICE: i32 = -10;
/// Between two lines in the log about transactions that failed.
const FAILURES_PAUSE: Duration = Duration::from_secs(10);
/// How long whoever ends waits for what is queued and for the log to be moved.
const END_TIME: Duration = Duration::from_secs(10);

/// Tells the caller how its job ended, once the transaction has.
type Finish = Box<dyn FnOnce(Option<Error>) + Send>;
/// Runs the job in the open transaction, or not at all when there is none.
type Job = Box<dyn FnOnce(Option<&Connection>) -> (JobOutcome, Finish) + Send>;

/// What becomes of a job's changes.
#[derive(Clone, Copy)]
enum JobOutcome {
    Keep,
    Undo(Code),
}

/// Ends with the thread, once all of the log is moved.
#[derive(Debug)]
pub(super) struct Writer {
    /// Always there, until it is dropped.
    queue: Option<mpsc::Sender<Job>>,
    /// Hears when the thread has ended.
    ended: Mutex<Receiver<()>>,
}

impl Writer {
    pub(super) fn open(path: &Path, ids: IdIndexes) -> Result<Self, Fault> {
        let mut db = connection::writing(path)?;
        let lock = Lock::open(path)?;
        let water = Arc::new(lock.hold(|| HighWater::open(path, &db))?);
        connection::keep_log(&db, false)?;
        let (queue, jobs) = mpsc::channel(QUEUE_JOBS);
        let checkpoints = Checkpoints::start(path, &mut db, &water, checkpoint::PAGES)?;
        let failures = RefCell::new(Seldom::new(FAILURES_PAUSE));
        let thread = Thread { db, lock, checkpoints, ids, water, failures };
        let (end, ended) = std::sync::mpsc::sync_channel(1);
        std::thread::Builder::new()
            .name("sqlite-writer".into())
            .spawn(move || {
                thread.run(jobs);
                // Nobody waits any more when that took too long.
                let _ = end.try_send(());
            })
            .map_err(Error::internal)?;
        Ok(Self { queue: Some(queue), ended: Mutex::new(ended) })
    }

    pub(super) async fn write<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let job: Job = Box::new(move |db| {
            let result = db.map_or_else(|| Err(not_run()), |db| run(db, job));
            let outcome = result
                .as_ref()
                .map_or_else(|error| JobOutcome::Undo(error.code()), |_| JobOutcome::Keep);
            let finish: Finish = Box::new(move |failure| {
                // Nobody listens when the client has gone; the effect stands all the same.
                let _ = sender.send(failure.map_or(result, Err));
            });
            (outcome, finish)
        });
        let queue = self.queue.as_ref().ok_or_else(gone)?;
        queue.send_timeout(job, QUEUE_WAIT).await.map_err(|_| overloaded())?;
        receiver.await.map_err(|_| gone())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.recv_timeout(END_TIME).is_err() {
            tracing::warn!(
                "the database is still busy: what is in its log is moved at the next start"
            );
        }
    }
}

fn gone() -> Error {
    Error::new(Code::Unavailable, "the writer is gone")
}

fn overloaded() -> Error {
    Error::new(Code::Overloaded, "too much is waiting to be written: repeat a little later")
}

fn not_run() -> Error {
    Error::new(Code::Unavailable, "nothing was changed: repeat")
}

/// Runs a job; a panic in it is its own failure and nobody else's.
fn run<T>(db: &Connection, job: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(|| job(db))) {
        Ok(result) => result.map_err(survive),
        Err(panic) => {
            Err(Error::internal(format!("a write panicked: {}", panic_message(panic.as_ref()))))
        }
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("?")
}

struct Thread {
    db: Connection,
    lock: Lock,
    checkpoints: Checkpoints,
    ids: IdIndexes,
    water: Arc<HighWater>,
    failures: RefCell<Seldom>,
}

impl Thread {
    fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        go_first();
        let mut batch = Vec::with_capacity(TRANSACTION_JOBS);
        while jobs.blocking_recv_many(&mut batch, TRANSACTION_JOBS) > 0 {
            self.transact(&mut batch);
            self.checkpoints.after_commit(&self.db);
        }
    }

    /// Runs the batch in one transaction and tells every caller how it ended.
    fn transact(&self, batch: &mut Vec<Job>) {
        let mut finishes = Vec::with_capacity(batch.len());
        // Several processes queue here, in order; SQLite's own busy handler lets latecomers overtake.
        let locked = self.lock.hold(|| {
            let failed = self.transact_locked(batch, &mut finishes);
            Ok::<_, Error>(failed)
        });
        let failed = locked.unwrap_or_else(Some);
        if let Some(error) = &failed {
            self.complain(error);
        }
        // Without the lock, nothing has run.
        finishes.extend(batch.drain(..).map(|job| job(None).1));
        for finish in finishes {
            finish(failed.as_ref().map(Error::copy));
        }
    }

    /// Runs the batch; says why nothing of it stands.
    fn transact_locked(&self, batch: &mut Vec<Job>, finishes: &mut Vec<Finish>) -> Option<Error> {
        let (changes, mut failed) = (self.db.total_changes(), self.begin().err());
        for (place, job) in batch.drain(..).enumerate() {
            finishes.push(match place {
                0 => self.run_first(job, &mut failed),
                _ => self.run_in_savepoint(job, &mut failed),
            });
        }
        if failed.is_none() && !self.db.is_autocommit() {
            failed = self.commit(self.db.total_changes() > changes).err();
        }
        if failed.is_some() {
            self.roll_back();
        }
        failed
    }

    /// Says that the disk does not do what it should, but not each time.
    fn complain(&self, error: &dyn std::fmt::Display) {
        let happened = self.failures.borrow_mut().happened(Instant::now().into_std());
        if let Some(times) = happened {
            tracing::error!(%error, times, "nothing can be written to the database");
        }
    }

    /// What became of a job; a refusal is its own matter, but not when it is for want of a disk.
    fn noted(&self, outcome: JobOutcome) -> JobOutcome {
        if let JobOutcome::Undo(code @ (Code::StorageFull | Code::Unavailable)) = outcome {
            self.complain(&format_args!("{code:?}"));
        }
        outcome
    }

    /// Runs the first job of a transaction: what it refuses is rolled back by beginning again.
    fn run_first(&self, job: Job, failed: &mut Option<Error>) -> Finish {
        if failed.is_some() {
            return job(None).1;
        }
        let (outcome, finish) = job(Some(&self.db));
        let outcome = self.noted(outcome);
        if self.db.is_autocommit() {
            *failed = Some(lost(outcome));
        } else if matches!(outcome, JobOutcome::Undo(_)) {
            self.roll_back();
            *failed = self.begin().err();
        }
        finish
    }

    /// Runs one of the jobs after the first; `failed` is set when the job took the whole transaction down.
    fn run_in_savepoint(&self, job: Job, failed: &mut Option<Error>) -> Finish {
        if failed.is_some() {
            return job(None).1;
        }
        let mark = self.ids.mark();
        let (outcome, finish) = match self.execute("SAVEPOINT job") {
            Ok(()) => job(Some(&self.db)),
            Err(error) => {
                *failed = Some(error);
                job(None)
            }
        };
        let outcome = self.noted(outcome);
        if self.db.is_autocommit() {
            failed.get_or_insert_with(|| lost(outcome));
            return finish;
        }
        let ended = match outcome {
            JobOutcome::Keep => self.execute("RELEASE job"),
            JobOutcome::Undo(_) => {
                self.execute("ROLLBACK TO job; RELEASE job").inspect(|()| self.ids.undo_to(&mark))
            }
        };
        if let Err(error) = ended {
            failed.get_or_insert(error);
        }
        finish
    }

    fn begin(&self) -> Result<()> {
        self.execute("BEGIN IMMEDIATE")?;
        self.ids.begin(&self.db).map_err(survive)
    }

    /// A transaction that `has_changes` is counted.
    fn commit(&self, has_changes: bool) -> Result<()> {
        self.ids.merge(&self.db).map_err(survive)?;
        let count = || high_water::count_commit(&self.db).map_err(survive);
        let counted = has_changes.then(count).transpose()?;
        self.execute("COMMIT")?;
        self.ids.commit();
        if let Some((before, after)) = counted {
            self.water.note(after);
            self.checkpoints.committed(before);
        }
        Ok(())
    }

    /// SQLite may have done its part by itself.
    fn roll_back(&self) {
        if !self.db.is_autocommit() && self.execute("ROLLBACK").is_err() {
            die(&Error::internal("a transaction can be neither committed nor rolled back"));
        }
        self.ids.undo();
    }

    fn execute(&self, sql: &str) -> Result<()> {
        self.db.execute_batch(sql).map_err(survive)
    }
}

/// Lets this thread go before those that only wait for it: when all processors are busy, whatever it waits for one is a
/// wait of everybody who orders. Needs the right to (`CAP_SYS_NICE`, or a limit as `LimitNICE=` of systemd sets it).
fn go_first() {
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "the writer runs at the priority of everybody else");
    }
}

/// What a transaction that SQLite rolled back by itself means for everybody in it.
fn lost(outcome: JobOutcome) -> Error {
    match outcome {
        JobOutcome::Undo(Code::StorageFull) => {
            Error::new(Code::StorageFull, "the disk is full: nothing was changed; reading goes on")
        }
        _ => Error::new(Code::Unavailable, "the transaction was rolled back: repeat"),
    }
}
