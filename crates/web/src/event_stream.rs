//! Server-sent events (WHATWG HTML, §9.2): answers that go on for as long as their clients listen. They have no deadline, only
//! their heads do; a process that is about to end lets its listeners go, who come back to another.

use std::convert::Infallible;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};

/// The media type.
pub const EVENT_STREAM: &str = "text/event-stream";
/// What a listener hears last: when to come back, in milliseconds.
const FAREWELL: &str = "retry: 200\n\n";

/// An answer that sends `events` as they come.
pub fn event_stream(events: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let mut response = Response::new(Body::from_stream(events.map(Ok::<_, Infallible>)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // For nginx, which would keep them back until it has some kilobytes.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// Whether an answer with these headers is such a one.
pub(crate) fn is_event_stream(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == EVENT_STREAM)
}

/// The same body until `end` comes, and a farewell.
pub(crate) fn until(body: Body, end: impl Future<Output = ()> + Send + 'static) -> Body {
    let farewell = stream::once(async { Ok(Bytes::from_static(FAREWELL.as_bytes())) });
    Body::from_stream(body.into_data_stream().take_until(Box::pin(end)).chain(farewell))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_stream_ends_with_the_process_and_says_when_to_come_back() {
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let events = stream::once(async { Bytes::from("data: 1\n\n") }).chain(stream::pending());
        let response = event_stream(events);
        assert!(is_event_stream(response.headers()));
        let mut body = until(response.into_body(), async { drop(ended.await) });
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first, "data: 1\n\n");
        end.send(()).unwrap();
        assert_eq!(body.collect().await.unwrap().to_bytes(), FAREWELL);
    }
}
