//! Engine plumbing without business nouns: opening a database, the one writer, the readers, migrations,
//! kept answers, and the translation of driver failures.

pub mod sqlite;

use std::path::{Path, PathBuf};

use holdfast_types::{Code, Error, Result};

pub use sqlite::Sqlite;

/// An open database of whichever engine the connection string named.
#[derive(Clone, Debug)]
pub enum Database {
    /// An embedded SQLite file.
    Sqlite(Sqlite),
}

/// Opens the database that `url` names: a `sqlite:PATH`, or a file in `data_dir` when there is no connection string.
/// Refuses with a sentence: unknown schemes, damaged files, files of other programs.
pub fn open(url: Option<&str>, data_dir: &Path) -> Result<Database> {
    Sqlite::open(&resolve(url, data_dir)?).map(Database::Sqlite)
}

/// The file that `url` names, by one name for each file: two openings of one file in a process would undo each other's
/// locks, since closing any descriptor of a file drops all POSIX locks of the process on it.
pub fn resolve(url: Option<&str>, data_dir: &Path) -> Result<PathBuf> {
    let path = match url {
        None => data_dir.join("holdfast.db"),
        Some(url) => match url.strip_prefix("sqlite:") {
            Some(path) => Path::new(path.strip_prefix("//").unwrap_or(path)).to_owned(),
            None => return Err(unknown_scheme(url)),
        },
    };
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."));
    match (path.canonicalize(), folder.canonicalize(), path.file_name()) {
        (Ok(path), _, _) => Ok(path),
        (Err(_), Ok(folder), Some(name)) => Ok(folder.join(name)),
        _ => Err(Error::new(
            Code::InvalidParameter,
            format!("{}: there is no such folder", folder.display()),
        )),
    }
}

fn unknown_scheme(url: &str) -> Error {
    let scheme = url.split(':').next().unwrap_or_default();
    Error::new(
        Code::Internal,
        format!(
            "DB_CONNECTION_STRING: this version speaks `sqlite:PATH`, not `{scheme}:`; leave it out for a file in the data directory"
        ),
    )
}

impl Database {
    /// Answers when writing works: the readiness probe.
    pub async fn ready(&self) -> Result<()> {
        match self {
            Self::Sqlite(db) => db.ready().await,
        }
    }

    /// Writes a consistent copy to `target`, which must not exist yet, while the shop goes on.
    pub async fn backup(&self, target: &Path) -> Result<()> {
        match self {
            Self::Sqlite(db) => db.backup(target).await,
        }
    }
}
