//! A stream that writes down how it is getting on.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::pulse::Pulse;

/// What stands in the place of an answer that is not ours.
pub(super) type Replace = Box<dyn Fn(&[u8]) -> Option<Bytes> + Send + Sync>;

/// A stream whose reads and writes a pulse knows of.
pub(super) struct Watched<S> {
    stream: S,
    pulse: Arc<Pulse>,
    /// Whether what is heard is the head of a request; frames of HTTP/2 may be anything.
    heads: bool,
    replace: Replace,
    /// What is written in the place of what hyper said.
    instead: Option<Instead>,
}

struct Instead {
    bytes: Bytes,
    /// Bytes of hyper's that count as written with it.
    replaced: usize,
}

impl<S: AsyncWrite + Unpin> Watched<S> {
    /// `replace` is shown what is about to be written while no request is being answered.
    pub(super) fn new(stream: S, pulse: Arc<Pulse>, heads: bool, replace: Replace) -> Self {
        Self { stream, pulse, heads, replace, instead: None }
    }

    /// Whether `bytes` are being replaced by something else; how many of them that settles, once it is written.
    fn poll_instead(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Option<Poll<io::Result<usize>>> {
        if self.instead.is_none() && self.heads && !self.pulse.is_serving() {
            let replaced = bytes.len();
            self.instead = (self.replace)(bytes).map(|bytes| Instead { bytes, replaced });
        }
        let instead = self.instead.as_mut()?;
        while instead.bytes.has_remaining() {
            match Pin::new(&mut self.stream).poll_write(cx, &instead.bytes) {
                Poll::Ready(Ok(written)) => instead.bytes.advance(written),
                Poll::Ready(Err(error)) => return Some(Poll::Ready(Err(error))),
                Poll::Pending => return Some(Poll::Pending),
            }
        }
        let replaced = instead.replaced.min(bytes.len());
        self.instead = None;
        Some(Poll::Ready(Ok(replaced)))
    }

    fn note(&self, result: &Poll<io::Result<usize>>) {
        match result {
            Poll::Ready(Ok(bytes)) => self.pulse.wrote(*bytes, false),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.pulse.wrote(0, true),
        }
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
        let result = match self.poll_instead(cx, bytes) {
            Some(result) => result,
            None => Pin::new(&mut self.stream).poll_write(cx, bytes),
        };
        self.note(&result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = slices.first().map_or(&[][..], |slice| slice);
        let result = match self.poll_instead(cx, first) {
            Some(result) => result,
            None => Pin::new(&mut self.stream).poll_write_vectored(cx, slices),
        };
        self.note(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = ready!(Pin::new(&mut self.stream).poll_flush(cx));
        self.pulse.flushed();
        Poll::Ready(result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
