//! `holdfast check`: audits the promises. Nothing is oversold; no acknowledged order is lost or doubled.

use std::{
    collections::{BTreeSet, HashMap},
    process::ExitCode,
    time::Duration,
};

use holdfast_orders::OrderAudit;
use holdfast_types::{OrderId, Reservation, ReservationState, Result, Settlement};

use super::{backup::require_existing, print};
use crate::{config::Config, wiring::Shop};

/// Reservations that are settled in one transaction.
const REPAIRS: usize = 100;
/// What is found must still be there after this long: the shop may be selling while it is audited, and orders and
/// reservations are read one after the other.
const SECOND_LOOK: Duration = Duration::from_secs(2);

/// Audits a live or a resting database; exit status 1 says that a promise is broken.
/// With `repair`, stock follows the orders first.
pub(crate) async fn check(config: &Config, repair: bool) -> Result<ExitCode> {
    require_existing(config)?;
    let shop = Shop::open(config).await?;
    if repair {
        settle(&shop).await?;
    }
    judge(&shop).await
}

/// Audits twice when it must, and tells.
pub(super) async fn judge(shop: &Shop) -> Result<ExitCode> {
    let mut report = audit(shop).await?;
    if !report.findings.is_empty() {
        tokio::time::sleep(SECOND_LOOK).await;
        let again = audit(shop).await?;
        report = Report {
            findings: report.findings.intersection(&again.findings).cloned().collect(),
            ..again
        };
    }
    print(&report.to_text())?;
    Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Makes stock follow the orders, as the sweep does for what is owed: for copies of databases that were not taken at the
/// same moment. An order decides; what it says is never changed.
pub(super) async fn settle(shop: &Shop) -> Result<()> {
    let reservations: HashMap<OrderId, ReservationState> = shop
        .products
        .audit()
        .await?
        .reservations
        .into_iter()
        .map(|reservation| (reservation.id, reservation.state))
        .collect();
    let orders = shop.orders.audit().await?;
    let known: BTreeSet<OrderId> = orders.iter().map(|order| order.id).collect();
    let wanted =
        orders.iter().map(|order| (order.id, order.settlement.unwrap_or(Settlement::Release)));
    let behind = wanted.filter(|(id, settlement)| {
        reservations.get(id) == Some(&ReservationState::Held) && *settlement != Settlement::Keep
    });
    let mut settlements: Vec<(OrderId, Settlement)> = behind.collect();
    // Stock that is held for nobody: no order may come for it later, then it goes back.
    let held = reservations.iter().filter(|(_, state)| **state == ReservationState::Held);
    let orphans: Vec<OrderId> = held.map(|(id, _)| *id).filter(|id| !known.contains(id)).collect();
    settlements.extend(shop.orders.judge(&orphans).await?);
    for some in settlements.chunks(REPAIRS) {
        shop.products.settle(some).await?;
    }
    print(&format!("Settled {} reservations.\n", settlements.len()))
}

struct Report {
    findings: BTreeSet<String>,
    products: u64,
    orders: usize,
    reservations: usize,
    pending: usize,
}

impl Report {
    fn to_text(&self) -> String {
        let Self { findings, products, orders, reservations, pending } = self;
        let mut text = format!(
            "Looked at {products} products, {orders} orders, {reservations} reservations; {pending} pending.\n"
        );
        match findings.is_empty() {
            true => text.push_str("Clean: nothing is oversold, no order is lost or doubled.\n"),
            false => {
                findings.iter().for_each(|finding| text.push_str(&format!("BROKEN: {finding}\n")));
                text.push_str(&format!("{} promises are broken.\n", findings.len()));
            }
        }
        text
    }
}

async fn audit(shop: &Shop) -> Result<Report> {
    let orders = shop.orders.audit().await?;
    let stock = shop.products.audit().await?;
    let mut findings: BTreeSet<String> = stock.findings.into_iter().collect();
    let mut reservations: HashMap<OrderId, &Reservation> =
        stock.reservations.iter().map(|found| (found.id, found)).collect();
    let mut pending = 0;
    for order in &orders {
        match compare(order, reservations.remove(&order.id)) {
            Verdict::Kept => {}
            Verdict::Pending => pending += 1,
            Verdict::Broken(finding) => {
                findings.insert(finding);
            }
        }
    }
    for reservation in reservations.into_values() {
        match judge_alone(reservation) {
            Some(finding) => {
                findings.insert(finding);
            }
            None => pending += 1,
        }
    }
    let real = orders.iter().filter(|order| order.settlement.is_some()).count();
    Ok(Report {
        findings,
        products: stock.products,
        orders: real,
        reservations: stock.reservations.len(),
        pending,
    })
}

enum Verdict {
    Kept,
    /// On its way: owed, or not swept yet.
    Pending,
    Broken(String),
}

fn compare(order: &OrderAudit, reservation: Option<&Reservation>) -> Verdict {
    let id = order.id;
    let Some(settlement) = order.settlement else {
        return match reservation {
            Some(found) if found.state == ReservationState::Held && found.confirmed => {
                Verdict::Broken(format!(
                    "order {id} was undone, but its reservation is held and confirmed"
                ))
            }
            Some(found) if found.state == ReservationState::Held => Verdict::Pending,
            _ => Verdict::Kept,
        };
    };
    let Some(reservation) = reservation else {
        return Verdict::Broken(format!(
            "order {id} has no reservation: its stock was never taken"
        ));
    };
    if reservation.lines != order.lines {
        return Verdict::Broken(format!("order {id} and its reservation have different lines"));
    }
    let expected = match settlement {
        Settlement::Keep => ReservationState::Held,
        Settlement::Release => ReservationState::Released,
        Settlement::Ship => ReservationState::Shipped,
    };
    match (reservation.state == expected, order.is_owing) {
        (true, _) => Verdict::Kept,
        (false, true) => Verdict::Pending,
        (false, false) => Verdict::Broken(format!(
            "order {id} wants its reservation {expected:?}, but it is {:?}",
            reservation.state
        )),
    }
}

/// A reservation without any order row.
fn judge_alone(reservation: &Reservation) -> Option<String> {
    let Reservation { id, state, confirmed, .. } = reservation;
    match (state, confirmed) {
        (ReservationState::Held, false) => None,
        _ => Some(format!(
            "order {id} is lost: its reservation is {state:?} and confirmed, but there is no order"
        )),
    }
}
