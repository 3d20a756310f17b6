//! What users tell the world: never who they are, since a message cannot be taken back.

use holdfast_types::{Message, Timestamp, Version};
use serde_json::json;
use uuid::Uuid;

use super::User;

impl User {
    /// Says that there is an account to sign in to.
    pub(crate) fn registered(&self, at: Timestamp) -> Message {
        self.message("user.registered", at)
    }

    /// Says that the account is gone.
    pub(crate) fn has_left(&self, at: Timestamp) -> Message {
        self.message("user.deleted", at)
    }

    /// Says that the user wants to show that an address is theirs: one of its own, since it can happen at any version.
    pub(crate) fn wants_verification(&self, id: Uuid, at: Timestamp) -> Message {
        self.wish("user.email_verification_requested", id, at)
    }

    /// Says that somebody has asked for a new password for them, and may have one.
    pub(crate) fn wants_reset(&self, id: Uuid, at: Timestamp) -> Message {
        self.wish("user.password_reset_requested", id, at)
    }

    fn wish(&self, kind: &'static str, id: Uuid, at: Timestamp) -> Message {
        let (subject, version) = (id, Version::FIRST);
        Message { subject, version, ..self.message(kind, at) }
    }

    fn message(&self, kind: &'static str, at: Timestamp) -> Message {
        Message {
            kind: kind.into(),
            subject: self.id.uuid(),
            version: self.version,
            at,
            data: Some(json!({ "userId": self.id, "role": self.role })),
        }
    }
}
