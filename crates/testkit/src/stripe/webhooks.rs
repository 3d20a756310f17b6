//! Events on their way to the shop: signed, in order unless a fault has it otherwise, and tried again when refused.

use std::{
    convert::Infallible,
    future, io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::hmac;
use holdfast_types::Clock;
use http_body_util::Full;
use hyper::{Request, Uri, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    sync::mpsc,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::faults::Chance;

/// Events that can wait; what comes beyond is lost.
const QUEUE: usize = 1 << 16;
/// Attempts to deliver one, and the first pause between two, which doubles.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(100);
/// How long the shop may take.
const TIME: Duration = Duration::from_secs(10);

/// Where events go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// The address, of `http`.
    pub url: String,
    /// What they are signed with, as text: `whsec_` is part of it.
    pub secret: String,
}

/// The `Stripe-Signature` of a body at a time in seconds.
#[must_use]
pub fn signature(secret: &str, time: i64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(format!("{time}.").as_bytes());
    context.update(body);
    let tag = context.sign();
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={time},v1={hex}")
}

/// Sends events on.
#[derive(Debug)]
pub(super) struct Outbox {
    target: Mutex<Option<Webhook>>,
    queue: mpsc::Sender<Bytes>,
    undelivered: AtomicUsize,
    chance: Arc<Chance>,
    clock: Clock,
}

impl Outbox {
    /// An outbox, and the queue for [`run`](Self::run).
    pub(super) fn new(
        target: Option<Webhook>,
        chance: Arc<Chance>,
        clock: Clock,
    ) -> (Arc<Self>, mpsc::Receiver<Bytes>) {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let undelivered = AtomicUsize::new(0);
        let target = Mutex::new(target);
        (Arc::new(Self { target, queue, undelivered, chance, clock }), waiting)
    }

    /// Where events go.
    pub(super) fn target(&self) -> Option<Webhook> {
        self.target.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends them elsewhere from now on.
    pub(super) fn set_target(&self, target: Option<Webhook>) {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
    }

    /// Events that have neither arrived nor been given up.
    pub(super) fn undelivered(&self) -> usize {
        self.undelivered.load(Ordering::SeqCst)
    }

    /// Takes an event, unless it goes nowhere.
    pub(super) fn put(&self, event: &[u8]) {
        if self.target().is_none() || self.chance.hits(|faults| faults.webhook_dropped) {
            return;
        }
        let copies = 1 + usize::from(self.chance.hits(|faults| faults.webhook_duplicated));
        for _ in 0..copies {
            self.undelivered.fetch_add(1, Ordering::SeqCst);
            if self.queue.try_send(Bytes::copy_from_slice(event)).is_err() {
                self.undelivered.fetch_sub(1, Ordering::SeqCst);
            }
        }
    }

    /// Delivers until it is dropped.
    pub(super) async fn run(self: Arc<Self>, mut waiting: mpsc::Receiver<Bytes>) {
        let mut late = JoinSet::new();
        while let Some(event) = waiting.recv().await {
            while late.try_join_next().is_some() {}
            if self.chance.hits(|faults| faults.webhook_delayed) {
                let most = self.chance.faults().webhook_delay_ms;
                let delay = Duration::from_millis(self.chance.up_to(most));
                late.spawn(Arc::clone(&self).deliver(event, delay, 0));
            } else if !self.attempt(event.clone()).await {
                late.spawn(Arc::clone(&self).deliver(event, PAUSE, 1));
            } else {
                self.undelivered.fetch_sub(1, Ordering::SeqCst);
            }
        }
    }

    async fn deliver(self: Arc<Self>, event: Bytes, mut pause: Duration, tried: u32) {
        for _ in tried..ATTEMPTS {
            sleep(pause).await;
            if self.attempt(event.clone()).await {
                break;
            }
            pause = pause.max(PAUSE) * 2;
        }
        self.undelivered.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether the shop took it.
    async fn attempt(&self, event: Bytes) -> bool {
        let Some(target) = self.target() else { return true };
        let signature = signature(&target.secret, self.clock.now().as_seconds(), &event);
        let status = timeout(TIME, post(&target.url, &signature, event)).await;
        matches!(status, Ok(Ok(200..300)))
    }
}

async fn post(url: &str, signature: &str, body: Bytes) -> io::Result<u16> {
    let uri: Uri = url.parse().map_err(io::Error::other)?;
    let authority = uri.authority().ok_or_else(|| io::Error::other("no host"))?;
    let host = authority.host().trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, authority.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let request = Request::post(uri.path_and_query().map_or("/", |path| path.as_str()))
        .header(header::HOST, authority.as_str())
        .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
        .header(header::USER_AGENT, "Stripe/1.0 (+https://stripe.com/docs/webhooks)")
        .header("stripe-signature", signature)
        .body(Full::new(body))
        .map_err(io::Error::other)?;
    let answer = async {
        let answer = sender.send_request(request).await;
        answer.map(|answer| answer.status().as_u16()).map_err(io::Error::other)
    };
    // The answer comes, or fails, when the connection ends: its end alone says nothing.
    let drive = async {
        let _ = connection.await;
        future::pending::<Infallible>().await
    };
    tokio::select! {
        answer = answer => answer,
        never = drive => match never {},
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By `printf '1700000000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_test`.
    #[test]
    fn a_signature_is_over_time_and_body() {
        let signed = signature("whsec_test", 1_700_000_000, br#"{"id":"evt_1"}"#);
        let expected =
            "t=1700000000,v1=c89214b5b5da833daed6f0b8c5bb6bd58cea9022bd80ccc78230f3942d632925";
        assert_eq!(signed, expected);
        assert_ne!(signed, signature("test", 1_700_000_000, br#"{"id":"evt_1"}"#));
        assert_ne!(signed, signature("whsec_test", 1_700_000_001, br#"{"id":"evt_1"}"#));
    }
}
