//! How a connection is getting on. Its stream and its requests write that down, and one timer per connection looks at
//! it now and then: re-arming timers at each read and write would cost more than parsing the request.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use super::ServerLimits;

/// Shared by the stream, the requests and the timer of one connection. Times are milliseconds since it began, and
/// never 0, which stands for "not now".
#[derive(Debug)]
pub(super) struct Pulse {
    began: Instant,
    /// Requests that are being answered.
    serving: AtomicUsize,
    /// Since when there was nothing to answer.
    idle_since: AtomicU64,
    /// When the first byte of the next request came.
    head_since: AtomicU64,
    /// Since when the client has not taken what we write.
    blocked_since: AtomicU64,
}

impl Pulse {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            serving: AtomicUsize::new(0),
            idle_since: AtomicU64::new(1),
            head_since: AtomicU64::new(0),
            blocked_since: AtomicU64::new(0),
        })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    /// Counts a request that is being answered until the guard is dropped.
    pub(super) fn serve(self: &Arc<Self>) -> Serving {
        self.serving.fetch_add(1, Relaxed);
        self.head_since.store(0, Relaxed);
        Serving(Arc::clone(self))
    }

    fn heard(&self) {
        if self.serving.load(Relaxed) == 0 && self.head_since.load(Relaxed) == 0 {
            self.head_since.store(self.now(), Relaxed);
        }
    }

    fn wrote(&self, blocked: bool) {
        let before = self.blocked_since.load(Relaxed);
        if blocked != (before != 0) {
            self.blocked_since.store(if blocked { self.now() } else { 0 }, Relaxed);
        }
    }

    /// Returns when the client has used up one of its times.
    pub(super) async fn expired(&self, limits: ServerLimits) {
        loop {
            let now = self.now();
            let spent = |since: u64, limit: Duration| {
                since != 0 && Duration::from_millis(now.saturating_sub(since)) >= limit
            };
            let quiet = self.serving.load(Relaxed) == 0;
            if spent(self.blocked_since.load(Relaxed), limits.idle_time)
                || quiet && spent(self.head_since.load(Relaxed), limits.header_time)
                || quiet && spent(self.idle_since.load(Relaxed), limits.idle_time)
            {
                return;
            }
            tokio::time::sleep(limits.header_time / 8).await;
        }
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Serving(Arc<Pulse>);

impl Drop for Serving {
    fn drop(&mut self) {
        let pulse = &self.0;
        pulse.idle_since.store(pulse.now(), Relaxed);
        pulse.serving.fetch_sub(1, Relaxed);
    }
}

/// A stream that writes down how it is getting on.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: S,
    pulse: Arc<Pulse>,
    /// Whether what is heard is the head of a request; frames of HTTP/2 may be anything.
    heads: bool,
}

impl<S> Watched<S> {
    pub(super) const fn new(stream: S, pulse: Arc<Pulse>, heads: bool) -> Self {
        Self { stream, pulse, heads }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let result = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        if self.heads {
            self.pulse.heard();
        }
        Poll::Ready(result)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.pulse.wrote(result.is_pending());
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.pulse.wrote(result.is_pending());
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
