//! The audit log: what staff and programs with API keys have changed.

use holdfast_types::{Audit, AuditTrail, KeyId, Message, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::id_of;

/// A change, and who answers for it. It is an event as well, and outlives the log of those.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AuditEntry {
    /// The position of the event.
    pub(crate) position: i64,
    /// The id of the event.
    pub(crate) event: Uuid,
    /// The operation, as the API description names it.
    pub(crate) action: String,
    pub(crate) at: Timestamp,
    #[serde(flatten)]
    pub(crate) trail: AuditTrail,
}

/// Which changes somebody looks for: those that have all of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct AuditFilter {
    pub(crate) actor: Option<UserId>,
    pub(crate) key: Option<KeyId>,
    pub(crate) resource: Option<Uuid>,
    pub(crate) action: Option<String>,
    pub(crate) request_id: Option<String>,
    /// At this time and later.
    pub(crate) from: Option<Timestamp>,
    /// Before this time.
    pub(crate) to: Option<Timestamp>,
}

impl AuditEntry {
    /// The change that the event at `position` tells; nothing where it tells something else.
    pub(crate) fn of(position: i64, message: &Message) -> Option<Self> {
        let trail = AuditTrail::of(message)?;
        Some(Self {
            position,
            event: id_of(position, message),
            action: message.kind.strip_prefix(Audit::TYPES)?.to_owned(),
            at: message.at,
            trail,
        })
    }
}

impl AuditFilter {
    pub(crate) fn passes(&self, entry: &AuditEntry) -> bool {
        let AuditTrail { resource_id, actor_id, key_id, request_id, .. } = &entry.trail;
        self.actor.is_none_or(|actor| actor == *actor_id)
            && self.key.is_none_or(|key| Some(key) == *key_id)
            && self.resource.is_none_or(|resource| resource == *resource_id)
            && self.action.as_ref().is_none_or(|action| *action == entry.action)
            && self.request_id.as_ref().is_none_or(|id| id == request_id)
            && self.from.is_none_or(|from| from <= entry.at)
            && self.to.is_none_or(|to| entry.at < to)
    }
}
