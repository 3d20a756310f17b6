//! `holdfast export --all` and `import --all`: a whole shop as one file that every engine reads.
//!
//! The file is gzipped JSON lines: what it is, then one record per line, then how many there were. However long it is, a
//! few hundred records are in memory. Stock is read before orders, and orders whose stock was not there yet are left out:
//! they came after the moment that the file shows. Where an order has gone on since, its stock follows at the import, as
//! it does after a crash.

use std::{
    collections::{BTreeMap, HashSet},
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, BufWriter, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    process::ExitCode,
};

use flate2::{Compression, bufread::MultiGzDecoder, write::GzEncoder};
use holdfast_orders as orders;
use holdfast_products as products;
use holdfast_storage::record::{Any, IdempotencyRecord, RecordType, Value};
use holdfast_types::{Code, Error, Result};
use serde::{Deserialize, Serialize};

use super::{
    backup::require_existing,
    check,
    pairs::{Pair, Pairs},
    remark,
};
use crate::{
    config::Config,
    parts::Part,
    serve::prepare_data_dir,
    wiring::{Shop, records_of},
};

/// The version of the format.
const FORMAT: u32 = 1;
/// Bytes of a line: many times the largest order.
const LINE_BYTES: u64 = 16 << 20;
/// Records that are kept in one transaction.
const CHUNK: usize = 500;

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
    /// A record of a service: its name, the table, the record.
    Record(String, String, Any),
    /// The same for users, as exports had it at first.
    Users(OldUser),
    /// What services keep with statements of their own.
    Products(products::Portable),
    Orders(orders::Portable),
    /// An answer that a service keeps.
    Answer(String, IdempotencyRecord),
    /// The last: lines between it and the first.
    End(u64),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum OldUser {
    User(Any),
}

impl Line {
    fn in_todays_form(self) -> Self {
        match self {
            Self::Users(OldUser::User(user)) => {
                Self::Record("users".to_owned(), "users".to_owned(), user)
            }
            line => line,
        }
    }

    /// Whether there is such a service, and such a record of it.
    fn check(&self) -> Result<()> {
        match self {
            Self::Record(service, table, record) => {
                record_type(part_of(service)?, table)?.key(record).map(|_| ())
            }
            Self::Secret(service, _) | Self::Answer(service, _) => part_of(service).map(|_| ()),
            _ => Ok(()),
        }
    }
}

/// Writes the whole shop to `file`, which must not exist yet, while the shop goes on.
pub(crate) async fn export(config: &Config, file: &Path) -> Result<ExitCode> {
    require_existing(config)?;
    let shop = Shop::open(config).await?;
    let mut dump = Dump::create(file)?;
    for (part, database) in &shop.databases {
        let service = part.name();
        dump.put(&Line::Secret(service.to_owned(), database.secret_of(service).await?))?;
        let mut answers = database.records::<IdempotencyRecord>().await?;
        while let Some(kept) = answers.next().await? {
            // A database may have those of several services.
            if let Some(kept) = Some(kept?).filter(|kept| kept.service == service) {
                dump.put(&Line::Answer(service.to_owned(), kept))?;
            }
        }
    }
    put_records(&shop, &mut dump, |record_type| !record_type.is_told).await?;
    let mut pairs = Pairs::read(&shop).await?;
    for batch in std::mem::take(&mut pairs.batches) {
        dump.put(&Line::Products(batch))?;
    }
    while let Some(Pair { order, reservation, .. }) = pairs.next().await? {
        let (order, reservation) = (order.transpose()?, reservation.transpose()?);
        // An order without one came after the moment that the file shows.
        let is_known = reservation.is_some();
        if let Some(reservation) = reservation {
            dump.put(&Line::Products(reservation))?;
        }
        if let Some(order) = order.filter(|order| is_known || order.is_tombstone()) {
            dump.put(&Line::Orders(order))?;
        }
    }
    let mut products = pairs.into_products();
    while let Some(product) = products.next().await? {
        dump.put(&Line::Products(product?))?;
    }
    // What was told follows what it tells of, and the outboxes come before the log that collects them: so it has all that was
    // told by then, and what is in both is collected already.
    put_records(&shop, &mut dump, |record_type| record_type.is_told && is_outbox(record_type))
        .await?;
    put_records(&shop, &mut dump, |record_type| record_type.is_told && !is_outbox(record_type))
        .await?;
    remark(&format!("Exported {} records", dump.finish()?));
    Ok(ExitCode::SUCCESS)
}

