//! Following the log: server-sent events, for as long as somebody listens.

use std::{fmt::Write, time::Duration};

use axum::{extract::State, http::HeaderMap, response::Response};
use bytes::Bytes;
use futures_util::stream;
use holdfast_types::{Code, Error, Permission, Result};
use holdfast_web::{
    Problem, Query,
    auth::{Caller, EVENTS_READ, May},
    event_stream,
};
use serde::Deserialize;
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::{Instant, sleep, timeout},
};
use utoipa::IntoParams;

use super::feed::{filter, position};
use crate::{Events, model::Filter, service::Event, wire::whole};

/// Events that are read at a time.
const PART: usize = 100;
/// A listener that has heard nothing for so long hears that it still listens.
const SILENCE: Duration = Duration::from_secs(15);
/// Between two looks at whether a listener may still listen.
const CHECK: Duration = Duration::from_secs(1);
/// Between two attempts to read the log, and how many there are.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
const RETRIES: u32 = 5;
/// When to come back after a break, in milliseconds.
const RETRY_TIME: u32 = 1000;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct StreamQuery {
    /// Events after this position; `Last-Event-ID` comes before it. Where both are left out, those that come from now on.
    #[param(minimum = 0)]
    after: Option<i64>,
    /// Types with commas between them; `order.*` stands for all that begin so.
    #[param(
        example = "order.*",
        pattern = r"^(\*|[a-z_]+\.([a-z_]+|\*))(, *(\*|[a-z_]+\.([a-z_]+|\*)))*$"
    )]
    types: Option<String>,
    /// The id of an order, product or user: what happens to it.
    #[param(pattern = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]
    subject: Option<String>,
}

/// What happens in the shop, as it happens: server-sent events (WHATWG HTML, §9.2), whose `id` is the position and whose `data` an
/// event. A client that comes back with `Last-Event-ID` goes on where it was. What has gone meanwhile is told as `event: reset`
/// with the position of the oldest, as is a position that the log has not come to; it goes on from there. The stream ends with the access token.
#[utoipa::path(get, path = "/api/events/stream", tag = "events", security(("bearer" = [])),
    params(StreamQuery, ("Last-Event-ID" = Option<i64>, Header, minimum = 0, description = "The position of the last event that was heard.")),
    responses((status = 200, content_type = "text/event-stream", body = String, description = "It goes on for as long as somebody listens.")),
    extensions(("x-problems" = json!(["forbidden", "overloaded"]))))]
pub(super) async fn follow_events(
    State(events): State<Events>,
    May(caller): May<EVENTS_READ>,
    Query(query): Query<StreamQuery>,
    headers: HeaderMap,
) -> std::result::Result<Response, Problem> {
    let filter = filter(&caller, query.types.as_deref(), query.subject.as_deref())?;
    let after = match last_heard(&headers)? {
        Some(heard) => Some(heard),
        None => position(query.after)?,
    };
    let seat = events.seat()?;
    let end = events.watch();
    let after = match after {
        Some(after) => after,
        None => events.end().await?,
    };
    // Who comes back before anything was told comes back to this place.
    let greeting = Bytes::from(format!("retry: {RETRY_TIME}\nid: {after}\n\n"));
    let listener = Listener { events, filter, after, headers, end, failures: 0, _seat: seat };
    let told = stream::unfold((Some(greeting), listener), async |(greeting, listener)| {
        let (told, listener) = match greeting {
            Some(greeting) => (greeting, listener),
            None => listener.next().await?,
        };
        Some((told, (None, listener)))
    });
    Ok(event_stream(told))
}

fn last_heard(headers: &HeaderMap) -> Result<Option<i64>> {
    let Some(value) = headers.get("last-event-id").filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let heard = value.to_str().ok().and_then(|text| text.parse().ok()).filter(|heard| *heard >= 0);
    let invalid = || Error::new(Code::InvalidHeader, "Last-Event-ID: expected a position");
    heard.map(Some).ok_or_else(invalid)
}

/// Somebody who listens.
struct Listener {
    events: Events,
    filter: Filter,
    /// The position up to which it has heard.
    after: i64,
    /// Those of its request: who it is.
    headers: HeaderMap,
    end: watch::Receiver<i64>,
    /// Attempts that failed one after the other.
    failures: u32,
    /// Its place among those who listen.
    _seat: OwnedSemaphorePermit,
}

impl Listener {
    /// What it is told next; `None` when it is to go.
    async fn next(mut self) -> Option<(Bytes, Self)> {
        let silence = Instant::now() + SILENCE;
        loop {
            if !self.is_welcome() || self.failures > RETRIES {
                return None;
            }
            if Instant::now() >= silence {
                // Its id moves on too, past what it does not want to hear of.
                return Some((format!("id: {}\n: still here\n\n", self.after).into(), self));
            }
            let heard = self.after;
            match self.read().await {
                Ok(Some(told)) => return Some((told, self)),
                Ok(None) if self.after > heard => {}
                // Either way, the next turn tells.
                Ok(None) => drop(timeout(CHECK, self.end.wait_for(|end| *end > heard)).await),
                Err(error) => {
                    tracing::debug!(%error, "cannot read events for a listener");
                    self.failures += 1;
                    sleep(RETRY_PAUSE).await;
                }
            }
        }
    }

    /// Tokens end.
    fn is_welcome(&self) -> bool {
        let caller = Caller::from_headers(&self.headers, &self.events.verifier());
        let may_listen = |caller: Caller| {
            caller.may(Permission::EventsRead)
                && (!self.filter.audit || caller.require_all().is_ok())
        };
        caller.ok().flatten().is_some_and(may_listen)
    }

    /// Events that it has not heard, if any pass within one reading.
    async fn read(&mut self) -> Result<Option<Bytes>> {
        let part = match self.events.read(Some(self.after), &self.filter, PART).await {
            Ok(part) => part,
            Err(error) => match error.code() {
                // It is gone, or the log has been set back.
                Code::EventsExpired | Code::InvalidParameter => {
                    return self.reset().await.map(Some);
                }
                _ => return Err(error),
            },
        };
        self.failures = 0;
        self.after = part.upto;
        if part.events.is_empty() {
            return Ok(None);
        }
        part.events.iter().map(frame).collect::<Result<String>>().map(|told| Some(told.into()))
    }

    /// Goes on with the oldest event.
    async fn reset(&mut self) -> Result<Bytes> {
        let oldest = self.events.oldest().await?;
        self.after = oldest - 1;
        Ok(format!("event: reset\nid: {}\ndata: {{\"oldest\":{oldest}}}\n\n", self.after).into())
    }
}

fn frame(event: &Event) -> Result<String> {
    let json = whole(event)?;
    let mut frame = String::with_capacity(json.len() + 32);
    let _ = write!(frame, "id: {}\ndata: {json}\n\n", event.position);
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_says_what_it_has_heard() {
        let heard = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("last-event-id", text.parse().unwrap());
            last_heard(&headers)
        };
        assert_eq!(heard("17").unwrap(), Some(17));
        assert_eq!(heard("").unwrap(), None);
        for wrong in ["-1", "1.5", "x", "99999999999999999999"] {
            assert_eq!(heard(wrong).unwrap_err().code(), Code::InvalidHeader, "{wrong}");
        }
    }
}
