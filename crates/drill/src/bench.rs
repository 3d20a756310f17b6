//! The shop beside its limits, in one run: what the machine could do if the shop did nothing.

mod catalogue;
mod figures;
mod limits;
mod raw;
mod shop;
mod stand;
mod transactions;
mod whole;

use std::time::Duration;

use holdfast_client::Connection;
use hyper::Method;

use crate::{Result, accounts::Account};

pub use catalogue::above_few;
pub use figures::{Figure, Figures, Target, Unit};
use limits::Bare;
pub use limits::serve_bare;
use shop::{Basket, Shop, read_rate};
pub use stand::Stand;
pub use whole::{Growth, above_young, whole};

/// Clients that order, for each that reads: orders wait for the disk.
const ORDER_CLIENTS: usize = 4;
/// Orders whose rows are written without a shop.
const ROWS: usize = 40_000;

const BARE_PRODUCT: &str = "limit: bare hyper, a product's bytes";
const BARE_LIST: &str = "limit: bare hyper, the bytes of a list of 20";
const BARE_ROWS: &str = "limit: rows of orders in usual tables, fsynced in batches of 256";
const PRODUCT: &str = "product";
const LIST: &str = "list of 20";
const FILTERED: &str = "filtered list of 20";
const SEARCH: &str = "search";
const SPREAD: &str = "orders, spread over all products";
const HOT: &str = "orders, one hot product";
const BASKETS: &str = "order lines, real baskets";
const LIST_UNDER_ORDERS: &str = "list of 20 while orders come in";
const ORDERS_UNDER_LISTS: &str = "orders while lists are read";
const BY_THE_CLOCK: &str = "p99 of orders by the clock, half as many";

/// What is a share of which limit, and how much of it a shop on a file should have.
const SHARES: [(&str, &str, f64); 7] = [
    (PRODUCT, BARE_PRODUCT, 0.8),
    (LIST, BARE_LIST, 0.55),
    (FILTERED, BARE_LIST, 0.55),
    (SEARCH, BARE_LIST, 0.55),
    (LIST_UNDER_ORDERS, BARE_LIST, 0.35),
    (SPREAD, BARE_ROWS, 0.55),
    (HOT, BARE_ROWS, 0.55),
];

/// How long and how wide to measure.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Names this run, in what it leaves in the shop.
    pub run: String,
    /// Clients that read at once.
    pub clients: usize,
    /// Length of each measurement in each round.
    pub time: Duration,
    /// Rounds of each measurement; they take turns, and the median counts.
    pub rounds: usize,
    /// Products that orders are spread over.
    pub products: usize,
}

/// Measures the shop at `url` beside its limits and, if there is one, beside what its database server does without a shop;
/// another shop takes turns with it, also at who is first.
pub async fn beside_limits(
    (seller, url): (&Account, &str),
    database: Option<&str>,
    other: Option<(&Account, &str)>,
    plan: &Plan,
) -> Result<Figures> {
    let mut shop = Shop::prepare(seller, url, &plan.run, plan.products).await?;
    let mut other = match other {
        Some((seller, url)) => {
            // It may be another door of the same shop.
            let run = format!("{}-beside", plan.run);
            Some(Shop::prepare(seller, url, &run, plan.products).await?)
        }
        None => None,
    };
    let bares = Bares::start(&shop).await?;
    let mut figures = Figures::default();
    for round in 0..plan.rounds {
        bares.measure(&mut figures, plan).await?;
        for (name, rate) in server_round(database, plan).await? {
            figures.note(&format!("server: {name}"), Unit::PerSecond, rate);
        }
        let both = [Some((&mut shop, "")), other.as_mut().map(|other| (other, "beside: "))];
        let mut turns: Vec<_> = both.into_iter().flatten().collect();
        // Whoever comes second finds a machine that is warm.
        if round % 2 == 1 {
            turns.reverse();
        }
        for (shop, prefix) in turns {
            measure(shop, &mut figures, prefix, plan).await?;
        }
    }
    match database {
        None => hold_against_targets(&mut figures),
        Some(_) => hold_against_server(&mut figures),
    }
    for name in [
        PRODUCT,
        LIST,
        FILTERED,
        SEARCH,
        SPREAD,
        HOT,
        BASKETS,
        LIST_UNDER_ORDERS,
        ORDERS_UNDER_LISTS,
        BY_THE_CLOCK,
    ] {
        figures.hold(&format!("beside: {name}"), Some(name), None);
    }
    Ok(figures)
}

/// What a shop must answer, said by servers that do nothing.
struct Bares {
    product: Bare,
    list: Bare,
}

