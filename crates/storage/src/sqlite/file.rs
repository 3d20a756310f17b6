//! What a file must be before it is opened: ours, whole, and of a kind that this program knows.

use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use holdfast_types::{Code, Error, Result};
use rusqlite::{Connection, OpenFlags};

/// `PRAGMA application_id` of our files: "Hold" in ASCII.
pub(super) const APPLICATION_ID: i32 = 0x486f_6c64;

/// Files up to this size are checked page by page at start; larger ones would delay it too much.
const QUICK_CHECK_BYTES: u64 = 16 << 20;

const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Makes an empty file that only its owner can read: databases hold keys. Does nothing where there is one already.
pub(super) fn make(path: &Path) -> Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(refuse(path, "cannot be made").with_source(error))
        }
        _ => Ok(()),
    }
}

/// Refuses what is not a whole database of this program. A missing or empty file is fine: it will be made.
pub(super) fn inspect(path: &Path) -> Result<()> {
    let mut header = [0_u8; 100];
    let size = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(refuse(path, "cannot be opened").with_source(error)),
        Ok(mut file) => {
            let size = file.metadata().map_err(Error::internal)?.len();
            if size == 0 {
                return Ok(());
            }
            if file.read_exact(&mut header).is_err() || &header[..16] != MAGIC {
                return Err(refuse(path, "is not a SQLite database"));
            }
            size
        }
    };
    // With a log beside it, the file may be shorter: a checkpoint that was cut writes the header first, and SQLite
    // completes it from the log.
    let has_log = std::fs::metadata(super::beside(path, "-wal")).is_ok_and(|log| log.len() > 0);
    if !has_log && size < expected_size(&header) {
        return Err(refuse(
            path,
            "is shorter than its header says: it is damaged; restore a backup",
        ));
    }
    inspect_pages(path, size)
}

fn expected_size(header: &[u8; 100]) -> u64 {
    let page_size = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65_536,
        size => u64::from(size),
    };
    let pages = u32::from_be_bytes([header[28], header[29], header[30], header[31]]);
    page_size * u64::from(pages)
}

fn inspect_pages(path: &Path, size: u64) -> Result<()> {
    let damaged = |error| refuse(path, "is damaged; restore a backup").with_source(error);
    let db =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(damaged)?;
    let application: i32 =
        db.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(damaged)?;
    let tables: i64 = db
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(damaged)?;
    if application != APPLICATION_ID && tables > 0 {
        return Err(refuse(path, "is a database of another program"));
    }
    if size <= QUICK_CHECK_BYTES {
        let verdict: String =
            db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(damaged)?;
        if verdict != "ok" {
            return Err(refuse(path, "is damaged; restore a backup").with_source(verdict));
        }
    }
    Ok(())
}

fn refuse(path: &Path, what: &str) -> Error {
    Error::new(Code::Internal, format!("{} {what}", path.display()))
}
