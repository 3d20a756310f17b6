//! A service, as the gateway sees it.

use std::sync::LazyLock;

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use holdfast_types::{Code, Error, Result};
use holdfast_web::{Call, CallContext, Context, Endpoint, LARGEST_BODY, Peer, Problem, source};

/// Stands for a body that is too large; made when the first one comes.
static TOO_MUCH: LazyLock<Bytes> = LazyLock::new(|| vec![b' '; LARGEST_BODY + 1].into());

/// Headers that belong to one connection (RFC 9110 §7.6.1).
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    header::HOST,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
];
/// Headers that change what a request means: naming them in `Connection` does not make them disappear.
const END_TO_END: [&str; 6] =
    ["authorization", "content-type", "idempotency-key", "if-match", "if-none-match", "accept"];
static KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Where a service runs.
#[derive(Clone, Debug)]
pub enum Upstream {
    /// In this process: a call is a function call.
    Local(Router),
    /// In other processes.
    Remote(Peer),
}

impl Upstream {
    /// Hands a request over, whose body may have `limit` bytes. What `streams` is passed on as it comes.
    pub(crate) async fn call(&self, request: Request, limit: usize, streams: bool) -> Response {
        match self {
            Self::Local(routes) => routes.call(request).await,
            // On the heap: this future is large, and a local call should not carry its size about.
            Self::Remote(peer) => Box::pin(forward(peer, request, limit, streams))
                .await
                .unwrap_or_else(|error| Problem::from(error).into_response()),
        }
    }
}

/// Buffers the request, so that it can be sent again, and passes the answer on.
async fn forward(peer: &Peer, request: Request, limit: usize, streams: bool) -> Result<Response> {
    let (parts, body) = request.into_parts();
    let context = parts
        .extensions
        .get::<Context>()
        .ok_or_else(|| Error::internal("the request has no context"))?;
    let source = source(context.client);
    // Its memory counts until the answer is there: the request may have to be sent again.
    let buffered = match context.buffers.read(body, &parts.headers, limit, &source).await {
        // The service refuses it as well, but only after what comes before: who is calling, and whether there is such a
        // route at all. For that any body of the same kind will do.
        Err(error) if error.code() == Code::ContentTooLarge => Err(error),
        buffered => Ok(buffered?),
    };
    let body = match &buffered {
        Ok(buffered) => buffered.bytes.clone(),
        Err(_) => TOO_MUCH.slice(..=limit),
    };
    let mut headers = end_to_end(&parts.headers);
    headers.insert(REQUEST_ID.clone(), context.request_id.value().clone());
    if !body.is_empty() {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    let told = CallContext {
        operation: context.operation_id,
        client: Some(context.client),
        deadline: None,
    };
    let (deadline, uri) = (context.deadline, target(&parts.uri)?);
    let call = Call { method: parts.method, uri, headers, body, told };
    let answer = match streams {
        true => peer.open(&call, deadline).await,
        false => peer.call(&call, deadline).await.map(|answer| answer.map(Body::from)),
    };
    match (answer, buffered) {
        (Ok(answer), _) => Ok(pass_on(answer)),
        // It may refuse, and close, while we still send: then the answer may be lost. That it is too much stays true.
        (Err(error), Err(too_large)) if error.is_transient() => Err(too_large),
        (Err(error), _) => Err(error),
    }
}

fn target(uri: &axum::http::Uri) -> Result<axum::http::Uri> {
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    target.parse().map_err(|_| Error::new(Code::Malformed, "the target cannot be passed on"))
}

fn pass_on(answer: Response) -> Response {
    let (mut parts, body) = answer.into_parts();
    let length = parts.headers.get(header::CONTENT_LENGTH).cloned();
    parts.headers = end_to_end(&parts.headers);
    // The answer to HEAD has the length of a body that is not there.
    if let Some(length) = length {
        parts.headers.insert(header::CONTENT_LENGTH, length);
    }
    Response::from_parts(parts, body)
}

/// Leaves out what belongs to one connection, and what only we may say.
fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let named: Vec<String> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let stays = |name: &HeaderName| {
        let text = name.as_str();
        if END_TO_END.contains(&text) {
            return true;
        }
        !HOP_BY_HOP.contains(name)
            && *name != KEEP_ALIVE
            && *name != header::CONTENT_LENGTH
            && !["x-internal-", "x-user-", "x-forwarded-"].iter().any(|ours| text.starts_with(ours))
            && text != "forwarded"
            && !named.iter().any(|named| named == text)
    };
    let mut kept = HeaderMap::with_capacity(headers.len());
    for name in headers.keys().filter(|name| stays(name)) {
        for value in headers.get_all(name) {
            kept.append(name.clone(), value.clone());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_one_connection_stays_there() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Hop, Accept"),
            ("x-hop", "1"),
            ("keep-alive", "1"),
            ("x-internal-secret", "1"),
            ("x-user-id", "1"),
            ("x-forwarded-for", "1"),
            ("accept", "a"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers.append(header::ACCEPT, HeaderValue::from_static("b"));
        let kept = end_to_end(&headers);
        assert_eq!(kept.len(), 2);
        assert_eq!(kept.get_all(header::ACCEPT).iter().count(), 2);
    }
}
