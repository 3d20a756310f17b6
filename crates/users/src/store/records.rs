//! What is kept, and what it is found by.

use holdfast_storage::{
    OutboxRow,
    record::{Column, Index, Kind, Record, RecordType, Table, Value},
};
use holdfast_types::{Operation, Role, SessionId, Timestamp, UserId, fold};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{ResetGrant, UsersOutbox};
use crate::{
    model::{ApiKey, CustomRole, User},
    tokens::{Session, SigningKey},
};

/// Everything that the service keeps. Sessions do not move with a shop: whoever has one signs in again.
pub const RECORDS: &[RecordType] = &[
    RecordType::moving::<User>(),
    RecordType::moving::<CustomRole>(),
    RecordType::moving::<ApiKey>(),
    RecordType::staying::<Session>(),
    RecordType::staying::<Revocation>(),
    RecordType::staying::<PasswordReset>(),
    RecordType::staying::<SigningKey>(),
    RecordType::told::<OutboxRow<UsersOutbox>>(),
];

/// Deleted ones stay, without what was personal: their ids are in orders.
impl Record for User {
    const TABLE: Table = Table {
        columns: &[
            Column::of("name", Kind::Text),
            Column::of("created_at", Kind::Integer),
            Column::of("deleted_at", Kind::Integer),
            Column::of("staff", Kind::Integer),
            Column::of("in_charge", Kind::Integer),
            Column::of("role", Kind::Text),
            Column::of("disabled", Kind::Integer),
            Column::of("email", Kind::Text),
            Column::of("real_name", Kind::Text),
            Column::of("guest", Kind::Integer),
        ],
        indexes: &[
            Index::unique("name", &["name"]),
            Index::of("creation", &["created_at"]),
            Index::of("deletion", &["deleted_at"]),
            Index::of("staff", &["staff"]),
            Index::of("in_charge", &["in_charge"]),
            Index::of("role", &["role", "created_at"]),
            Index::of("disabled", &["disabled", "created_at"]),
            Index::of("email", &["email"]),
            Index::of("real_name", &["real_name"]),
            Index::of("guest", &["guest", "created_at"]),
        ],
        layout: 3,
        ..Table::of("users", "user")
    };

    fn key(&self) -> Value {
        self.id.into()
    }

    fn columns(&self) -> Vec<Option<Value>> {
        let is_there = !self.deleted;
        let is_staff = is_there && self.role.as_str() != Role::CUSTOMER;
        vec![
            (is_there && !self.guest).then(|| fold(&self.username).as_str().into()),
            is_there.then(|| self.created_at.into()),
            self.left_at().map(Value::from),
            is_staff.then(|| true.into()),
            self.is_in_charge().then(|| true.into()),
            is_there.then(|| self.role.as_str().into()),
            (is_there && self.disabled).then(|| true.into()),
            self.email.as_deref().map(|email| fold(email).as_str().into()),
            self.name.as_deref().map(|name| fold(name).as_str().into()),
            is_there.then(|| i64::from(self.guest).into()),
        ]
    }
}

/// Only those that were made: three are built in.
impl Record for CustomRole {
    const TABLE: Table = Table { key: Kind::Text, ..Table::of("roles", "role") };

    fn key(&self) -> Value {
        self.name.as_str().into()
    }

    fn columns(&self) -> Vec<Option<Value>> {
        Vec::new()
    }
}

/// Only the hash of its secret is kept.
impl Record for ApiKey {
    const TABLE: Table = Table {
        columns: &[Column::of("user_id", Kind::Id), Column::of("created_at", Kind::Integer)],
        indexes: &[Index::of("user", &["user_id"]), Index::of("creation", &["created_at"])],
        ..Table::of("api_keys", "API key")
    };

    fn key(&self) -> Value {
        self.id.into()
    }

    fn columns(&self) -> Vec<Option<Value>> {
        vec![Some(self.user.into()), Some(self.created_at.into())]
    }
}

/// One for each family of refresh tokens; only the hash of the newest is kept.
impl Record for Session {
    const TABLE: Table = Table {
        columns: &[Column::of("user_id", Kind::Id), Column::of("expires_at", Kind::Integer)],
        indexes: &[Index::of("user", &["user_id"]), Index::of("expiry", &["expires_at"])],
        ..Table::of("sessions", "session")
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
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Subject {
    /// All of a session.
    Session(SessionId),
    /// Those of a user that are of an earlier epoch.
    User(UserId, i64),
    /// Those of a role that are of an earlier version of it.
    Role(Role, i64),
}

impl Subject {
    /// What the revocation is found by.
    pub(super) fn key(&self) -> Value {
        match self {
            Self::Session(id) => (*id).into(),
            Self::User(id, _) => (*id).into(),
            // A role has no id: one is made of its name, as of a key that names an operation.
            Self::Role(role, _) => Operation::derived_id("role", "", "", role.as_str()).into(),
        }
    }
}

/// Ids of sessions and of users never meet: both are UUIDs.
impl Record for Revocation {
    const TABLE: Table = Table {
        columns: &[Column::of("at", Kind::Integer)],
        indexes: &[Index::of("time", &["at"])],
        ..Table::of("revocations", "revocation")
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
    /// Whether a letter brings it, and not the staff.
    #[serde(default)]
    pub(super) by_letter: bool,
}

impl PasswordReset {
    /// One that was just given.
    pub(super) const fn open(id: Uuid, grant: &ResetGrant) -> Self {
        let ResetGrant { user, token_hash, expires_at } = *grant;
        Self { id, token_hash, user, expires_at, used: false, by_letter: false }
    }

    pub(super) fn is_open(&self, now: Timestamp) -> bool {
        !self.used && self.expires_at > now
    }
}

impl Record for PasswordReset {
    const TABLE: Table = Table {
        columns: &[
            Column::of("token_hash", Kind::Bytes),
            Column::of("open_of", Kind::Id),
            Column::of("expires_at", Kind::Integer),
        ],
        indexes: &[
            Index::unique("token", &["token_hash"]),
            Index::of("open", &["open_of"]),
            Index::of("expiry", &["expires_at"]),
        ],
        ..Table::of("password_resets", "password reset")
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
    const TABLE: Table = Table { key: Kind::Text, ..Table::of("signing_keys", "signing key") };

    fn key(&self) -> Value {
        self.kid.as_str().into()
    }

    fn columns(&self) -> Vec<Option<Value>> {
        Vec::new()
    }
}
