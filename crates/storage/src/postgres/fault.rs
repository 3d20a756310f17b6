//! What can go wrong inside a transaction or a query, and how it looks from outside.

use deadpool_postgres::{HookError, PoolError};
use holdfast_types::{Code, Error};
use tokio_postgres::error::SqlState;

/// A refusal of ours, or a failure of the server, the connection or the pool.
#[derive(Debug)]
pub enum Fault {
    /// A refusal that the client may see.
    Refused(Error),
    /// A failure of the driver or the server.
    Postgres(tokio_postgres::Error),
    /// No connection could be had.
    Pool(PoolError),
    /// The decision rested on something that another transaction has changed: look again.
    Stale,
    /// The query took too long.
    Late,
}

impl Fault {
    /// Whether running it again makes sense: it was in somebody's way, or the connection broke.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Late => false,
            Self::Stale => true,
            Self::Postgres(error) => passes(error),
            Self::Pool(
                PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)),
            ) => passes(error),
            Self::Pool(_) => false,
        }
    }

    /// Whether a row that somebody else holds could not be locked in time.
    #[must_use]
    pub fn is_lock_timeout(&self) -> bool {
        matches!(self, Self::Postgres(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE))
    }

    /// Whether the connection is still good for a ROLLBACK.
    pub(super) fn leaves_connection(&self) -> bool {
        match self {
            Self::Postgres(error) => error.code().is_some() && !is_farewell(error),
            Self::Late => false,
            Self::Refused(_) | Self::Pool(_) | Self::Stale => true,
        }
    }
}

/// Codes of <https://www.postgresql.org/docs/current/errcodes-appendix.html>. No code at all: the connection broke.
fn passes(error: &tokio_postgres::Error) -> bool {
    const AGAIN: [SqlState; 4] = [
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::TOO_MANY_CONNECTIONS,
    ];
    match error.code() {
        Some(code) => AGAIN.contains(code) || is_farewell(error),
        None => true,
    }
}

/// The server ended the session.
fn is_farewell(error: &tokio_postgres::Error) -> bool {
    const OVER: [SqlState; 6] = [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
        SqlState::CONNECTION_FAILURE,
        SqlState::READ_ONLY_SQL_TRANSACTION,
    ];
    error.code().is_some_and(|code| OVER.contains(code))
}

/// The answer of a server that only follows another.
pub(super) fn standby() -> Error {
    Error::new(Code::Unavailable, "the database server is a standby that takes no writes: repeat")
}

/// Sixteen or thirty-two bytes that were stored as such.
pub fn bytes<const N: usize>(stored: &[u8]) -> Result<[u8; N], Fault> {
    let found = stored.len();
    stored.try_into().map_err(|_| {
        Fault::Refused(Error::internal(format!("{N} bytes were stored, {found} are there")))
    })
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(error)
    }
}

impl From<PoolError> for Fault {
    fn from(error: PoolError) -> Self {
        Self::Pool(error)
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self::Refused(Error::internal(error))
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        let unavailable = |why: &'static str| Self::new(Code::Unavailable, why);
        match fault {
            Fault::Refused(error) => error,
            Fault::Stale => unavailable("too many changes at once: repeat"),
            Fault::Late => Self::new(Code::Overloaded, "the query took too long: ask for less"),
            Fault::Pool(PoolError::Timeout(_)) => {
                Self::new(Code::Overloaded, "the database is busy: repeat")
            }
            Fault::Pool(
                PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)),
            ) if passes(&error) => {
                unavailable("the database cannot be reached: repeat").with_source(error)
            }
            Fault::Pool(PoolError::Backend(error)) => from_postgres(error),
            Fault::Pool(error) => Self::internal(error),
            Fault::Postgres(error) => from_postgres(error),
        }
    }
}

fn from_postgres(error: tokio_postgres::Error) -> Error {
    match error.code() {
        None => Error::new(Code::Unavailable, "the connection to the database broke: repeat")
            .with_source(error),
        Some(&SqlState::DISK_FULL) => Error::new(
            Code::StorageFull,
            "the disk of the database is full: nothing was changed; reading goes on",
        )
        .with_source(error),
        Some(&SqlState::QUERY_CANCELED) => {
            Error::new(Code::Overloaded, "the query took too long: ask for less").with_source(error)
        }
        Some(_) if passes(&error) => {
            Error::new(Code::Unavailable, "the database is busy: repeat").with_source(error)
        }
        Some(_) => Error::internal(error),
    }
}
