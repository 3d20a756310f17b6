//! What can go wrong inside a job or a query, and how it looks from outside.

use holdfast_types::{Code, Error};
use rusqlite::{ErrorCode, Row};
use uuid::Uuid;

use crate::Damage;

/// A refusal of ours, or a failure of SQLite.
#[derive(Debug)]
pub enum Fault {
    /// A refusal that the client may see.
    Refused(Error),
    /// A failure of the driver or the engine.
    Sqlite(rusqlite::Error),
}

impl Fault {
    /// True when the fault says that `columns` (as in `products.sku`) must be unique.
    #[must_use]
    pub fn is_taken(&self, columns: &str) -> bool {
        match self {
            Self::Sqlite(rusqlite::Error::SqliteFailure(_, Some(message))) => {
                message.strip_prefix("UNIQUE constraint failed: ") == Some(columns)
            }
            _ => false,
        }
    }

    /// True when the disk could not be written for sure: nothing may be acknowledged from here on.
    fn is_fatal(&self) -> bool {
        const FSYNC: i32 = 1034;
        const DIR_FSYNC: i32 = 1290;
        matches!(self, Self::Sqlite(rusqlite::Error::SqliteFailure(failure, _))
            if [FSYNC, DIR_FSYNC].contains(&failure.extended_code))
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self::Refused(Error::internal(error))
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        let failure = match fault {
            Fault::Refused(error) => return error,
            Fault::Sqlite(failure) => failure,
        };
        match failure.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::new(
                Code::StorageFull,
                "the disk is full: nothing was changed; reading goes on",
            )
            .with_source(failure),
            Some(ErrorCode::OperationInterrupted) => {
                Self::new(Code::Overloaded, "the query took too long: ask for less")
                    .with_source(failure)
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Self::new(Code::Unavailable, "the database is busy: repeat").with_source(failure)
            }
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::ReadOnly) => {
                Self::new(
                    Code::Unavailable,
                    "the disk did not do what it was asked: nothing was changed",
                )
                .with_source(failure)
            }
            _ => Self::internal(failure),
        }
    }
}

/// What a failure is from outside, unless it is one that must not be survived.
pub(super) fn survive(failure: impl Into<Fault>) -> Error {
    let fault = failure.into();
    let is_fatal = fault.is_fatal();
    let error = fault.into();
    if is_fatal { die(&error) } else { error }
}

/// A failed fsync leaves it unknown what is on disk: the process ends, and recovery tells at the next start.
pub(super) fn die(error: &Error) -> ! {
    tracing::error!(%error, "the disk cannot be trusted any more: ending");
    std::process::abort()
}

/// What is wrong with a row that could not be read.
pub fn damage(kind: &'static str, id: Uuid, row: &Row<'_>, error: rusqlite::Error) -> Damage {
    let column = match &error {
        rusqlite::Error::FromSqlConversionFailure(column, ..)
        | rusqlite::Error::InvalidColumnType(column, ..)
        | rusqlite::Error::IntegralValueOutOfRange(column, _) => row.as_ref().column_name(*column),
        _ => row.as_ref().column_name(usize::MAX),
    };
    let column = column.map(|name| format!("column {name}: ")).unwrap_or_default();
    let mut damage = Damage::new(kind, id, Fault::from(error));
    damage.why.insert_str(0, &column);
    damage
}
