//! `holdfast export --all` and `import --all`: a whole shop as one file that every engine reads.
//!
//! The file is gzipped JSON lines: what it is, then one record per line, then how many there were. Products are read
//! before orders, and orders whose stock the products did not know of yet are left out: they came after the moment that
//! the file shows. Where an order has gone on since, its stock follows at the import, as it does after a crash.

use std::{
    collections::HashSet,
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    process::ExitCode,
};

use flate2::{Compression, bufread::MultiGzDecoder, write::GzEncoder};
use holdfast_storage::Kept;
use holdfast_types::{Code, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{backup::require_existing, check, remark};
use crate::{config::Config, wiring::Shop};

/// The version of the format.
const FORMAT: u32 = 1;
/// Records that are kept in one transaction.
const CHUNK: usize = 500;
const SERVICES: [(&str, &str); 3] = [
    ("users", holdfast_users::ANSWERS),
    ("products", holdfast_products::ANSWERS),
    ("orders", holdfast_orders::ANSWERS),
];

/// A line of the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    /// The first.
    Holdfast {
        format: u32,
        version: String,
    },
    /// The key of a service's fingerprints.
    Secret(String, [u8; 32]),
    /// Something that a service keeps.
    Users(Value),
    Products(Value),
    Orders(Value),
    /// An answer that a service keeps.
    Answer(String, Kept),
    /// The last: lines between it and the first.
    End(u64),
}

/// Writes the whole shop to `file`, which must not exist yet, while the shop goes on.
pub(crate) async fn export(config: &Config, file: &Path) -> Result<ExitCode> {
    require_existing(config)?;
    let shop = Shop::open(config).await?;
    let mut lines = Vec::new();
    for ((service, table), database) in SERVICES.into_iter().zip(&shop.databases) {
        let (secret, answers) = database.take_out(service, table).await?;
        lines.push(Line::Secret(service.to_owned(), secret));
        lines.extend(answers.into_iter().map(|kept| Line::Answer(service.to_owned(), kept)));
    }
    lines.extend(shop.users.dump().await?.into_iter().map(Line::Users));
    let products = shop.products.dump().await?;
    let reserved: HashSet<String> =
        products.iter().filter_map(|record| text(&record["reservation"]["id"])).collect();
    lines.extend(products.into_iter().map(Line::Products));
    let orders = shop.orders.dump().await?.into_iter();
    let known =
        |order: &Value| text(&order["order"][0]["id"]).is_none_or(|id| reserved.contains(&id));
    lines.extend(orders.filter(known).map(Line::Orders));
    let count = lines.len();
    write(file, lines).map_err(|error| {
        let why = format!("cannot write {}", file.display());
        Error::new(Code::InvalidParameter, why).with_source(error)
    })?;
    remark(&format!("Exported {count} records"));
    Ok(ExitCode::SUCCESS)
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn write(file: &Path, lines: Vec<Line>) -> std::io::Result<()> {
    // There are password hashes in it.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    let mut out = GzEncoder::new(BufWriter::new(file), Compression::fast());
    let count = lines.len() as u64;
    let first = Line::Holdfast { format: FORMAT, version: env!("CARGO_PKG_VERSION").to_owned() };
    for line in std::iter::once(first).chain(lines).chain([Line::End(count)]) {
        serde_json::to_writer(&mut out, &line)?;
        out.write_all(b"\n")?;
    }
    out.finish()?.into_inner()?.sync_all()
}

/// Brings a whole shop from `file` into empty databases, and audits it. What is there already stays as it is, so an
/// import that was cut can be run again.
pub(crate) async fn import(config: &Config, file: &Path) -> Result<ExitCode> {
    let damaged = |place: usize, why: &str| {
        let why = format!("{}, line {place}: {why}", file.display());
        Error::new(Code::InvalidParameter, why)
    };
    let opened = File::open(file).map_err(|error| damaged(0, &error.to_string()))?;
    let lines = BufReader::new(MultiGzDecoder::new(BufReader::new(opened))).lines();
    let mut parsed = Vec::new();
    for (number, line) in lines.enumerate() {
        let line = line.map_err(|error| damaged(number + 1, &error.to_string()))?;
        let line = serde_json::from_str(&line);
        parsed.push(line.map_err(|error| damaged(number + 1, &error.to_string()))?);
    }
    let count = parsed.len();
    match (parsed.first(), parsed.last()) {
        (Some(Line::Holdfast { format: FORMAT, .. }), Some(Line::End(lines)))
            if *lines == count as u64 - 2 => {}
        (Some(Line::Holdfast { format: FORMAT, .. }), _) => {
            return Err(damaged(count, "the file ends too early"));
        }
        _ => return Err(damaged(1, "this is not an export of a whole shop")),
    }
    let shop = Shop::open_for_restore(config).await?;
    load(&shop, parsed).await?;
    remark(&format!("Imported {} records", count - 2));
    check::settle(&shop).await?;
    for database in &shop.databases {
        database.end_restore().await?;
    }
    check::judge(&shop).await
}

async fn load(shop: &Shop, lines: Vec<Line>) -> Result<()> {
    let (mut users, mut products, mut orders) = (Vec::new(), Vec::new(), Vec::new());
    let mut answers: [Vec<Kept>; 3] = Default::default();
    let mut secrets = Vec::new();
    for line in lines {
        match line {
            Line::Holdfast { .. } | Line::End(_) => {}
            Line::Users(record) => users.push(record),
            Line::Products(record) => products.push(record),
            Line::Orders(record) => orders.push(record),
            Line::Secret(service, secret) => secrets.push((service_of(&service)?, secret)),
            Line::Answer(service, kept) => answers[service_of(&service)?].push(kept),
        }
    }
    refuse_others(shop, &users).await?;
    for database in &shop.databases {
        database.begin_restore().await?;
    }
    for (place, secret) in secrets {
        shop.databases[place].put_secret(SERVICES[place].0, secret).await?;
    }
    for chunk in users.chunks(CHUNK) {
        shop.users.load(chunk.to_vec()).await?;
    }
    for chunk in products.chunks(CHUNK) {
        shop.products.load(chunk.to_vec()).await?;
    }
    for chunk in orders.chunks(CHUNK) {
        shop.orders.load(chunk.to_vec()).await?;
    }
    for (place, answers) in answers.iter().enumerate() {
        for chunk in answers.chunks(CHUNK) {
            shop.databases[place].put_kept(SERVICES[place].1, chunk).await?;
        }
    }
    Ok(())
}

/// Two shops cannot become one: a user who is there already must be one of those who come.
async fn refuse_others(shop: &Shop, users: &[Value]) -> Result<()> {
    let ids: HashSet<String> =
        users.iter().filter_map(|record| text(&record["user"]["id"])).collect();
    let there = shop.users.dump().await?;
    let is_other = |record: &Value| text(&record["user"]["id"]).is_none_or(|id| !ids.contains(&id));
    match there.iter().any(is_other) {
        false => Ok(()),
        true => {
            let why = "there is another shop in the databases: import into empty ones";
            Err(Error::new(Code::InvalidParameter, why))
        }
    }
}

fn service_of(name: &str) -> Result<usize> {
    let unknown = || Error::new(Code::InvalidParameter, format!("there is no service {name}"));
    SERVICES.iter().position(|(service, _)| *service == name).ok_or_else(unknown)
}
