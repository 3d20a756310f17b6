//! What users tell the world: never who they are, since a message cannot be taken back.

use holdfast_types::{Message, Timestamp, Version, named_id};
use serde_json::json;
use uuid::Uuid;

use super::User;

impl User {
    /// Says that there is an account to sign in to, and that its address, if it has one, is to be shown to be theirs.
    pub(crate) fn has_come(&self, at: Timestamp) -> Vec<Message> {
        let id = named_id("e-mail verification at registration", &self.id.to_string());
        let asks = self.email.is_some().then(|| self.wants_verification(id, at));
        [self.registered(at)].into_iter().chain(asks).collect()
    }

    fn registered(&self, at: Timestamp) -> Message {
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
