//! The shop beside its limits, in one run: what the machine could do if the shop did nothing.

mod limits;
mod raw;

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
}

/// Measures, and writes the table to `tell`.
pub async fn bench(seller: &Account, plan: &Plan, mut tell: impl FnMut(&str)) -> Result<()> {
    let accounts = sign_in_pool(&plan.behaviour.url, 64).await?;
    let mut products = Vec::with_capacity(PRODUCTS);
    for _ in 0..PRODUCTS {
        products.push(create_product(seller, 500_000_000, &plan.behaviour).await?);
    }
    let path = format!("/api/products/{}", products[0]);
    let (mut bare, mut reads) = (Vec::new(), Vec::new());
    let (mut rows, mut spread, mut hot) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        bare.push(read_rate(&plan.bare_url, "/", plan).await?);
        reads.push(read_rate(&plan.behaviour.url, &path, plan).await?);
        rows.push(limits::row_rate(plan.orders)?);
        spread.push(order_rate(&products, &accounts, plan, &format!("spread-{round}")).await?);
        hot.push(order_rate(&products[..1], &accounts, plan, &format!("hot-{round}")).await?);
    }
    let line = |name: &str, rates: &[f64], limit: &[f64]| {
        let (low, high) = (smallest(rates), largest(rates));
        let share = median(rates) / median(limit);
        format!(
            "{name:<44} {:>9.0}/s  ({low:.0} to {high:.0})  {share:.2} of its limit\n",
            median(rates)
        )
    };
    tell(&line("limit: bare hyper, the same bytes", &bare, &bare));
    tell(&line("product reads", &reads, &bare));
    tell(&line("limit: the same rows, fsynced batches of 256", &rows, &rows));
    tell(&line("orders, spread over 64 products", &spread, &rows));
    tell(&line("orders, one hot product", &hot, &rows));
    Ok(())
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

/// One-line orders per second, each with a token and a key of its own.
async fn order_rate(
    products: &[String],
    accounts: &[Account],
    plan: &Plan,
    round: &str,
) -> Result<f64> {
    let clients = plan.behaviour.clients * ORDER_CLIENTS;
    let started = Instant::now();
    let clients: Vec<_> = (0..clients)
        .map(|client| {
            let account = &accounts[client % accounts.len()];
            let name = format!("{}-{round}-{client}", plan.behaviour.run);
            let share = plan.orders / clients;
            tokio::spawn(place_many(
                plan.behaviour.url.clone(),
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
