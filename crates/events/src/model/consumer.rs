//! Who takes all events out of the log, one after the other, apart from webhooks.

use uuid::Uuid;

/// One who has a place in the log for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumerName {
    /// Publishes events to NATS.
    Broker,
    /// Writes letters.
    Mail,
}

impl ConsumerName {
    pub(crate) const ALL: [Self; 2] = [Self::Broker, Self::Mail];

    /// What its place is kept under: nothing that a webhook's id can be.
    pub(crate) const fn id(self) -> Uuid {
        match self {
            Self::Broker => Uuid::nil(),
            Self::Mail => Uuid::from_u128(1),
        }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Broker => "broker",
            Self::Mail => "mail",
        }
    }

    /// Whether it wants what had happened before it was there: nobody wants letters about that.
    pub(crate) const fn wants_the_past(self) -> bool {
        matches!(self, Self::Broker)
    }

    /// Whether that is the id of one of these.
    pub(crate) fn is_id(id: Uuid) -> bool {
        Self::ALL.into_iter().any(|one| one.id() == id)
    }
}
