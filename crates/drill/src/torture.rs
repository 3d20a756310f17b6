//! Torture: faults strike again and again while customers buy, and in the end the shop is held against what it told them.
//!
//! Each nemesis gets a shop of its own. Its customers write a ledger with three fates: acknowledged, refused, unknown. What
//! is unknown is repeated in the end, under the same key, or left to the shop's sweep. The judgement: every acknowledged
//! order is there once, as it was told; a repeat gets the first answer byte for byte; journals have no gap, and stand in the
//! order in which customers saw things happen; the shop's own audit agrees. Two controls, an order deleted behind the
//! shop's back and one placed twice, must make the same judgement fail.

mod book;
mod clock;
mod customers;
mod databases;
mod disk;
mod judge;
mod nemesis;
mod network;
mod report;
mod rig;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use holdfast_testkit::Engine;
use holdfast_types::Random;
use tokio::{task::JoinSet, time::sleep};

use self::{
    book::{Attempt, Book, Fate},
    customers::{Customer, Market},
    judge::Seen,
    nemesis::{Rig, Strike},
};
use crate::{Result, accounts::sign_in_pool, catalogue, verdict::Verdict};

pub use self::{
    nemesis::{Nemesis, Topology},
    report::{Machine, Report, Trial},
    rig::stock_up,
};

/// Products on sale.
const PRODUCTS: usize = 5;
/// Units of each.
const UNITS: usize = 100_000_000;
/// Before the first fault.
const CALM: Duration = Duration::from_secs(1);
/// Orders that are repeated in the end.
const REPEATS: usize = 500;

/// What to do to a shop.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program.
    pub program: PathBuf,
    /// What strikes, one after the other.
    pub nemeses: Vec<Nemesis>,
    /// The engine; each nemesis has one of its own.
    pub engine: Option<Engine>,
    /// The topology; the same.
    pub topology: Option<Topology>,
    /// Makes the same choices again.
    pub seed: u64,
    /// Faults of each nemesis.
    pub count: usize,
    /// Between two faults, about.
    pub interval: Duration,
    /// How long a fault lasts that lasts.
    pub hold: Duration,
    /// Customers at once.
    pub clients: usize,
    /// Whether unknown orders are left to the sweep.
    pub abandon: bool,
    /// Whether the controls run.
    pub controls: bool,
}

/// Tortures one shop after the other. `tell` hears what there is to tell meanwhile.
pub async fn torture(plan: &Plan, tell: impl Fn(&str)) -> Result<Report> {
    let mut report = Report::new(plan.seed, Machine::look());
    for nemesis in &plan.nemeses {
        let (engine, topology) = nemesis.place();
        let place = (plan.engine.unwrap_or(engine), plan.topology.unwrap_or(topology));
        match nemesis.obstacle(place.0, place.1) {
            Some(why) => {
                tell(&format!("!!! SKIPPED: {}: {why} !!!\n", nemesis.name()));
                report.skipped.push(format!("{}: {why}", nemesis.name()));
            }
            None => {
                let trial = Box::pin(try_one(plan, *nemesis, place)).await;
                match trial {
                    Ok(trial) => {
                        tell(&trial.to_text());
                        report.trials.push(trial);
                    }
                    Err(error) => {
                        tell(&format!("!!! FAILED: {}: {error} !!!\n", nemesis.name()));
                        report.failed.push(format!("{}: {error}", nemesis.name()));
                    }
                }
            }
        }
    }
    Ok(report)
}

async fn try_one(plan: &Plan, nemesis: Nemesis, place: (Engine, Topology)) -> Result<Trial> {
    let random = Random::seeded(plan.seed ^ u64::from(nemesis as u8) << 32);
    let mut rig = rig::build(&plan.program, nemesis, place).await?;
    let products = rig::stock_up(&rig.shop.url, PRODUCTS, UNITS).await?;
    let market = market(plan, &rig.shop.url, products, true);
    let crowd = send_customers(plan, &market, &random).await?;
    sleep(CALM).await;
    market.is_calm.store(false, Ordering::Relaxed);
    let strikes = strike_all(plan, nemesis, &mut rig, &random).await;
    market.is_over.store(true, Ordering::Relaxed);
    let mut book = come_home(crowd).await?;
    let strikes = strikes?;
    let mut trial = Trial::new(nemesis, place, &strikes, &book);
    strikes.iter().filter_map(|strike| strike.window).for_each(|window| book.forget(window));
    trial.unknown = book.count(Fate::Unknown);
    let verdict = settle(plan, &market, &mut book, &random).await?;
    trial.judge(judge_own(&rig, &market, &book, verdict).await?, &book);
    if plan.controls {
        control(plan, &rig, &market, &book, &mut trial).await?;
    }
    Ok(trial)
}

fn market(plan: &Plan, url: &str, products: Vec<String>, is_own: bool) -> Arc<Market> {
    Arc::new(Market {
        url: url.to_owned(),
        products,
        run: uuid::Uuid::new_v4().simple().to_string(),
        is_own,
        patience: if plan.abandon { Duration::ZERO } else { customers::PATIENCE },
        is_calm: AtomicBool::new(true),
        is_over: AtomicBool::new(false),
    })
}

async fn send_customers(
    plan: &Plan,
    market: &Arc<Market>,
    random: &Random,
) -> Result<JoinSet<Book>> {
    let mut crowd = JoinSet::new();
    let accounts = sign_in_pool(&market.url, plan.clients).await?;
    for (number, account) in accounts.into_iter().enumerate() {
        let seed = u64::from_le_bytes(random.bytes());
        crowd.spawn(Customer::new(market, number, account, seed).buy());
    }
    Ok(crowd)
}

