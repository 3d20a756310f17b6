//! What can go wrong inside a transaction over records.

use holdfast_types::{Code, Error};

use super::Taken;
use crate::{mongo, postgres, sqlite};

/// A refusal of ours, or a failure of the engine.
#[derive(Debug)]
pub enum Fault {
    /// A refusal that the client may see.
    Refused(Error),
    /// The decision rested on something that another transaction has changed: look again.
    Stale,
    /// A failure of SQLite.
    Sqlite(sqlite::Fault),
    /// A failure of PostgreSQL, or of the way to it.
    Postgres(postgres::Fault),
    /// A failure of MongoDB, or of the way to it.
    Mongo(mongo::Fault),
}

fn elsewhere() -> Error {
    Error::internal("a transaction has used another database")
}

impl Fault {
    /// Statements for one engine in a transaction of another.
    pub(super) fn elsewhere() -> Self {
        Self::Refused(elsewhere())
    }
}

fn stale() -> Error {
    Error::new(Code::Unavailable, "too many changes at once: repeat")
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

/// For what is sure to be free.
impl From<Taken> for Fault {
    fn from(taken: Taken) -> Self {
        Self::Refused(Error::internal(format!("{taken:?} is taken")))
    }
}

impl From<sqlite::Fault> for Fault {
    fn from(fault: sqlite::Fault) -> Self {
        match fault {
            sqlite::Fault::Refused(error) => Self::Refused(error),
            fault @ sqlite::Fault::Sqlite(_) => Self::Sqlite(fault),
        }
    }
}

impl From<postgres::Fault> for Fault {
    fn from(fault: postgres::Fault) -> Self {
        match fault {
            postgres::Fault::Refused(error) => Self::Refused(error),
            postgres::Fault::Stale => Self::Stale,
            fault => Self::Postgres(fault),
        }
    }
}

impl From<mongo::Fault> for Fault {
    fn from(fault: mongo::Fault) -> Self {
        match fault {
            mongo::Fault::Refused(error) => Self::Refused(error),
            mongo::Fault::Stale => Self::Stale,
            fault => Self::Mongo(fault),
        }
    }
}

impl From<Fault> for sqlite::Fault {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refused(error) => Self::Refused(error),
            Fault::Sqlite(fault) => fault,
            // Nobody else writes meanwhile: what was read before the transaction is put back in it.
            Fault::Stale => Self::Refused(stale()),
            Fault::Postgres(_) | Fault::Mongo(_) => Self::Refused(elsewhere()),
        }
    }
}

impl From<Fault> for postgres::Fault {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refused(error) => Self::Refused(error),
            Fault::Postgres(fault) => fault,
            Fault::Stale => Self::Stale,
            Fault::Sqlite(_) | Fault::Mongo(_) => Self::Refused(elsewhere()),
        }
    }
}

impl From<Fault> for mongo::Fault {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refused(error) => Self::Refused(error),
            Fault::Mongo(fault) => fault,
            Fault::Stale => Self::Stale,
            Fault::Sqlite(_) | Fault::Postgres(_) => Self::Refused(elsewhere()),
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refused(error) => error,
            Fault::Stale => stale(),
            Fault::Sqlite(fault) => fault.into(),
            Fault::Postgres(fault) => fault.into(),
            Fault::Mongo(fault) => fault.into(),
        }
    }
}
