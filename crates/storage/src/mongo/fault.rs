//! What can go wrong inside a transaction or a query, and how it looks from outside.

use holdfast_types::{Code, Error, Result};
use mongodb::bson::Document;
use mongodb::error::{
    CommandError, ErrorKind, TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT,
    WriteFailure,
};

use crate::backoff::Backoff;

/// A refusal of ours, or a failure of the driver or the server.
#[derive(Debug)]
pub enum Fault {
    /// A refusal that the client may see.
    Refused(Error),
    /// A failure of the driver or the server.
    Mongo(mongodb::error::Error),
    /// The decision rested on something that another transaction has changed: look again.
    Stale,
    /// It took too long.
    Late,
}

/// Codes of <https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml>.
const WRITE_CONFLICT: i32 = 112;
const NO_SUCH_TRANSACTION: i32 = 251;
const DUPLICATE_KEY: i32 = 11000;
const OUT_OF_DISK_SPACE: i32 = 14031;
const DOCUMENT_VALIDATION: i32 = 121;

impl Fault {
    /// A statement of a write command that failed: somebody was faster, or something is wrong.
    pub(super) fn of_statement(error: &Document) -> Self {
        match error.get_i32("code") {
            Ok(DUPLICATE_KEY | WRITE_CONFLICT) => Self::Stale,
            _ => Self::Refused(Error::internal(error.to_string())),
        }
    }

    /// Whether running it again makes sense.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Late => false,
            Self::Stale => true,
            Self::Mongo(error) => passes(error),
        }
    }

    /// Waits before the next attempt, longer where there is nobody to write to.
    pub(super) async fn wait(self, backoff: &mut Backoff<'_>) -> Result<()> {
        let is_election = matches!(&self, Self::Mongo(error) if is_out_of_reach(error));
        match is_election {
            true => backoff.wait_for_election(self).await,
            false => backoff.wait(self).await,
        }
    }

    /// Whether a commit may have happened all the same: committing again is harmless.
    pub(super) fn is_unknown_commit(&self) -> bool {
        match self {
            Self::Mongo(error) => error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT),
            Self::Late => true,
            Self::Refused(_) | Self::Stale => false,
        }
    }
}

fn passes(error: &mongodb::error::Error) -> bool {
    error.contains_label(TRANSIENT_TRANSACTION_ERROR)
        || error.contains_label("RetryableWriteError")
        || is_out_of_reach(error)
        || matches!(code(error), Some(WRITE_CONFLICT | NO_SUCH_TRANSACTION | DUPLICATE_KEY))
}

/// No primary, or no way to it.
fn is_out_of_reach(error: &mongodb::error::Error) -> bool {
    const NOT_PRIMARY: [i32; 9] = [10107, 13435, 11600, 11602, 189, 91, 7, 6, 9001];
    matches!(
        *error.kind,
        ErrorKind::ServerSelection { .. }
            | ErrorKind::Io(_)
            | ErrorKind::ConnectionPoolCleared { .. }
    ) || code(error).is_some_and(|code| NOT_PRIMARY.contains(&code))
}

/// The number of what the server says is wrong.
pub(super) fn code(error: &mongodb::error::Error) -> Option<i32> {
    match &*error.kind {
        ErrorKind::Command(CommandError { code, .. }) => Some(*code),
        ErrorKind::Write(WriteFailure::WriteError(error)) => Some(error.code),
        ErrorKind::Write(WriteFailure::WriteConcernError(error)) => Some(error.code),
        ErrorKind::InsertMany(error) => {
            error.write_errors.as_ref().and_then(|errors| errors.first()).map(|error| error.code)
        }
        _ => None,
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<mongodb::error::Error> for Fault {
    fn from(error: mongodb::error::Error) -> Self {
        Self::Mongo(error)
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
            Fault::Late => Self::new(Code::Overloaded, "the database took too long: repeat"),
            Fault::Mongo(error) if code(&error) == Some(OUT_OF_DISK_SPACE) => Self::new(
                Code::StorageFull,
                "the disk of the database is full: nothing was changed; reading goes on",
            )
            .with_source(error),
            Fault::Mongo(error) if code(&error) == Some(DOCUMENT_VALIDATION) => {
                Self::internal(error)
            }
            Fault::Mongo(error) if passes(&error) => {
                unavailable("the database cannot be reached or is busy: repeat").with_source(error)
            }
            Fault::Mongo(error) => Self::internal(error),
        }
    }
}
