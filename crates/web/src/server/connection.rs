//! One connection, from its first byte to its last.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use hyper::{
    body::Incoming,
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
    pulse::{Pulse, Watched},
    tls::Tls,
};
use crate::{Endpoint, Envelope};

/// Between two looks at a preface that has only begun.
const PREFACE_PAUSE: Duration = Duration::from_millis(20);

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
}

impl<E: Endpoint> Common<E> {
    pub(super) async fn serve(&self, stream: TcpStream, peer: SocketAddr, watcher: Watcher) {
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let limit = self.limits.header_time;
        let Some(tls) = &self.tls else {
            if let Ok(Some(protocol)) = timeout(limit, opening(&stream)).await {
                self.serve_stream(stream, protocol, peer, watcher).await;
            }
            return;
        };
        match timeout(limit, tls.accept(stream)).await {
            Ok(Ok(stream)) => {
                let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                let protocol = if is_http2 { Protocol::Http2 } else { Protocol::Http1 };
                self.serve_stream(stream, protocol, peer, watcher).await;
            }
            Ok(Err(error)) => tracing::debug!(%error, "no TLS connection"),
            Err(_) => tracing::debug!("no TLS connection within the time for headers"),
        }
    }

    async fn serve_stream<S>(
        &self,
        stream: S,
        protocol: Protocol,
        peer: SocketAddr,
        watcher: Watcher,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let pulse = Pulse::new();
        let io =
            TokioIo::new(Watched::new(stream, Arc::clone(&pulse), protocol == Protocol::Http1));
        let (requests, envelope) = (Arc::clone(&pulse), Arc::clone(&self.envelope));
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let serving = requests.serve();
            let request = request.map(axum::body::Body::new);
            let answer = Arc::clone(&envelope).answer(request, peer.ip());
            async move {
                let answer = answer.await;
                drop(serving);
                Ok::<_, Infallible>(answer)
            }
        });
        let limits = self.limits;
        let ended = async {
            match protocol {
                Protocol::Http1 => watcher.watch(http1(limits).serve_connection(io, service)).await,
                Protocol::Http2 => watcher.watch(http2(limits).serve_connection(io, service)).await,
            }
        };
        tokio::select! {
            ended = ended => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "connection ended");
                }
            }
            () = pulse.expired(limits) => tracing::debug!("connection timed out"),
        }
    }
}

/// The times are [`Pulse`]'s business: hyper counts the time between two requests as time for the header.
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
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(limits.header_time);
    builder
}
