//! What is kept, and what it is found by.

use holdfast_storage::record::{Column, Index, Kind, Record, Table, Value};
use holdfast_types::{Role, SessionId, Timestamp, UserId, fold};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    model::User,
    tokens::{Session, SigningKey},
};

const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind }
}

const fn index(name: &'static str, columns: &'static [&'static str], unique: bool) -> Index {
    Index { name, columns, unique }
}

/// Deleted ones stay, without what was personal: their ids are in orders.
impl Record for User {
    const TABLE: Table = Table {
        name: "users",
        noun: "user",
        key: Kind::Id,
        columns: &[
            column("name", Kind::Text),
            column("created_at", Kind::Integer),
            column("deleted_at", Kind::Integer),
            column("staff", Kind::Integer),
            column("in_charge", Kind::Integer),
        ],
        indexes: &[
            index("name", &["name"], true),
            index("creation", &["created_at"], false),
            index("deletion", &["deleted_at"], false),
            index("staff", &["staff"], false),
            index("in_charge", &["in_charge"], false),
        ],
        layout: 1,
    };

    fn key(&self) -> Value {
        self.id.into()
    }

    fn columns(&self) -> Vec<Option<Value>> {
        let is_there = !self.deleted;
        let is_staff = is_there && self.role != Role::Customer;
        vec![
            is_there.then(|| fold(&self.username).as_str().into()),
            is_there.then(|| self.created_at.into()),
            self.deleted_at.map(Value::from),
            is_staff.then(|| true.into()),
            self.is_in_charge().then(|| true.into()),
        ]
    }
}

/// One for each family of refresh tokens; only the hash of the newest is kept.
impl Record for Session {
    const TABLE: Table = Table {
        name: "sessions",
        noun: "session",
        key: Kind::Id,
        columns: &[column("user_id", Kind::Id), column("expires_at", Kind::Integer)],
        indexes: &[index("user", &["user_id"], false), index("expiry", &["expires_at"], false)],
        layout: 1,
    };

    fn key(&self) -> Value {
        self.id.into()
    }

    fn columns(&self) -> Vec<Option<Value>> {
        vec![Some(self.user.into()), Some(self.expires_at.into())]
    }
}

/// What other services must refuse while tokens that carry it may still be alive.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Revocation {
    pub(super) subject: Subject,
    /// Until when it matters, and [`crate::service::REVOCATION_TIME`] longer.
    pub(super) at: Timestamp,
}

/// Whose tokens are refused.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Subject {
    /// All of a session.
    Session(SessionId),
    /// Those of a user that are of an earlier epoch.
    User(UserId, i64),
}

impl Subject {
    /// What the revocation is found by.
    pub(super) fn key(self) -> Value {
        match self {
            Self::Session(id) => id.into(),
            Self::User(id, _) => id.into(),
        }
    }
}

/// Ids of sessions and of users never meet: both are UUIDs.
impl Record for Revocation {
    const TABLE: Table = Table {
        name: "revocations",
        noun: "revocation",
        key: Kind::Id,
        columns: &[column("at", Kind::Integer)],
        indexes: &[index("time", &["at"], false)],
        layout: 1,
    };

    fn key(&self) -> Value {
        self.subject.key()
    }

    fn columns(&self) -> Vec<Option<Value>> {
        vec![Some(self.at.into())]
    }
}

/// A permission to set a new password.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct PasswordReset {
    /// The operation that gave it.
    pub(super) id: Uuid,
    pub(super) token_hash: [u8; 32],
    pub(super) user: UserId,
    pub(super) expires_at: Timestamp,
    /// Whether it was used, replaced or withdrawn.
    pub(super) used: bool,
}

impl Record for PasswordReset {
    const TABLE: Table = Table {
        name: "password_resets",
        noun: "password reset",
        key: Kind::Id,
        columns: &[
            column("token_hash", Kind::Bytes),
            column("open_of", Kind::Id),
            column("expires_at", Kind::Integer),
        ],
        indexes: &[
            index("token", &["token_hash"], true),
            index("open", &["open_of"], false),
            index("expiry", &["expires_at"], false),
        ],
        layout: 1,
    };

    fn key(&self) -> Value {
        self.id.into()
    }

    fn columns(&self) -> Vec<Option<Value>> {
        let open_of = (!self.used).then(|| self.user.into());
        vec![Some(self.token_hash.into()), open_of, Some(self.expires_at.into())]
    }
}

impl Record for SigningKey {
    const TABLE: Table = Table {
        name: "signing_keys",
        noun: "signing key",
        key: Kind::Text,
        columns: &[],
        indexes: &[],
        layout: 1,
    };

    fn key(&self) -> Value {
        self.kid.as_str().into()
    }

    fn columns(&self) -> Vec<Option<Value>> {
        Vec::new()
    }
}
