//! Whether the process lives, and whether it should be sent requests.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{extract::State, http::Uri, response::Response};
use futures_util::future::join_all;
use holdfast_storage::Database;
use holdfast_web::{
    Call, Load, NoQuery, Peer, Reply,
    auth::Verifier,
    json_reply,
    rate::{Quota, RateLimit},
};
use serde_json::json;
use tokio::{sync::Mutex, time::Instant};
use utoipa::ToSchema;

use super::{Metrics, Status};
use crate::parts::Parts;

/// How long a database may take to answer before it counts as not ready.
const PROBE_TIME: Duration = Duration::from_secs(2);

/// The same for a service in another process, which asks its databases.
const PEER_TIME: Duration = Duration::from_secs(3);

/// How long a process may look at its databases before it says how it is.
const STATUS_TIME: Duration = Duration::from_millis(500);

/// Looks at databases, or at peers: ten at once, then one in 100 ms.
const LOOKS: Quota = Quota { requests: 10, period: Duration::from_secs(1) };

/// The process whose health it is, and whom it can ask.
pub(crate) struct Process {
    /// Tells this run of it from all others.
    pub(crate) id: u64,
    pub(crate) parts: Parts,
    pub(crate) databases: Vec<Database>,
    /// Services that it asks.
    pub(crate) peers: Vec<Peer>,
    /// All gateways, for one that is told where they are.
    pub(crate) gateways: Option<Peer>,
}

/// What readiness is judged by. Clones share it.
#[derive(Clone)]
pub(crate) struct Health(Arc<Inner>);

struct Inner {
    process: Process,
    of_databases: Look,
    of_peers: Look,
    verifier: Arc<Verifier>,
    draining: AtomicBool,
    metrics: Metrics,
    load: Arc<Load>,
    started: Instant,
}

impl Health {
    pub(crate) fn new(
        process: Process,
        verifier: Arc<Verifier>,
        metrics: Metrics,
        load: Arc<Load>,
    ) -> Self {
        Self(Arc::new(Inner {
            process,
            of_databases: Look::default(),
            of_peers: Look::default(),
            verifier,
            draining: AtomicBool::new(false),
            metrics,
            load,
            started: Instant::now(),
        }))
    }

    pub(super) fn verifier(&self) -> Arc<Verifier> {
        Arc::clone(&self.0.verifier)
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// How the process is getting on.
    pub(super) async fn status(&self) -> Status {
        let load = &self.0.load;
        let p99 = load.p99();
        // A database that is slow must not make the process look dead.
        let soon = tokio::time::timeout(STATUS_TIME, self.problems_of_databases()).await;
        Status {
            parts: self.0.process.parts.to_string(),
            pid: std::process::id(),
            uptime_seconds: self.0.started.elapsed().as_secs(),
            in_flight: load.in_flight(),
            p99_micros: p99.map(|p99| u64::try_from(p99.as_micros()).unwrap_or(u64::MAX)),
            wants_requests: self.wants_requests(),
            process: Some(self.0.process.id),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            problems: soon.unwrap_or_else(|_| vec!["database: no answer yet".to_owned()]),
        }
    }

    /// Whoever can say how other processes are.
    pub(super) fn all_peers(&self) -> impl Iterator<Item = &Peer> {
        self.0.process.peers.iter().chain(&self.0.process.gateways)
    }

    /// Whether other processes should send requests here.
    pub(super) fn wants_requests(&self) -> bool {
        !self.0.draining.load(Ordering::SeqCst) && self.0.verifier.is_ready()
    }

    /// From here on, requests should go elsewhere.
    pub(crate) fn drain(&self) {
        self.0.draining.store(true, Ordering::SeqCst);
    }

    async fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.0.draining.load(Ordering::SeqCst) {
            problems.push("draining: the process is about to end".to_owned());
        }
        if !self.0.verifier.is_ready() {
            problems.push("users: the keys that sign access tokens are not known yet".to_owned());
        }
        problems.extend(self.0.of_peers.now(self.ask_peers()).await);
        problems.extend(self.problems_of_databases().await);
        problems
    }

    async fn ask_peers(&self) -> Vec<String> {
        let asked = self.0.process.peers.iter().map(|peer| async move {
            let told =
                if peer.is_up() { standing_of(peer).await } else { Err("no instance is up") };
            let told = told.unwrap_or_else(|why| vec![why.to_owned()]);
            told.into_iter().map(|problem| format!("{}: {problem}", peer.name())).collect()
        });
        let of_peers: Vec<Vec<String>> = join_all(asked).await;
        of_peers.into_iter().flatten().collect()
    }

    /// What keeps the databases of this process from taking writes.
    pub(super) async fn problems_of_databases(&self) -> Vec<String> {
        self.0.of_databases.now(self.ask_databases()).await
    }

    async fn ask_databases(&self) -> Vec<String> {
        let asked = self.0.process.databases.iter().map(|database| async {
            match tokio::time::timeout(PROBE_TIME, database.ready()).await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(format!("database: {}", error.message())),
                Err(_) => Some("database: no answer within 2 s".to_owned()),
            }
        });
        join_all(asked).await.into_iter().flatten().collect()
    }
}

/// What was seen last. Anybody may ask whether the process is ready, and looking costs databases and peers something: who
/// asks seldom is told what is true now, and of many in one second the rest what was true a tenth of a second ago.
struct Look {
    looks: RateLimit,
    last: Mutex<Option<Vec<String>>>,
}

impl Default for Look {
    fn default() -> Self {
        Self { looks: RateLimit::new(LOOKS), last: Mutex::default() }
    }
}

impl Look {
    async fn now(&self, look: impl Future<Output = Vec<String>>) -> Vec<String> {
        let mut last = self.last.lock().await;
        if let Some(seen) = last.as_ref()
            && !self.looks.take("", Instant::now()).allowed
        {
            return seen.clone();
        }
        last.insert(look.await).clone()
    }
}

/// What a service elsewhere says about its databases.
async fn standing_of(peer: &Peer) -> Result<Vec<String>, &'static str> {
    let call = Call::get(Uri::from_static("/internal/ready"));
    let answer = peer.call(&call, Instant::now() + PEER_TIME).await;
    let answer = answer.map_err(|_| "no answer within 3 s")?;
    serde_json::from_slice(answer.body()).map_err(|_| "an answer that cannot be read")
}

/// Whether the process lives.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the answer to readers of the API")]
struct Liveness {
    #[schema(example = "alive")]
    status: String,
}

/// Whether the process can serve.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the answer to readers of the API")]
struct Readiness {
    /// `ready` or `not-ready`.
    #[schema(example = "ready")]
    status: String,
    /// What keeps it from serving, when it cannot.
    problems: Option<Vec<String>>,
}

/// The process lives.
#[utoipa::path(get, path = "/livez", tag = "system", responses((status = 200, body = Liveness)))]
pub(super) async fn is_alive(_: NoQuery) -> Reply<Response> {
    json_reply(200, &json!({"status": "alive"}))
}

/// The process can serve; if not, `problems` says why.
#[utoipa::path(get, path = "/readyz", tag = "system", responses((status = 200, body = Readiness), (status = 503, body = Readiness)))]
pub(super) async fn is_ready(State(health): State<Health>, _: NoQuery) -> Reply<Response> {
    let problems = health.problems().await;
    match problems.is_empty() {
        true => json_reply(200, &json!({"status": "ready"})),
        false => json_reply(503, &json!({"status": "not-ready", "problems": problems})),
    }
}
