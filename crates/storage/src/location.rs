//! Where a database is.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use holdfast_types::{Code, Error, Result};

/// A place where a database is or can be made. Equal places are one database.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// A file, by one name for each: two openings of one file in a process would undo each other's locks, since closing
    /// any descriptor of a file drops all POSIX locks of the process on it.
    Sqlite(PathBuf),
    /// A connection string of a PostgreSQL server.
    Postgres(String),
    /// A connection string of a MongoDB replica set or sharded cluster.
    Mongo(String),
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.engine())
    }
}

impl Location {
    /// What `url` names: `sqlite:PATH`, `postgres://…`, `mongodb://…`, or a file in `data_dir` when there is no connection string.
    /// Refuses unknown schemes and missing folders with a sentence.
    pub fn of(url: Option<&str>, data_dir: &Path) -> Result<Self> {
        let Some(url) = url else { return file(&data_dir.join("holdfast.db")) };
        match url.split_once(':') {
            Some(("sqlite", path)) => file(Path::new(path.strip_prefix("//").unwrap_or(path))),
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres(url.to_owned())),
            Some(("mongodb" | "mongodb+srv", _)) => Ok(Self::Mongo(url.to_owned())),
            _ => Err(unknown_scheme(url)),
        }
    }

    /// The engine's name.
    #[must_use]
    pub const fn engine(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
            Self::Mongo(_) => "mongo",
        }
    }

    /// The place in words, without passwords.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Sqlite(path) => path.display().to_string(),
            Self::Postgres(url) | Self::Mongo(url) => {
                let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
                let rest = rest.split('?').next().unwrap_or_default();
                let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
                format!("{scheme}://{place}")
            }
        }
    }

    /// False when this is a file that is not there yet.
    #[must_use]
    pub fn may_exist(&self) -> bool {
        match self {
            Self::Sqlite(path) => path.exists(),
            Self::Postgres(_) | Self::Mongo(_) => true,
        }
    }
}

fn file(path: &Path) -> Result<Location> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."));
    match (path.canonicalize(), folder.canonicalize(), path.file_name()) {
        (Ok(path), _, _) => Ok(Location::Sqlite(path)),
        (Err(_), Ok(folder), Some(name)) => Ok(Location::Sqlite(folder.join(name))),
        _ => Err(Error::new(
            Code::InvalidParameter,
            format!("{}: there is no such folder", folder.display()),
        )),
    }
}

fn unknown_scheme(url: &str) -> Error {
    let scheme = url.split(':').next().unwrap_or_default();
    Error::new(
        Code::InvalidParameter,
        format!(
            "DB_CONNECTION_STRING: this version speaks `sqlite:PATH`, `postgres://…` and `mongodb://…`, not `{scheme}:`; leave it out for a file in the data directory"
        ),
    )
}
