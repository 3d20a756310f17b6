//! The body of an answer on its way out: what of it is not sent counts against its connection, and against all together.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use super::{
    ServerLimits,
    pulse::{Pulse, Serving},
};

/// A body that is counted until its bytes are sent, or until it is given up.
#[derive(Debug)]
pub(super) struct Counted {
    body: Body,
    pulse: Arc<Pulse>,
    /// Bytes that are counted and were not given to the connection yet.
    left: usize,
    /// Among the answers with streams of their own.
    number: Option<u64>,
    /// For a stream: its request is being answered until it ends.
    #[expect(dead_code, reason = "it ends with the body")]
    serving: Option<Serving>,
}

impl Counted {
    /// Counts `body`; with `limits`, it has a stream of its own and must be sent in time.
    pub(super) fn new(
        body: Body,
        pulse: &Arc<Pulse>,
        limits: Option<ServerLimits>,
        serving: Option<Serving>,
    ) -> Self {
        let hint = hyper::body::Body::size_hint(&body);
        let left = usize::try_from(hint.lower()).unwrap_or(usize::MAX);
        let number = pulse.begin(left, limits);
        Self { body, pulse: Arc::clone(pulse), left, number, serving }
    }
}

impl hyper::body::Body for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            // From here on it counts until the connection has written it.
            let known = self.left.min(data.len());
            self.left -= known;
            self.pulse.owe(data.len() - known);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        hyper::body::Body::size_hint(&self.body)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.pulse.done(self.left, self.number);
    }
}