async fn come_home(crowd: JoinSet<Book>) -> Result<Book> {
    let mut book = Book::default();
    crowd.join_all().await.into_iter().for_each(|other| book.merge(other));
    book.attempts.sort_unstable_by_key(|attempt| attempt.sent);
    Ok(book)
}

/// Uneven pauses, so that the faults meet different moments.
async fn strike_all(
    plan: &Plan,
    nemesis: Nemesis,
    rig: &mut Rig,
    random: &Random,
) -> Result<Vec<Strike>> {
    let mut strikes = Vec::new();
    for _ in 0..plan.count {
        let [pause, roll] = [(); 2].map(|()| u16::from_le_bytes(random.bytes()));
        sleep(plan.interval.mul_f64(0.5 + f64::from(pause) / f64::from(u16::MAX))).await;
        strikes.push(nemesis.strike(rig, plan.hold, usize::from(roll)).await?);
    }
    sleep(plan.interval).await;
    Ok(strikes)
}

/// Repeats what is unknown, unless it is to be left alone, and some of what is known. Returns what customers have found.
async fn settle(
    plan: &Plan,
    market: &Arc<Market>,
    book: &mut Book,
    random: &Random,
) -> Result<Verdict> {
    let accounts = sign_in_pool(&market.url, plan.clients).await?;
    let seed = u64::from_le_bytes(random.bytes());
    let mut customers: Vec<Customer> = accounts
        .into_iter()
        .enumerate()
        .map(|(number, account)| Customer::new(market, number, account, seed))
        .collect();
    if !plan.abandon {
        for attempt in &mut book.attempts {
            customers[attempt.account].resolve(attempt).await;
        }
    }
    let known = |attempt: &&Attempt| attempt.fate == Fate::Acknowledged;
    let every = (book.attempts.len() / REPEATS).max(1);
    for attempt in book.attempts.iter().filter(known).step_by(every) {
        customers[attempt.account].repeat(attempt).await;
    }
    customers.into_iter().for_each(|customer| book.findings.extend(customer.into_book().findings));
    let wrong = book.findings.iter().map(|finding| finding.text.clone()).collect();
    Ok(Verdict { wrong, ..Verdict::default() })
}

async fn judge_own(
    rig: &Rig,
    market: &Market,
    book: &Book,
    mut verdict: Verdict,
) -> Result<Verdict> {
    let seen = Seen::look(&market.url, accounts_of(book)).await?;
    judge::judge_orders(book, &seen, &mut verdict);
    judge::judge_stock(&market.url, &market.products, book, &seen, &mut verdict).await?;
    let (is_clean, said) = rig.shop.run(&["check"])?;
    if !is_clean {
        verdict.wrong.push(format!("`holdfast check`: {said}"));
    }
    Ok(verdict)
}

fn accounts_of(book: &Book) -> usize {
    book.attempts.iter().map(|attempt| attempt.account + 1).max().unwrap_or(0)
}

/// The same judgement, of a shop that does lose an order, and of one that does double one.
async fn control(
    plan: &Plan,
    rig: &Rig,
    market: &Arc<Market>,
    book: &Book,
    trial: &mut Trial,
) -> Result<()> {
    let known = book.attempts.iter().rfind(|attempt| attempt.fate == Fate::Acknowledged);
    let known = known.ok_or("no order was acknowledged")?;
    let account = sign_in_pool(&market.url, plan.clients).await?.swap_remove(known.account);
    let mut careless = Customer::new(market, known.account, account, plan.seed);
    careless.order_again(known).await;
    databases::delete_order(rig, known.id()).await?;
    let seen = Seen::look(&market.url, accounts_of(book)).await?;
    let mut verdict = Verdict::default();
    judge::judge_orders(book, &seen, &mut verdict);
    trial.controls = Some((verdict.lost.len(), verdict.doubled.len()));
    Ok(())
}

/// Buys from somebody else's shop and reads, and judges what can be seen from outside. No fault strikes but those that
/// somebody else makes.
pub async fn watch(plan: &Plan, url: &str) -> Result<Trial> {
    let stock = catalogue::read(url).await?;
    let on_sale = stock.into_iter().filter(|(_, stock)| stock.quantity > stock.reserved);
    let products: Vec<String> = on_sale.map(|(id, _)| id).take(PRODUCTS).collect();
    if products.is_empty() {
        return Err("the shop has nothing to sell".to_owned());
    }
    let random = Random::seeded(plan.seed);
    let market = market(plan, url, products, false);
    sign_in_pool(url, plan.clients).await?;
    let before = Seen::look(url, plan.clients).await?;
    let crowd = send_customers(plan, &market, &random).await?;
    sleep(CALM + plan.interval.mul_f64(f64::from(u32::try_from(plan.count).unwrap_or(u32::MAX))))
        .await;
    market.is_over.store(true, Ordering::Relaxed);
    let mut book = come_home(crowd).await?;
    let mut trial = Trial::of_watching(&book);
    trial.unknown = book.count(Fate::Unknown);
    let mut verdict = settle(plan, &market, &mut book, &random).await?;
    let seen = Seen::look(url, accounts_of(&book)).await?;
    judge::judge_orders(&book, &seen.without(&before), &mut verdict);
    trial.judge(verdict, &book);
    Ok(trial)
}
