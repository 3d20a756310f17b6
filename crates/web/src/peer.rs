//! A service in other processes: balanced by load, probed, retried.
//!
//! The balancer draws two instances and takes the one with fewer requests in flight (Mitzenmacher, "The Power of Two
//! Choices", 2001). What a failed attempt means depends on how far it got: what was not sent goes elsewhere, what may
//! have been executed is repeated, twice at most, since every mutating request carries an operation id. While no instance is up,
//! requests wait a little instead of failing.

mod instance;
mod probe;

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderMap, Method, Request, Response, Uri},
};
use bytes::Bytes;
use futures_util::future::join_all;
use holdfast_types::{Code, Error, Random, Result};
use http_body_util::Full;
use tokio::{sync::Notify, time::Instant};

use crate::{
    InternalTls,
    trust::{CallContext, ClusterSecret},
};
use instance::{Attempt, Instance};

/// How long a request waits while no instance is up.
const WAIT: Duration = Duration::from_secs(10);
/// Attempts of one request that may break: the second may meet a process that is killed together with the first.
const ATTEMPTS: u32 = 2;
/// Retries that may stand against requests: one for every five, and some to begin with (a retry budget, as in
/// Finagle). The first retry after a broken connection is not counted: it is what hides a crash.
const BUDGET: i64 = 100;
const REQUESTS_PER_RETRY: i64 = 5;

/// A service somewhere else. Clones share it.
#[derive(Clone)]
pub struct Peer(Arc<Inner>);

struct Inner {
    name: &'static str,
    targets: Vec<String>,
    secret: ClusterSecret,
    tls: Option<InternalTls>,
    instances: RwLock<Arc<Vec<Arc<Instance>>>>,
    came_up: Notify,
    /// Fifths of retries that are left.
    budget: AtomicI64,
    random: Random,
}

/// A request to a peer, as often as it must be sent.
#[derive(Clone, Debug)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub uri: Uri,
    /// The headers, without those of the connection.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// What the peer should know.
    pub told: CallContext,
}

impl Call {
    /// A question that a process asks on its own behalf.
    #[must_use]
    pub fn get(uri: Uri) -> Self {
        let (headers, body) = (HeaderMap::new(), Bytes::new());
        Self { method: Method::GET, uri, headers, body, told: CallContext::default() }
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("name", &self.0.name)
            .field("targets", &self.0.targets)
            .finish()
    }
}

impl Peer {
    /// The service `name` at `targets`, each a `host:port`; hosts are resolved again and again. With `tls`, they must
    /// prove that they are these hosts.
    #[must_use]
    pub fn new(
        name: &'static str,
        targets: Vec<String>,
        secret: ClusterSecret,
        tls: Option<InternalTls>,
        random: Random,
    ) -> Self {
        let peer = Self(Arc::new(Inner {
            name,
            targets,
            secret,
            tls,
            instances: RwLock::default(),
            came_up: Notify::new(),
            budget: AtomicI64::new(BUDGET * REQUESTS_PER_RETRY),
            random,
        }));
        probe::begin(&peer);
        peer
    }

