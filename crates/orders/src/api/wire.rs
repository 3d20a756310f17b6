//! What orders look like on the wire.

mod statistics;
mod status;

use std::collections::BTreeMap;

use holdfast_types::{
    Answer, HoldId, Money, OrderId, OrderItem, OrderLines, Permission, ProductId, Result,
    TOTAL_MAX, Timestamp, UserId, Validation, check_email, check_items, check_line, check_metadata,
    check_prose, metadata_schema, sum_items,
};
use holdfast_web::{auth::Caller, present};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    model::{Address, Buyer, Event, Number, Order, ReturnedUnits, Status},
    store::Render,
};

pub(crate) use statistics::StatisticsView;
pub(crate) use status::{OrderStatusBody, OrderStatusView};

/// Characters of a note.
const NOTE: usize = 2_000;
const EMPTY_NOTE: &str = "expected something to read; null clears the note";

/// An order to place.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PlaceBody {
    /// 1 to 200; items of one product are summed.
    #[schema(min_items = 1, max_items = 200)]
    items: Vec<OrderItem>,
    /// What the buyer expects to pay: another total is refused instead of charged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expected_total: Option<Money>,
    /// A hold of the buyer's: it ends, and its units are there for this order.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    pub(super) hold_id: Option<HoldId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 3, max_length = 254, format = "mail")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shipping_address: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = metadata_schema)]
    metadata: Option<BTreeMap<String, String>>,
}

impl PlaceBody {
    /// Checks everything that can be checked without knowing the products.
    pub(super) fn check(&self) -> Result<()> {
        let mut validation = Validation::default();
        check_items(&self.items, &mut validation);
        if self.expected_total.is_some_and(|total| !(0..=TOTAL_MAX).contains(&total.amount)) {
            validation
                .refuse("#/expectedTotal/amount", format!("expected 0 to {TOTAL_MAX} minor units"));
        }
        validation.take("#/email", self.email.as_deref().map_or(Ok(()), check_email));
        validation.take("#/metadata", self.metadata.as_ref().map_or(Ok(()), check_metadata));
        if let Some(address) = &self.shipping_address {
            check_address(&mut validation, address);
        }
        validation.finish()
    }

    /// Products and units, each product once, in the order in which they first appear.
    pub(super) fn items(&self) -> Vec<(ProductId, i64)> {
        sum_items(&self.items)
    }

    pub(super) fn into_buyer(self) -> Buyer {
        Buyer {
            email: self.email,
            shipping_address: self.shipping_address,
            metadata: self.metadata.unwrap_or_default(),
        }
    }
}

fn check_address(validation: &mut Validation, address: &Address) {
    let mut check = |member: &str, text: Option<&str>, limit| {
        validation.take(
            &format!("#/shippingAddress/{member}"),
            text.map_or(Ok(()), |text| check_line(text, limit)),
        );
    };
    check("name", Some(&address.name), 200);
    check("line1", Some(&address.line1), 200);
    check("line2", address.line2.as_deref(), 200);
    check("city", Some(&address.city), 100);
    check("state", address.state.as_deref(), 100);
    check("postalCode", Some(&address.postal_code), 20);
    if address.country.len() != 2 || !address.country.bytes().all(|byte| byte.is_ascii_uppercase())
    {
        validation
            .refuse("#/shippingAddress/country", "expected two capitals of ISO 3166-1, such as GB");
    }
}

/// Money that came.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PayBody {
    /// What the payment is called where it was made.
    #[schema(min_length = 1, max_length = 200, format = "line")]
    pub(super) reference: Option<String>,
}

impl PayBody {
    pub(super) fn check(&self) -> Result<()> {
        let mut validation = Validation::default();
        validation.take(
            "#/reference",
            self.reference.as_deref().map_or(Ok(()), |text| check_line(text, 200)),
        );
        validation.finish()
    }
}

/// A parcel that left.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ShipBody {
    #[schema(min_length = 1, max_length = 200, format = "line")]
    pub(super) carrier: Option<String>,
    #[schema(min_length = 1, max_length = 200, format = "line")]
    pub(super) tracking_number: Option<String>,
}

impl ShipBody {
    pub(super) fn check(&self) -> Result<()> {
        let mut validation = Validation::default();
        let mut check = |pointer, text: Option<&str>| {
            validation.take(pointer, text.map_or(Ok(()), |text| check_line(text, 200)));
        };
        check("#/carrier", self.carrier.as_deref());
        check("#/trackingNumber", self.tracking_number.as_deref());
        validation.finish()
    }
}

/// A note by the staff.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoteBody {
    /// The version that the change is based on; or send `If-Match`.
    #[expect(dead_code, reason = "the basis is read before the rest of the body")]
    #[schema(value_type = i64, required = false, minimum = 1)]
    version: Option<i64>,
    /// At most 2,000 characters; `null` clears it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 2000, format = "prose", example = "Gift: no invoice in the parcel.")]
    note: Option<Option<String>>,
}

