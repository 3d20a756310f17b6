//! One connection, from its first byte to its last.

use std::{convert::Infallible, net::IpAddr, sync::Arc, time::Duration};

use hyper::{
    body::Incoming,
    header::{self, HeaderValue},
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::graceful::Watcher,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};

use super::{
    ServerLimits,
    answer::Counted,
    connections::{Connections, Registered},
    parser,
    stream::Watched,
};
use crate::{Endpoint, Envelope, Tls, event_stream::is_event_stream};

/// RFC 6797: a browser that has come over TLS comes over nothing else for a year.
pub(super) const TLS_ONLY: &str = "max-age=31536000";
/// Between two looks at a preface that has only begun.
const PREFACE_PAUSE: Duration = Duration::from_millis(20);
/// Bytes of a body that may come before somebody reads them: on one HTTP/2 stream, and on all of a connection.
const STREAM_WINDOW: u32 = 64 << 10;
const CONNECTION_WINDOW: u32 = 256 << 10;
/// Bytes of one HTTP/2 stream that are buffered beyond what its client has asked for.
const STREAM_BUFFER: usize = 64 << 10;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

/// Waits for a first byte, and for all of the HTTP/2 preface (RFC 9113 §3.4) when it begins like that.
/// `None` when the client has gone.
async fn opening(stream: &TcpStream) -> Option<Protocol> {
    const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let mut bytes = [0; PREFACE.len()];
    loop {
        match stream.peek(&mut bytes).await {
            Ok(0) | Err(_) => return None,
            Ok(count) if bytes[..count] != PREFACE[..count] => return Some(Protocol::Http1),
            Ok(count) if count == PREFACE.len() => return Some(Protocol::Http2),
            Ok(_) => tokio::time::sleep(PREFACE_PAUSE).await,
        }
    }
}

/// What all connections of a listener have in common.
#[derive(Debug)]
pub(super) struct Common<E> {
    pub(super) limits: ServerLimits,
    pub(super) envelope: Arc<Envelope<E>>,
    pub(super) tls: Option<Tls>,
    pub(super) connections: Connections,
}

impl<E: Endpoint> Common<E> {
    pub(super) async fn serve(self: Arc<Self>, stream: TcpStream, peer: IpAddr, watcher: Watcher) {
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let registered = self.connections.register(peer);
        let pulse = Arc::clone(&registered.pulse);
        tokio::select! {
            () = self.open(stream, &registered, peer, watcher) => {}
            () = pulse.expired(self.limits) => tracing::debug!("connection timed out"),
        }
    }

    async fn open(
        self: &Arc<Self>,
        stream: TcpStream,
        registered: &Registered<'_>,
        peer: IpAddr,
        watcher: Watcher,
    ) {
        let limit = self.limits.header_time;
        let Some(tls) = &self.tls else {
            if let Ok(Some(protocol)) = timeout(limit, opening(&stream)).await {
                self.serve_stream(stream, protocol, registered, peer, watcher).await;
            }
            return;
        };
        match timeout(limit, tls.accept(stream)).await {
            Ok(Ok(stream)) => {
                let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                let protocol = if is_http2 { Protocol::Http2 } else { Protocol::Http1 };
                self.serve_stream(stream, protocol, registered, peer, watcher).await;
            }
            Ok(Err(error)) => tracing::debug!(%error, "no TLS connection"),
            Err(_) => tracing::debug!("no TLS connection within the time for headers"),
        }
    }

    async fn serve_stream<S>(
        self: &Arc<Self>,
        stream: S,
        protocol: Protocol,
        registered: &Registered<'_>,
        peer: IpAddr,
        watcher: Watcher,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let is_http1 = protocol == Protocol::Http1;
        let is_tls_only = self.tls.as_ref().is_some_and(|tls| tls.is_for_clients);
        let replace = parser::explain(Arc::clone(&self.envelope), is_tls_only);
        let stream = Watched::new(stream, Arc::clone(&registered.pulse), is_http1, replace);
        let (common, pulse) = (Arc::clone(self), Arc::clone(&registered.pulse));
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let (common, pulse) = (Arc::clone(&common), Arc::clone(&pulse));
            let serving = pulse.serve();
            async move {
                if !is_http1 {
                    pulse.has_room().await;
                }
                let request = request.map(axum::body::Body::new);
                let answer = Arc::clone(&common.envelope).answer(request, peer).await;
                // A stream is being answered for as long as it goes on, and is due at no time.
                let is_stream = is_event_stream(answer.headers());
                let serving = is_stream.then_some(serving);
                let limits = (!is_http1 && !is_stream).then_some(common.limits);
                let mut answer = answer.map(|body| Counted::new(body, &pulse, limits, serving));
                if is_tls_only {
                    answer.headers_mut().insert(
                        header::STRICT_TRANSPORT_SECURITY,
                        HeaderValue::from_static(TLS_ONLY),
                    );
                }
                common.connections.stay_within_limit();
                Ok::<_, Infallible>(answer)
            }
        });
        let (io, limits) = (TokioIo::new(stream), self.limits);
        let ended = match protocol {
            Protocol::Http1 => watcher.watch(http1(limits).serve_connection(io, service)).await,
            Protocol::Http2 => watcher.watch(http2(limits).serve_connection(io, service)).await,
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "connection ended");
        }
    }
}

/// The times are the business of [`super::pulse::Pulse`]: hyper counts the time between two requests as time for the header.
fn http1(limits: ServerLimits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.header_read_timeout(None).max_buf_size(limits.header_bytes);
    // Its own way of counting to the default is quicker than any number.
    if limits.headers != ServerLimits::default().headers {
        builder.max_headers(limits.headers);
    }
    builder
}

fn http2(limits: ServerLimits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_send_buf_size(STREAM_BUFFER)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(limits.header_time);
    builder
}
