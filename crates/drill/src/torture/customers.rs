//! Customers who go on buying whatever happens, and look at once whether the shop has what it said it has.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use holdfast_types::Random;
use hyper::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::book::{Attempt, Book, Fate, Finding, Step};
use holdfast_client::{Answer, Connection};

use crate::{
    accounts::{Account, sign_in, sign_in_again},
    ledger::Lines,
    private::PASSWORD,
};

/// How long a customer repeats a request before its fate counts as unknown, who does repeat.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(25);

/// What all customers of a torture share.
#[derive(Debug)]
pub(super) struct Market {
    pub(super) url: String,
    /// Products on sale.
    pub(super) products: Vec<String>,
    /// Tells the keys of this run from those of others.
    pub(super) run: String,
    /// Whether customers take steps with their orders: only in a shop of the drill's own.
    pub(super) is_own: bool,
    /// How long customers repeat a request.
    pub(super) patience: Duration,
    pub(super) is_calm: AtomicBool,
    pub(super) is_over: AtomicBool,
}

/// One customer.
pub(super) struct Customer {
    market: Arc<Market>,
    number: usize,
    account: Account,
    merchant: Option<Account>,
    connection: Connection,
    random: Random,
    book: Book,
}

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asking {
    Customer,
    Merchant,
}

impl Customer {
    pub(super) fn new(market: &Arc<Market>, number: usize, account: Account, seed: u64) -> Self {
        Self {
            market: Arc::clone(market),
            number,
            account,
            merchant: None,
            connection: Connection::new(&market.url),
            random: Random::seeded(seed),
            book: Book::default(),
        }
    }

    /// Buys until it is over.
    pub(super) async fn buy(mut self) -> Book {
        let mut count = 0;
        while !self.market.is_over.load(Ordering::Relaxed) {
            let key = format!("{}-{}-{count}", self.market.run, self.number);
            count += 1;
            let lines = self.choose();
            let mut attempt = self.order(&key, lines).await;
            match attempt.fate {
                Fate::Acknowledged => self.visit(&mut attempt).await,
                Fate::Refused => {}
                Fate::Unknown => sleep(PAUSE).await,
            }
            self.book.attempts.push(attempt);
        }
        self.book
    }

    /// Finds out what became of what is unknown, by repeating it.
    pub(super) async fn resolve(&mut self, attempt: &mut Attempt) {
        if attempt.fate == Fate::Unknown {
            let mut again = self.order(&attempt.key, attempt.lines.clone()).await;
            if attempt.step.as_ref().is_some_and(|step| step.fate == Fate::Acknowledged) {
                // The first answer does not tell what was done later.
                again.order = std::mem::take(&mut attempt.order);
            }
            *attempt = Attempt { sent: attempt.sent, step: attempt.step.take(), ..again };
        }
        if let Some(step) = attempt.step.take()
            && attempt.fate == Fate::Acknowledged
        {
            match step.fate {
                Fate::Unknown => self.take_step(attempt, step.action, &step.key).await,
                _ => attempt.step = Some(step),
            }
        }
    }

    /// Places the same order once more, under another key.
    pub(super) async fn order_again(&mut self, attempt: &Attempt) {
        let key = format!("{}-again", attempt.key);
        self.place(&key, &attempt.lines).await;
    }

    pub(super) fn into_book(self) -> Book {
        self.book
    }

    /// A number from 0 up to `limit`.
    fn dice(&self, limit: usize) -> usize {
        usize::from(u16::from_le_bytes(self.random.bytes())) % limit.max(1)
    }

    fn choose(&self) -> Lines {
        let products = &self.market.products;
        let one =
            |_| (products[self.dice(products.len())].clone(), 1 + i64::from(self.dice(3) == 0));
        (0..1 + self.dice(2)).map(one).collect()
    }

    /// Places an order, repeating it under the same key until its fate is known or patience is over.
    async fn order(&mut self, key: &str, lines: Lines) -> Attempt {
        let sent = Instant::now();
        let answer = self.place(key, &lines).await;
        let told = Instant::now();
        let body = answer.as_ref().map(|answer| answer.body.clone()).unwrap_or_default();
        let order = answer.as_ref().map_or(Value::Null, Answer::json);
        let fate = match answer.map(|answer| answer.status.as_u16()) {
            Some(201) => Fate::Acknowledged,
            Some(409) if order["code"] == "insufficient-stock" => Fate::Refused,
            Some(status) => {
                self.find([told; 2], format!("order {key} was answered {status}: {order}"));
                Fate::Refused
            }
            None => Fate::Unknown,
        };
        let account = self.number;
        Attempt {
            account,
            key: key.to_owned(),
            lines,
            fate,
            sent,
            told,
            answer: body,
            order,
            step: None,
        }
    }

    async fn place(&mut self, key: &str, lines: &Lines) -> Option<Answer> {
        let items = lines.iter().map(|(id, units)| json!({"productId": id, "quantity": units}));
        // It tells later whose order it is that nobody was told of.
        let body = json!({"items": items.collect::<Vec<_>>(), "metadata": {"key": key}});
        self.ask(
            Asking::Customer,
            Method::POST,
            "/api/orders",
            Some((key, body.to_string().into())),
        )
        .await
    }

    /// What a customer does after an order: looks for it, repeats it, pays for it or cancels it.
    async fn visit(&mut self, attempt: &mut Attempt) {
        self.look(attempt).await;
        if self.dice(4) == 0 {
            self.repeat(attempt).await;
        }
        if self.market.is_own && self.dice(4) == 0 {
            let action = if self.dice(2) == 0 { "pay" } else { "cancel" };
            let key = format!("{}-{action}", attempt.key);
            self.take_step(attempt, action, &key).await;
            self.look(attempt).await;
        }
    }

