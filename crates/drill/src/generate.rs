//! Making catalogues and baskets, so that everything can be run without any data at hand.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use serde_json::json;

use crate::{Result, replay};

const KINDS: [&str; 8] = ["Tea", "Coffee", "Honey", "Oats", "Rice", "Soap", "Candle", "Mug"];
const MANNERS: [&str; 8] = ["Green", "Black", "Wild", "Plain", "Smoked", "Sweet", "Fine", "Old"];

/// Writes `products.csv` and `baskets.ndjson` into a folder. The stock is exactly what the baskets need.
pub fn generate(folder: &Path, products: usize, baskets: usize) -> Result<()> {
    let explain = |error: std::io::Error| format!("{}: {error}", folder.display());
    std::fs::create_dir_all(folder).map_err(explain)?;
    let mut numbers = Numbers(0x5eed);
    let mut sold: HashMap<usize, i64> = HashMap::new();
    let mut out = BufWriter::new(File::create(folder.join("baskets.ndjson")).map_err(explain)?);
    for basket in 0..baskets {
        let mut items: HashMap<usize, i64> = HashMap::new();
        for _ in 0..=numbers.below(12) {
            // Squaring makes some products popular and most of them rare.
            let place = numbers.below(products) * numbers.below(products) / products.max(1);
            *items.entry(place).or_default() += i64::from(numbers.below(3) == 0) + 1;
        }
        items.iter().for_each(|(product, quantity)| *sold.entry(*product).or_default() += quantity);
        let items: Vec<_> = items
            .iter()
            .map(|(product, quantity)| json!([format!("GEN-{product}"), quantity]))
            .collect();
        let buyer = format!("household-{}", numbers.below(2500));
        let line = json!({"basket": format!("basket-{basket}"), "buyer": buyer, "items": items});
        writeln!(out, "{line}").map_err(explain)?;
    }
    out.flush().map_err(explain)?;
    write_products(folder, products, &sold)
}

fn write_products(folder: &Path, products: usize, sold: &HashMap<usize, i64>) -> Result<()> {
    let explain = |error: csv::Error| format!("{}: {error}", folder.display());
    let mut out = csv::Writer::from_path(folder.join("products.csv")).map_err(explain)?;
    out.write_record(["sku", "name", "description", "category", "price", "currency", "quantity"])
        .map_err(explain)?;
    for product in 0..products {
        let (kind, manner) = (KINDS[product % 8], MANNERS[product / 8 % 8]);
        let quantity = sold.get(&product).copied().unwrap_or(0);
        out.write_record([
            format!("GEN-{product}"),
            format!("{manner} {kind} {product}"),
            format!("{manner} {kind}, made up for a drill"),
            kind.to_owned(),
            (99 + product % 4000).to_string(),
            "USD".to_owned(),
            quantity.to_string(),
        ])
        .map_err(explain)?;
    }
    out.flush().map_err(|error| format!("{}: {error}", folder.display()))
}

/// Copies a CSV file of products with a part of the stock, rounded down.
pub fn scale_stock(from: &Path, to: &Path, percent: i64) -> Result<()> {
    let explain = |error: csv::Error| format!("{}: {error}", from.display());
    let mut reader = csv::Reader::from_reader(replay::open(from)?);
    let mut writer =
        csv::Writer::from_path(to).map_err(|error| format!("{}: {error}", to.display()))?;
    let headers = reader.headers().map_err(explain)?.clone();
    let column = headers
        .iter()
        .position(|name| name == "quantity")
        .ok_or("there is no column `quantity`")?;
    writer.write_record(&headers).map_err(explain)?;
    for record in reader.records() {
        let record = record.map_err(explain)?;
        let quantity: i64 = record[column]
            .parse()
            .map_err(|_| format!("{}: quantity `{}`", from.display(), &record[column]))?;
        let scaled = (quantity * percent / 100).to_string();
        writer
            .write_record(
                record
                    .iter()
                    .enumerate()
                    .map(|(index, text)| if index == column { &scaled } else { text }),
            )
            .map_err(explain)?;
    }
    writer.flush().map_err(|error| format!("{}: {error}", to.display()))
}

/// A linear congruential generator (Knuth's MMIX): the same data at every call.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % limit.max(1)
    }
}
