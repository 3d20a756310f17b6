//! What users tell the world: never who they are, since a message cannot be taken back.

use holdfast_types::{Message, Timestamp};
use serde_json::json;

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