impl NoteBody {
    /// The note that is to stand; `None` leaves the one that is there.
    pub(super) fn check(self) -> Result<Option<Option<String>>> {
        let mut validation = Validation::default();
        if let Some(Some(text)) = &self.note {
            let is_empty = text.trim().is_empty();
            let fits = if is_empty { Err(EMPTY_NOTE.to_owned()) } else { check_prose(text, NOTE) };
            validation.take("#/note", fits);
        }
        validation.finish().map(|()| self.note)
    }
}

/// An action that says nothing more.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmptyBody {}

/// An order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderView<'a> {
    #[schema(value_type = uuid::Uuid)]
    id: OrderId,
    /// Short, for people.
    #[schema(example = "7KQ2-M9XD-04TR")]
    number: String,
    #[schema(value_type = uuid::Uuid)]
    user_id: UserId,
    status: Status,
    /// Names and prices are those of the moment of ordering.
    #[schema(value_type = Vec<LineView>)]
    items: &'a OrderLines,
    total: Money,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shipping_address: Option<&'a Address>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: &'a BTreeMap<String, String>,
    version: i64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    /// From here on it may expire when it is not paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    paid_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    shipped_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    delivered_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    cancelled_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expired_at: Option<Timestamp>,
    /// What the payment is called where it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    carrier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracking_number: Option<&'a str>,
    /// Units that were refunded and are back in the stock: those are not sent, or have come back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    returned: Vec<ReturnedUnits>,
    /// What the staff have noted; nobody else sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
}

/// A line of an order, frozen at the moment of ordering.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes `OrderLine` to readers of the API")]
struct LineView {
    product_id: uuid::Uuid,
    sku: Option<String>,
    name: String,
    unit_price: Money,
    quantity: i64,
    total: Money,
    /// The line's place in the product's journal.
    stock_sequence: i64,
}

impl<'a> From<&'a Order> for OrderView<'a> {
    fn from(order: &'a Order) -> Self {
        let (buyer, progress) = (&order.buyer, &order.progress);
        Self {
            id: order.id,
            number: Number::of(order.id).to_string(),
            user_id: order.user,
            status: order.status,
            items: &order.lines,
            total: order.total,
            email: buyer.email.as_deref(),
            shipping_address: buyer.shipping_address.as_ref(),
            metadata: &buyer.metadata,
            version: order.version.0,
            created_at: order.created_at,
            updated_at: order.updated_at,
            expires_at: order.expires_at,
            paid_at: progress.at(Status::Paid),
            shipped_at: progress.at(Status::Shipped),
            delivered_at: progress.at(Status::Delivered),
            cancelled_at: progress.at(Status::Cancelled),
            expired_at: progress.at(Status::Expired),
            reference: progress.reference.as_deref(),
            carrier: progress.carrier.as_deref(),
            tracking_number: progress.tracking_number.as_deref(),
            returned: order.returned(),
            note: None,
        }
    }
}

impl<'a> OrderView<'a> {
    /// As the staff see it.
    fn for_staff(order: &'a Order) -> Self {
        Self { note: order.note(), ..Self::from(order) }
    }

    /// As `caller` sees it.
    pub(super) fn to(caller: &Caller, order: &'a Order) -> Self {
        if caller.may(Permission::OrdersRead) { Self::for_staff(order) } else { Self::from(order) }
    }
}

/// Part of the orders, newest first.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes a list to readers of the API")]
pub(crate) struct OrderPage {
    items: Vec<OrderView<'static>>,
    /// Where the next page begins; null on the last. A page may be shorter than was asked for, and still not be the last.
    next_cursor: Option<String>,
}

/// What happened to an order, oldest first.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes a list to readers of the API")]
pub(crate) struct OrderEventList {
    items: Vec<EventView>,
    /// Where the next page begins; null on the last. A page may be shorter than was asked for, and still not be the last.
    next_cursor: Option<String>,
}

/// The answer to a change of an order, as `caller` sees it.
pub(super) fn changed(caller: &Caller) -> Render {
    match caller.may(Permission::OrdersRead) {
        true => |order| Answer::ok(order.etag(), &OrderView::for_staff(order)),
        false => |order| Answer::ok(order.etag(), &OrderView::from(order)),
    }
}

/// Something that happened to an order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventView {
    /// What the order became.
    #[serde(rename = "type")]
    kind: Status,
    version: i64,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Who did it; absent when it was the shop itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    by: Option<UserId>,
}

impl From<Event> for EventView {
    fn from(event: Event) -> Self {
        Self { kind: event.status, version: event.version.0, at: event.at, by: event.by }
    }
}
