//! Many clients placing orders at once.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use holdfast_client::{Answer, Connection};
use hyper::Method;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use tokio::time::Instant;

use crate::{
    Result,
    accounts::Account,
    ledger::{Ledger, Lines},
};

/// How long one order is repeated before the drill gives it up as unexpected.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(20);

/// An order to place.
#[derive(Clone, Debug)]
pub struct Purchase {
    /// Names it within the run.
    pub name: String,
    /// Index of the account that buys.
    pub account: usize,
    /// What is bought.
    pub lines: Lines,
}

/// How clients behave.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// The shop.
    pub url: String,
    /// Clients at once.
    pub clients: usize,
    /// Tells the keys of this run from those of others.
    pub run: String,
    /// What a client does that has no answer.
    pub repeat: Repeat,
    /// Makes clients stop before all orders are placed.
    pub stop: Arc<AtomicBool>,
    /// Whether to show progress.
    pub is_quiet: bool,
}

/// What a client does about a request whose fate it does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Repeats it under the same key.
    SameKey,
    /// Repeats it under a fresh key: what a careless client does, and how orders get doubled.
    FreshKey,
    /// Gives it up: every failure that the shop lets through is seen.
    Never,
}

/// What a load led to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What the shop said.
    pub ledger: Ledger,
    /// From sending an order to its last answer, in microseconds, sorted.
    pub latencies: Vec<u64>,
    /// From the first order to the last answer.
    pub elapsed: Duration,
    /// Requests that had to be repeated.
    pub repeats: u64,
}

impl Outcome {
    /// Throughput and latencies in words.
    #[must_use]
    pub fn to_text(&self) -> String {
        let orders = self.latencies.len();
        let acknowledged = self.ledger.acknowledged.len();
        let seconds = self.elapsed.as_secs_f64();
        let rate = f64::from(u32::try_from(orders).unwrap_or(u32::MAX)) / seconds.max(1e-6);
        format!(
            "{orders} orders in {seconds:.2} s ({rate:.0}/s): {acknowledged} acknowledged, {} refused for want of stock, {} repeats\n\
             latency p50 {}, p99 {}, p99.9 {}\n",
            self.ledger.refused,
            self.repeats,
            self.quantile(500),
            self.quantile(990),
            self.quantile(999),
        )
    }

    fn quantile(&self, per_mille: usize) -> String {
        let place =
            (self.latencies.len() * per_mille / 1000).min(self.latencies.len().saturating_sub(1));
        let micros = self.latencies.get(place).copied().unwrap_or(0);
        format!("{}.{:02} ms", micros / 1000, micros % 1000 / 10)
    }
}

/// Places all purchases and writes down what the shop says.
pub async fn place_all(
    purchases: Vec<Purchase>,
    accounts: &[Account],
    behaviour: &Behaviour,
) -> Outcome {
    let progress = progress_bar(purchases.len(), behaviour.is_quiet);
    let shared = Arc::new(Shared {
        purchases,
        accounts: accounts.to_vec(),
        behaviour: behaviour.clone(),
        next: AtomicUsize::new(0),
        outcome: Mutex::default(),
        progress: progress.clone(),
    });
    let started = Instant::now();
    let clients: Vec<_> =
        (0..behaviour.clients).map(|_| tokio::spawn(client(Arc::clone(&shared)))).collect();
    for client in clients {
        if let Err(error) = client.await {
            shared.with_outcome(|outcome| {
                outcome.ledger.unexpected.push(format!("a client failed: {error}"));
            });
        }
    }
    progress.finish_and_clear();
    let mut outcome = shared.with_outcome(std::mem::take);
    outcome.elapsed = started.elapsed();
    outcome.latencies.sort_unstable();
    outcome
}

struct Shared {
    purchases: Vec<Purchase>,
    accounts: Vec<Account>,
    behaviour: Behaviour,
    next: AtomicUsize,
    outcome: Mutex<Outcome>,
    progress: ProgressBar,
}

impl Shared {
    fn with_outcome<T>(&self, change: impl FnOnce(&mut Outcome) -> T) -> T {
        change(&mut self.outcome.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn client(shared: Arc<Shared>) {
    let mut connection = Connection::new(&shared.behaviour.url);
    loop {
        let Some(purchase) = shared.purchases.get(shared.next.fetch_add(1, Ordering::Relaxed))
        else {
            return;
        };
        if shared.behaviour.stop.load(Ordering::Relaxed) {
            return;
        }
        let account = &shared.accounts[purchase.account % shared.accounts.len()];
        let started = Instant::now();
        let (answer, repeats) = place(&mut connection, purchase, account, &shared.behaviour).await;
        let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        shared.with_outcome(|outcome| {
            outcome.latencies.push(micros);
            outcome.repeats += repeats;
            write_down(&mut outcome.ledger, answer, account, purchase);
        });
        shared.progress.inc(1);
    }
}

fn write_down(ledger: &mut Ledger, answer: Result<Answer>, account: &Account, purchase: &Purchase) {
    match answer {
        Err(error) => ledger.unexpected.push(format!("{}: {error}", purchase.name)),
        Ok(answer) => {
            let body = answer.json();
            match (answer.status.as_u16(), body["code"].as_str()) {
                (201, _) => ledger.acknowledge(&body, &account.id, purchase.lines.clone()),
                (409, Some("insufficient-stock")) => ledger.refuse(&body),
                (status, _) => {
                    ledger.unexpected.push(format!("{}: {status} {body}", purchase.name));
                }
            }
        }
    }
}

/// Places one order, repeating it under the same key until its fate is known.
async fn place(
    connection: &mut Connection,
    purchase: &Purchase,
    account: &Account,
    behaviour: &Behaviour,
) -> (Result<Answer>, u64) {
    let items: Vec<_> = purchase
        .lines
        .iter()
        .map(|(product, quantity)| json!({"productId": product, "quantity": quantity}))
        .collect();
    let body = Bytes::from(json!({ "items": items }).to_string());
    let authorization = format!("Bearer {}", account.token);
    let patience = Instant::now() + PATIENCE;
    let mut repeats = 0;
    loop {
        let mut key = format!("{}-{}", behaviour.run, purchase.name);
        if behaviour.repeat == Repeat::FreshKey {
            key.push_str(&format!("-{repeats}"));
        }
        let headers =
            [("authorization", authorization.as_str()), ("idempotency-key", key.as_str())];
        let answer = connection.send(Method::POST, "/api/orders", &headers, body.clone()).await;
        let unknown = match &answer {
            Err(_) => true,
            Ok(answer) => matches!(answer.status.as_u16(), 429 | 500 | 502 | 503 | 504),
        };
        if !unknown || behaviour.repeat == Repeat::Never || Instant::now() > patience {
            return (answer.map_err(String::from), repeats);
        }
        repeats += 1;
        tokio::time::sleep(PAUSE).await;
    }
}

fn progress_bar(length: usize, is_quiet: bool) -> ProgressBar {
    let progress = ProgressBar::new(length as u64);
    if is_quiet {
        progress.set_draw_target(ProgressDrawTarget::hidden());
    }
    let style = ProgressStyle::with_template(
        "{bar:40} {pos}/{len} orders  {per_sec}  {elapsed} (ETA {eta})",
    );
    style.map_or_else(|_| progress.clone(), |style| progress.clone().with_style(style))
}
