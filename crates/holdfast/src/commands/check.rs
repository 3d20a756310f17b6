//! `holdfast check`: audits the promises. Nothing is oversold; no acknowledged order is lost or doubled.

use std::{collections::BTreeSet, process::ExitCode, time::Duration};

use holdfast_orders as orders;
use holdfast_products as products;
use holdfast_storage::{
    Database, Entry,
    record::{IdempotencyRecord, RecordType},
};
use holdfast_types::{Kept, OrderId, Reservation, ReservationState, Result, StockAction};

use super::{
    backup::require_existing,
    pairs::{Pair, Pairs},
    print,
};
use crate::{
    config::Config,
    wiring::{Shop, records_of},
};

/// Reservations that are reconciled in one transaction.
const REPAIRS: usize = 100;
/// Findings that are listed.
const FINDINGS: usize = 1000;
/// What is found must still be there after this long: the shop may be selling while it is audited, and orders and
/// reservations are read one after the other.
const SECOND_LOOK: Duration = Duration::from_secs(2);

/// Audits a live or a resting database; exit status 1 says that a promise is broken.
/// With `repair`, stock follows the orders first.
pub(crate) async fn check(config: &Config, repair: bool) -> Result<ExitCode> {
    require_existing(config)?;
    let shop = Shop::open(config).await?;
    if repair {
        reconcile(&shop).await?;
    }
    audit_twice(&shop).await
}

