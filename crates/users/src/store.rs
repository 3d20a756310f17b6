//! What the users service needs of a database. Each method is one atomic operation; its doc comment is its guarantee.

#[cfg(test)]
mod guarantees;
mod mongo;
pub(crate) mod portable;
mod postgres;
mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_storage::{Database, Entry, Flow};
use holdfast_types::{
    Answer, Basis, Code, Error, Given, Operation, Page, PageRequest, Random, Result, Secret,
    SessionId, Timestamp, UserId,
};
use holdfast_web::auth::{PublicKey, Revocations};

use self::portable::Record;
use crate::{
    model::{NewUser, User, UserChange},
    tokens::{RefreshToken, SigningKey},
};

/// Shapes the answer about a user, so that it can be kept with the change.
pub(crate) type Render = fn(&User) -> Result<Answer>;

/// What exchanging a refresh token led to.
#[derive(Debug)]
pub(crate) enum Exchanged {
    /// The successor belongs to this user.
    Renewed(User),
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
const STAFF_NAMES: i64 = 10_000;

/// The table of kept answers, on every engine.
pub const ANSWERS: &str = "users_operations";

#[async_trait]
pub(crate) trait UserStore: Send + Sync {
    /// Registers a user once per id: a second call returns the one that is there and `true`, also one deleted since.
    /// Refuses with `username-taken`.
    async fn create(&self, new: &NewUser) -> Result<(User, bool)>;

    /// Registers a user only while there is none at all; says whether it did.
    async fn create_first(&self, new: &NewUser) -> Result<bool>;

    /// The user with that id, deleted ones included.
    async fn get(&self, id: UserId) -> Result<Option<User>>;

    /// The user with that folded name.
    async fn find(&self, folded: &str) -> Result<Option<User>>;

    /// The names of sellers and administrators, [`STAFF_NAMES`] at most.
    async fn staff(&self) -> Result<Vec<String>>;

    /// Users that are not deleted, newest first.
    async fn list(&self, request: &PageRequest) -> Result<Page<User>>;

    /// The answer that an operation was given before, if any.
    async fn replay(&self, operation: &Operation) -> Result<Option<Answer>>;

    /// Changes a user if what is changed is still as the basis says; once per operation.
    /// A change of access ends all the user's tokens.
    async fn change(
        &self,
        id: UserId,
        change: (&UserChange, &Basis),
        operation: (&Operation, Render),
        now: Timestamp,
    ) -> Result<Given>;

    /// Sets a new password if the old one is still `from`, and ends all other sessions and permissions to reset it; once
    /// per operation.
    async fn change_password(
        &self,
        change: &PasswordChange,
        operation: &Operation,
        now: Timestamp,
    ) -> Result<Given>;

    /// Erases a user's personal data and ends all sessions; once per operation.
    /// Refuses with `forbidden` when no other administrator is left.
    async fn delete(&self, id: UserId, operation: &Operation, now: Timestamp) -> Result<Given>;

    /// Users that were deleted at `since` or later, the earliest first, [`DELETED_PAGE`] at most.
    async fn deleted(&self, since: Timestamp) -> Result<Vec<(Timestamp, UserId)>>;

    /// Keeps a permission to reset a password, in the place of earlier ones; once per operation. Returns when it expires,
    /// and whether it was kept before.
    async fn grant_reset(
        &self,
        grant: &ResetGrant,
        operation: &Operation,
    ) -> Result<(Timestamp, bool)>;

    /// The user whom an unused, unexpired permission is for.
    async fn find_reset(&self, token_hash: &[u8; 32], now: Timestamp) -> Result<Option<User>>;

    /// Uses a permission: sets the password and ends all sessions; once per operation.
    /// Refuses with `validation` when the permission was used, was replaced or has expired.
    async fn reset_password(
        &self,
        token_hash: &[u8; 32],
        hash: &str,
        operation: &Operation,
        now: Timestamp,
    ) -> Result<Given>;

    /// Begins a session of a user whose password is still the one that was verified and who may still sign in;
    /// says whether it did.
    async fn begin_session(
        &self,
        user: &User,
        token: RefreshToken,
        expires_at: Timestamp,
    ) -> Result<bool>;

    /// Exchanges a refresh token: the newest moves the session on, a repeat does not, an older one ends it.
    async fn exchange(
        &self,
        token: RefreshToken,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<Exchanged>;

    /// Ends the session that a refresh token belongs to, if it belongs to one.
    async fn end_session(&self, token: RefreshToken, now: Timestamp) -> Result<()>;

    /// The keys that tokens may be signed with, newest first; `fresh` becomes the first when there is none.
    async fn signing_keys(&self, fresh: SigningKey, now: Timestamp) -> Result<Vec<SigningKey>>;

    /// The public parts of all keys.
    async fn public_keys(&self) -> Result<Vec<PublicKey>>;

    /// What was revoked while a token was alive that was made after `since`.
    async fn revocations(&self, since: Timestamp) -> Result<Revocations>;

    /// Forgets answers, revocations, sessions and permissions that ended before `before`.
    async fn forget(&self, before: Timestamp) -> Result<()>;

    /// Everything that is kept, user by user, in one snapshot: apart from answers and the secret.
    async fn dump(&self) -> Result<Flow<Entry<Record>>>;

    /// Keeps what another engine kept, unless it is there.
    async fn load(&self, records: Vec<Record>) -> Result<()>;
}

/// Opens the store on whichever engine the database is of, and brings its tables up to date.
pub(crate) async fn open(
    database: &Database,
    random: &Random,
) -> Result<(Arc<dyn UserStore>, Secret)> {
    match database {
        Database::Sqlite(db) => {
            let (store, secret) = sqlite::SqliteUsers::open(db.clone(), random).await?;
            Ok((Arc::new(store), secret))
        }
        Database::Postgres(db) => {
            let (store, secret) = postgres::PostgresUsers::open(db.clone(), random).await?;
            Ok((Arc::new(store), secret))
        }
        Database::Mongo(db) => {
            let (store, secret) = mongo::MongoUsers::open(db.clone(), random).await?;
            Ok((Arc::new(store), secret))
        }
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
