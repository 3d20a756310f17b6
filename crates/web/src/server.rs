//! The accept loop: limits and time-outs on connections, and a drain that finishes what is in flight.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Semaphore,
};
use tokio_io_timeout::TimeoutStream;

use crate::Envelope;

/// Connections that wait to be accepted: a burst of everybody at once.
const BACKLOG: u32 = 4096;
/// Pause after an accept failed for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Between two looks at a preface that has only begun.
const PREFACE_PAUSE: Duration = Duration::from_millis(20);

/// What a connection may take.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// Connections at once; more wait in the backlog.
    pub connections: usize,
    /// For the first byte, and for the headers of each request.
    pub header_time: Duration,
    /// Between two requests, or for a client that does not read its answer.
    pub idle_time: Duration,
    /// For what is in flight when the process is told to end.
    pub drain_time: Duration,
    /// Bytes of all headers of a request.
    pub header_bytes: usize,
    /// Requests at once on one HTTP/2 connection.
    pub streams: u32,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            header_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(75),
            drain_time: Duration::from_secs(25),
            header_bytes: 32 << 10,
            streams: 128,
        }
    }
}

/// Opens the listening socket: the one place that does.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves an envelope on a listener.
#[derive(Debug)]
pub struct Server {
    limits: ServerLimits,
    envelope: Arc<Envelope>,
}

impl Server {
    /// A server with these limits.
    #[must_use]
    pub const fn new(limits: ServerLimits, envelope: Arc<Envelope>) -> Self {
        Self { limits, envelope }
    }

    /// Accepts until `shutdown`, then closes the listener and lets what is in flight finish within the drain time.
    pub async fn run(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let graceful = GracefulShutdown::new();
        let slots = Arc::new(Semaphore::new(self.limits.connections));
        tokio::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                () = &mut shutdown => break,
                accepted = accept(&listener, &slots) => accepted,
            };
            let Some((stream, peer, slot)) = accepted else { continue };
            let connection = connection(
                self.limits,
                Arc::clone(&self.envelope),
                stream,
                peer,
                graceful.watcher(),
            );
            tokio::spawn(async move {
                connection.await;
                drop(slot);
            });
        }
        drop(listener);
        if tokio::time::timeout(self.limits.drain_time, graceful.shutdown()).await.is_err() {
            tracing::warn!("some requests did not finish within the drain time");
        }
    }
}

type Slot = tokio::sync::OwnedSemaphorePermit;

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, Slot)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, slot)),
        Err(error) => {
            // Resets of single connections are their own matter; a want of descriptors passes when some are closed.
            tracing::warn!(%error, "cannot accept");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// Waits for a first byte, and for all of the HTTP/2 preface (RFC 9113 §3.4) when it begins like that.
/// False when the client has gone.
async fn has_opened(stream: &TcpStream) -> bool {
    const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let mut bytes = [0; PREFACE.len()];
    loop {
        match stream.peek(&mut bytes).await {
            Ok(0) | Err(_) => return false,
            Ok(count) if count == PREFACE.len() || bytes[..count] != PREFACE[..count] => {
                return true;
            }
            Ok(_) => tokio::time::sleep(PREFACE_PAUSE).await,
        }
    }
}

async fn connection(
    limits: ServerLimits,
    envelope: Arc<Envelope>,
    stream: TcpStream,
    peer: SocketAddr,
    watcher: hyper_util::server::graceful::Watcher,
) {
    // hyper-util waits without a limit until it can tell HTTP/1 from HTTP/2.
    let opening = tokio::time::timeout(limits.header_time, has_opened(&stream)).await;
    if !opening.unwrap_or(false) || stream.set_nodelay(true).is_err() {
        return;
    }
    let mut stream = TimeoutStream::new(stream);
    stream.set_read_timeout(Some(limits.idle_time));
    stream.set_write_timeout(Some(limits.idle_time));
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let answer = Arc::clone(&envelope).answer(request.map(axum::body::Body::new), peer.ip());
        async move { Ok::<_, std::convert::Infallible>(answer.await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_buf_size(limits.header_bytes);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .keep_alive_interval(limits.header_time);
    let serving = watcher
        .watch(builder.serve_connection(TokioIo::new(Box::pin(stream)), service).into_owned());
    if let Err(error) = serving.await {
        tracing::debug!(%error, "connection ended");
    }
}
