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
    query,
    reply::json_response,
};

/// Items on a page when the client does not say.
const DEFAULT_LIMIT: usize = 20;
/// Items on a page at most.
const LARGEST_LIMIT: usize = 100;

/// A page that has more bytes ends: it is buffered whole, and so is whatever waits for a client to read it.
pub const ANSWER_BYTES: usize = 256 << 10;
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

/// Says in a handler's signature that it may have to read a list, and for whom; [`ListPlace::turn`] waits until it may.
#[derive(Debug)]
pub struct ListPlace {
    queue: FairQueue,
    source: String,
}

impl ListPlace {
    pub(crate) const fn new(queue: FairQueue, source: String) -> Self {
        Self { queue, source }
    }

    /// The turn. Refuses with `overloaded` when it does not come within two seconds.
    pub async fn turn(&self) -> Result<Turn> {
        self.queue.turn(&self.source, WAIT).await.ok_or_else(|| {
            let why = "too many lists are being read at once: repeat a little later";
            Error::new(Code::Overloaded, why)
        })
    }
}

impl<S> FromRequestParts<S> for ListPlace
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
        Ok(Self::new(queue, source))
    }
}

/// Says in a handler's signature that it reads a list: one principal after the other, or one address when anonymous, so
/// that who asks for many waits for himself.
#[derive(Debug)]
pub struct ListTurn(#[expect(dead_code, reason = "it ends with the answer")] Turn);

impl<S: Send + Sync> FromRequestParts<S> for ListTurn
where
    ListPlace: FromRequestParts<S, Rejection = Problem>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Ok(Self(ListPlace::from_request_parts(parts, state).await?.turn().await?))
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

/// Answers with a page; the link keeps the query and replaces its cursor.
pub fn list_reply<T: Serialize>(uri: &Uri, page: &Page<T>) -> Reply {
    let mut list = List::default();
    for item in &page.items {
        list.push(item)?;
    }
    list.reply(uri, page.next.as_ref())
}

/// Answers with a page of items that may be large, each as `view` shows it. The page ends early rather than have more than
/// 256 KiB; `place` is where the next one begins then.
pub fn bounded_list_reply<'a, T, V: Serialize>(
    uri: &Uri,
    page: &'a Page<T>,
    view: impl Fn(&'a T) -> V,
    place: impl Fn(&T) -> Cursor,
) -> Reply {
    let mut list = List::default();
    for (number, item) in (1..).zip(&page.items) {
        list.push(&view(item))?;
        if list.json.len() > ANSWER_BYTES && number < page.items.len() {
            return list.reply(uri, Some(&place(item)));
        }
    }
    list.reply(uri, page.next.as_ref())
}

/// The body of a list.
#[derive(Default)]
struct List {
    json: Vec<u8>,
}

impl List {
    fn push(&mut self, item: &impl Serialize) -> Result<()> {
        self.json.extend_from_slice(if self.json.is_empty() { b"{\"items\":[" } else { b"," });
        serde_json::to_writer(&mut self.json, item).map_err(Error::internal)
    }

    fn reply(mut self, uri: &Uri, next: Option<&Cursor>) -> Reply {
        if self.json.is_empty() {
            self.json.extend_from_slice(b"{\"items\":[");
        }
        self.json.extend_from_slice(b"],\"nextCursor\":");
        let next = next.map(Cursor::as_str);
        serde_json::to_writer(&mut self.json, &next).map_err(Error::internal)?;
        self.json.push(b'}');
        Ok(linked_to(json_response(200, self.json), uri, next))
    }
}

/// Says in an answer where the next page is, if there is one.
#[must_use]
pub fn linked(response: Response, uri: &Uri, next: Option<&Cursor>) -> Response {
    linked_to(response, uri, next.map(Cursor::as_str))
}

fn linked_to(mut response: Response, uri: &Uri, next: Option<&str>) -> Response {
    let link = |cursor| format!("<{}>; rel=\"next\"", next_path(uri, cursor));
    if let Some(Ok(link)) = next.map(link).map(|link| HeaderValue::from_str(&link)) {
        response.headers_mut().insert(header::LINK, link);
    }
    response
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
