//! Rules about events: pure, without clock or I/O.

mod audit_entry;
mod consumer;
mod delivery;
mod signing;
mod webhook;

use std::{collections::HashMap, fmt, str::FromStr};

use holdfast_types::{Audit, Authority, Code, Error, Message, Permissions, Result};
use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid};

pub(crate) use audit_entry::{AuditEntry, AuditFilter};
pub use consumer::ConsumerName;
pub use delivery::Schedule;
pub(crate) use delivery::{
    Attempt, Delivery, DeliveryId, DeliveryStatus, EventRef, LONGEST_REST, Told,
};
pub(crate) use signing::SigningSecret;
pub(crate) use webhook::{
    NewWebhook, Progress, Replay, Webhook, WebhookChange, WebhookId, WebhookKind,
};

/// Patterns that a filter may have.
pub(crate) const PATTERNS: usize = 20;
/// Bytes of a pattern.
const PATTERN_BYTES: usize = 100;
/// The bits of an id that hold a position.
const POSITION_BITS: u64 = (1 << 62) - 1;

/// The id of an event: a `UUIDv7` (RFC 9562, §5.7) of its time, whose random bits are its position. So it is unique, the same for
/// good, and found without an index.
pub(crate) fn id_of(position: i64, message: &Message) -> Uuid {
    let millis = u64::try_from(message.at.as_millis()).unwrap_or_default();
    let mut tail = [0; 10];
    tail[2..].copy_from_slice(&position.to_be_bytes());
    Builder::from_unix_timestamp_millis(millis, &tail).into_uuid()
}

/// Where the event with that id stands, if there is such an event.
pub(crate) fn position_of(id: Uuid) -> i64 {
    let (_, tail) = id.as_u64_pair();
    i64::try_from(tail & POSITION_BITS).unwrap_or_default()
}

/// Which events somebody wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Any of these; none for all.
    pub(crate) types: Vec<Pattern>,
    pub(crate) subject: Option<Uuid>,
    /// Whether it may have those that tell who of the staff did what, from where.
    pub(crate) audit: bool,
}

/// `order.placed`, or `order.*`, or `*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Pattern(String);

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        text.parse()
    }
}

impl Filter {
    pub(crate) fn passes(&self, message: &Message) -> bool {
        let is_wanted =
            self.types.is_empty() || self.types.iter().any(|one| one.matches(&message.kind));
        let may = self.audit || !message.is_audit();
        is_wanted && may && self.subject.is_none_or(|subject| subject == message.subject)
    }

    /// Reads a list of patterns with commas between them.
    pub(crate) fn read_types(text: &str) -> std::result::Result<Vec<Pattern>, String> {
        let types = text.split(',').map(|one| one.trim().parse());
        let types = types.collect::<std::result::Result<Vec<_>, _>>()?;
        match types.len() <= PATTERNS {
            true => Ok(types),
            false => Err(format!("expected at most {PATTERNS} types")),
        }
    }
}

/// Whether somebody may read who of the staff did what, from where: who may do everything. Refuses with `forbidden` who may not and
/// asks for it by name.
pub(crate) fn may_audit(types: &[Pattern], authority: &Authority) -> Result<bool> {
    let may = authority.permissions.has_all(Permissions::ALL);
    match may || !types.iter().any(Pattern::names_audit) {
        true => Ok(may),
        false => Err(Error::new(Code::Forbidden, "`audit` events are for administrators only")),
    }
}

impl Pattern {
    fn names_audit(&self) -> bool {
        self.0.starts_with(Audit::TYPES)
    }

    /// Whether it stands for what tells who did something, among others.
    pub(crate) fn has_audit(&self) -> bool {
        self.0 == "*" || self.names_audit()
    }

    fn matches(&self, kind: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => kind.starts_with(beginning),
            None => kind == self.0,
        }
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let is_word = |word: &str| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        };
        let fits = match text.split_once('.') {
            None => text == "*",
            Some((first, second)) => is_word(first) && (second == "*" || is_word(second)),
        };
        match fits && text.len() <= PATTERN_BYTES {
            true => Ok(Self(text.to_owned())),
            false => Err("expected types such as `order.placed` or `order.*`".to_owned()),
        }
    }
}