    /// What the service is called.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// True when some instance is up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.instances().iter().any(|instance| instance.is_up())
    }

    /// Sends a request until it is answered, or may not be repeated any more, or `deadline` has come.
    /// Fails with `unavailable` or `timeout`; any status is an answer.
    pub async fn call(&self, call: &Call, deadline: Instant) -> Result<Response<Bytes>> {
        self.answer(call, deadline, async |instance, request| instance.attempt(request).await).await
    }

    /// The same where the answer goes on for as long as somebody listens: it must have begun by `deadline`.
    pub async fn open(&self, call: &Call, deadline: Instant) -> Result<Response<Body>> {
        self.answer(call, deadline, async |instance, request| instance.open(request).await).await
    }

    async fn answer<A>(
        &self,
        call: &Call,
        deadline: Instant,
        attempt: impl AsyncFn(Arc<Instance>, Request<Full<Bytes>>) -> Attempt<A>,
    ) -> Result<A> {
        let late = || Error::new(Code::Timeout, format!("{} did not answer in time", self.0.name));
        tokio::time::timeout_at(deadline, self.call_until_answered(call, deadline, attempt))
            .await
            .map_err(|_| late())?
    }

    /// Sends a request to each instance once, and says what came back from which address: nothing where none came until `deadline`.
    pub async fn ask_each(
        &self,
        call: &Call,
        deadline: Instant,
    ) -> Result<Vec<(SocketAddr, Option<Response<Bytes>>)>> {
        let request = self.request(call, deadline)?;
        let instances = self.instances();
        let asked = instances.iter().map(|instance| async {
            let attempt = instance.attempt(request.clone());
            let answer = match tokio::time::timeout_at(deadline, attempt).await {
                Ok(Attempt::Answered(response)) => Some(response),
                Ok(Attempt::NotSent(_) | Attempt::Unknown(_)) | Err(_) => None,
            };
            (instance.address(), answer)
        });
        Ok(join_all(asked).await)
    }

    async fn call_until_answered<A>(
        &self,
        call: &Call,
        deadline: Instant,
        attempt: impl AsyncFn(Arc<Instance>, Request<Full<Bytes>>) -> Attempt<A>,
    ) -> Result<A> {
        let patience = deadline.min(Instant::now() + WAIT);
        let left = self.0.budget.fetch_add(1, Relaxed);
        if left > BUDGET * REQUESTS_PER_RETRY {
            self.0.budget.fetch_sub(1, Relaxed);
        }
        let mut broken = 0;
        let mut refused = 0;
        loop {
            let instance = self.draw(patience).await?;
            let request = self.request(call, deadline)?;
            let why = match attempt(Arc::clone(&instance), request).await {
                Attempt::Answered(response) => return Ok(response),
                Attempt::NotSent(why) => {
                    refused += 1;
                    why
                }
                Attempt::Unknown(why) => {
                    broken += 1;
                    why
                }
            };
            // The next probe says whether it was the instance or only the connection.
            instance.suspect();
            tracing::debug!(service = self.0.name, instance = %instance.address(), why, "an attempt failed");
            let counted = broken + refused > 1;
            if broken > ATTEMPTS || (counted && !self.may_retry()) {
                return Err(self.unavailable(why));
            }
        }
    }

    fn may_retry(&self) -> bool {
        self.0
            .budget
            .fetch_update(Relaxed, Relaxed, |left| {
                (left >= REQUESTS_PER_RETRY).then_some(left - REQUESTS_PER_RETRY)
            })
            .is_ok()
    }

    fn request(&self, call: &Call, deadline: Instant) -> Result<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(call.uri.clone())
            .body(Full::new(call.body.clone()))
            .map_err(Error::internal)?;
        *request.headers_mut() = call.headers.clone();
        let deadline = Some(deadline.saturating_duration_since(Instant::now()));
        CallContext { deadline, ..call.told.clone() }.write(request.headers_mut(), &self.0.secret);
        Ok(request)
    }

    /// An instance that is up; waits until `patience` for one.
    async fn draw(&self, patience: Instant) -> Result<Arc<Instance>> {
        loop {
            let came_up = self.0.came_up.notified();
            if let Some(instance) = self.draw_now() {
                return Ok(instance);
            }
            if tokio::time::timeout_at(patience, came_up).await.is_err() {
                return Err(self.unavailable("no instance is up"));
            }
        }
    }

    fn draw_now(&self) -> Option<Arc<Instance>> {
        let instances = self.instances();
        let up: Vec<&Arc<Instance>> =
            instances.iter().filter(|instance| instance.is_up()).collect();
        let two = match up.as_slice() {
            [] => return None,
            [only] => return Some(Arc::clone(only)),
            several => {
                let [one, other] = self.0.random.bytes().map(usize::from);
                let first = one % several.len();
                let second = (first + 1 + other % (several.len() - 1)) % several.len();
                (several[first], several[second])
            }
        };
        Some(Arc::clone(if two.0.load() <= two.1.load() { two.0 } else { two.1 }))
    }

    fn instances(&self) -> Arc<Vec<Arc<Instance>>> {
        Arc::clone(&self.0.instances.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn unavailable(&self, why: impl fmt::Display) -> Error {
        let message = format!("{} cannot be reached: repeat with the same key", self.0.name);
        Error::new(Code::Unavailable, message).with_source(why.to_string())
    }
}
