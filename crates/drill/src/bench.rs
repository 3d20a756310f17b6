//! The shop beside its limits, in one run: what the machine could do if the shop did nothing.

mod limits;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use hyper::Method;

use crate::{
    Result,
    accounts::{Account, sign_in_pool},
    connection::Connection,
    ledger::Lines,
    load::{Behaviour, Purchase, place_all},
    sale::create_product,
};

pub use limits::serve_bare;

/// Products that spread orders go to.
const PRODUCTS: usize = 64;
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

async fn read_rate(url: &str, path: &str, plan: &Plan) -> Result<f64> {
    let done = Arc::new(AtomicBool::new(false));
    let count = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..plan.behaviour.clients)
        .map(|_| {
            let (done, count, mut connection, path) =
                (Arc::clone(&done), Arc::clone(&count), Connection::new(url), path.to_owned());
            tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    connection.send(Method::GET, &path, &[], Bytes::new()).await?.expect(200)?;
                    count.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<_, String>(())
            })
        })
        .collect();
    tokio::time::sleep(plan.read_time).await;
    done.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.map_err(|error| error.to_string())??;
    }
    let count = u32::try_from(count.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
    Ok(f64::from(count) / plan.read_time.as_secs_f64())
}

async fn order_rate(
    products: &[String],
    accounts: &[Account],
    plan: &Plan,
    round: &str,
) -> Result<f64> {
    let purchase = |number: usize| Purchase {
        name: format!("{round}-{number}"),
        account: number,
        lines: Lines::from([(products[number % products.len()].clone(), 1)]),
    };
    let behaviour =
        Behaviour { is_quiet: true, clients: plan.behaviour.clients * 4, ..plan.behaviour.clone() };
    let outcome = place_all((0..plan.orders).map(purchase).collect(), accounts, &behaviour).await;
    match outcome.ledger.unexpected.first() {
        Some(answer) => Err(format!("an order failed: {answer}")),
        None => Ok(f64::from(u32::try_from(plan.orders).unwrap_or(u32::MAX))
            / outcome.elapsed.as_secs_f64()),
    }
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
