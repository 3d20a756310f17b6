//! Replaying baskets: each becomes one order.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use flate2::read::MultiGzDecoder;
use serde::Deserialize;

use crate::{
    Result,
    accounts::{Account, sign_in_pool},
    catalogue,
    ledger::Lines,
    load::{Behaviour, Outcome, Purchase, place_all},
    verdict::{Before, Verdict, judge},
};

/// A basket, as a line of the file has it.
#[derive(Debug, Deserialize)]
struct Basket {
    basket: String,
    buyer: String,
    /// Skus and units.
    items: Vec<(String, i64)>,
}

/// What a replay led to.
#[derive(Debug)]
pub struct Report {
    /// What the clients saw.
    pub outcome: Outcome,
    /// The ledger against the shop.
    pub verdict: Verdict,
}

/// Places every basket of a file (newline-delimited JSON, gzip recognized) as one order, and judges.
pub async fn replay(file: &Path, accounts: usize, behaviour: &Behaviour) -> Result<Report> {
    let accounts = sign_in_pool(&behaviour.url, accounts).await?;
    let before = Before::look(&behaviour.url, &accounts).await?;
    let purchases = read_baskets(file, &before, accounts.len())?;
    run(purchases, &accounts, &before, behaviour).await
}

/// Places purchases and judges.
pub async fn run(
    purchases: Vec<Purchase>,
    accounts: &[Account],
    before: &Before,
    behaviour: &Behaviour,
) -> Result<Report> {
    let outcome = place_all(purchases, accounts, behaviour).await;
    let verdict = judge(&behaviour.url, accounts, before, &outcome.ledger).await?;
    Ok(Report { outcome, verdict })
}

fn read_baskets(file: &Path, before: &Before, accounts: usize) -> Result<Vec<Purchase>> {
    let skus = catalogue::by_sku(&before.catalogue);
    let mut purchases = Vec::new();
    for (number, line) in open(file)?.lines().enumerate() {
        let place = format!("{} line {}", file.display(), number + 1);
        let line = line.map_err(|error| format!("{place}: {error}"))?;
        if line.trim().is_empty() {
            continue;
        }
        let basket: Basket =
            serde_json::from_str(&line).map_err(|error| format!("{place}: {error}"))?;
        let mut lines = Lines::new();
        for (sku, quantity) in basket.items {
            let product = skus
                .get(sku.as_str())
                .ok_or_else(|| format!("{place}: the shop has no product with the sku {sku}"))?;
            *lines.entry((*product).to_owned()).or_default() += quantity;
        }
        let account = basket
            .buyer
            .bytes()
            .fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
        purchases.push(Purchase { name: basket.basket, account: account % accounts, lines });
    }
    Ok(purchases)
}

/// A file, plain or gzipped.
pub(crate) fn open(file: &Path) -> Result<BufReader<Box<dyn Read>>> {
    let explain = |error: std::io::Error| format!("{}: {error}", file.display());
    let mut source = BufReader::new(File::open(file).map_err(explain)?);
    let gzipped = source.fill_buf().map_err(explain)?.starts_with(&[0x1f, 0x8b]);
    let content: Box<dyn Read> =
        if gzipped { Box::new(MultiGzDecoder::new(source)) } else { Box::new(source) };
    Ok(BufReader::new(content))
}
