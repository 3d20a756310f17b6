//! The load: readers that ask one thing over and over, buyers with a key of their own for each order, and buyers who come by
//! the clock.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::raw::{RawConnection, authority};
use holdfast_client::Connection;

use crate::{
    Result,
    accounts::{Account, sign_in_pool},
};

/// Products made by one request.
const BATCH: usize = 500;
/// Products of a category, at least: a page.
const CATEGORY: usize = 20;
/// Accounts that buyers share.
const ACCOUNTS: usize = 64;
/// Tokens live for a quarter of an hour.
const SESSION: Duration = Duration::from_secs(300);
/// Buyers that come by the clock, at once at most.
const ARRIVALS: usize = 256;
/// What makes numbers look drawn by lot (SplitMix64).
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A shop that is measured, with products and buyers.
#[derive(Debug)]
pub(super) struct Shop {
    pub(super) url: String,
    pub(super) products: Arc<[String]>,
    accounts: Vec<Account>,
    signed_in: Instant,
    /// Names the keys of this run, with the number of the round.
    run: String,
    round: usize,
}

/// What buyers put into their orders.
#[derive(Clone, Copy, Debug)]
pub(super) struct Basket {
    /// The products that are bought: so many of the first.
    pub(super) products: usize,
    /// Nine lines and four tenths in the mean, as real baskets of groceries have, or one.
    pub(super) is_full: bool,
}

/// What a round of orders was like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Orders {
    pub(super) count: usize,
    pub(super) per_second: f64,
    pub(super) lines_per_second: f64,
    /// Milliseconds that all but one in a hundred took at most.
    pub(super) p99: f64,
}

impl Shop {
    /// Fills a shop with `count` products.
    pub(super) async fn prepare(
        seller: &Account,
        url: &str,
        run: &str,
        count: usize,
    ) -> Result<Self> {
        let mut products = Vec::with_capacity(count);
        for first in (0..count).step_by(BATCH) {
            let items: Vec<Value> = (first..count.min(first + BATCH))
                .map(|number| product(run, number, count))
                .collect();
            products.extend(create(seller, url, &items).await?);
        }
        let accounts = sign_in_pool(url, ACCOUNTS).await?;
        Ok(Self {
            url: url.to_owned(),
            products: products.into(),
            accounts,
            run: run.to_owned(),
            round: 0,
            signed_in: Instant::now(),
        })
    }

    /// A round begins: it has keys of its own, and tokens that last.
    async fn begin(&mut self) -> Result<()> {
        self.round += 1;
        if self.signed_in.elapsed() > SESSION {
            self.accounts = sign_in_pool(&self.url, ACCOUNTS).await?;
            self.signed_in = Instant::now();
        }
        Ok(())
    }

    /// Orders by so many clients for so long, each when the client's last is answered.
    pub(super) async fn orders(
        &mut self,
        basket: Basket,
        clients: usize,
        time: Duration,
    ) -> Result<Orders> {
        self.begin().await?;
        let started = Instant::now();
        let running: Vec<_> = (0..clients)
            .map(|client| tokio::spawn(self.buyer(client, basket).buy(started + time)))
            .collect();
        let (mut took, mut lines) = (Vec::new(), 0);
        for client in running {
            let (its, its_lines) = client.await.map_err(|error| error.to_string())??;
            took.extend(its);
            lines += its_lines;
        }
        let seconds = started.elapsed().as_secs_f64();
        Ok(Orders {
            count: took.len(),
            per_second: number(took.len()) / seconds,
            lines_per_second: number(lines) / seconds,
            p99: p99(took),
        })
    }

    /// Milliseconds that all but one in a hundred orders took at most when `rate` of them come in a second whatever became
    /// of those before: each counts from when it should have been sent (coordinated omission).
    pub(super) async fn open_loop(&mut self, rate: f64, time: Duration) -> Result<f64> {
        self.begin().await?;
        let basket = Basket { products: self.products.len(), is_full: false };
        let (began, pause) = (Instant::now(), Duration::from_secs_f64(number(ARRIVALS) / rate));
        let running: Vec<_> = (0..ARRIVALS)
            .map(|client| {
                let first = began + pause.mul_f64(number(client) / number(ARRIVALS));
                tokio::spawn(self.buyer(client, basket).arrive(first, pause, began + time))
            })
            .collect();
        let mut took = Vec::new();
        for client in running {
            took.extend(client.await.map_err(|error| error.to_string())??);
        }
        Ok(p99(took))
    }

    fn buyer(&self, client: usize, basket: Basket) -> Buyer {
        Buyer {
            url: self.url.clone(),
            token: self.accounts[client % self.accounts.len()].token.clone(),
            products: Arc::clone(&self.products),
            choice: basket.products.min(self.products.len()),
            is_full: basket.is_full,
            name: format!("{}-{}-{client}", self.run, self.round),
            seed: (self.round as u64) << 48 | (client as u64) << 32,
        }
    }
}

