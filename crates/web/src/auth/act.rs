//! What a request does, and in whose name.

use holdfast_types::{KeyId, UserId};
use uuid::Uuid;

use super::Caller;

/// What a request does: its principal names its operation, and staff and programs with API keys answer for it.
#[derive(Clone, Debug)]
pub struct Act {
    pub(crate) principal: String,
    pub(crate) audited: Option<Audited>,
}

/// What somebody answers for, as far as the caller's token and the handler say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Audited {
    pub(crate) action: &'static str,
    /// Nothing where it is the operation's own id: that of what it makes.
    pub(crate) resource: Option<Uuid>,
    pub(crate) user: UserId,
    pub(crate) key: Option<KeyId>,
}

impl Act {
    /// Something that nobody answers for who is known: strangers register.
    #[must_use]
    pub const fn of_stranger(principal: String) -> Self {
        Self { principal, audited: None }
    }
}

impl Caller {
    /// What this caller does: the operation, as the API description names it, and the id of what it changes; none for what it
    /// makes under the operation's own.
    pub fn does(&self, action: &'static str, resource: impl Into<Option<Uuid>>) -> Act {
        let answers_for =
            || Audited { action, resource: resource.into(), user: self.user, key: self.key };
        let is_audited = self.is_staff || self.key.is_some();
        Act { principal: self.principal(), audited: is_audited.then(answers_for) }
    }
}
