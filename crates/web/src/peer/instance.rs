//! One process of a service: its connections, its load, and whether it is up.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderValue, Request, Response, header},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::{Notify, watch},
    time::Instant,
};
use tokio_rustls::rustls::pki_types::ServerName;

use crate::InternalTls;

/// How long a connection may take to come about.
const CONNECT_TIME: Duration = Duration::from_secs(1);
/// Connections kept for later requests.
const IDLE_CONNECTIONS: usize = 512;
/// A connection that was idle for longer may be closed by the other side at any moment.
const IDLE_TIME: Duration = Duration::from_secs(30);
/// Bytes of an answer that are read.
const ANSWER_BYTES: usize = 64 << 20;

/// Whether requests should go there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// It answers.
    Up,
    /// Nothing new goes there; what is on its way may still be answered.
    Resting,
    /// It does not answer: what is on its way is given up.
    Gone,
}

/// How far a request got.
#[derive(Debug)]
pub(super) enum Attempt<A> {
    /// Nobody has seen it, or who saw it says that it was not executed.
    NotSent(String),
    /// It may have been executed.
    Unknown(String),
    /// Here is the answer.
    Answered(A),
}

/// Where a process is.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) address: SocketAddr,
    /// What its certificate must say it is, where it has one.
    pub(super) identity: Option<(InternalTls, ServerName<'static>)>,
}

#[derive(Debug)]
pub(super) struct Instance {
    place: Place,
    host: HeaderValue,
    health: watch::Sender<Health>,
    in_flight: AtomicUsize,
    idle: Mutex<Vec<(SendRequest<Full<Bytes>>, Instant)>>,
    /// Wakes the probe when a request has failed.
    pub(super) suspicion: Notify,
}

/// A connection of which the head of an answer was read.
type Head = (Response<Incoming>, SendRequest<Full<Bytes>>);

/// Counts a request in flight until dropped.
struct InFlight(Arc<Instance>);

