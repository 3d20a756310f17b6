//! What every request passes on its way in and every answer on its way out: context, deadline, panics, problems.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{
    body::Body,
    extract::Request,
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header, uri::Authority,
    },
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::FutureExt;
use holdfast_types::{Clock, Code, Error, Random, Result, Sources};
use tokio::time::Instant;
use uuid::{Uuid, fmt::Hyphenated};

mod durations;
mod load;

use durations::Durations;
pub use load::Load;

use crate::{
    Buffers, CallContext, ClusterSecret, Endpoint, Origin, Problem, Services,
    event_stream::{self, is_event_stream},
    problem::{self, Unwritten},
    security_log::SecurityLog,
};

/// How long an answer may take, from the last header on.
const DEADLINE: Duration = Duration::from_secs(30);
/// Bytes of path and query.
const URI_BYTES: usize = 8 << 10;
/// Header lines of a request.
pub(crate) const HEADERS: usize = 100;
/// Characters of a request id that a client may choose.
const REQUEST_ID_CHARACTERS: usize = 128;

/// The policy of answers that are no pages (Content Security Policy Level 3, §6.4.2).
pub(crate) const FRAMES: &str = "frame-ancestors 'none'";

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Travels in a request's extensions.
#[derive(Clone, Debug)]
pub struct Context {
    /// The operation id of a mutating request that brings none of its own.
    pub operation_id: Option<Uuid>,
    /// Who sent it, as far as proxies that we trust can say.
    pub client: IpAddr,
    /// Names the request in answers and in the log.
    pub request_id: RequestId,
    /// Until when it must be answered.
    pub deadline: Instant,
    /// True when a process of our own cluster sent it.
    pub is_internal: bool,
    /// The memory for bodies.
    pub buffers: Buffers,
    pub(crate) security_log: Arc<SecurityLog>,
}

/// Names a request: the client's `X-Request-Id` when it is sane, else a fresh UUIDv7.
#[derive(Clone, Debug)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The header's value.
    #[must_use]
    pub const fn value(&self) -> &HeaderValue {
        &self.0
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

/// Wraps what a process answers with.
#[derive(Debug)]
pub struct Envelope<E> {
    endpoint: E,
    clock: Clock,
    random: Random,
    trust: Trust,
    load: Arc<Load>,
    durations: Durations,
    buffers: Buffers,
    security_log: Arc<SecurityLog>,
}

/// Whose word is taken for where a request comes from.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Proxies whose `X-Forwarded-For` is believed.
    pub proxies: Vec<IpAddr>,
    /// What our own processes know each other by.
    pub secret: Option<ClusterSecret>,
}

impl<E: Endpoint> Envelope<E> {
    /// Wraps `endpoint`, whose requests are for `services`; `load` counts them, and `buffers` is where their bodies go.
    #[must_use]
    pub fn new(
        endpoint: E,
        services: Services,
        sources: Sources,
        trust: Trust,
        load: Arc<Load>,
        buffers: Buffers,
    ) -> Arc<Self> {
        let Sources { clock, random } = sources;
        let (durations, security_log) = (Durations::new(services), Arc::default());
        Arc::new(Self { endpoint, clock, random, trust, load, durations, buffers, security_log })
    }

    /// The load of the process.
    #[must_use]
    pub fn load(&self) -> &Load {
        &self.load
    }

    /// The document of a problem with what could not even be read as a request, and the id that it goes by.
    pub(crate) fn document(&self, error: &Error) -> (RequestId, Bytes) {
        let id = self.fresh_id();
        let document = problem::body(error, id.as_str());
        (id, document)
    }

    fn fresh_id(&self) -> RequestId {
        let mut text = [0; Hyphenated::LENGTH];
        let fresh = self.random.uuid_v7(self.clock.now()).hyphenated().encode_lower(&mut text);
        RequestId(HeaderValue::from_str(fresh).expect("a UUID is a header value"))
    }