/// Whether it is what a service has told and nobody has collected.
fn is_outbox(record_type: &RecordType) -> bool {
    record_type.table.ends_with("_outbox")
}

/// Writes the records of some types.
async fn put_records(
    shop: &Shop,
    dump: &mut Dump<'_>,
    wanted: impl Fn(&RecordType) -> bool,
) -> Result<()> {
    for (part, database) in &shop.databases {
        for record_type in moving(*part).filter(|record_type| wanted(record_type)) {
            let mut records = database.dump(record_type).await?;
            while let Some(record) = records.next().await? {
                let (service, table) = (part.name().to_owned(), record_type.table.to_owned());
                dump.put(&Line::Record(service, table, record?))?;
            }
        }
    }
    Ok(())
}

/// A file that is being written.
struct Dump<'a> {
    path: &'a Path,
    out: GzEncoder<BufWriter<File>>,
    count: u64,
}

impl<'a> Dump<'a> {
    fn create(path: &'a Path) -> Result<Self> {
        // There are password hashes in it.
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = file.map_err(|error| cannot_write(path, error))?;
        let out = GzEncoder::new(BufWriter::new(file), Compression::fast());
        let mut dump = Self { path, out, count: 0 };
        let version = env!("CARGO_PKG_VERSION").to_owned();
        dump.write(&Line::Holdfast { format: FORMAT, version })?;
        Ok(dump)
    }

    fn put(&mut self, line: &Line) -> Result<()> {
        self.count += 1;
        self.write(line)
    }

    fn write(&mut self, line: &Line) -> Result<()> {
        let mut text = serde_json::to_vec(line).map_err(Error::internal)?;
        text.push(b'\n');
        self.out.write_all(&text).map_err(|error| cannot_write(self.path, error))
    }

    fn finish(mut self) -> Result<u64> {
        self.write(&Line::End(self.count))?;
        let (path, count) = (self.path, self.count);
        let finish = || self.out.finish()?.into_inner()?.sync_all();
        finish().map_err(|error| cannot_write(path, error)).map(|()| count)
    }
}

fn cannot_write(path: &Path, error: std::io::Error) -> Error {
    Error::new(Code::InvalidParameter, format!("cannot write {}", path.display()))
        .with_source(error)
}

/// Brings a whole shop from `file` into empty databases, and audits it. What is there already stays as it is, so an
/// import that was cut can be run again.
pub(crate) async fn import(config: &Config, file: &Path) -> Result<ExitCode> {
    // Once to see that it is whole, before anything is touched.
    let mut there = HashSet::new();
    let count = each_line(file, async |line| {
        if let Line::Record(service, table, record) = line {
            let part = part_of(&service)?;
            if part == Part::Users {
                there.insert(record_type(part, &table)?.key(&record)?);
            }
        }
        Ok(())
    })
    .await?;
    prepare_data_dir(config)?;
    let shop = Shop::open_for_restore(config).await?;
    refuse_others(&shop, &there).await?;
    for database in &shop.each_database {
        database.begin_restore().await?;
    }
    let mut load = Load::new(&shop);
    each_line(file, async |line| load.put(line).await).await?;
    load.finish().await?;
    remark(&format!("Imported {count} records"));
    check::reconcile(&shop).await?;
    shop.payments.restore().await?;
    shop.events.restore().await?;
    for database in &shop.each_database {
        database.end_restore().await?;
    }
    check::audit_twice(&shop).await
}

/// Reads the file line by line; says how many records there were. Refuses one that is not whole.
async fn each_line(file: &Path, mut see: impl AsyncFnMut(Line) -> Result<()>) -> Result<u64> {
    let damaged = |place: u64, why: &str| {
        let why = format!("{}, line {place}: {why}", file.display());
        Error::new(Code::InvalidParameter, why)
    };
    let opened = File::open(file).map_err(|error| damaged(0, &error.to_string()))?;
    let mut lines = BufReader::new(MultiGzDecoder::new(BufReader::new(opened)));
    let (mut number, mut end, mut line) = (0, None, Vec::new());
    loop {
        line.clear();
        let read = (&mut lines).take(LINE_BYTES).read_until(b'\n', &mut line);
        if read.map_err(|error| damaged(number + 1, &error.to_string()))? == 0 {
            break;
        }
        number += 1;
        if line.len() as u64 == LINE_BYTES {
            return Err(damaged(number, "the line is longer than 16 MiB"));
        }
        let line = serde_json::from_slice(&line);
        let line = line.map_err(|error| damaged(number, &error.to_string()))?;
        match line {
            Line::Holdfast { format: FORMAT, .. } if number == 1 => {}
            _ if number == 1 => return Err(damaged(1, "this is not an export of a whole shop")),
            _ if end.is_some() => return Err(damaged(number, "the file ought to have ended")),
            Line::End(count) => end = Some(count),
            line => {
                let line = line.in_todays_form();
                line.check().map_err(|error| damaged(number, &error.cause()))?;
                see(line).await?;
            }
        }
    }
    match end {
        Some(count) if count + 2 == number => Ok(count),
        _ if number == 0 => Err(damaged(1, "this is not an export of a whole shop")),
        _ => Err(damaged(number, "the file ends too early")),
    }
}

