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
use tokio::net::TcpStream;

use super::{
    ServerLimits,
    pulse::{Pulse, Watched},
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

pub(super) async fn serve<E: Endpoint>(
    limits: ServerLimits,
    envelope: Arc<Envelope<E>>,
    stream: TcpStream,
    peer: SocketAddr,
    watcher: Watcher,
) {
    let opened = tokio::time::timeout(limits.header_time, opening(&stream)).await;
    let Ok(Some(protocol)) = opened else { return };
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let pulse = Pulse::new();
    let stream = Watched::new(stream, Arc::clone(&pulse), protocol == Protocol::Http1);
    let requests = Arc::clone(&pulse);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let serving = requests.serve();
        let answer = Arc::clone(&envelope).answer(request.map(axum::body::Body::new), peer.ip());
        async move {
            let answer = answer.await;
            drop(serving);
            Ok::<_, Infallible>(answer)
        }
    });
    let io = TokioIo::new(stream);
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

/// The times are [`Pulse`]'s business: hyper counts the time between two requests as time for the header.
fn http1(limits: ServerLimits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.header_read_timeout(None).max_buf_size(limits.header_bytes);
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
