//! The audit trail: what staff and programs with API keys have changed, and who answers for it (NIST SP 800-92, §2.1.2: who,
//! what, when, from where).

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{KeyId, Message, Timestamp, UserId, Version, named_id};

/// A change that somebody answers for. The message that tells of it is not about what is changed, but stands for itself: its
/// subject is an id of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// The operation, as the API description names it: `update_product`.
    pub action: &'static str,
    /// The id of the operation.
    pub operation: Uuid,
    /// What is told of it.
    pub trail: AuditTrail,
}

/// What is changed, by whom, and in which request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditTrail {
    /// The id of what is changed: of a product, an order, a user.
    pub resource_id: Uuid,
    /// The user, or whose the key is.
    pub actor_id: UserId,
    /// The API key, if a program made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<KeyId>,
    /// Where the request came from.
    pub address: IpAddr,
    /// Names the request in answers and logs.
    pub request_id: String,
    /// The method and the path of the request.
    pub request: String,
}

impl Audit {
    /// What types of events about changes begin with.
    pub const TYPES: &'static str = "audit.";

    /// The same change of something else.
    #[must_use]
    pub fn about(&self, resource_id: Uuid) -> Self {
        let trail = AuditTrail { resource_id, ..self.trail.clone() };
        Self { trail, ..self.clone() }
    }

    /// Tells that the change was made.
    #[must_use]
    pub fn message(&self, at: Timestamp) -> Message {
        let change = format!("{} {}", self.operation, self.trail.resource_id);
        Message {
            kind: format!("{}{}", Self::TYPES, self.action).into(),
            subject: named_id("audit", &change),
            version: Version::FIRST,
            at,
            data: serde_json::to_value(&self.trail).ok(),
        }
    }
}

impl AuditTrail {
    /// Reads what a message says of who made a change; nothing where it tells something else.
    #[must_use]
    pub fn of(message: &Message) -> Option<Self> {
        let data = message.data.as_ref().filter(|_| message.is_audit())?;
        Self::deserialize(data).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_read() {
        let trail = AuditTrail {
            resource_id: Uuid::from_u128(2),
            actor_id: UserId::new(Uuid::from_u128(1)),
            key_id: None,
            address: [192, 0, 2, 7].into(),
            request_id: "checkout-7".to_owned(),
            request: "PATCH /api/roles/packer".to_owned(),
        };
        let operation = Uuid::from_u128(3);
        let audit = Audit { action: "update_role", operation, trail: trail.clone() };
        let message = audit.message(Timestamp::from_millis(5));
        assert_eq!(message.kind, "audit.update_role");
        assert_eq!(AuditTrail::of(&message), Some(trail));
        let other = audit.about(Uuid::from_u128(4)).message(message.at);
        assert_ne!(message.subject, other.subject, "each is told once");
        let other = Message { kind: "role.updated".into(), ..message };
        assert_eq!(AuditTrail::of(&other), None);
    }
}
