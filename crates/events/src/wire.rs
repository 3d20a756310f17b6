//! What events look like to others.

use holdfast_types::{Error, Result, Timestamp};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{model::id_of, service::Event};

/// Bytes of what a webhook delivers (Standard Webhooks 1.0, "Payload size").
const PAYLOAD_BYTES: usize = 20_000;

/// Something that has happened.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShopEvent)]
pub(crate) struct EventView<'a> {
    /// Always the same for the same event, however often it is told.
    id: Uuid,
    /// What happened.
    #[serde(rename = "type")]
    #[schema(example = "order.placed")]
    kind: &'a str,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
    /// Its place in the order of all events, without gaps. It is the order in which they were written down: of one subject, `version`
    /// says which is newer.
    #[schema(minimum = 1)]
    position: i64,
    /// The id of the order, product or user that it happened to.
    subject: Uuid,
    /// Of one subject, what has a smaller version is older. Of `product.sold_out` and `product.restocked` it is the number of the
    /// movement in the product's journal.
    #[schema(minimum = 1)]
    version: i64,
    /// What there is to say about it, by its type: ids, states, totals, items; never e-mail or address.
    #[schema(value_type = std::collections::HashMap<String, serde_json::Value>)]
    data: &'a RawValue,
    /// Only in what a webhook delivers, where the event has more than 20 kB: where all of it is. Its `data` is empty then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/api/events/0198f2a3-4b5c-7d6e-8000-00000000002a")]
    dataref: Option<String>,
}

/// What a webhook delivers of an event: below 20 kB.
pub(crate) fn payload(event: &Event) -> Result<String> {
    payload_as(id_of(event.position, &event.message), event)
}

/// The same under another id.
pub(crate) fn payload_as(id: Uuid, event: &Event) -> Result<String> {
    let view = EventView { id, ..EventView::from(event) };
    let whole = serde_json::to_string(&view).map_err(Error::internal)?;
    if whole.len() < PAYLOAD_BYTES {
        return Ok(whole);
    }
    let nothing = RawValue::from_string("{}".to_owned()).map_err(Error::internal)?;
    let dataref = Some(format!("/api/events/{id}"));
    serde_json::to_string(&EventView { data: &nothing, dataref, ..view }).map_err(Error::internal)
}

/// All of an event.
pub(crate) fn whole(event: &Event) -> Result<String> {
    serde_json::to_string(&EventView::from(event)).map_err(Error::internal)
}

impl<'a> From<&'a Event> for EventView<'a> {
    fn from(Event { position, message, data }: &'a Event) -> Self {
        Self {
            dataref: None,
            id: id_of(*position, message),
            kind: &message.kind,
            timestamp: message.at,
            position: *position,
            subject: message.subject,
            version: message.version.0,
            data,
        }
    }
}

/// Part of the log, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventPage<'a> {
    items: Vec<EventView<'a>>,
    /// Up to which position this part tells: the `after` of the next. It moves on also where nothing passed the filters.
    #[schema(minimum = 0)]
    after: i64,
    /// The position of the last event: where `after` has come to it, there is no more for now.
    #[schema(minimum = 0)]
    end: i64,
}

impl<'a> EventPage<'a> {
    pub(crate) fn new(events: &'a [Event], after: i64, end: i64) -> Self {
        Self { items: events.iter().map(EventView::from).collect(), after, end }
    }
}

/// The same as an event of the CNCF's: its `version` and `position` are extensions.
#[derive(Debug, Serialize)]
pub(crate) struct CloudEvent<'a> {
    specversion: &'static str,
    id: Uuid,
    source: &'static str,
    #[serde(rename = "type")]
    kind: &'a str,
    time: Timestamp,
    subject: Uuid,
    datacontenttype: &'static str,
    data: &'a RawValue,
    position: i64,
    version: i64,
}

impl<'a> From<&'a Event> for CloudEvent<'a> {
    fn from(event: &'a Event) -> Self {
        let EventView { id, kind, timestamp, position, subject, version, data, .. } =
            EventView::from(event);
        Self {
            specversion: "1.0",
            id,
            source: "/api/events",
            kind,
            time: timestamp,
            subject,
            datacontenttype: "application/json",
            data,
            position,
            version,
        }
    }
}