/// Records on their way into the databases.
struct Load<'a> {
    shop: &'a Shop,
    records: BTreeMap<(Part, &'static str), Vec<Any>>,
    products: Vec<products::Portable>,
    orders: Vec<orders::Portable>,
    answers: BTreeMap<Part, Vec<IdempotencyRecord>>,
}

impl<'a> Load<'a> {
    fn new(shop: &'a Shop) -> Self {
        let answers = BTreeMap::new();
        Self { shop, records: BTreeMap::new(), products: Vec::new(), orders: Vec::new(), answers }
    }

    async fn put(&mut self, line: Line) -> Result<()> {
        match line {
            Line::Holdfast { .. } | Line::End(_) | Line::Users(_) => {}
            Line::Record(service, table, record) => {
                let part = part_of(&service)?;
                let table = record_type(part, &table)?.table;
                self.records.entry((part, table)).or_default().push(record);
            }
            Line::Products(record) => self.products.push(record),
            Line::Orders(record) => self.orders.push(record),
            Line::Answer(service, kept) => {
                let kept_there = self.answers.entry(part_of(&service)?).or_default();
                kept_there.push(IdempotencyRecord { service, ..kept });
            }
            Line::Secret(service, secret) => {
                let part = part_of(&service)?;
                self.shop.databases[&part].put_secret(part.name(), secret).await?;
            }
        }
        self.load(CHUNK).await
    }

    async fn finish(mut self) -> Result<()> {
        self.load(1).await
    }

    /// Keeps what has gathered, where there is at least `least` of it.
    async fn load(&mut self, least: usize) -> Result<()> {
        let Self { shop, records, products, orders, answers } = self;
        for ((part, table), records) in records {
            if records.len() >= least {
                let of = record_type(*part, table)?;
                shop.databases[part].load_any(of, std::mem::take(records)).await?;
            }
        }
        if products.len() >= least {
            shop.products.load(std::mem::take(products)).await?;
        }
        if orders.len() >= least {
            shop.orders.load(std::mem::take(orders)).await?;
        }
        for (part, answers) in answers {
            if answers.len() >= least {
                shop.databases[part].load(std::mem::take(answers)).await?;
            }
        }
        Ok(())
    }
}

/// Two shops cannot become one: a user who is there already must be one of those who come.
async fn refuse_others(shop: &Shop, users: &HashSet<Value>) -> Result<()> {
    for record_type in moving(Part::Users) {
        let mut there = shop.databases[&Part::Users].dump(record_type).await?;
        while let Some(user) = there.next().await? {
            if !users.contains(&record_type.key(&user?)?) {
                let why = "there is another shop in the databases: import into empty ones";
                return Err(Error::new(Code::InvalidParameter, why));
            }
        }
    }
    Ok(())
}

/// The record types of a service that move with a shop.
fn moving(part: Part) -> impl Iterator<Item = &'static RecordType> {
    records_of(part).iter().filter(|record_type| record_type.moves)
}

fn record_type(part: Part, table: &str) -> Result<&'static RecordType> {
    let why = || format!("{} has no records called {table}", part.name());
    let mut types = moving(part);
    types
        .find(|record_type| record_type.table == table)
        .ok_or_else(|| Error::new(Code::InvalidParameter, why()))
}

fn part_of(name: &str) -> Result<Part> {
    let unknown = || Error::new(Code::InvalidParameter, format!("there is no service {name}"));
    Part::SERVICES.into_iter().find(|part| part.name() == name).ok_or_else(unknown)
}
