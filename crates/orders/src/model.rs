//! Rules about orders: pure, without clock or I/O.

pub(crate) mod figures;
mod messages;
mod number;
mod pending_stock;
mod returning;
mod transition;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use holdfast_types::{
    Audit, Basis, Error, Fingerprint, Money, OrderId, OrderLines, ProductId, ReserveCommand,
    Reserved, Result, StockAction, Timestamp, UserId, Version,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub(crate) use number::Number;
pub(crate) use pending_stock::PendingStock;
pub(crate) use returning::ReturnedUnits;
pub(crate) use transition::{Action, Event};

/// Time that a buyer is given more when they begin to pay.
const MORE_TIME: Duration = Duration::from_secs(15 * 60);

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = OrderStatus)]
pub(crate) enum Status {
    /// Stock is promised; money is awaited.
    Placed,
    /// Money has come.
    Paid,
    /// The units have left.
    Shipped,
    /// The units have arrived.
    Delivered,
    /// Called off; the stock is back.
    Cancelled,
    /// Not paid in time; the stock is back.
    Expired,
}

impl Status {
    const ALL: [Self; 6] =
        [Self::Placed, Self::Paid, Self::Shipped, Self::Delivered, Self::Cancelled, Self::Expired];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::Paid => "paid",
            Self::Shipped => "shipped",
            Self::Delivered => "delivered",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// The number in a database.
    pub(crate) const fn code(self) -> i64 {
        match self {
            Self::Placed => 0,
            Self::Paid => 1,
            Self::Shipped => 2,
            Self::Delivered => 3,
            Self::Cancelled => 4,
            Self::Expired => 5,
        }
    }

    /// Reads what [`Self::code`] gave.
    pub(crate) fn from_code(code: i64) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|status| status.code() == code)
            .ok_or_else(|| Error::internal(format!("{code} is not the status of an order")))
    }

    /// What the reservation of an order that stands here must become.
    pub(crate) const fn stock_action(self) -> StockAction {
        match self {
            Self::Placed | Self::Paid => StockAction::Keep,
            Self::Shipped | Self::Delivered => StockAction::Ship,
            Self::Cancelled | Self::Expired => StockAction::Release,
        }
    }
}

/// What buyers say about themselves and the order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Buyer {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shipping_address: Option<Address>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) metadata: BTreeMap<String, String>,
}

impl Buyer {
    /// The address as it is compared: databases must come to the same, so only the letters of ASCII are made small.
    pub(crate) fn email_key(&self) -> Option<String> {
        self.email.as_deref().map(str::to_ascii_lowercase)
    }
}

/// Where to send it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Address {
    #[schema(min_length = 1, max_length = 200, format = "line", example = "Ada Lovelace")]
    pub(crate) name: String,
    #[schema(min_length = 1, max_length = 200, format = "line", example = "12 St James's Square")]
    pub(crate) line1: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 200, format = "line")]
    pub(crate) line2: Option<String>,
    #[schema(min_length = 1, max_length = 100, format = "line", example = "London")]
    pub(crate) city: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 100, format = "line")]
    pub(crate) state: Option<String>,
    #[schema(min_length = 1, max_length = 20, format = "line", example = "SW1Y 4JH")]
    pub(crate) postal_code: String,
    /// Two capitals of ISO 3166-1.
    #[schema(pattern = "^[A-Z]{2}$", example = "GB")]
    pub(crate) country: String,
}

/// What a request asks for.
#[derive(Clone, Debug)]
pub(crate) struct Placement {
    /// What products is asked to hold.
    pub(crate) command: ReserveCommand,
    pub(crate) buyer: Buyer,
    /// The trace that the request belongs to.
    pub(crate) trace: Option<String>,
    /// Who answers for it, where it is staff or a program with an API key.
    pub(crate) audit: Option<Arc<Audit>>,
}

/// An order, as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: OrderId,
    pub(crate) user: UserId,
    pub(crate) status: Status,
    pub(crate) version: Version,
    pub(crate) lines: OrderLines,
    pub(crate) total: Money,
    pub(crate) buyer: Buyer,
    pub(crate) fingerprint: Fingerprint,
    /// What products has not acknowledged yet. Placing leaves nothing pending: an unconfirmed reservation is found from there.
    #[serde(alias = "owed")]
    pub(crate) pending_stock: Option<PendingStock>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) progress: Progress,
}

