//! What the shop has in the end, held against the ledger.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::book::{Attempt, Book, Fate};
use holdfast_client::Connection;

use crate::{
    Result,
    accounts::{Account, sign_in, sign_in_again},
    private::PASSWORD,
    verdict::Verdict,
};

/// How long stock may take to follow the orders after a fault: what is owed is swept after 5 s, what is half made after a
/// minute.
const SWEEP: Duration = Duration::from_secs(15);
const LONG_SWEEP: Duration = Duration::from_secs(90);

/// Everything that the shop has of the accounts that bought.
pub(super) struct Seen {
    /// By id, each with the account that has it.
    pub(super) orders: HashMap<String, (usize, Value)>,
    /// The same order in two places of a list.
    pub(super) listed_twice: Vec<String>,
}

impl Seen {
    pub(super) async fn look(url: &str, accounts: usize) -> Result<Self> {
        let mut seen = Self { orders: HashMap::new(), listed_twice: Vec::new() };
        let mut connection = Connection::new(url);
        for number in 0..accounts {
            let account = sign_in_again(&mut connection, number).await?;
            for order in connection.read_list("/api/orders", Some(&account.token)).await? {
                let id = order["id"].as_str().unwrap_or_default().to_owned();
                if seen.orders.insert(id.clone(), (number, order)).is_some() {
                    seen.listed_twice.push(id);
                }
            }
        }
        Ok(seen)
    }

    /// Without what the accounts had before.
    pub(super) fn without(mut self, before: &Self) -> Self {
        self.orders.retain(|id, _| !before.orders.contains_key(id));
        self
    }
}

/// Orders: each that was acknowledged is there once, as it was told; none is there that nobody asked for.
pub(super) fn judge_orders(book: &Book, seen: &Seen, verdict: &mut Verdict) {
    verdict.wrong.extend(seen.listed_twice.iter().map(|id| format!("order {id} is listed twice")));
    let mut acknowledged = HashSet::new();
    let mut open = HashSet::new();
    for attempt in &book.attempts {
        match attempt.fate {
            Fate::Refused => {}
            Fate::Unknown => {
                open.insert(attempt.key.as_str());
            }
            Fate::Acknowledged => {
                if !acknowledged.insert(attempt.id()) {
                    verdict
                        .doubled
                        .push(format!("order {} was the answer to two requests", attempt.id()));
                }
                judge_order(attempt, seen, verdict);
            }
        }
    }
    for (id, (_, order)) in &seen.orders {
        // It may be the one whose fate its customer never heard.
        let mut is_open = || open.remove(order["metadata"]["key"].as_str().unwrap_or_default());
        if !acknowledged.contains(id.as_str()) && !is_open() {
            verdict.doubled.push(format!("order {id} is there, and nobody was told of it"));
        }
    }
}

fn judge_order(attempt: &Attempt, seen: &Seen, verdict: &mut Verdict) {
    let id = attempt.id();
    let is_open = attempt.step.as_ref().is_some_and(|step| step.fate == Fate::Unknown);
    match seen.orders.get(id) {
        None => verdict.lost.push(format!("order {id} was acknowledged and is not there")),
        Some((account, _)) if *account != attempt.account => {
            verdict.wrong.push(format!("order {id} is somebody else's now"));
        }
        Some((_, order)) if !is_open && *order != attempt.order => {
            verdict.wrong.push(format!("order {id} was told as {}, and is {order}", attempt.order));
        }
        Some(_) => {}
    }
}

/// Stock and journals: no gap, sums that are the product's numbers, a line for each order, and in the order in which
/// customers saw things happen.
pub(super) async fn judge_stock(
    url: &str,
    products: &[String],
    book: &Book,
    seen: &Seen,
    verdict: &mut Verdict,
) -> Result<()> {
    let admin = sign_in(&mut Connection::new(url), "admin", PASSWORD).await?;
    let is_open = book.count(Fate::Unknown) > 0;
    let deadline = Instant::now() + if is_open { LONG_SWEEP } else { SWEEP };
    for product in products {
        let mut findings = judge_product(url, &admin, product, seen).await?;
        while !findings.is_empty() && Instant::now() < deadline {
            sleep(Duration::from_secs(1)).await;
            findings = judge_product(url, &admin, product, seen).await?;
        }
        verdict.wrong.extend(findings);
        verdict.wrong.extend(judge_time(product, &book.attempts));
    }
    Ok(())
}

async fn judge_product(url: &str, admin: &Account, id: &str, seen: &Seen) -> Result<Vec<String>> {
    let mut connection = Connection::new(url);
    let path = format!("/api/products/{id}");
    let product =
        connection.send(hyper::Method::GET, &path, &[], bytes::Bytes::new()).await?.expect(200)?;
    let journal =
        connection.read_list(&format!("{path}/stock/movements"), Some(&admin.token)).await?;
    let mut findings = Vec::new();
    let (mut quantity, mut reserved) = (0, 0);
    let mut reservations = HashMap::new();
    for (line, expected) in journal.iter().zip(1..) {
        let number = |member: &str| line[member].as_i64().unwrap_or_default();
        if number("sequence") != expected {
            findings.push(format!(
                "product {id}: line {expected} of the journal is {}",
                line["sequence"]
            ));
            break;
        }
        quantity += number("quantityDelta");
        reserved += number("reservedDelta");
        if line["kind"] == "reservation" {
            reservations.insert(line["orderId"].as_str().unwrap_or_default().to_owned(), expected);
        }
    }
    let is =
        (product["quantity"].as_i64().unwrap_or(-1), product["reserved"].as_i64().unwrap_or(-1));
    if is != (quantity, reserved) {
        findings.push(format!(
            "product {id} has {is:?} units, but its journal adds up to {:?}",
            (quantity, reserved)
        ));
    }
    let held = judge_lines(id, seen, &reservations, &mut findings);
    if is.1 != held {
        findings.push(format!("product {id}: {} units are reserved, but orders hold {held}", is.1));
    }
    Ok(findings)
}

