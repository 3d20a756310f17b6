//! Pages of lists over HTTP: `limit` and `cursor` in, `nextCursor` and `Link` (RFC 8288) out; and whose turn it is to read
//! one.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{HeaderValue, Uri, header, request::Parts},
    response::Response,
};
use holdfast_types::{Code, Cursor, Error, Page, PageRequest, Result};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use crate::{
    FairQueue, Origin, Problem, Reply, Turn,
    auth::{Caller, Verifier},
    json_reply, query,
};

/// Items on a page when the client does not say.
const DEFAULT_LIMIT: usize = 20;
/// Items on a page at most.
const LARGEST_LIMIT: usize = 100;

/// Lists that a service reads at once; more wait.
const TURNS: usize = 4;
/// Lists that may wait.
const PLACES: usize = 256;
/// How long one waits before the client hears `overloaded`.
const WAIT: Duration = Duration::from_secs(2);

/// The turns at reading lists of one service.
#[derive(Clone, Debug)]
pub struct Lists(FairQueue);

impl Default for Lists {
    fn default() -> Self {
        Self(FairQueue::new(TURNS, PLACES))
    }
}

/// Says in a handler's signature that it reads a list: one principal after the other, or one address when anonymous, so
/// that who asks for many waits for himself.
#[derive(Debug)]
pub struct ListTurn(#[expect(dead_code, reason = "it ends with the answer")] Turn);

impl<S> FromRequestParts<S> for ListTurn
where
    S: Send + Sync,
    Arc<Verifier>: FromRef<S>,
    Lists: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let verifier = Arc::<Verifier>::from_ref(state);
        let source = match Caller::from_headers(&parts.headers, &verifier) {
            Ok(Some(caller)) => caller.principal(),
            _ => Origin::from_request_parts(parts, state).await?.source(),
        };
        let Lists(queue) = Lists::from_ref(state);
        match queue.turn(&source, WAIT).await {
            Some(turn) => Ok(Self(turn)),
            None => {
                let why = "too many lists are being read at once: repeat a little later";
                Err(Error::new(Code::Overloaded, why).into())
            }
        }
    }
}

/// The parameters of a list without filters.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// 1 to 100.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<usize>,
    /// Where the page before ended: its `nextCursor`.
    cursor: Option<String>,
}

impl PageQuery {
    /// Which part of the list is asked for.
    pub fn request(self) -> Result<PageRequest> {
        page_request(self.limit, self.cursor)
    }
}

/// Checks `limit` and takes `cursor` as it is.
pub fn page_request(limit: Option<usize>, cursor: Option<String>) -> Result<PageRequest> {
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=LARGEST_LIMIT).contains(&limit) {
        return Err(query::invalid_parameter("limit", "expected 1 to 100"));
    }
    Ok(PageRequest { limit, after: cursor.map(Cursor::from_wire) })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'a, T> {
    items: &'a [T],
    next_cursor: Option<&'a str>,
}

/// Answers with a page; the link keeps the query and replaces its cursor.
pub fn list_reply<T: Serialize>(uri: &Uri, page: &Page<T>) -> Reply {
    let next_cursor = page.next.as_ref().map(Cursor::as_str);
    let mut response: Response = json_reply(200, &List { items: &page.items, next_cursor })?;
    if let Some(cursor) = next_cursor
        && let Ok(link) =
            HeaderValue::from_str(&format!("<{}>; rel=\"next\"", next_path(uri, cursor)))
    {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

fn next_path(uri: &Uri, cursor: &str) -> String {
    let kept = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
        .filter(|(name, _)| name != "cursor");
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(kept)
        .append_pair("cursor", cursor)
        .finish();
    format!("{}?{query}", uri.path())
}