/// A tea, so that lists, filters and searches have something to find.
fn product(run: &str, number: usize, count: usize) -> Value {
    json!({
        "sku": format!("{run}-{number}"),
        "name": format!("Green tea number {number}"),
        "description": "A fine tea from the hills, picked by hand.",
        "category": format!("Tea {}", number % (count / CATEGORY).max(1)),
        "price": {"amount": 100 + number, "currency": "USD"},
        "quantity": 900_000_000,
    })
}

async fn create(seller: &Account, url: &str, items: &[Value]) -> Result<Vec<String>> {
    let authorization = format!("Bearer {}", seller.token);
    let body = json!({"mode": "atomic", "items": items}).to_string();
    let headers = [("authorization", authorization.as_str())];
    let mut connection = Connection::new(url);
    let answer =
        connection.send(Method::POST, "/api/products/batch", &headers, Bytes::from(body)).await?;
    let answer = answer.expect(200)?;
    let id = |item: &Value| item["product"]["id"].as_str().map(str::to_owned);
    let ids: Option<Vec<String>> =
        answer["results"].as_array().into_iter().flatten().map(id).collect();
    ids.filter(|ids| ids.len() == items.len()).ok_or_else(|| answer.to_string())
}

/// Reads per second of `path` at a server.
pub(super) async fn read_rate(
    url: &str,
    path: &str,
    clients: usize,
    time: Duration,
) -> Result<f64> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", authority(url));
    let until = Instant::now() + time;
    let clients: Vec<_> = (0..clients)
        .map(|_| tokio::spawn(read_until(url.to_owned(), request.clone(), until)))
        .collect();
    let mut count = 0;
    for client in clients {
        count += client.await.map_err(|error| error.to_string())??;
    }
    Ok(number(count) / time.as_secs_f64())
}

async fn read_until(url: String, request: String, until: Instant) -> Result<usize> {
    let mut connection = RawConnection::open(&url).await?;
    let mut count = 0;
    while Instant::now() < until {
        connection.exchange(request.as_bytes(), "200").await?;
        count += 1;
    }
    Ok(count)
}

/// One who buys, with a connection.
struct Buyer {
    url: String,
    token: String,
    products: Arc<[String]>,
    /// So many of the first are bought.
    choice: usize,
    is_full: bool,
    name: String,
    /// Draws what is bought.
    seed: u64,
}

impl Buyer {
    /// Orders until the end, each when the last is answered: how long each took, and how many lines they had.
    async fn buy(self, end: Instant) -> Result<(Vec<Duration>, usize)> {
        let mut connection = RawConnection::open(&self.url).await?;
        let (mut took, mut lines) = (Vec::new(), 0);
        while Instant::now() < end {
            let (request, its) = self.request(took.len());
            let sent = Instant::now();
            connection.exchange(request.as_bytes(), "201").await?;
            took.push(sent.elapsed());
            lines += its;
        }
        Ok((took, lines))
    }

    /// An order every `pause`, from `first` to the end; one that cannot be sent in time counts from when it was due.
    async fn arrive(self, first: Instant, pause: Duration, end: Instant) -> Result<Vec<Duration>> {
        let mut connection = RawConnection::open(&self.url).await?;
        let (mut took, mut due) = (Vec::new(), first);
        while due < end {
            sleep_until(due).await;
            connection.exchange(self.request(took.len()).0.as_bytes(), "201").await?;
            took.push(due.elapsed());
            due += pause;
        }
        Ok(took)
    }

    /// The bytes of an order, and how many lines it has.
    fn request(&self, number: usize) -> (String, usize) {
        let draw = |lot: u64| {
            let mixed = (self.seed | (number as u64) << 8 | lot).wrapping_mul(GOLDEN);
            let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(GOLDEN) >> 33;
            usize::try_from(mixed).unwrap_or(0)
        };
        let lines = if self.is_full { 9 + usize::from(draw(255) % 5 < 2) } else { 1 };
        let lines = lines.min(self.choice);
        let first = draw(0);
        let item = |line: usize| {
            // Steps that do not come back to a product.
            let place = first + line * (self.choice / lines).max(1);
            let product = &self.products[place % self.choice];
            format!("{{\"productId\":\"{product}\",\"quantity\":1}}")
        };
        let items: Vec<String> = (0..lines).map(item).collect();
        let body = format!("{{\"items\":[{}]}}", items.join(","));
        let request = format!(
            "POST /api/orders HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\nidempotency-key: {}-{number}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            authority(&self.url),
            self.token,
            self.name,
            body.len(),
        );
        (request, items.len())
    }
}

/// Milliseconds that all but one in a hundred took at most.
fn p99(mut took: Vec<Duration>) -> f64 {
    took.sort_unstable();
    let place = (took.len() * 99).div_ceil(100).saturating_sub(1);
    took.get(place).map_or(f64::NAN, |took| took.as_secs_f64() * 1000.0)
}

pub(super) fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
