//! The verdict: the ledger against the shop.

use std::collections::{BTreeMap, HashMap};

use holdfast_client::Connection;
use serde_json::Value;

use crate::{
    Result,
    accounts::Account,
    catalogue::{self, Catalogue},
    ledger::{Ledger, Lines},
};

/// Findings of each kind that are told.
const TOLD: usize = 10;

/// What is wrong; nothing when the shop kept its word.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Acknowledged, but not there.
    pub lost: Vec<String>,
    /// There, but never acknowledged: a second order for one request, or somebody else's.
    pub doubled: Vec<String>,
    /// Anything else: other lines, another owner, stock that does not add up.
    pub wrong: Vec<String>,
}

impl Verdict {
    /// True when the shop kept its word.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.lost.is_empty() && self.doubled.is_empty() && self.wrong.is_empty()
    }

    /// The verdict in words.
    #[must_use]
    pub fn to_text(&self) -> String {
        let (lost, doubled, wrong) = (self.lost.len(), self.doubled.len(), self.wrong.len());
        let mut text = format!("Verdict: {lost} lost, {doubled} doubled, {wrong} wrong\n");
        for (kind, findings) in
            [("LOST", &self.lost), ("DOUBLED", &self.doubled), ("WRONG", &self.wrong)]
        {
            findings
                .iter()
                .take(TOLD)
                .for_each(|finding| text.push_str(&format!("  {kind}: {finding}\n")));
        }
        text
    }
}

/// What the shop looked like before the load.
#[derive(Clone, Debug)]
pub struct Before {
    /// The stock.
    pub catalogue: Catalogue,
    /// Orders that the accounts had already.
    pub orders: std::collections::HashSet<String>,
}

impl Before {
    /// Looks at the shop.
    pub async fn look(url: &str, accounts: &[Account]) -> Result<Self> {
        let orders = read_orders(url, accounts).await?;
        let orders = orders
            .iter()
            .filter_map(|(_, order)| order["id"].as_str().map(str::to_owned))
            .collect();
        Ok(Self { catalogue: catalogue::read(url).await?, orders })
    }
}

/// Compares the ledger with the shop as it is now.
pub async fn judge(
    url: &str,
    accounts: &[Account],
    before: &Before,
    ledger: &Ledger,
) -> Result<Verdict> {
    let mut verdict = Verdict::default();
    let orders = read_orders(url, accounts).await?;
    judge_orders(&orders, before, ledger, &mut verdict);
    judge_stock(&before.catalogue, &catalogue::read(url).await?, ledger, &mut verdict);
    let unexpected = ledger.unexpected.iter().map(|answer| format!("unexpected answer: {answer}"));
    verdict.wrong.extend(unexpected);
    let twice = ledger.given_twice.iter().map(|id| format!("two requests were given order {id}"));
    verdict.wrong.extend(twice);
    Ok(verdict)
}

/// All orders of the accounts, each with the account that can see it.
async fn read_orders(url: &str, accounts: &[Account]) -> Result<Vec<(String, Value)>> {
    let mut connection = Connection::new(url);
    let mut orders = Vec::new();
    for account in accounts {
        let own = connection.read_list("/api/orders?userId=me", Some(&account.token)).await?;
        orders.extend(own.into_iter().map(|order| (account.id.clone(), order)));
    }
    Ok(orders)
}

fn judge_orders(
    orders: &[(String, Value)],
    before: &Before,
    ledger: &Ledger,
    verdict: &mut Verdict,
) {
    let mut seen: HashMap<&str, u32> = HashMap::new();
    for (account, order) in orders {
        let id = order["id"].as_str().unwrap_or_default();
        if before.orders.contains(id) {
            continue;
        }
        *seen.entry(id).or_default() += 1;
        let Some(entry) = ledger.acknowledged.get(id) else {
            verdict.doubled.push(format!("order {id} of {account} was never acknowledged"));
            continue;
        };
        if order["userId"].as_str() != Some(&entry.user) || *account != entry.user {
            verdict
                .wrong
                .push(format!("order {id} belongs to {account} instead of {}", entry.user));
        }
        if lines_of(order) != entry.lines {
            verdict.wrong.push(format!("order {id} has other lines than were ordered"));
        }
    }
    let twice = seen
        .iter()
        .filter(|(_, count)| **count > 1)
        .map(|(id, count)| format!("order {id} is there {count} times"));
    verdict.doubled.extend(twice);
    let lost = ledger.acknowledged.keys().filter(|id| !seen.contains_key(id.as_str()));
    verdict.lost.extend(lost.map(|id| format!("order {id} was acknowledged and is not there")));
}

fn lines_of(order: &Value) -> Lines {
    let line =
        |item: &Value| Some((item["productId"].as_str()?.to_owned(), item["quantity"].as_i64()?));
    let items = order["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(line).collect::<BTreeMap<_, _>>()
}

fn judge_stock(before: &Catalogue, after: &Catalogue, ledger: &Ledger, verdict: &mut Verdict) {
    let units = ledger.units();
    for (id, was) in before {
        let Some(is) = after.get(id) else {
            verdict.wrong.push(format!("product {id} is gone"));
            continue;
        };
        let sold = units.get(id.as_str()).copied().unwrap_or(0);
        if is.quantity != was.quantity || is.reserved != was.reserved + sold {
            verdict.wrong.push(format!(
                "product {id}: {sold} units were acknowledged, but {}/{} reserved became {}/{}",
                was.reserved, was.quantity, is.reserved, is.quantity
            ));
        }
        if is.reserved > is.quantity {
            verdict
                .wrong
                .push(format!("product {id} is oversold: {} of {}", is.reserved, is.quantity));
        }
    }
    // Nothing is given back during a drill, so what a refusal said was left can only have become less.
    for short in &ledger.short {
        let left = after.get(&short.product).map_or(0, |stock| stock.quantity - stock.reserved);
        if short.requested <= short.available || left > short.available {
            verdict.wrong.push(format!(
                "a refusal said that {} of {} units of product {} were left; {left} are",
                short.available, short.requested, short.product
            ));
        }
    }
}
