//! Reading the log, part by part.

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, header},
};
use holdfast_types::{Error, Id, Result};
use holdfast_web::{
    IdPath, ListTurn, NoQuery, Query, Reply,
    auth::{Caller, EVENTS_READ, May},
    invalid_parameter, json_reply, page_request,
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::CLOUD_EVENTS;
use crate::{
    Events,
    model::{Filter, id_of, may_audit, position_of},
    wire::{CloudEvent, EventPage, EventView},
};

/// Marks ids of events.
#[derive(Debug)]
pub(super) enum EventKind {}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FeedQuery {
    /// Events after this position; where it is left out, from the oldest on that is kept.
    #[param(minimum = 0)]
    after: Option<i64>,
    /// Types with commas between them; `order.*` stands for all that begin so.
    #[param(
        example = "order.*,product.sold_out",
        pattern = r"^(\*|[a-z_]+\.([a-z_]+|\*))(, *(\*|[a-z_]+\.([a-z_]+|\*)))*$"
    )]
    types: Option<String>,
    /// The id of an order, product or user: what happened to it.
    #[param(pattern = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]
    subject: Option<String>,
    /// 1 to 100.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<usize>,
}

/// What happened in the shop, oldest first, each thing once. What staff and programs
/// did (`audit.*`) is told to administrators alone. Events are kept for thirty days; who reads on `after` the position
/// where the part before ended misses none. With `Accept: application/cloudevents-batch+json` they come in the envelope of the
/// CNCF (CloudEvents 1.0.2, `position` and `version` are extensions), and `Link` says where the next part is.
#[utoipa::path(get, path = "/api/events", tag = "events", security(("bearer" = [])), params(FeedQuery),
    responses((status = 200, body = EventPage<'static>, description = "Part of the log.")),
    extensions(("x-problems" = json!(["forbidden", "events-expired"]))))]
pub(super) async fn list_events(
    State(events): State<Events>,
    May(caller): May<EVENTS_READ>,
    Query(query): Query<FeedQuery>,
    _turn: ListTurn,
    headers: HeaderMap,
) -> Reply {
    let filter = filter(&caller, query.types.as_deref(), query.subject.as_deref())?;
    let (after, limit) = (position(query.after)?, page_request(query.limit, None)?.limit);
    let part = events.read(after, &filter, limit).await?;
    if !wants_cloud_events(&headers) {
        return json_reply(200, &EventPage::new(&part.events, part.upto, part.end));
    }
    let batch: Vec<CloudEvent<'_>> = part.events.iter().map(CloudEvent::from).collect();
    let mut response = json_reply(200, &batch)?;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CLOUD_EVENTS));
    let link = next_part(&query, part.upto);
    headers.insert(header::LINK, HeaderValue::from_str(&link).map_err(Error::internal)?);
    Ok(response)
}

/// One event.
#[utoipa::path(get, path = "/api/events/{id}", tag = "events", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = EventView<'static>)),
    extensions(("x-problems" = json!(["forbidden", "not-found"]))))]
pub(super) async fn get_event(
    State(events): State<Events>,
    May(caller): May<EVENTS_READ>,
    IdPath(id): IdPath<EventKind>,
    _query: NoQuery,
) -> Reply {
    let found = events.get(position_of(id.uuid())).await?;
    let found = found.filter(|event| id_of(event.position, &event.message) == id.uuid());
    let event = found.ok_or_else(|| Error::not_found("event"))?;
    if event.message.is_audit() {
        caller.require_all()?;
    }
    json_reply(200, &EventView::from(&event))
}

/// Which events.
pub(super) fn filter(
    caller: &Caller,
    types: Option<&str>,
    subject: Option<&str>,
) -> Result<Filter> {
    let types = types.map(Filter::read_types).transpose();
    let types = types.map_err(|why| invalid_parameter("types", &why))?.unwrap_or_default();
    let audit = may_audit(&types, &caller.authority)?;
    let subject = subject.map(str::parse::<Id<EventKind>>).transpose();
    let subject = subject.map_err(|_| invalid_parameter("subject", "expected a UUID"))?;
    Ok(Filter { types, subject: subject.map(Id::uuid), audit })
}

/// Checks a position.
pub(super) fn position(after: Option<i64>) -> Result<Option<i64>> {
    match after {
        Some(..0) => Err(invalid_parameter("after", "expected 0 or a position of an event")),
        after => Ok(after),
    }
}

/// Whether a client names the envelope of the CNCF, and JSON does not come before it.
fn wants_cloud_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut types = accepted
        .flat_map(|value| value.split(','))
        .map(|range| range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    types.find(|kind| kind == CLOUD_EVENTS || kind == "application/json").as_deref()
        == Some(CLOUD_EVENTS)
}

fn next_part(query: &FeedQuery, after: i64) -> String {
    let mut path = format!("/api/events?after={after}");
    for (name, value) in [("types", &query.types), ("subject", &query.subject)] {
        // What was let through needs no escapes.
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", value.replace(' ', "")));
        }
    }
    if let Some(limit) = query.limit {
        path.push_str(&format!("&limit={limit}"));
    }
    format!("<{path}>; rel=\"next\"")
}
