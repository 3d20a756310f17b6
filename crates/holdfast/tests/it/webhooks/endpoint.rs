//! An endpoint that events are delivered to, which answers as the test wants.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, Response},
    routing::any,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use holdfast_types::Secret;
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle, time::Duration};

/// What an endpoint answers: a status, a header, after a while.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) header: (&'static str, &'static str),
    pub(crate) after: Duration,
}

impl Reply {
    pub(crate) const fn status(status: u16) -> Self {
        Self { status, header: ("x-tea", "green"), after: Duration::ZERO }
    }
}

/// What it was sent, and how it answered.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) id: String,
    pub(super) timestamp: String,
    pub(super) signatures: String,
    pub(super) text: String,
    pub(super) status: u16,
}

impl Heard {
    pub(super) fn event(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub(super) fn position(&self) -> i64 {
        self.event()["position"].as_i64().unwrap()
    }

    /// Whether one of the signatures is by that secret (Standard Webhooks 1.0).
    pub(super) fn is_signed_by(&self, secret: &str) -> bool {
        let key = BASE64_STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let signed = format!("{}.{}.{}", self.id, self.timestamp, self.text);
        let hash = Secret::new(&key.try_into().unwrap()).hash(signed.as_bytes());
        let expected = format!("v1,{}", BASE64_STANDARD.encode(hash));
        self.signatures.split(' ').any(|signature| signature == expected)
    }
}

type Answering = dyn Fn(usize, &Value) -> Reply + Send + Sync;

struct Inner {
    answering: Mutex<Arc<Answering>>,
    count: AtomicUsize,
    now: AtomicUsize,
    most: AtomicUsize,
    heard: Mutex<Vec<Heard>>,
}

/// A server; ends when dropped.
pub(crate) struct Endpoint {
    /// `127.0.0.1:PORT`.
    pub(crate) place: String,
    inner: Arc<Inner>,
    server: JoinHandle<()>,
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Endpoint {
    /// One that takes everything.
    pub(crate) async fn start() -> Self {
        Self::answering(|_, _| Reply::status(204)).await
    }

    /// One that answers the request of that number (from 0) as the test says.
    pub(crate) async fn answering(
        answering: impl Fn(usize, &Value) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let inner = Arc::new(Inner {
            answering: Mutex::new(Arc::new(answering)),
            count: AtomicUsize::new(0),
            now: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            heard: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = listener.local_addr().unwrap().to_string();
        let routes = Router::new().fallback(any(hear)).with_state(Arc::clone(&inner));
        let server = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { place, inner, server }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hooks?shop=tea", self.place)
    }

    pub(super) fn answer(
        &self,
        answering: impl Fn(usize, &Value) -> Reply + Send + Sync + 'static,
    ) {
        *self.inner.answering.lock().unwrap() = Arc::new(answering);
    }

    /// What has come, in the order in which it was answered.
    pub(super) fn heard(&self) -> Vec<Heard> {
        self.inner.heard.lock().unwrap().clone()
    }

    /// What it took.
    pub(super) fn taken(&self) -> Vec<Heard> {
        self.heard().into_iter().filter(|heard| heard.status < 300).collect()
    }

    /// How many requests were there at once, at most.
    pub(super) fn most(&self) -> usize {
        self.inner.most.load(SeqCst)
    }
}

async fn hear(State(inner): State<Arc<Inner>>, headers: HeaderMap, text: String) -> Response<Body> {
    let number = inner.count.fetch_add(1, SeqCst);
    inner.most.fetch_max(inner.now.fetch_add(1, SeqCst) + 1, SeqCst);
    let answering = Arc::clone(&inner.answering.lock().unwrap());
    let reply = answering(number, &serde_json::from_str(&text).unwrap_or_default());
    tokio::time::sleep(reply.after).await;
    inner.now.fetch_sub(1, SeqCst);
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    inner.heard.lock().unwrap().push(Heard {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signatures: header("webhook-signature"),
        text,
        status: reply.status,
    });
    let answer = Response::builder().status(reply.status).header(reply.header.0, reply.header.1);
    answer.body(Body::from("so be it")).unwrap()
}