/// Each order stands in the journal where it says; returns the units that open orders hold.
fn judge_lines(
    product: &str,
    seen: &Seen,
    reservations: &HashMap<String, i64>,
    findings: &mut Vec<String>,
) -> i64 {
    let mut held = 0;
    for (id, (_, order)) in &seen.orders {
        let items = order["items"].as_array().into_iter().flatten();
        for item in items.filter(|item| item["productId"] == product) {
            if item["stockSequence"].as_i64() != reservations.get(id).copied() {
                findings.push(format!(
                    "order {id} says line {} of the journal of product {product}, which has it at {:?}",
                    item["stockSequence"],
                    reservations.get(id)
                ));
            }
            if matches!(order["status"].as_str(), Some("placed" | "paid")) {
                held += item["quantity"].as_i64().unwrap_or_default();
            }
        }
    }
    held
}

/// Real time: an order that was acknowledged before another was sent stands before it in the journal. A sweep over both
/// ends of each attempt, O(n log n).
fn judge_time(product: &str, attempts: &[Attempt]) -> Vec<String> {
    let mut sent: Vec<(Instant, Instant, i64, &str)> = attempts
        .iter()
        .filter(|attempt| attempt.fate == Fate::Acknowledged)
        .filter_map(|attempt| {
            let sequence = *attempt.sequences().get(product)?;
            Some((attempt.sent, attempt.told, sequence, attempt.id()))
        })
        .collect();
    sent.sort_unstable_by_key(|entry| entry.0);
    let mut told = sent.clone();
    told.sort_unstable_by_key(|entry| entry.1);
    let mut before = told.iter().peekable();
    let mut last: Option<(i64, &str)> = None;
    let mut findings = Vec::new();
    for (began, _, sequence, id) in sent {
        while let Some((_, _, sequence, id)) = before.next_if(|entry| entry.1 < began) {
            last = last.max(Some((*sequence, id)));
        }
        if let Some((_, other)) = last.filter(|(highest, _)| *highest > sequence) {
            findings.push(format!("order {id} stands before {other} in the journal of product {product}, though it was sent after that had been acknowledged"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn attempt(id: &str, sequence: i64, (sent, told): (u64, u64), epoch: Instant) -> Attempt {
        let at = |millis| epoch + Duration::from_millis(millis);
        let items = json!([{"productId": "tea", "quantity": 1, "stockSequence": sequence}]);
        Attempt {
            account: 0,
            key: id.to_owned(),
            lines: BTreeMap::from([("tea".to_owned(), 1)]),
            fate: Fate::Acknowledged,
            sent: at(sent),
            told: at(told),
            answer: bytes::Bytes::new(),
            order: json!({"id": id, "status": "placed", "items": items, "metadata": {"key": id}}),
            step: None,
        }
    }

    fn book(attempts: Vec<Attempt>) -> Book {
        Book { attempts, ..Book::default() }
    }

    #[test]
    fn real_time_is_kept_and_overlaps_may_go_either_way() {
        let now = Instant::now();
        let apart = [attempt("a", 1, (0, 10), now), attempt("b", 2, (20, 30), now)];
        assert!(judge_time("tea", &apart).is_empty());
        let turned = [attempt("a", 2, (0, 10), now), attempt("b", 1, (20, 30), now)];
        assert_eq!(judge_time("tea", &turned).len(), 1);
        let overlapping = [attempt("a", 2, (0, 25), now), attempt("b", 1, (20, 30), now)];
        assert!(judge_time("tea", &overlapping).is_empty());
    }

    #[test]
    fn the_lost_the_doubled_and_the_changed_are_found() {
        let now = Instant::now();
        let told = book(vec![
            attempt("kept", 1, (0, 1), now),
            attempt("lost", 2, (2, 3), now),
            attempt("changed", 3, (4, 5), now),
            Attempt { fate: Fate::Unknown, ..attempt("unknown", 4, (6, 7), now) },
        ]);
        let order = |id: &str| attempt(id, if id == "kept" { 1 } else { 9 }, (0, 0), now).order;
        let orders =
            ["kept", "changed", "unknown", "second"].map(|id| (id.to_owned(), (0, order(id))));
        let seen = Seen { orders: HashMap::from(orders), listed_twice: Vec::new() };
        let mut verdict = Verdict::default();
        judge_orders(&told, &seen, &mut verdict);
        assert_eq!(
            (verdict.lost.len(), verdict.doubled.len(), verdict.wrong.len()),
            (1, 1, 1),
            "{verdict:?}"
        );
    }
}
