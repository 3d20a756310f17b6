//! Rules about products: pure, without clock or I/O.

mod batch;
mod change;
mod demand;
mod hold;
mod limit;
mod messages;
mod relevance;
mod reserve;
mod sale_window;
mod stock;
mod stock_action;

use std::collections::BTreeMap;

use holdfast_types::{Fingerprint, Money, ProductId, Timestamp, UserId, Version};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub(crate) use batch::{BatchItem, BatchMode, BatchOutcome, BatchRequest, Written, decide_batch};
pub(crate) use change::{
    MetadataPatch, NEVER_OPEN, Offer, PricePatch, ProductPatch, SaleWindowPatch,
};
pub(crate) use demand::{Decided, Demand, decide_all};
pub(crate) use hold::{HOLDS, Hold, HoldStatus, expired as hold_expired};
pub(crate) use limit::{Claim, Claims, Counter, LIMIT_MAX};
pub(crate) use relevance::one_slip_away;
pub(crate) use reserve::{Earliers, Shelf, ShelfItem};
pub(crate) use sale_window::SaleWindow;
pub(crate) use stock::{Cause, Change, Numbers};
pub use stock::{Movement, MovementKind};
pub(crate) use stock_action::{
    Applied, NumbersById, Reservations, apply_all, count_all, give_back_all,
};

/// Units on hand at most.
pub(crate) const QUANTITY_MAX: i64 = 1_000_000_000;
/// A price at most, in minor units.
pub(crate) const PRICE_MAX: i64 = 1_000_000_000_000;

/// What sellers say about a product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Details {
    pub(crate) sku: Option<String>,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) category: Option<String>,
    pub(crate) images: Vec<Image>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) price: Money,
    pub(crate) status: Status,
    #[serde(default)]
    pub(crate) sale_window: SaleWindow,
    /// Units that one customer may have.
    #[serde(default)]
    pub(crate) limit_per_customer: Option<i64>,
}

/// A picture of a product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Image {
    /// http or https, at most 2,000 characters.
    #[schema(max_length = 2_000, format = "web", example = "https://example.com/teapot.jpg")]
    pub(crate) url: String,
    /// What it shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 200, format = "line")]
    pub(crate) alt: Option<String>,
}

/// Whether a product is on offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ProductStatus)]
pub(crate) enum Status {
    /// On offer.
    Active,
    /// Hidden from lists and not for sale; still answers by id.
    Archived,
}

/// A product that is about to be created.
#[derive(Clone, Debug)]
pub(crate) struct NewProduct {
    pub(crate) id: ProductId,
    pub(crate) seller: UserId,
    pub(crate) details: Details,
    pub(crate) quantity: i64,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) created_at: Timestamp,
}

/// A product, as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Product {
    pub(crate) id: ProductId,
    pub(crate) seller: UserId,
    pub(crate) details: Details,
    /// Units on hand.
    pub(crate) quantity: i64,
    /// Units promised to open orders and holds.
    pub(crate) reserved: i64,
    /// The number of the last movement.
    pub(crate) sequence: i64,
    /// Counts changes of the details and of `quantity`; selling does not touch it.
    pub(crate) version: Version,
    /// The version at which the details last changed.
    pub(crate) details_version: Version,
    /// The version at which the quantity last changed.
    pub(crate) quantity_version: Version,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

impl Product {
    /// The product that creation makes.
    pub(crate) fn new(new: &NewProduct) -> Self {
        Self {
            id: new.id,
            seller: new.seller,
            details: new.details.clone(),
            quantity: new.quantity,
            reserved: 0,
            sequence: 1,
            version: Version::FIRST,
            details_version: Version::FIRST,
            quantity_version: Version::FIRST,
            fingerprint: new.fingerprint,
            created_at: new.created_at,
            updated_at: new.created_at,
        }
    }

    /// The numbers, apart from the details.
    pub(crate) const fn numbers(&self) -> Numbers {
        Numbers { quantity: self.quantity, reserved: self.reserved, sequence: self.sequence }
    }

    /// Units that can be ordered.
    pub(crate) const fn available(&self) -> i64 {
        self.numbers().available()
    }

    /// The strong entity tag, quotes included: version and sales together move with every byte that is shown.
    pub(crate) fn etag(&self) -> String {
        format!("\"{}-{}\"", self.version, self.reserved)
    }

    /// The words that a search finds it by.
    pub(crate) fn words(&self) -> String {
        let details = &self.details;
        let parts = [
            Some(&details.name),
            details.description.as_ref(),
            details.category.as_ref(),
            details.sku.as_ref(),
        ];
        let text: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
        holdfast_types::words(&text.join(" ")).join(" ")
    }
}
