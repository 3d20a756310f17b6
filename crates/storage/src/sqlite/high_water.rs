//! The high-water mark: how far the database had come, written down outside of its write-ahead log.
//!
//! Between two moves of the log, what was committed last is in the log alone, and SQLite takes a log that is missing, or
//! that ends early because a byte of it flipped, for one that never was longer. So each transaction counts itself, in
//! `PRAGMA user_version`, which is on a page that nearly every transaction writes anyway; and the count is written into a
//! file beside, once the transaction is on disk. A database that has counted less than that file says has lost something,
//! and is not served.
//!
//! The count is odd while something may be in the log alone, and even when all of it was moved: so a file that was copied
//! without its log is told from one that needs none. A backup begins another incarnation, which no older mark is about.

use std::{
    fs::{File, OpenOptions},
    io::ErrorKind,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
    sync::Mutex,
};

use holdfast_types::{Code, Error, Result};
use rusqlite::{Connection, MAIN_DB, OptionalExtension, wal::CheckpointMode::PASSIVE};

use super::{Fault, beside, file::Header};

const MAGIC: &[u8; 8] = b"holdfast";
const LENGTH: usize = 32;
/// Which of all databases it is.
const SELECT: &str = "SELECT incarnation FROM holdfast_database";
const BEGIN: &str = "BEGIN IMMEDIATE;
    CREATE TABLE holdfast_database (incarnation BLOB NOT NULL) STRICT;
    INSERT INTO holdfast_database VALUES (randomblob(16));
    COMMIT;";

type Incarnation = [u8; 16];

/// Transactions of a database so far, modulo 2^31, two each; even when the log is not needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count(pub(super) i32);

impl Count {
    pub(super) fn of(db: &Connection) -> rusqlite::Result<Self> {
        let sql = "SELECT user_version FROM pragma_user_version";
        db.prepare_cached(sql)?.query_row([], |row| row.get(0)).map(Self)
    }

    fn set(self, db: &Connection) -> rusqlite::Result<()> {
        db.execute_batch(&format!("PRAGMA user_version = {}", self.0))
    }

    const fn after_commit(self) -> Self {
        Self(match self.0 {
            i32::MAX => 1,
            count if self.is_complete() => count + 1,
            count => count + 2,
        })
    }

    const fn after_move(self) -> Self {
        Self(if self.0 == i32::MAX { 0 } else { self.0 + self.0 % 2 })
    }

    /// Whether the file alone is the whole database.
    pub(super) const fn is_complete(self) -> bool {
        self.0 % 2 == 0
    }

    /// Serial number arithmetic (RFC 1982) over 31 bits.
    const fn is_before(self, other: Self) -> bool {
        let distance = other.0.wrapping_sub(self.0) & i32::MAX;
        distance != 0 && distance < 1 << 30
    }
}

/// What a mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    incarnation: Incarnation,
    count: Count,
}

impl Mark {
    /// `None` when there is none that can be read.
    fn read(path: &Path) -> Result<Option<Self>> {
        let mut bytes = [0; LENGTH];
        let file = match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file.map_err(|error| Error::io(path.display(), error))?,
        };
        let whole = file.read_exact_at(&mut bytes, 0).is_ok();
        let mark = Some(bytes).filter(|_| whole).and_then(|bytes| Self::from_bytes(&bytes));
        if mark.is_none() && file.metadata().is_ok_and(|file| file.len() > 0) {
            tracing::warn!(file = %path.display(), "the high-water mark is damaged: nothing is held against it");
        }
        Ok(mark)
    }

    fn from_bytes(bytes: &[u8; LENGTH]) -> Option<Self> {
        let incarnation = bytes[8..24].try_into().ok()?;
        let mark =
            Self { incarnation, count: Count(i32::from_be_bytes(bytes[24..28].try_into().ok()?)) };
        (mark.to_bytes() == *bytes).then_some(mark)
    }

    fn to_bytes(self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..24].copy_from_slice(&self.incarnation);
        bytes[24..28].copy_from_slice(&self.count.0.to_be_bytes());
        let sum = fnv1a(&bytes[..28]);
        bytes[28..].copy_from_slice(&sum.to_be_bytes());
        bytes
    }
}

/// The hash of Fowler, Noll and Vo, 32 bits: tells whether a byte flipped.
fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// Refuses a database whose file is gone or was copied without its log. Before SQLite opens it, which makes what is
/// missing.
pub(super) fn inspect(path: &Path) -> Result<()> {
    let place = beside(path, "-mark");
    let mark = Mark::read(&place)?;
    let Some(header) = Header::read(path)? else {
        return match mark {
            None => Ok(()),
            Some(_) => Err(refuse(path, "is gone or empty, although it held a shop")),
        };
    };
    let count = header.count();
    let has_log = beside(path, "-wal").exists();
    let is_marked = mark.is_some_and(|mark| mark.count == count);
    if count.is_complete() || !header.has_log_mode() || has_log || is_marked {
        return Ok(());
    }
    let why = "was copied or left without its log, the file of the same name that ends in -wal: what was committed last is in there";
    Err(refuse(path, why))
}