    /// Answers one request of `peer`.
    pub async fn answer(self: Arc<Self>, mut request: Request, peer: IpAddr) -> Response {
        let started = Instant::now();
        let context = self.context(&request, peer, started);
        let request_id = context.request_id.clone();
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let trace = trace_of(&request);
        let place = self.durations.place(uri.path());
        if self.trust.secret.is_some() {
            crate::trust::strip(request.headers_mut());
        }
        let (service, is_personal) = (place.service, place.is_personal);
        let is_head = request.method() == Method::HEAD;
        let is_signed = request.headers().contains_key(header::AUTHORIZATION);
        let admitted = match self.load.admit(started, context.is_internal) {
            Ok(counted) => {
                let judged = refuse(&request, context.is_internal, place.types);
                judged.map(|()| counted).map_err(Problem::from)
            }
            Err(refusal) => Err(refusal),
        };
        let mut response = match admitted {
            Err(problem) => problem.into_response(),
            Ok(_counted) => {
                request.extensions_mut().insert(context.clone());
                self.run(request, context.deadline).await
            }
        };
        if let Some(unwritten) = response.extensions_mut().remove::<Unwritten>() {
            if let Some(event) = unwritten.security_event() {
                Origin::of(&context).note(event, &format_args!("{method} {}", uri.path()));
            }
            unwritten.write(request_id.as_str(), &mut response);
        }
        let status = response.status();
        // What has been refused for its size is not worth reading on.
        let ends = status == StatusCode::URI_TOO_LONG || self.load.is_ending();
        let status = status.as_u16();
        tracing::debug!(request_id = request_id.as_str(), trace, %method, service, status, elapsed = ?started.elapsed(), "answered");
        self.durations.record(&method, place, status, started.elapsed());
        let headers = response.headers_mut();
        if ends {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        headers.insert(REQUEST_ID.clone(), request_id.0);
        // What is somebody's own is kept by no cache.
        if is_personal || (is_signed && !headers.contains_key(header::CACHE_CONTROL)) {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        // Pages say more of it; for the rest it is enough that nobody shows it in a frame.
        headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(FRAMES));
        if is_event_stream(response.headers()) && !is_head {
            let end = Arc::clone(&self.load).ended();
            return response.map(|body| event_stream::until(body, end));
        }
        response
    }

    async fn run(&self, request: Request, deadline: Instant) -> Response {
        let head = request.method() == Method::HEAD;
        let answer = std::panic::AssertUnwindSafe(self.endpoint.call(request)).catch_unwind();
        let late = || {
            Error::new(
                Code::Timeout,
                "the answer took longer than 30 seconds: repeat with the same key",
            )
        };
        let mut response = match tokio::time::timeout_at(deadline, answer).await {
            Err(_) => Problem::from(late()).into_response(),
            Ok(Err(_)) => Problem::from(Error::internal("a handler panicked")).into_response(),
            Ok(Ok(response)) => response,
        };
        if head {
            *response.body_mut() = Body::empty();
        }
        response
    }

    fn context(&self, request: &Request, peer: IpAddr, started: Instant) -> Context {
        let headers = request.headers();
        let now = self.clock.now();
        let given = headers.get(&REQUEST_ID).filter(|id| is_sane(id)).cloned();
        let request_id = given.map_or_else(|| self.fresh_id(), RequestId);
        let told = CallContext::read(headers, self.trust.secret.as_ref());
        let is_internal = told.is_some();
        let told = told.unwrap_or_default();
        let minted = || (!request.method().is_safe()).then(|| self.random.uuid_v7(now));
        Context {
            operation_id: told.operation.or_else(minted),
            client: told.client.unwrap_or_else(|| self.client(headers, peer)),
            request_id,
            deadline: started + told.deadline.unwrap_or(DEADLINE).min(DEADLINE),
            is_internal,
            buffers: self.buffers.clone(),
            security_log: Arc::clone(&self.security_log),
        }
    }

    /// The last address in `X-Forwarded-For` that is not a trusted proxy, when a trusted proxy says it.
    fn client(&self, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
        let mut client = peer.to_canonical();
        let forwarded = headers.get_all("x-forwarded-for").iter();
        let hops = forwarded.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
        let hops: Vec<&[u8]> = hops.collect();
        for hop in hops.iter().rev() {
            if !self.trust.proxies.contains(&client) {
                break;
            }
            match address_of(hop) {
                Some(address) => client = address.to_canonical(),
                None => break,
            }
        }
        client
    }
}

/// The address of a hop, with or without a port.
fn address_of(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))
}

/// The trace that a request belongs to, when the log wants it.
fn trace_of(request: &Request) -> Option<String> {
    let value = request.headers().get("traceparent")?;
    tracing::enabled!(tracing::Level::DEBUG).then(|| value.to_str().ok().map(str::to_owned))?
}

fn is_sane(id: &HeaderValue) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    (1..=REQUEST_ID_CHARACTERS).contains(&id.len()) && id.as_bytes().iter().copied().all(plain)
}

/// Refuses what hyper lets through although two readers could understand it differently (RFC 9112 §3.2, §6.1).
fn refuse(request: &Request, is_internal: bool, types: &[&str]) -> Result<()> {
    let headers = request.headers();
    let invalid = |why: &'static str| Err(Error::new(Code::InvalidHeader, why));
    let hosts = headers.get_all(header::HOST).iter().count();
    if hosts > 1 || (hosts == 0 && request.version() == Version::HTTP_11) {
        return invalid("Host: expected exactly one");
    }
    // RFC 3986 §3.2, without a user: a host and perhaps a port.
    let is_host = |host: &HeaderValue| {
        let authority = host.to_str().ok().map(str::parse::<Authority>);
        host.is_empty() || matches!(authority, Some(Ok(host)) if !host.as_str().contains('@'))
    };
    if !headers.get_all(header::HOST).iter().all(is_host) {
        return invalid("Host: expected a host name or an address, and perhaps a port");
    }
    if headers.contains_key(header::TRANSFER_ENCODING)
        && headers.contains_key(header::CONTENT_LENGTH)
    {
        return invalid("Transfer-Encoding and Content-Length exclude each other");
    }
    // hyper counts them in HTTP/1 only.
    if headers.len() > HEADERS && !is_internal {
        return Err(Error::new(Code::HeadersTooLarge, "a request may have 100 headers"));
    }
    if request.uri().path_and_query().is_some_and(|target| target.as_str().len() > URI_BYTES) {
        return Err(Error::new(Code::UriTooLong, "path and query may have 8 KiB"));
    }
    let path = request.uri().path();
    if path.starts_with("/api/") && !accepts(headers, types) {
        let why = format!("Accept: the answer is {}", types[0]);
        return Err(Error::new(Code::NotAcceptable, why));
    }
    Ok(())
}

/// RFC 9110 §12.5.1, as far as it decides between one type and nothing.
fn accepts(headers: &HeaderMap, types: &[&str]) -> bool {
    let mut ranges =
        headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
    if ranges.peek().is_none() {
        return true;
    }
    ranges.flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        let refused = parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
        types.contains(&media.as_str()) && !refused
    })
}
