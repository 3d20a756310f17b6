//! What services tell each other, and the world, about what has happened.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{Audit, Timestamp, Version};

/// Says that something has happened to a resource. It becomes an event when it gets its place in the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Kept", into = "Kept")]
pub struct Message {
    /// What happened: `order.placed`.
    pub kind: Cow<'static, str>,
    /// To whom: the id of an order, a product, a user.
    pub subject: Uuid,
    /// How often the subject had changed by then. Of a subject, a message with a smaller one is older.
    pub version: Version,
    /// When.
    pub at: Timestamp,
    /// What there is to say about it; nothing where the subject can always be asked.
    pub data: Option<Value>,
}

impl Message {
    /// Whether it tells that somebody made a change who answers for it ([`Audit`]).
    #[must_use]
    pub fn is_audit(&self) -> bool {
        self.kind.starts_with(Audit::TYPES)
    }
}

/// As it is kept and sent: there may be one for each order, so it is short.
type Kept = (Cow<'static, str>, Uuid, i64, i64, Option<Value>);

impl From<Kept> for Message {
    fn from((kind, subject, version, at, data): Kept) -> Self {
        let (version, at) = (Version(version), Timestamp::from_millis(at));
        Self { kind, subject, version, at, data }
    }
}

impl From<Message> for Kept {
    fn from(Message { kind, subject, version, at, data }: Message) -> Self {
        (kind, subject, version.0, at.as_millis(), data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read() {
        let message = Message {
            kind: "order.placed".into(),
            subject: Uuid::from_u128(7),
            version: Version::FIRST,
            at: Timestamp::from_millis(5),
            data: None,
        };
        let text = serde_json::to_string(&message).unwrap();
        assert_eq!(text, r#"["order.placed","00000000-0000-0000-0000-000000000007",1,5,null]"#);
        assert_eq!(serde_json::from_str::<Message>(&text).unwrap(), message);
    }
}