/// A refusal after which everything is as it was: it names what an operator can do.
fn refuse(path: &Path, why: &str) -> Error {
    let (path, mark) = (path.display(), beside(path, "-mark"));
    let message = format!(
        "{path} {why}. Nothing was changed. Put back what is missing, or a backup. To go on without what is missing, or when \
         this is a copy that SQLite's own `.backup` made, remove {mark} and run `sqlite3 {path} 'PRAGMA user_version = 0'`",
        mark = mark.display(),
    );
    Error::new(Code::Internal, message)
}

/// The mark of an open database.
#[derive(Debug)]
pub(super) struct HighWater {
    file: File,
    incarnation: Incarnation,
    /// Warned that it cannot be written.
    warned: Mutex<bool>,
}

impl HighWater {
    /// Opens the mark of a database, under its writer's lock; refuses a database that is behind its mark.
    pub(super) fn open(path: &Path, db: &Connection) -> Result<Self, Fault> {
        let place = beside(path, "-mark");
        let (mark, count) = (Mark::read(&place)?, Count::of(db)?);
        let incarnation = match (incarnation(db)?, mark) {
            (Some(known), Some(mark))
                if known == mark.incarnation && count.is_before(mark.count) =>
            {
                let missing = mark.count.0.wrapping_sub(count.0) & i32::MAX;
                return Err(refuse(path, &lacks(&format!("the last {}", missing / 2 + 1))).into());
            }
            (None, Some(_)) => return Err(refuse(path, &lacks("all")).into()),
            (Some(known), _) => known,
            (None, None) => begin(db)?,
        };
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&place).map_err(|error| Error::io(place.display(), error))?;
        let mark = Self { file, incarnation, warned: Mutex::new(false) };
        mark.note(count);
        Ok(mark)
    }

    /// Writes down that so much is on disk. Under the writer's lock, so that it only grows.
    pub(super) fn note(&self, count: Count) {
        let mark = Mark { incarnation: self.incarnation, count };
        if let Err(error) = self.file.write_all_at(&mark.to_bytes(), 0) {
            let mut warned = self.warned.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if !std::mem::replace(&mut *warned, true) {
                tracing::warn!(%error, "the high-water mark cannot be written: a log that gets lost would not be noticed");
            }
        }
    }
}

fn lacks(which: &str) -> String {
    format!(
        "lacks {which} transactions that were acknowledged: its log, the file of the same name that ends in -wal, is damaged \
         or is not the one that belongs to it"
    )
}

/// Which database it is; `None` when that was never said.
fn incarnation(db: &Connection) -> rusqlite::Result<Option<Incarnation>> {
    let known = "SELECT count(*) FROM sqlite_schema WHERE name = 'holdfast_database'";
    if db.query_row(known, [], |row| row.get::<_, i64>(0))? == 0 {
        return Ok(None);
    }
    db.query_row(SELECT, [], |row| row.get(0)).optional()
}

/// Says which database it is; in the file itself, so that it is known without the log.
fn begin(db: &Connection) -> rusqlite::Result<Incarnation> {
    db.execute_batch(BEGIN)?;
    db.wal_checkpoint_v2(Some(MAIN_DB), PASSIVE)?;
    db.query_row(SELECT, [], |row| row.get(0))
}

/// Makes a copy another database than its original: complete, and of an incarnation of its own.
pub(super) fn begin_anew(db: &Connection) -> rusqlite::Result<()> {
    db.execute("UPDATE holdfast_database SET incarnation = randomblob(16)", [])?;
    Count(0).set(db)
}

/// Counts a transaction that is about to commit; says what to note afterwards.
pub(super) fn count_commit(db: &Connection) -> rusqlite::Result<(Count, Count)> {
    let before = Count::of(db)?;
    let after = before.after_commit();
    after.set(db)?;
    Ok((before, after))
}

/// Says in the database that all of its log will have been moved once this transaction is; `None` when it says so already.
pub(super) fn count_move(db: &Connection) -> rusqlite::Result<Option<Count>> {
    let before = Count::of(db)?;
    if before.is_complete() {
        return Ok(None);
    }
    before.after_move().set(db)?;
    Ok(Some(before.after_move()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_go_round() {
        let last = Count(i32::MAX);
        assert_eq!((Count(0).after_commit(), Count(1).after_commit()), (Count(1), Count(3)));
        assert_eq!((Count(6).after_commit(), last.after_commit()), (Count(7), Count(1)));
        assert_eq!((Count(1).after_move(), Count(2).after_move()), (Count(2), Count(2)));
        assert_eq!(last.after_move(), Count(0));
        assert!(Count(1).is_before(Count(3)) && !Count(3).is_before(Count(3)));
        assert!(last.is_before(Count(1)) && !Count(1).is_before(last));
    }

    #[test]
    fn a_mark_that_lost_a_bit_is_none() {
        let mark = Mark { incarnation: [7; 16], count: Count(41) };
        let bytes = mark.to_bytes();
        assert_eq!(Mark::from_bytes(&bytes), Some(mark));
        for bit in 0..LENGTH * 8 {
            let mut other = bytes;
            other[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Mark::from_bytes(&other), None, "bit {bit}");
        }
    }
}
