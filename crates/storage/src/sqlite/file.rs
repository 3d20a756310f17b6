//! What a file must be before it is opened: ours, whole, and of a kind that this program knows.

use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Read},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use holdfast_types::{Code, Error, Result};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{Fault, connection, high_water::Count, id_index};
use crate::Sink;

/// `PRAGMA application_id` of our files: "Hold" in ASCII.
pub(super) const APPLICATION_ID: i32 = 0x486f_6c64;

/// Files up to this size are checked page by page at start; larger ones would delay it too much.
const QUICK_CHECK_BYTES: u64 = 16 << 20;

/// The index of the log takes 32 KiB, and the first transaction some pages.
const ROOM_BYTES: u64 = 128 << 10;

/// Lines that an audit of the file has at most.
const INTEGRITY_FINDINGS: usize = 50;

const DAMAGED: &str = "is damaged; restore a backup";

const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// The first bytes of a database file (<https://www.sqlite.org/fileformat.html>, "The Database Header").
pub(super) struct Header {
    bytes: [u8; 100],
    /// Bytes of the file.
    size: u64,
}

impl Header {
    /// `None` when there is no file, or an empty one. Refuses what is not a SQLite database.
    pub(super) fn read(path: &Path) -> Result<Option<Self>> {
        let mut file = match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file.map_err(|error| Error::io(path.display(), error))?,
        };
        let size = file.metadata().map_err(|error| Error::io(path.display(), error))?.len();
        if size == 0 {
            return Ok(None);
        }
        let mut bytes = [0; 100];
        if file.read_exact(&mut bytes).is_err() || &bytes[..16] != MAGIC {
            return Err(refuse(path, "is not a SQLite database"));
        }
        Ok(Some(Self { bytes, size }))
    }

    /// `PRAGMA user_version`, as it is in the file alone.
    pub(super) fn count(&self) -> Count {
        Count(i32::from_be_bytes([self.bytes[60], self.bytes[61], self.bytes[62], self.bytes[63]]))
    }

    /// Whether a log belongs to the file: `VACUUM INTO` writes files that need none.
    pub(super) fn has_log_mode(&self) -> bool {
        self.bytes[18] == 2
    }

    fn is_short(&self) -> bool {
        let page_size = match u16::from_be_bytes([self.bytes[16], self.bytes[17]]) {
            1 => 65_536,
            size => u64::from(size),
        };
        let [.., a, b, c, d] = self.bytes[..32] else { return false };
        self.size < page_size * u64::from(u32::from_be_bytes([a, b, c, d]))
    }
}

/// Makes an empty file that only its owner can read: databases hold keys. One that is there is closed to those who are
/// neither owner nor group, as a copy may have been opened to them.
pub(super) fn make(path: &Path) -> Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => close_to_others(path),
        Err(error) => Err(Error::io(path.display(), error)),
        Ok(_) => Ok(()),
    }
}

fn close_to_others(path: &Path) -> Result<()> {
    let failed = |error| Error::io(path.display(), error);
    let mut rights = std::fs::metadata(path).map_err(failed)?.permissions();
    if rights.mode() & 0o007 == 0 {
        return Ok(());
    }
    rights.set_mode(rights.mode() & !0o007);
    tracing::warn!(file = %path.display(), "everybody on this machine could use the database: no longer");
    std::fs::set_permissions(path, rights).map_err(failed)
}

/// Refuses what is not a whole database of this program. A missing or empty file is fine: it will be made.
pub(super) fn inspect(path: &Path) -> Result<()> {
    let Some(header) = Header::read(path)? else { return Ok(()) };
    // With a log beside it, the file may be shorter: a checkpoint that was cut writes the header first, and SQLite
    // completes it from the log.
    let has_log = std::fs::metadata(super::beside(path, "-wal")).is_ok_and(|log| log.len() > 0);
    if !has_log && header.is_short() {
        return Err(refuse(
            path,
            "is shorter than its header says: it is damaged; restore a backup",
        ));
    }
    inspect_pages(path, header.size).map_err(|fault| explain(path, fault))
}

fn inspect_pages(path: &Path, size: u64) -> Result<(), Fault> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection::keep_log(&db, true)?;
    let application: i32 = db.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION_ID && tables > 0 {
        return Err(refuse(path, "is a database of another program").into());
    }
    if size <= QUICK_CHECK_BYTES {
        let verdict: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if verdict != "ok" {
            // The first line only names the database.
            let first = verdict.lines().find(|line| !line.starts_with("***"));
            let first = first.unwrap_or(&verdict).to_owned();
            return Err(refuse(path, DAMAGED).with_source(first).into());
        }
    }
    Ok(())
}

/// What is wrong with the pages and the indexes, a sentence each; [`INTEGRITY_FINDINGS`] at most. Reads everything.
pub(super) fn integrity(db: &Connection, sink: &mut Sink<String>) -> Result<(), Fault> {
    let mut query = db.prepare(&format!("PRAGMA integrity_check({INTEGRITY_FINDINGS})"))?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let finding: String = row.get(0)?;
        // Each may have several lines, of which one only names the database.
        for line in finding.lines().filter(|line| *line != "ok" && !line.starts_with("***")) {
            sink.put_blocking(line.to_owned())?;
        }
    }
    let lost = id_index::lost(db, INTEGRITY_FINDINGS)?;
    lost.into_iter().try_for_each(|line| Ok(sink.put_blocking(line)?))
}

/// What keeps a database from being opened, in words that an operator can act on: only what is damaged is called so.
pub(super) fn explain(path: &Path, fault: Fault) -> Error {
    let failure = match fault {
        Fault::Refused(error) => return error,
        Fault::Sqlite(failure) => failure,
    };
    match failure.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            refuse(path, DAMAGED).with_source(failure)
        }
        Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure | ErrorCode::CannotOpen)
            if !has_room(path) =>
        {
            Error::no_room(path.display()).with_source(failure)
        }
        _ => {
            let error = Error::from(Fault::Sqlite(failure));
            let message = format!("{}: {}", path.display(), error.message());
            Error::new(error.code(), message).with_source(error)
        }
    }
}

/// Whether SQLite can make the files that it needs beside the database.
fn has_room(path: &Path) -> bool {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    rustix::fs::statvfs(folder.unwrap_or_else(|| Path::new("."))).is_ok_and(|disk| {
        disk.f_bavail.saturating_mul(disk.f_frsize) >= ROOM_BYTES && disk.f_favail > 0
    })
}

fn refuse(path: &Path, what: &str) -> Error {
    Error::new(Code::Internal, format!("{} {what}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::id_index;
    use crate::Sqlite;

    #[tokio::test]
    async fn integrity_sees_an_index_that_lost_a_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let db = Sqlite::open(&path).unwrap();
        let make = "CREATE TABLE things (name TEXT); CREATE INDEX by_name ON things (name);
                    INSERT INTO things VALUES ('a lonely heron')";
        let make = format!("{} {make}", id_index::MARKS);
        db.write(move |db| Ok(db.execute_batch(&make)?)).await.unwrap();
        assert_eq!(db.integrity().await.unwrap(), [""; 0]);
        drop(db);
        let mut bytes = std::fs::read(&path).unwrap();
        let places = bytes.windows(14).enumerate().filter(|(_, at)| at == b"a lonely heron");
        let places: Vec<usize> = places.map(|(place, _)| place).collect();
        assert_eq!(places.len(), 2, "in the table and in its index");
        bytes[places[1]] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let findings = Sqlite::open(&path).unwrap().integrity().await.unwrap();
        assert!(findings.iter().any(|line| line.contains("by_name")), "{findings:?}");
    }
}