impl InFlight {
    fn on(instance: &Arc<Instance>) -> Self {
        instance.in_flight.fetch_add(1, Relaxed);
        Self(Arc::clone(instance))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

impl InFlight {
    /// What comes of a body, until it ends, breaks, or the instance is found gone. The connection is not used again.
    fn follow(
        self,
        body: Incoming,
        sender: SendRequest<Full<Bytes>>,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let instance = Arc::clone(&self.0);
        let gone = Box::pin(async move { instance.found_gone().await });
        let begun = Some((body.into_data_stream(), gone, (self, sender)));
        stream::unfold(begun, async |begun| {
            let (mut pieces, mut gone, counted) = begun?;
            tokio::select! {
                piece = pieces.next() => {
                    let piece = piece?.map_err(io::Error::other);
                    Some((piece, Some((pieces, gone, counted))))
                }
                () = &mut gone => Some((Err(io::ErrorKind::TimedOut.into()), None)),
            }
        })
    }
}

impl Instance {
    pub(super) fn new(place: Place) -> Self {
        Self {
            host: HeaderValue::from_str(&place.address.to_string())
                .expect("an address is a header value"),
            place,
            // A probe says more soon.
            health: watch::Sender::new(Health::Resting),
            in_flight: AtomicUsize::new(0),
            idle: Mutex::default(),
            suspicion: Notify::new(),
        }
    }

    pub(super) fn place(&self) -> Place {
        self.place.clone()
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.place.address
    }

    pub(super) fn is_up(&self) -> bool {
        *self.health.borrow() == Health::Up
    }

    /// True when that is news.
    pub(super) fn stand(&self, health: Health) -> bool {
        if health != Health::Up {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        self.health.send_if_modified(|now| std::mem::replace(now, health) != health)
    }

    /// A request failed: nothing goes there until a probe, now, says more.
    pub(super) fn suspect(&self) {
        self.stand(Health::Resting);
        self.suspicion.notify_one();
    }

    /// Returns when it is found gone from now on. What is sent to one that is gone already is a probe.
    async fn found_gone(&self) {
        let mut health = self.health.subscribe();
        if *health.borrow_and_update() == Health::Gone {
            std::future::pending::<()>().await;
        }
        let gone = health.wait_for(|health| *health == Health::Gone).await;
        debug_assert!(gone.is_ok(), "the sender lives as long as the instance");
    }

    pub(super) fn load(&self) -> usize {
        self.in_flight.load(Relaxed)
    }

    /// Sends a request and reads the whole answer, unless the instance is found gone before.
    pub(super) async fn attempt(
        self: &Arc<Self>,
        request: Request<Full<Bytes>>,
    ) -> Attempt<Response<Bytes>> {
        let _counted = InFlight::on(self);
        let exchange = async {
            let (response, sender) = match self.head(request).await {
                Attempt::Answered(head) => head,
                Attempt::NotSent(why) => return Attempt::NotSent(why),
                Attempt::Unknown(why) => return Attempt::Unknown(why),
            };
            let (parts, body) = response.into_parts();
            match Limited::new(body, ANSWER_BYTES).collect().await {
                Ok(whole) => {
                    self.keep(sender);
                    Attempt::Answered(Response::from_parts(parts, whole.to_bytes()))
                }
                Err(error) => Attempt::Unknown(error.to_string()),
            }
        };
        self.unless_gone(exchange).await
    }

    /// Sends a request and reads the head of the answer; its body is handed on as it comes, until the instance is found gone.
    pub(super) async fn open(
        self: &Arc<Self>,
        request: Request<Full<Bytes>>,
    ) -> Attempt<Response<Body>> {
        let counted = InFlight::on(self);
        match self.unless_gone(self.head(request)).await {
            Attempt::Answered((response, sender)) => {
                let body = |body| Body::from_stream(counted.follow(body, sender));
                Attempt::Answered(response.map(body))
            }
            Attempt::NotSent(why) => Attempt::NotSent(why),
            Attempt::Unknown(why) => Attempt::Unknown(why),
        }
    }

    async fn unless_gone<A>(&self, exchange: impl Future<Output = Attempt<A>>) -> Attempt<A> {
        tokio::select! {
            attempt = exchange => attempt,
            () = self.found_gone() => {
                Attempt::Unknown("it does not answer any more".to_owned())
            }
        }
    }

    async fn head(&self, mut request: Request<Full<Bytes>>) -> Attempt<Head> {
        request.headers_mut().insert(header::HOST, self.host.clone());
        let mut sender = match self.connection().await {
            Ok(sender) => sender,
            Err(why) => return Attempt::NotSent(why),
        };
        match sender.try_send_request(request).await {
            Ok(response) if response.headers().contains_key(&crate::trust::NOT_EXECUTED) => {
                Attempt::NotSent("it has too much to do".to_owned())
            }
            Ok(response) => Attempt::Answered((response, sender)),
            Err(mut error) => {
                let never_sent = error.take_message().is_some();
                let why = error.into_error().to_string();
                if never_sent { Attempt::NotSent(why) } else { Attempt::Unknown(why) }
            }
        }
    }

    async fn connection(&self) -> Result<SendRequest<Full<Bytes>>, String> {
        while let Some(mut sender) = self.take_idle() {
            if !sender.is_closed() && sender.ready().await.is_ok() {
                return Ok(sender);
            }
        }
        tokio::time::timeout(CONNECT_TIME, self.dial())
            .await
            .map_err(|_| format!("{} does not accept connections", self.place.address))?
            .map_err(|error| format!("{}: {error}", self.place.address))
    }

    async fn dial(&self) -> io::Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(self.place.address).await?;
        stream.set_nodelay(true)?;
        match &self.place.identity {
            Some((tls, name)) => talk_over(tls.connect(name.clone(), stream).await?).await,
            None => talk_over(stream).await,
        }
    }

    fn take_idle(&self) -> Option<SendRequest<Full<Bytes>>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((sender, since)) = idle.pop() {
            if since.elapsed() < IDLE_TIME {
                return Some(sender);
            }
        }
        None
    }

    fn keep(&self, sender: SendRequest<Full<Bytes>>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_CONNECTIONS && self.is_up() {
            idle.push((sender, Instant::now()));
        }
    }
}

async fn talk_over<S>(stream: S) -> io::Result<SendRequest<Full<Bytes>>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    // How it ended is told to whoever sent the request.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}