/// What happened to an order after it was placed, and what was said about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// Oldest first.
    #[serde(default)]
    pub(crate) events: Vec<Event>,
    pub(crate) reference: Option<String>,
    pub(crate) carrier: Option<String>,
    pub(crate) tracking_number: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<Note>,
    /// Units that were given back to the stock, by product.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) returned: Vec<(ProductId, i64)>,
    /// When it would have expired, had no payment begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) first_expiry: Option<Timestamp>,
}

/// What the staff note about an order, for themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// Nothing, when it was cleared.
    pub(crate) text: Option<String>,
    /// The version of the order at which it last changed.
    pub(crate) version: Version,
}

impl Progress {
    /// When the order became `status`.
    pub(crate) fn at(&self, status: Status) -> Option<Timestamp> {
        self.events.iter().find(|event| event.status == status).map(|event| event.at)
    }
}

impl Order {
    /// The order that placing makes, with the lines that products returned: never what the request said.
    pub(crate) fn new(
        placement: &Placement,
        reserved: Reserved,
        payment_window: Option<Duration>,
    ) -> Self {
        Self {
            id: placement.command.id,
            user: placement.command.customer,
            status: Status::Placed,
            version: Version::FIRST,
            lines: reserved.lines,
            total: reserved.total,
            buyer: placement.buyer.clone(),
            fingerprint: placement.command.fingerprint,
            pending_stock: None,
            created_at: reserved.at,
            updated_at: reserved.at,
            expires_at: payment_window.map(|window| reserved.at.plus(window)),
            progress: Progress::default(),
        }
    }

    /// The order as it was when it was placed: what a repeat of the request is answered with.
    pub(crate) fn into_placed(self) -> Self {
        Self {
            status: Status::Placed,
            version: Version::FIRST,
            updated_at: self.created_at,
            expires_at: self.progress.first_expiry.or(self.expires_at),
            progress: Progress::default(),
            ..self
        }
    }

    /// What the staff have noted.
    pub(crate) fn note(&self) -> Option<&str> {
        self.progress.note.as_ref()?.text.as_deref()
    }

    /// Notes something in the place of what was noted, based on `basis`; says whether that changed anything. Steps of the
    /// lifecycle do not stand in the way. Refuses with `precondition-failed` or `version-conflict`.
    pub(crate) fn annotate(
        &mut self,
        text: Option<String>,
        basis: &Basis,
        now: Timestamp,
    ) -> Result<bool> {
        basis.check_tag(&self.etag())?;
        let noted = self.progress.note.as_ref().map_or(Version::FIRST, |note| note.version);
        basis.check_version(self.version, noted)?;
        if self.note() == text.as_deref() {
            return Ok(false);
        }
        self.version = self.version.next();
        self.updated_at = now;
        self.progress.note = Some(Note { text, version: self.version });
        Ok(true)
    }

    /// Gives the buyer as much time again as they had, a quarter of an hour at most, and once: they have begun to pay. Says whether
    /// that changed anything.
    pub(crate) fn give_time(&mut self, now: Timestamp) -> bool {
        let Some(at) = self.expires_at.filter(|_| self.progress.first_expiry.is_none()) else {
            return false;
        };
        let window = at.as_millis().saturating_sub(self.created_at.as_millis()).unsigned_abs();
        self.postpone(at.plus(Duration::from_millis(window).min(MORE_TIME)), now);
        true
    }

    /// Lets it expire no earlier than `until`.
    pub(crate) fn postpone(&mut self, until: Timestamp, now: Timestamp) {
        self.progress.first_expiry = self.progress.first_expiry.or(self.expires_at);
        self.expires_at = Some(until);
        self.version = self.version.next();
        self.updated_at = now;
    }

    /// The strong entity tag, quotes included: every change moves the version.
    pub(crate) fn etag(&self) -> String {
        format!("\"{}\"", self.version)
    }
}
