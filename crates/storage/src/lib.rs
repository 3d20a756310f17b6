//! Engine plumbing without business nouns: opening a database, the one writer, the readers, migrations,
//! kept answers, and the translation of driver failures.

pub mod sqlite;

use std::path::Path;

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
    let path = match url {
        None => data_dir.join("holdfast.db"),
        Some(url) => match url.strip_prefix("sqlite:") {
            Some(path) => Path::new(path.strip_prefix("//").unwrap_or(path)).to_owned(),
            None => return Err(unknown_scheme(url)),
        },
    };
    Sqlite::open(&path).map(Database::Sqlite)
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