/// The order of what was collected at once: as it came, but of each subject the older version first, since the clocks of
/// processes differ. Stock is counted apart from what else happens to a product, and what tells who did something is not counted.
pub(crate) fn in_order(mut messages: Vec<Message>) -> Vec<Message> {
    let mut places: HashMap<(Uuid, bool), Vec<usize>> = HashMap::new();
    for (place, message) in messages.iter().enumerate() {
        let is_stock = matches!(&*message.kind, "product.sold_out" | "product.restocked");
        if !message.is_audit() {
            places.entry((message.subject, is_stock)).or_default().push(place);
        }
    }
    for places in places.into_values().filter(|places| places.len() > 1) {
        let mut of_subject: Vec<Message> =
            places.iter().map(|place| messages[*place].clone()).collect();
        of_subject.sort_by_key(|message| message.version);
        for (place, message) in places.into_iter().zip(of_subject) {
            messages[place] = message;
        }
    }
    messages
}

#[cfg(test)]
mod tests {
    use holdfast_types::{Timestamp, Version};

    use super::*;

    fn message(kind: &'static str, subject: u128, version: i64) -> Message {
        let at = Timestamp::from_millis(1_800_000_000_000);
        let subject = Uuid::from_u128(subject);
        Message { kind: kind.into(), subject, version: Version(version), at, data: None }
    }

    #[test]
    fn an_id_says_where_its_event_stands() {
        for position in [1, 7, 1 << 20, (1 << 53) - 1] {
            let id = id_of(position, &message("order.placed", 1, 1));
            assert_eq!((position_of(id), id.get_version_num()), (position, 7));
        }
    }

    #[test]
    fn patterns_are_types_or_beginnings_of_them() {
        let placed = message("order.placed", 1, 1);
        let passes = |types: &str| {
            let types = Filter::read_types(types).unwrap();
            let filter = Filter { types, ..Filter::default() };
            filter.passes(&placed)
        };
        assert!(passes("*") && passes("order.*") && passes("order.placed"));
        assert!(passes("product.sold_out, order.placed"));
        assert!(!passes("order.paid") && !passes("product.*"));
        for wrong in
            ["order", "order.", ".placed", "order.pl*", "Order.placed", "", "a.b.c", "a,,b"]
        {
            assert!(Filter::read_types(wrong).is_err(), "{wrong}");
        }
        assert!(Filter::read_types(&"a.b,".repeat(21)).is_err());
        let of = |subject| Filter { subject: Some(Uuid::from_u128(subject)), ..Filter::default() };
        assert!(of(1).passes(&placed) && !of(2).passes(&placed));
    }

    #[test]
    fn who_did_what_is_for_those_who_may_do_everything() {
        let told = message("audit.update_product", 1, 1);
        let everything = Authority { permissions: Permissions::ALL, own_products_only: false };
        let hears = |types: &str, who: &Authority| {
            let types = Filter::read_types(types).unwrap();
            let audit = may_audit(&types, who).map_err(|error| error.code())?;
            Ok::<_, Code>(Filter { types, subject: None, audit }.passes(&told))
        };
        for types in ["*", "audit.*", "order.*, audit.update_product"] {
            assert_eq!(hears(types, &everything), Ok(true), "{types}");
        }
        assert_eq!(hears("audit.place_order", &everything), Ok(false));
        assert_eq!(hears("*", &Authority::NONE), Ok(false));
        assert_eq!(hears("order.*, audit.*", &Authority::NONE), Err(Code::Forbidden));
    }

    #[test]
    fn each_subject_grows_older() {
        let collected = vec![
            message("order.paid", 1, 2),
            message("order.placed", 2, 1),
            message("order.placed", 1, 1),
            message("product.sold_out", 3, 40),
            message("product.updated", 3, 2),
        ];
        let kinds: Vec<String> =
            in_order(collected).iter().map(|message| message.kind.to_string()).collect();
        let expected =
            ["order.placed", "order.placed", "order.paid", "product.sold_out", "product.updated"];
        assert_eq!(kinds, expected);
    }
}