impl Bares {
    async fn start(shop: &Shop) -> Result<Self> {
        let sample = async |path: &str| {
            let mut connection = Connection::new(&shop.url);
            let answer = connection.send(Method::GET, path, &[], bytes::Bytes::new()).await?;
            Ok::<_, String>(answer.expect(200)?.to_string())
        };
        let product = Bare::start(&sample(&product_path(shop)).await?).await?;
        Ok(Self { product, list: Bare::start(&sample("/api/products").await?).await? })
    }

    async fn measure(&self, figures: &mut Figures, plan: &Plan) -> Result<()> {
        for (name, bare) in [(BARE_PRODUCT, &self.product), (BARE_LIST, &self.list)] {
            let rate = read_rate(&bare.url, "/", plan.clients, plan.time).await?;
            figures.note(name, Unit::PerSecond, rate);
        }
        figures.note(BARE_ROWS, Unit::PerSecond, limits::row_rate(ROWS, plan.products)?);
        Ok(())
    }
}

fn product_path(shop: &Shop) -> String {
    format!("/api/products/{}", shop.products[0])
}

/// A round of everything that a customer does.
async fn measure(shop: &mut Shop, figures: &mut Figures, prefix: &str, plan: &Plan) -> Result<()> {
    let mut note = |name: &str, rate| {
        figures.note(&format!("{prefix}{name}"), Unit::PerSecond, rate);
    };
    let product = product_path(shop);
    for (name, path) in [
        (PRODUCT, product.as_str()),
        (LIST, "/api/products"),
        (FILTERED, "/api/products?category=Tea%200"),
        (SEARCH, "/api/products?q=green%20hills"),
    ] {
        note(name, read_rate(&shop.url, path, plan.clients, plan.time).await?);
    }
    let buyers = plan.clients * ORDER_CLIENTS;
    let all = Basket { products: shop.products.len(), is_full: false };
    let spread = shop.orders(all, buyers, plan.time).await?.per_second;
    note(SPREAD, spread);
    let hot = Basket { products: 1, is_full: false };
    note(HOT, shop.orders(hot, buyers, plan.time).await?.per_second);
    let full = Basket { is_full: true, ..all };
    note(BASKETS, shop.orders(full, buyers, plan.time).await?.lines_per_second);
    let (lists, orders) = lists_beside_orders(shop, plan).await?;
    note(LIST_UNDER_ORDERS, lists);
    note(ORDERS_UNDER_LISTS, orders);
    // Two shops at one rate, or nothing is compared.
    let rate = figures.get(SPREAD).map_or(spread, Figure::median) / 2.0;
    let p99 = shop.open_loop(rate, 2 * plan.time).await?;
    figures.note(&format!("{prefix}{BY_THE_CLOCK}"), Unit::Milliseconds, p99);
    Ok(())
}

/// Lists and orders per second, when half of the clients read and half order.
async fn lists_beside_orders(shop: &mut Shop, plan: &Plan) -> Result<(f64, f64)> {
    let (url, half) = (shop.url.clone(), plan.clients.div_ceil(2));
    let all = Basket { products: shop.products.len(), is_full: false };
    let (lists, orders) = tokio::join!(
        read_rate(&url, "/api/products", half, plan.time),
        shop.orders(all, half, plan.time),
    );
    Ok((lists?, orders?.per_second))
}

/// Those of a shop on a file.
fn hold_against_targets(figures: &mut Figures) {
    for (name, limit, least) in SHARES {
        figures.hold(name, Some(limit), Some(Target::AtLeast(least)));
    }
    figures.hold(BASKETS, None, Some(Target::AtLeast(60_000.0)));
    figures.hold(BY_THE_CLOCK, None, Some(Target::AtMost(10.0)));
}

/// What the database server does without a shop.
async fn server_round(database: Option<&str>, plan: &Plan) -> Result<Vec<(String, f64)>> {
    match database {
        Some(url) if url.starts_with("postgres") => {
            transactions::postgres_round(url, plan.time, plan.products)
        }
        Some(url) if url.starts_with("mongodb") => {
            transactions::mongo_round(url, plan.time, plan.products).await
        }
        _ => Ok(Vec::new()),
    }
}

/// The server's own figures where there are any, else the limits: the targets are those of a file.
fn hold_against_server(figures: &mut Figures) {
    for (name, limit, _) in SHARES {
        figures.hold(name, Some(limit), None);
    }
    for (name, of, target) in [
        (PRODUCT, "selects by id", None),
        (SPREAD, "one order per transaction, one statement, spread", Some(Target::AtLeast(2.5))),
        (HOT, "one order per transaction, one statement, hot", Some(Target::AtLeast(12.0))),
        (SPREAD, "one order per transaction, spread", None),
        (HOT, "one order per transaction, hot", None),
    ] {
        let of = format!("server: {of}");
        if figures.get(&of).is_some() {
            figures.hold(name, Some(&of), target);
        }
    }
}
