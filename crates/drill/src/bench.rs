//! The shop beside its limits, in one run: what the machine could do if the shop did nothing.

mod limits;
mod raw;
mod stand;
mod transactions;

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    Result,
    accounts::{Account, sign_in_pool},
    load::Behaviour,
    sale::create_product,
};

pub use limits::serve_bare;
use raw::{RawConnection, authority};
pub use stand::Stand;

/// Products that spread orders go to.
const PRODUCTS: usize = 64;
/// Clients that order, for each that reads: orders wait for the disk.
const ORDER_CLIENTS: usize = 4;
/// Rounds of each measurement; they take turns, and the median counts.
const ROUNDS: usize = 3;

/// How long and how wide to measure.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How clients behave.
    pub behaviour: Behaviour,
    /// Length of one round of reads.
    pub read_time: Duration,
    /// Orders in one round.
    pub orders: usize,
    /// The address of a bare server that answers the same bytes; see [`serve_bare`].
    pub bare_url: String,
    /// The database server of the shop, if it has one.
    pub database: Option<String>,
}

/// A shop that is measured.
struct Measured {
    url: String,
    accounts: Vec<Account>,
    products: Vec<String>,
    reads: Vec<f64>,
    spread: Vec<f64>,
    hot: Vec<f64>,
}

impl Measured {
    async fn prepare(seller: &Account, url: &str, plan: &Plan) -> Result<Self> {
        let behaviour = Behaviour { url: url.to_owned(), ..plan.behaviour.clone() };
        let mut products = Vec::with_capacity(PRODUCTS);
        for _ in 0..PRODUCTS {
            products.push(create_product(seller, 500_000_000, &behaviour).await?);
        }
        Ok(Self {
            url: url.to_owned(),
            accounts: sign_in_pool(url, 64).await?,
            products,
            reads: Vec::new(),
            spread: Vec::new(),
            hot: Vec::new(),
        })
    }

    async fn measure(&mut self, plan: &Plan, round: usize) -> Result<()> {
        let path = format!("/api/products/{}", self.products[0]);
        self.reads.push(read_rate(&self.url, &path, plan).await?);
        let spread = self.order_rate(&self.products, plan, &format!("spread-{round}")).await?;
        self.spread.push(spread);
        let hot = self.order_rate(&self.products[..1], plan, &format!("hot-{round}")).await?;
        self.hot.push(hot);
        Ok(())
    }
}

/// Measures the shop of `seller`, and writes the table to `tell`; with `beside`, another shop in the same rounds, with a
/// seller there.
pub async fn bench(
    seller: &Account,
    beside: Option<(&Account, &str)>,
    plan: &Plan,
    mut tell: impl FnMut(&str),
) -> Result<()> {
    let mut shop = Measured::prepare(seller, &plan.behaviour.url, plan).await?;
    let mut other = match beside {
        Some((seller, url)) => Some(Measured::prepare(seller, url, plan).await?),
        None => None,
    };
    let (mut bare, mut rows) = (Vec::new(), Vec::new());
    let mut server: Vec<(String, Vec<f64>)> = Vec::new();
    for round in 0..ROUNDS {
        bare.push(read_rate(&plan.bare_url, "/", plan).await?);
        rows.push(limits::row_rate(plan.orders)?);
        for (place, (name, rate)) in server_round(plan).await?.into_iter().enumerate() {
            if round == 0 {
                server.push((name, Vec::new()));
            }
            server[place].1.push(rate);
        }
        shop.measure(plan, round).await?;
        if let Some(other) = &mut other {
            other.measure(plan, round).await?;
        }
    }
    let line = |name: &str, rates: &[f64], limit: &[f64], of: &str| {
        let (low, high) = (smallest(rates), largest(rates));
        let share = median(rates) / median(limit);
        format!(
            "{name:<58} {:>9.0}/s  ({low:.0} to {high:.0})  {share:.2} of {of}\n",
            median(rates)
        )
    };
    tell(&line("limit: bare hyper, the same bytes", &bare, &bare, "its limit"));
    tell(&line("product reads", &shop.reads, &bare, "its limit"));
    tell(&line("limit: the same rows, fsynced batches of 256", &rows, &rows, "its limit"));
    tell(&line("orders, spread over 64 products", &shop.spread, &rows, "its limit"));
    tell(&line("orders, one hot product", &shop.hot, &rows, "its limit"));
    for (name, rates) in &server {
        tell(&line(&format!("server: {name}"), rates, rates, "itself"));
        let (what, own) = match name {
            name if name.contains("select") => ("product reads", &shop.reads),
            name if name.contains("hot") => ("orders, one hot product", &shop.hot),
            _ => ("orders, spread over 64 products", &shop.spread),
        };
        tell(&line(&format!("  {what}"), own, rates, "the server's"));
    }
    if let Some(other) = other {
        let of = "the other";
        tell(&line("beside: product reads", &other.reads, &shop.reads, of));
        tell(&line("beside: orders, spread over 64 products", &other.spread, &shop.spread, of));
        tell(&line("beside: orders, one hot product", &other.hot, &shop.hot, of));
    }
    Ok(())
}

