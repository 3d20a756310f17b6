//! What the users service keeps. Each method is one atomic operation; its doc comment is its guarantee.

mod accounts;
mod ending;
#[cfg(test)]
mod guarantees;
mod keys;
mod listing;
mod mailing;
mod records;
mod roles;
mod sessions;

use holdfast_storage::{Database, Migrations, Outbox, OutboxTable, record::Table};
use holdfast_types::{
    Answer, Code, Error, Operation, Random, Result, Secret, SessionId, Timestamp, UserId,
};

pub use self::records::RECORDS;
use self::records::{PasswordReset, Revocation};
pub(crate) use self::roles::role_taken;
pub(crate) use self::{
    keys::KeyHolder,
    listing::UserFilter,
    mailing::{ResetAsked, ResetRequest},
};
use crate::model::User;

/// Shapes the answer about a user, so that it can be kept with the change.
pub(crate) type Render = fn(&User) -> Result<Answer>;

/// What exchanging a refresh token led to.
#[derive(Debug)]
pub(crate) enum Exchanged {
    /// The successor belongs to this user.
    Renewed(Box<User>),
    /// The session is over, or its user may not sign in any more.
    Over,
    /// The token was copied: the family has just been revoked.
    Theft,
    /// The token never was one of ours.
    Foreign,
}

/// A new password for a user.
#[derive(Clone, Debug)]
pub(crate) struct PasswordChange {
    pub(crate) user: UserId,
    /// The hash that the change is based on.
    pub(crate) from: String,
    pub(crate) to: String,
    /// The session that goes on.
    pub(crate) keep: Option<SessionId>,
}

/// A permission to set a new password once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResetGrant {
    pub(crate) user: UserId,
    pub(crate) token_hash: [u8; 32],
    pub(crate) expires_at: Timestamp,
}

/// Deleted users that are told at once; more follow in the next page.
pub const DELETED_PAGE: usize = 1000;

/// Names of staff that are told at once.
const STAFF_NAMES: usize = 10_000;

/// Names the service in what it keeps.
const SERVICE: &str = crate::SERVICE.name;

/// The records of the users service. Clones share the database.
#[derive(Clone)]
pub(crate) struct UserStore {
    db: Database,
    secret: Secret,
    outbox: Outbox<UsersOutbox>,
}

/// Where users tell what has happened to them.
#[derive(Debug)]
pub(crate) struct UsersOutbox;

impl OutboxTable for UsersOutbox {
    const SERVICE: &'static str = crate::SERVICE.name;
    const TABLE: Table = Table::of("users_outbox", "batch of messages");
}

impl UserStore {
    /// Brings the tables up to date.
    pub(crate) async fn open(database: &Database, random: &Random) -> Result<(Self, Secret)> {
        let none = &Migrations::NONE;
        let (db, secret) = database.of_service(SERVICE, none, RECORDS, random).await?;
        let outbox = Outbox::new(&db, random);
        Ok((Self { db, secret: secret.clone(), outbox }, secret))
    }

    /// The answer that an operation was given before, if any.
    pub(crate) async fn replay(&self, operation: &Operation) -> Result<Option<Answer>> {
        self.db.replay(operation).await
    }

    /// What users have told and nobody has collected.
    pub(crate) const fn outbox(&self) -> &Outbox<UsersOutbox> {
        &self.outbox
    }

    /// Forgets answers, revocations, sessions and permissions that ended before `before`.
    pub(crate) async fn forget(&self, before: Timestamp) -> Result<()> {
        self.db.forget_answers(before).await?;
        self.db.forget::<Revocation>("time", before).await?;
        self.forget_sessions(before).await?;
        self.db.forget::<PasswordReset>("expiry", before).await
    }
}

/// The refusal of what would leave a shop without an administrator.
fn last_in_charge() -> Error {
    Error::new(Code::Forbidden, "the last administrator stays one")
}

/// The refusal of a name that somebody has, or that looks like one of the staff's.
pub(crate) fn username_taken() -> Error {
    Error::new(Code::UsernameTaken, "the username is taken, or looks too much like one that is")
}

/// The refusal of a permission that is none.
pub(crate) fn unknown_reset() -> Error {
    Error::invalid("#/resetToken", "the token was used, was replaced, has expired or never was one")
}

/// The answer of a change of which there is nothing to tell.
fn no_content() -> Answer {
    Answer { status: 204, etag: None, body: Vec::new() }
}
