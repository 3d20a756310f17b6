//! The accept loop: limits and time-outs on connections, and a drain that finishes what is in flight.

mod answer;
mod connection;
mod connections;
mod descriptors;
mod parser;
mod pulse;
mod stream;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use holdfast_types::Seldom;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Semaphore,
    time::Instant,
};

use crate::{Endpoint, Envelope, Tls, envelope::HEADERS};
use connection::Common;
use connections::Connections;
pub use descriptors::raise_descriptor_limit;

/// Connections that wait to be accepted: a burst of everybody at once.
const BACKLOG: u32 = 4096;
/// Pause after an accept failed for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Between two lines in the log about that.
const REFUSALS_PAUSE: Duration = Duration::from_secs(10);
/// Between two attempts to make room for a newcomer.
const ROOM_PAUSE: Duration = Duration::from_millis(20);

/// What a connection may take.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// Connections at once; for more, one that rests gives way, and where none does they wait in the backlog.
    pub connections: usize,
    /// Connections of one address (of one IPv6 network of 64 bits) that do not give way to each other.
    pub connections_per_address: usize,
    /// Bytes of answers that may wait for clients to read them, of all connections together.
    pub unsent_bytes: usize,
    /// For the first byte, and for the headers of each request.
    pub header_time: Duration,
    /// Between two requests.
    pub idle_time: Duration,
    /// For a client that does not read its answer.
    pub write_time: Duration,
    /// For clients to send one more request when the process is told to end.
    pub linger_time: Duration,
    /// For what is in flight after that.
    pub drain_time: Duration,
    /// Bytes of all headers of a request.
    pub header_bytes: usize,
    /// Headers of a request.
    pub headers: usize,
    /// Requests at once on one HTTP/2 connection.
    pub streams: u32,
}

impl ServerLimits {
    /// Limits for requests that a gateway has let through and added to. Peers do not send one more request at the end:
    /// they have noticed already that nothing is wanted here.
    #[must_use]
    pub fn for_peers() -> Self {
        let limits = Self::default();
        Self {
            linger_time: Duration::ZERO,
            header_bytes: 128 << 10,
            headers: 256,
            connections_per_address: usize::MAX,
            unsent_bytes: 4 * limits.unsent_bytes,
            ..limits
        }
    }
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            connections_per_address: 1_024,
            unsent_bytes: 64 << 20,
            header_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(75),
            write_time: Duration::from_secs(10),
            linger_time: Duration::from_secs(1),
            drain_time: Duration::from_secs(25),
            header_bytes: 32 << 10,
            headers: HEADERS,
            streams: 32,
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
pub struct Server<E>(Arc<Common<E>>);

impl<E: Endpoint> Server<E> {
    /// A server with these limits; with `tls`, it speaks nothing else.
    #[must_use]
    pub fn new(limits: ServerLimits, envelope: Arc<Envelope<E>>, tls: Option<Tls>) -> Self {
        let connections = Connections::new(limits.connections_per_address, limits.unsent_bytes);
        Self(Arc::new(Common { limits, envelope, tls, connections }))
    }

    /// Accepts until `shutdown`, then closes the listener and lets what is in flight finish within the drain time.
    /// Clients that are between two requests learn with their next answer to go elsewhere.
    pub async fn run(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let graceful = GracefulShutdown::new();
        let slots = Arc::new(Semaphore::new(self.0.limits.connections));
        let mut refusals = Seldom::new(REFUSALS_PAUSE);
        tokio::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                () = &mut shutdown => break,
                accepted = self.accept(&listener, &slots, &mut refusals) => accepted,
            };
            let Some((stream, peer, slot)) = accepted else { continue };
            let (common, watcher) = (Arc::clone(&self.0), graceful.watcher());
            tokio::spawn(async move {
                common.serve(stream, peer.ip(), watcher).await;
                drop(slot);
            });
        }
        drop(listener);
        self.0.envelope.load().end_connections();
        self.linger(&slots).await;
        if tokio::time::timeout(self.0.limits.drain_time, graceful.shutdown()).await.is_err() {
            tracing::warn!("some requests did not finish within the drain time");
        }
    }

    async fn accept(
        &self,
        listener: &TcpListener,
        slots: &Arc<Semaphore>,
        refusals: &mut Seldom,
    ) -> Option<(TcpStream, SocketAddr, Slot)> {
        let slot = loop {
            if slots.available_permits() == 0 {
                self.0.connections.make_room();
            }
            let slot = Arc::clone(slots).acquire_owned();
            if let Ok(slot) = tokio::time::timeout(ROOM_PAUSE, slot).await {
                break slot.ok()?;
            }
        };
        match listener.accept().await {
            Ok((stream, peer)) => Some((stream, peer, slot)),
            Err(error) => {
                // Resets of single connections are their own matter; a want of descriptors passes when some are closed.
                if let Some(times) = refusals.happened(Instant::now().into_std()) {
                    tracing::warn!(%error, times, "cannot accept connections");
                }
                self.0.connections.make_room();
                tokio::time::sleep(ACCEPT_PAUSE).await;
                None
            }
        }
    }

    /// Waits until all connections are closed, for a while at most.
    async fn linger(&self, slots: &Arc<Semaphore>) {
        let all = u32::try_from(self.0.limits.connections).unwrap_or(u32::MAX);
        let closed = slots.acquire_many(all);
        // Whoever has not sent a request until then is cut off between two.
        let _ = tokio::time::timeout(self.0.limits.linger_time, closed).await;
    }
}

type Slot = tokio::sync::OwnedSemaphorePermit;
