//! Server-sent events (WHATWG HTML, §9.2): answers that go on for as long as their clients listen. They have no deadline, only
//! their heads do; a process that is about to end lets its listeners go, who come back to another.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

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

/// The same body until `end` comes, and a farewell, unless it would come into the middle of an event: what is not whole at the end
/// is dropped by whoever listens.
pub(crate) fn until(body: Body, end: impl Future<Output = ()> + Send + 'static) -> Body {
    let is_whole = Arc::new(AtomicBool::new(true));
    let was_whole = Arc::clone(&is_whole);
    let told = body.into_data_stream().inspect(move |some| {
        let ends_event = some.as_ref().is_ok_and(|some| some.ends_with(b"\n\n"));
        was_whole.store(ends_event, Relaxed);
    });
    let farewell = stream::once(async move {
        let farewell = if is_whole.load(Relaxed) { FAREWELL } else { "" };
        Ok(Bytes::from_static(farewell.as_bytes()))
    });
    Body::from_stream(told.take_until(Box::pin(end)).chain(farewell))
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

    #[tokio::test]
    async fn nothing_is_said_into_the_middle_of_an_event() {
        let pieces = ["id: 1\ndata: 1\n\nid: 2\nda", "ta: 2"]
            .map(|piece| Ok::<_, Infallible>(Bytes::from(piece)));
        let body = until(Body::from_stream(stream::iter(pieces)), std::future::pending());
        let told = body.collect().await.unwrap().to_bytes();
        assert_eq!(told, "id: 1\ndata: 1\n\nid: 2\ndata: 2");
    }
}
