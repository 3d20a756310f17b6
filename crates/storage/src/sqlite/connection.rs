//! Connections to the file: one kind for each use.
//!
//! All of them: `synchronous=FULL`, so that a commit is on disk before anybody hears of it, and no mmap, so that a failed
//! read is an error and not a signal.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::{file::APPLICATION_ID, id_index};

/// How long another process may hold the database.
pub(super) const BUSY_TIME: Duration = Duration::from_secs(5);
/// The same for who only reads.
const READER_BUSY_TIME: Duration = Duration::from_secs(2);
/// Prepared statements kept per connection; more than there are in the program.
const STATEMENTS: usize = 256;

/// The connection of the one who writes. Writes nothing itself where there is nothing new to say, so that a shop starts
/// on a disk that is full.
pub(super) fn writing(path: &Path) -> rusqlite::Result<Connection> {
    let db = moving(path)?;
    keep_log(&db, true)?;
    db.busy_timeout(BUSY_TIME)?;
    let known: i32 = db.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if known != APPLICATION_ID {
        db.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "temp_store", "MEMORY")?;
    db.pragma_update(None, "cache_size", -16_384)?;
    keep_plans(&db)?;
    id_index::define(&db)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(db)
}

/// Whether the log stays as it is when the connection is closed, also when that is the last: until it is known to be
/// whole, nothing of it may go.
pub(super) fn keep_log(db: &Connection, keeps: bool) -> rusqlite::Result<()> {
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keeps).map(|_| ())
}

/// A connection that only moves pages from the log into the file: it prepares and caches nothing, and the file says already
/// what it is.
pub(super) fn moving(path: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open(path)?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "mmap_size", 0)?;
    Ok(db)
}

/// A connection that cannot write.
pub(super) fn reading(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.execute_batch("PRAGMA query_only = ON; PRAGMA mmap_size = 0; PRAGMA cache_size = -8192;")?;
    db.busy_timeout(READER_BUSY_TIME)?;
    keep_plans(&db)?;
    id_index::define(&db)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(db)
}

/// Turns the query planner stability guarantee on. Without it, binding a value can make SQLite compile a prepared
/// statement anew, to look for a better plan: measured, that happened at every lookup and cost most of its time.
fn keep_plans(db: &Connection) -> rusqlite::Result<()> {
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(|_| ())
}