/// What the database server does without a shop.
async fn server_round(plan: &Plan) -> Result<Vec<(String, f64)>> {
    match &plan.database {
        Some(url) if url.starts_with("postgres") => {
            transactions::postgres_round(url, plan.read_time)
        }
        Some(url) if url.starts_with("mongodb") => {
            transactions::mongo_round(url, plan.read_time).await
        }
        _ => Ok(Vec::new()),
    }
}

/// Reads per second of `path`.
async fn read_rate(url: &str, path: &str, plan: &Plan) -> Result<f64> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", authority(url));
    let until = Instant::now() + plan.read_time;
    let clients: Vec<_> = (0..plan.behaviour.clients)
        .map(|_| tokio::spawn(read_until(url.to_owned(), request.clone(), until)))
        .collect();
    let mut count = 0;
    for client in clients {
        count += client.await.map_err(|error| error.to_string())??;
    }
    Ok(f64::from(count) / plan.read_time.as_secs_f64())
}

async fn read_until(url: String, request: String, until: Instant) -> Result<u32> {
    let mut connection = RawConnection::open(&url).await?;
    let mut count = 0;
    while Instant::now() < until {
        connection.exchange(request.as_bytes(), "200").await?;
        count += 1;
    }
    Ok(count)
}

impl Measured {
    /// One-line orders per second, each with a token and a key of its own.
    async fn order_rate(&self, products: &[String], plan: &Plan, round: &str) -> Result<f64> {
        let clients = plan.behaviour.clients * ORDER_CLIENTS;
        let started = Instant::now();
        let clients: Vec<_> = (0..clients)
            .map(|client| {
                let account = &self.accounts[client % self.accounts.len()];
                let name = format!("{}-{round}-{client}", plan.behaviour.run);
                let share = plan.orders / clients;
                tokio::spawn(place_many(
                    self.url.clone(),
                    account.token.clone(),
                    products.to_vec(),
                    (name, share),
                ))
            })
            .collect();
        let mut count = 0;
        for client in clients {
            count += client.await.map_err(|error| error.to_string())??;
        }
        Ok(f64::from(count) / started.elapsed().as_secs_f64())
    }
}

async fn place_many(
    url: String,
    token: String,
    products: Vec<String>,
    (name, share): (String, usize),
) -> Result<u32> {
    let mut connection = RawConnection::open(&url).await?;
    let mut count = 0;
    for number in 0..share {
        let body = format!(
            "{{\"items\":[{{\"productId\":\"{}\",\"quantity\":1}}]}}",
            products[number % products.len()]
        );
        let request = format!(
            "POST /api/orders HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\nidempotency-key: {name}-{number}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            authority(&url),
            body.len(),
        );
        connection.exchange(request.as_bytes(), "201").await?;
        count += 1;
    }
    Ok(count)
}

fn sorted(rates: &[f64]) -> Vec<f64> {
    let mut sorted = rates.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn median(rates: &[f64]) -> f64 {
    sorted(rates)[rates.len() / 2]
}

fn smallest(rates: &[f64]) -> f64 {
    sorted(rates)[0]
}

fn largest(rates: &[f64]) -> f64 {
    sorted(rates)[rates.len() - 1]
}