/// Audits twice when it must, and tells.
pub(super) async fn audit_twice(shop: &Shop) -> Result<ExitCode> {
    let mut report = audit(shop).await?;
    if !report.findings.is_empty() {
        tokio::time::sleep(SECOND_LOOK).await;
        let again = audit(shop).await?;
        report = Report {
            findings: report.findings.intersection(&again.findings).cloned().collect(),
            more: report.more.min(again.more),
            ..again
        };
    }
    print(&report.to_text())?;
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Makes stock follow the orders, as the sweep does for what is pending: for copies of databases that were not taken at the
/// same moment. An order decides; what it says is never changed.
pub(super) async fn reconcile(shop: &Shop) -> Result<()> {
    let mut pairs = Pairs::read(shop).await?;
    let (mut repairs, mut count) = (Repairs::default(), 0);
    while let Some(pair) = pairs.next().await? {
        let reservation =
            pair.reservation.transpose()?.and_then(products::Portable::into_reservation);
        let Some(reservation) = reservation else { continue };
        repairs.note(&reservation, pair.order.transpose()?.as_ref());
        if repairs.reservations.len().max(repairs.claimed.len()) == REPAIRS {
            count += repairs.make(shop).await?;
        }
    }
    count += repairs.make(shop).await?;
    print(&format!("Reconciled {count} reservations.\n"))
}

/// What must become of some reservations.
#[derive(Default)]
struct Repairs {
    kept: Vec<(OrderId, Kept)>,
    actions: Vec<(OrderId, StockAction)>,
    /// Stock that is held for nobody: no order may come for it later, then it goes back.
    orphans: Vec<OrderId>,
    reservations: BTreeSet<OrderId>,
    /// Reservations beside which there are records that say the same.
    claimed: Vec<OrderId>,
}

impl Repairs {
    fn note(&mut self, reservation: &Reservation, order: Option<&orders::Portable>) {
        let (id, is_held) = (reservation.id, reservation.state == ReservationState::Held);
        self.claimed.extend(reservation.claimed.as_ref().map(|_| id));
        if reservation.is_hold() {
            return;
        }
        let Some(order) = order else {
            self.orphans.extend(is_held.then_some(id));
            self.reservations.extend(is_held.then_some(id));
            return;
        };
        let kept = order.kept();
        // A reservation never takes more again.
        let is_more = reservation.lines.keeping(&kept).is_ok_and(|left| left != reservation.lines);
        self.kept.extend(is_more.then_some((id, kept)));
        self.reservations.extend(is_more.then_some(id));
        match order.stock_action().unwrap_or(StockAction::Release) {
            StockAction::Keep => {}
            action => {
                self.actions.extend(is_held.then_some((id, action)));
                self.reservations.extend(is_held.then_some(id));
            }
        }
    }

    async fn make(&mut self, shop: &Shop) -> Result<usize> {
        let Self { kept, mut actions, orphans, reservations, claimed } = std::mem::take(self);
        shop.products.give_back(&kept).await?;
        actions.extend(shop.orders.resolve(&orphans).await?);
        shop.products.apply_stock_actions(&actions).await?;
        shop.products.recount(claimed).await?;
        Ok(reservations.len())
    }
}

#[derive(Default)]
struct Report {
    findings: BTreeSet<String>,
    /// Findings that are not listed.
    more: usize,
    products: u64,
    orders: usize,
    reservations: usize,
    pending: usize,
    payments: u64,
    letters: u64,
    events: u64,
}

impl Report {
    fn find(&mut self, finding: String) {
        match self.findings.len() < FINDINGS {
            true => {
                self.findings.insert(finding);
            }
            false => self.more += 1,
        }
    }

    /// What is not listed cannot be compared with another look, so it counts.
    fn is_clean(&self) -> bool {
        self.findings.is_empty() && self.more == 0
    }

    fn to_text(&self) -> String {
        let Self { findings, more, products, orders, reservations, pending, .. } = self;
        let Self { payments, letters, events, .. } = self;
        let mut text = format!(
            "Looked at {products} products, {orders} orders, {reservations} reservations, {payments} payments, {letters} letters, {events} events; {pending} pending.\n"
        );
        if self.is_clean() {
            text.push_str("Clean: nothing is oversold, no order is lost or doubled.\n");
            return text;
        }
        findings.iter().for_each(|finding| text.push_str(&format!("BROKEN: {finding}\n")));
        text.push_str(&format!("{} promises are broken", findings.len()));
        if *more > 0 {
            text.push_str(&format!(", and {more} more that are not listed"));
        }
        text + ".\n"
    }
}

/// Reads everything once, and holds next to nothing of it.
async fn audit(shop: &Shop) -> Result<Report> {
    let mut report = Report::default();
    read_records(shop, &mut report).await?;
    let mut pairs = Pairs::read(shop).await?;
    let unconfirmed = pairs.unconfirmed();
    let mut stock = products::Audit::default();
    let mut sales = orders::Audit::default();
    let mut is_whole = true;
    while let Some(pair) = pairs.next().await? {
        match &pair.order {
            Some(Ok(order)) => sales.show(order),
            Some(Err(_)) => is_whole = false,
            None => {}
        }
        let is_confirmed = !unconfirmed.contains(&pair.id);
        look_at(pair, is_confirmed, &mut report, &mut stock);
    }
    let mut products = pairs.into_products();
    while let Some(product) = products.next().await? {
        match product {
            Ok(product) => product.show(&mut stock),
            Err(damage) => report.find(damage.to_string()),
        }
    }
    shop.products.show_kept(&mut stock).await?;
    let (products, findings) = stock.finish();
    findings.into_iter().for_each(|finding| report.find(finding));
    // Of an order that cannot be read, nobody knows what it adds.
    if is_whole {
        sales.finish(&shop.orders).await?.into_iter().for_each(|finding| report.find(finding));
    }
    shop.users.audit().await?.into_iter().for_each(|finding| report.find(finding));
    let (payments, findings) = shop.payments.audit().await?;
    findings.into_iter().for_each(|finding| report.find(finding));
    let (letters, findings) = shop.mail.audit().await?;
    findings.into_iter().for_each(|finding| report.find(finding));
    let (events, findings) = shop.events.audit().await?;
    findings.into_iter().for_each(|finding| report.find(finding));
    Ok(Report { products, payments, letters, events, ..report })
}

/// Every record can be read.
async fn read_records(shop: &Shop, report: &mut Report) -> Result<()> {
    for (part, database) in &shop.databases {
        for record_type in records_of(*part).iter().filter(|of| of.is_read_through) {
            read_through(database, record_type, report).await?;
        }
    }
    // Services may share one, with the answers of all of them.
    for database in &shop.each_database {
        for finding in database.integrity().await? {
            report.find(format!("the database file is damaged: {finding}"));
        }
        read_through(database, &RecordType::staying::<IdempotencyRecord>(), report).await?;
    }
    Ok(())
}

async fn read_through(database: &Database, of: &RecordType, report: &mut Report) -> Result<()> {
    let mut records = database.dump(of).await?;
    while let Some(record) = records.next().await? {
        if let Err(damage) = record {
            report.find(damage.to_string());
        }
    }
    Ok(())
}

fn look_at(pair: Pair, is_confirmed: bool, report: &mut Report, stock: &mut products::Audit) {
    let Pair { order, reservation, .. } = pair;
    report.reservations += usize::from(reservation.is_some());
    let is_real =
        |order: &Entry<orders::Portable>| !order.as_ref().is_ok_and(orders::Portable::is_tombstone);
    report.orders += usize::from(order.as_ref().is_some_and(is_real));
    if let Some(Ok(reservation)) = &reservation {
        reservation.show(stock);
    }
    let (order, reservation) = match (order.transpose(), reservation.transpose()) {
        (Ok(order), Ok(reservation)) => (order, reservation),
        // Nothing more can be said about either.
        (order, reservation) => {
            let damages = [order.err(), reservation.err()].into_iter().flatten();
            return damages.for_each(|damage| report.find(damage.to_string()));
        }
    };
    let reservation = reservation.and_then(products::Portable::into_reservation);
    match state_of(order.as_ref(), reservation.as_ref(), is_confirmed) {
        PairState::Sound => {}
        PairState::Pending => report.pending += 1,
        PairState::Broken(finding) => report.find(finding),
    }
}

enum PairState {
    Sound,
    /// On its way: products has not acknowledged it, or it is not swept yet.
    Pending,
    Broken(String),
}

fn state_of(
    order: Option<&orders::Portable>,
    reservation: Option<&Reservation>,
    is_confirmed: bool,
) -> PairState {
    match (order, reservation) {
        (Some(order), reservation) => compare(order, reservation, is_confirmed),
        (None, Some(reservation)) => judge_alone(reservation, is_confirmed),
        (None, None) => PairState::Sound,
    }
}

fn compare(
    order: &orders::Portable,
    reservation: Option<&Reservation>,
    is_confirmed: bool,
) -> PairState {
    let id = order.id();
    let Some(stock_action) = order.stock_action() else {
        return match reservation {
            Some(found) if found.state == ReservationState::Held && is_confirmed => {
                PairState::Broken(format!(
                    "order {id} was undone, but its reservation is held and confirmed"
                ))
            }
            Some(found) if found.state == ReservationState::Held => PairState::Pending,
            _ => PairState::Sound,
        };
    };
    let Some(reservation) = reservation else {
        return PairState::Broken(format!(
            "order {id} has no reservation: its stock was never taken"
        ));
    };
    let is_held = order.is_held_by(&reservation.lines);
    if !is_held && !order.has_pending_stock() {
        return PairState::Broken(format!("order {id} and its reservation have different lines"));
    }
    let expected = match stock_action {
        StockAction::Keep => ReservationState::Held,
        StockAction::Release => ReservationState::Released,
        StockAction::Ship => ReservationState::Shipped,
    };
    match (reservation.state == expected && is_held, order.has_pending_stock()) {
        (true, _) => PairState::Sound,
        (false, true) => PairState::Pending,
        (false, false) => PairState::Broken(format!(
            "order {id} wants its reservation {expected:?}, but it is {:?}",
            reservation.state
        )),
    }
}

/// A reservation without any order row.
fn judge_alone(reservation: &Reservation, is_confirmed: bool) -> PairState {
    // What a hold is for, the audit of stock looks at.
    if reservation.is_hold() {
        return PairState::Sound;
    }
    let Reservation { id, state, .. } = reservation;
    match (state, is_confirmed) {
        (ReservationState::Held, false) => PairState::Pending,
        _ => PairState::Broken(format!(
            "order {id} is lost: its reservation is {state:?} and confirmed, but there is no order"
        )),
    }
}
