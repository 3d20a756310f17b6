//! All that a run on shops of our own can tell: beside the limits, in one process and in a cluster, by the clock, in memory,
//! and as the shop grows.

use std::time::Duration;

use holdfast_testkit::Engine;
use rustix::process::Pid;
use tokio::time::Instant;

use super::{
    Bares, Basket, Figures, ORDER_CLIENTS, PRODUCT, Plan, SPREAD, Shop, Stand, Target, Unit,
    catalogue, hold_against_targets, measure, read_rate,
};
use crate::{Result, private::PrivateShop};

const IDLE: &str = "memory, idle";
const PEAK: &str = "memory, at peak";
const READY: &str = "start until ready, with all orders in the file";
/// Orders in a shop that counts as young.
const YOUNG: usize = 100_000;

/// How long a shop has nothing to do before its memory is looked at.
const REST: Duration = Duration::from_secs(3);

/// How large shops become that are filled for this.
#[derive(Clone, Copy, Debug)]
pub struct Growth {
    /// Orders that one is filled with, to see how it ages.
    pub orders: Option<usize>,
    /// Products that one is filled with, to compare it with a small one.
    pub products: Option<usize>,
}

/// Measures shops that it starts on files.
pub async fn whole(plan: &Plan, growth: Growth, tell: impl Fn(&str)) -> Result<Figures> {
    let mut figures = Figures::default();
    let mut one = Stand::start(Engine::Sqlite, &[]).await?;
    tokio::time::sleep(REST).await;
    figures.note(IDLE, Unit::Megabytes, memory(&one.shop, "VmRSS"));
    let mut shop = prepare(&one, plan).await?;
    rounds(&mut shop, plan, &mut figures).await?;
    if let Some(products) = growth.products {
        catalogue::compare(products, &mut shop, plan, &mut figures, &tell).await?;
    }
    if let Some(orders) = growth.orders {
        grow(orders, plan, &mut figures, &tell).await?;
    }
    figures.note(PEAK, Unit::Megabytes, memory(&one.shop, "VmHWM"));
    for _ in 0..plan.rounds {
        one.shop.stop().await?;
        let began = Instant::now();
        one.shop.start_again()?;
        one.shop.ready().await?;
        figures.note(READY, Unit::Milliseconds, began.elapsed().as_secs_f64() * 1000.0);
    }
    for (name, most) in [(IDLE, 30.0), (PEAK, 120.0), (READY, 150.0)] {
        figures.hold(name, None, Some(Target::AtMost(most)));
    }
    Ok(figures)
}

async fn prepare(stand: &Stand, plan: &Plan) -> Result<Shop> {
    Shop::prepare(&stand.seller().await?, &stand.shop.url, &plan.run, plan.products).await
}

/// The limits, one process and a cluster in turn.
async fn rounds(shop: &mut Shop, plan: &Plan, figures: &mut Figures) -> Result<()> {
    let several = Stand::start(Engine::Sqlite, &["cluster"]).await?;
    let mut cluster = prepare(&several, plan).await?;
    let bares = Bares::start(shop).await?;
    let (product, orders) = (format!("cluster: {PRODUCT}"), format!("cluster: {SPREAD}"));
    let all = Basket { products: plan.products, is_full: false };
    for _ in 0..plan.rounds {
        bares.measure(figures, plan).await?;
        measure(shop, figures, "", plan).await?;
        let path = super::product_path(&cluster);
        let rate = read_rate(&cluster.url, &path, plan.clients, plan.time).await?;
        figures.note(&product, Unit::PerSecond, rate);
        let rate = cluster.orders(all, plan.clients * ORDER_CLIENTS, plan.time).await?;
        figures.note(&orders, Unit::PerSecond, rate.per_second);
    }
    hold_against_targets(figures);
    figures.hold(&product, Some(PRODUCT), Some(Target::AtLeast(0.55)));
    figures.hold(&orders, Some(SPREAD), Some(Target::AtLeast(0.75)));
    Ok(())
}

/// Fills a shop, and sees what orders are like on the way and in the end.
async fn grow(
    orders: usize,
    plan: &Plan,
    figures: &mut Figures,
    tell: impl Fn(&str),
) -> Result<()> {
    let (rate, p99) = (
        |name| format!("orders, shop with {name}"),
        |name| format!("p99 of orders, shop with {name}"),
    );
    let all = Basket { products: plan.products, is_full: false };
    let buyers = plan.clients * ORDER_CLIENTS;
    let stand = Stand::start(Engine::Sqlite, &[]).await?;
    let (mut shop, mut count) = (prepare(&stand, plan).await?, 0);
    for goal in [YOUNG, orders] {
        while count < goal {
            count += shop.orders(all, buyers, 5 * plan.time).await?.count;
            tell(&format!("{count} orders\n"));
        }
        for _ in 0..plan.rounds {
            let round = shop.orders(all, buyers, 2 * plan.time).await?;
            figures.note(&rate(goal), Unit::PerSecond, round.per_second);
            figures.note(&p99(goal), Unit::Milliseconds, round.p99);
            count += round.count;
        }
    }
    figures.hold(&rate(orders), Some(&rate(YOUNG)), Some(Target::AtLeast(0.85)));
    figures.hold(&p99(orders), Some(&p99(YOUNG)), Some(Target::AtMost(2.0)));
    Ok(())
}

/// Megabytes of what `/proc` says about all processes of a shop together.
fn memory(shop: &PrivateShop, field: &str) -> f64 {
    shop.serving().into_iter().map(|pid| kilobytes(pid, field).unwrap_or(f64::NAN)).sum::<f64>()
        / 1024.0
}

fn kilobytes(pid: Pid, field: &str) -> Option<f64> {
    let path = format!("/proc/{}/status", pid.as_raw_nonzero());
    let status = std::fs::read_to_string(path).ok()?;
    let line = status.lines().find(|line| line.starts_with(field))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Reads to how many orders a shop is filled.
pub fn above_young(text: &str) -> Result<usize> {
    let orders = text.parse().ok().filter(|orders| *orders > YOUNG);
    orders.ok_or_else(|| format!("expected more than {YOUNG} orders"))
}