    /// The order must be there at once: by its id, and in the list, through whichever process answers.
    async fn look(&mut self, attempt: &Attempt) {
        if attempt.step.as_ref().is_some_and(|step| step.fate == Fate::Unknown) {
            return;
        }
        let (id, told) = (attempt.id().to_owned(), attempt.told());
        // A connection of its own may lead to another process.
        self.connection = Connection::new(&self.market.url);
        let path = format!("/api/orders/{id}");
        if let Some(found) = self.ask(Asking::Customer, Method::GET, &path, None).await
            && (found.status != 200 || found.json() != attempt.order)
        {
            self.find(
                told,
                format!(
                    "order {id}, read back at once: {} {}, but it was told as {}",
                    found.status,
                    found.json(),
                    attempt.order
                ),
            );
        }
        if self.is_listed(attempt).await == Some(false) {
            self.find(told, format!("order {id} is not in the list right after it was told"));
        }
    }

    /// Whether the list has the order: on the first page, unless the clock was set; `None` without an answer.
    async fn is_listed(&mut self, attempt: &Attempt) -> Option<bool> {
        let first = "/api/orders?limit=100".to_owned();
        let mut path = first.clone();
        loop {
            let page = self.ask(Asking::Customer, Method::GET, &path, None).await?.json();
            if page["items"].as_array().is_some_and(|items| items.contains(&attempt.order)) {
                return Some(true);
            }
            match page["nextCursor"].as_str() {
                Some(cursor) => path = format!("{first}&cursor={cursor}"),
                None => return Some(false),
            }
        }
    }

    /// A repeat gets the first answer, byte for byte.
    pub(super) async fn repeat(&mut self, attempt: &Attempt) {
        if let Some(again) = self.place(&attempt.key, &attempt.lines).await
            && (again.status != 201 || again.body != attempt.answer)
        {
            self.find(
                attempt.told(),
                format!(
                    "order {}, repeated: {} {}, but the first answer was {}",
                    attempt.id(),
                    again.status,
                    again.json(),
                    String::from_utf8_lossy(&attempt.answer)
                ),
            );
        }
    }

    async fn take_step(&mut self, attempt: &mut Attempt, action: &'static str, key: &str) {
        let asking = if action == "pay" { Asking::Merchant } else { Asking::Customer };
        let path = format!("/api/orders/{}/{action}", attempt.id());
        let answer = self.ask(asking, Method::POST, &path, Some((key, Bytes::from("{}")))).await;
        let fate = match &answer {
            Some(answer) if answer.status == 200 => {
                attempt.order = answer.json();
                Fate::Acknowledged
            }
            Some(answer) => {
                let text =
                    format!("{action} of order {} was answered {}", attempt.id(), answer.json());
                self.find(attempt.told(), text);
                Fate::Refused
            }
            None => Fate::Unknown,
        };
        attempt.step = Some(Step { action, key: key.to_owned(), fate, told: Instant::now() });
    }

    fn find(&mut self, told: [Instant; 2], text: String) {
        self.book.findings.push(Finding { told, text });
    }

    /// A definite answer, or none within patience.
    async fn ask(
        &mut self,
        asking: Asking,
        method: Method,
        path: &str,
        change: Option<(&str, Bytes)>,
    ) -> Option<Answer> {
        let deadline = Instant::now() + self.market.patience;
        if asking == Asking::Merchant && self.merchant.is_none() {
            self.sign_in(asking).await;
        }
        loop {
            let is_calm = self.market.is_calm.load(Ordering::Relaxed);
            let answer = self.ask_once(asking, &method, path, change.as_ref()).await;
            let is_definite = answer.as_ref().is_some_and(|answer| {
                let status = answer.status.as_u16();
                status < 500 && status != 401 && status != 429
            });
            self.count(is_calm, is_definite);
            if is_definite {
                return answer;
            }
            if answer.is_some_and(|answer| answer.status == 401) {
                self.sign_in(asking).await;
            }
            if Instant::now() > deadline {
                return None;
            }
            sleep(PAUSE).await;
        }
    }

    async fn ask_once(
        &mut self,
        asking: Asking,
        method: &Method,
        path: &str,
        change: Option<&(&str, Bytes)>,
    ) -> Option<Answer> {
        let who = match asking {
            Asking::Customer => Some(&self.account),
            Asking::Merchant => self.merchant.as_ref(),
        };
        let Some(who) = who else {
            self.sign_in(asking).await;
            return None;
        };
        let authorization = format!("Bearer {}", who.token);
        let mut headers = vec![("authorization", authorization.as_str())];
        headers.extend(change.map(|(key, _)| ("idempotency-key", *key)));
        let body = change.map(|(_, body)| body.clone()).unwrap_or_default();
        self.connection.send(method.clone(), path, &headers, body).await.ok()
    }

    fn count(&mut self, is_calm: bool, is_definite: bool) {
        let failed = u64::from(!is_definite);
        self.book.requests += 1;
        self.book.failures += failed;
        if is_calm {
            self.book.calm_requests += 1;
            self.book.calm_failures += failed;
        }
    }

    /// The token is not taken any more, or there was none.
    async fn sign_in(&mut self, asking: Asking) {
        match asking {
            Asking::Customer => {
                if let Ok(account) = sign_in_again(&mut self.connection, self.number).await {
                    self.account = account;
                }
            }
            Asking::Merchant => {
                self.merchant = sign_in(&mut self.connection, "admin", PASSWORD).await.ok();
            }
        }
    }
}
