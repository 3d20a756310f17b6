//! Damage: copies of a data directory are mutated, and the program is started on each. It refuses, or it serves; where it
//! serves, orders that it had acknowledged are counted that are missing or changed, and its own audit is asked.

use std::{
    fs,
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use holdfast_client::Connection;
use holdfast_types::Random;
use hyper::Method;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    Result,
    accounts::{sign_in_again, sign_in_pool},
    private::{Plan, PrivateShop},
    torture::stock_up,
};

/// Orders before the copy is made, and between the copy and the crash.
const ORDERS: usize = 150;
const DATABASE: &str = "holdfast.db";
const LOG: &str = "holdfast.db-wal";

/// What is done to a copy.
#[derive(Clone, Copy, Debug)]
enum Mutation {
    /// Nothing: the control.
    None,
    /// The log is gone: only the file was copied.
    WithoutLog,
    /// The log is cut after this per mille of its bytes.
    CutLog(u64),
    /// The file is cut.
    CutFile(u64),
    /// A byte is turned over, at this per mille.
    FlipInLog(u64),
    FlipInFile(u64),
    /// A page of zeros, at this per mille.
    ZeroInFile(u64),
    /// The file is older than the log.
    OldFile,
    /// The log is older than the file.
    OldLog,
    /// All of it is older than the mark.
    OldBoth,
    /// The mark is gone.
    WithoutMark,
    /// Bytes follow the end.
    Longer,
    /// There is nothing in it.
    Empty,
}

impl Mutation {
    /// Whether it is of a copy whose log is empty: what a log has hides what the file has.
    const fn is_of_rested(self) -> bool {
        matches!(self, Self::CutFile(_) | Self::FlipInFile(_) | Self::ZeroInFile(_))
    }
}

/// What came of a mutation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Case {
    mutation: String,
    /// What the program said when it refused to start.
    refused: Option<String>,
    /// Orders that it had acknowledged and did not have, when it served.
    missing: usize,
    /// Those that it had in another form.
    changed: usize,
    /// Whether its audit found something.
    is_found: bool,
}

impl Case {
    /// Whether orders are gone and nobody says so.
    #[must_use]
    pub fn is_silent_loss(&self) -> bool {
        self.refused.is_none() && self.missing > 0 && !self.is_found
    }

    /// A line of a table in Markdown.
    #[must_use]
    pub fn to_row(&self) -> String {
        let Self { mutation, refused, missing, changed, is_found } = self;
        let outcome = match refused {
            Some(why) => format!("refused: {why}"),
            None => {
                let audit = if *is_found { "finds it" } else { "is clean" };
                format!("served; {missing} orders missing, {changed} changed; `check` {audit}")
            }
        };
        let silent = if self.is_silent_loss() { " **SILENT LOSS**" } else { "" };
        format!("| {mutation} | {outcome}{silent} |\n")
    }
}

/// A shop that was killed in the middle of its work, and what it had acknowledged.
struct Original {
    data: PathBuf,
    /// The same, some orders earlier.
    earlier: PathBuf,
    /// The same after a clean stop: all of it is in the file, and there is no log.
    rested: PathBuf,
    /// By id.
    orders: Vec<(String, Value)>,
}

/// Mutates `count` copies and more, and starts `program` on each; `tell` hears of each case.
pub async fn damage(
    program: &Path,
    seed: u64,
    count: usize,
    tell: impl Fn(&str),
) -> Result<Vec<Case>> {
    let folder = tempfile::tempdir().map_err(words)?;
    let original = make(program, folder.path()).await?;
    let mut cases = Vec::new();
    for (number, mutation) in mutations(&Random::seeded(seed), count).into_iter().enumerate() {
        let place = folder.path().join(format!("case-{number}"));
        let data = place.join("data");
        let from = if mutation.is_of_rested() { &original.rested } else { &original.data };
        copy(from, &data).map_err(words)?;
        mutate(mutation, &original, &data).map_err(words)?;
        let case = observe(program, &place, mutation, &original).await?;
        tell(&case.to_row());
        cases.push(case);
        fs::remove_dir_all(&place).map_err(words)?;
    }
    Ok(cases)
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn mutations(random: &Random, count: usize) -> Vec<Mutation> {
    let place = || u64::from(u16::from_le_bytes(random.bytes())) * 1000 / u64::from(u16::MAX);
    let mut all = vec![
        Mutation::None,
        Mutation::WithoutLog,
        Mutation::OldFile,
        Mutation::OldLog,
        Mutation::OldBoth,
        Mutation::WithoutMark,
        Mutation::Longer,
        Mutation::Empty,
    ];
    let anywhere: [fn(u64) -> Mutation; 5] = [
        Mutation::CutLog,
        Mutation::CutFile,
        Mutation::FlipInLog,
        Mutation::FlipInFile,
        Mutation::ZeroInFile,
    ];
    all.extend((0..count).map(|number| anywhere[number % anywhere.len()](place())));
    all
}

async fn make(program: &Path, folder: &Path) -> Result<Original> {
    let place = folder.join("original");
    fs::create_dir(&place).map_err(words)?;
    let (data, earlier) = (place.join("data"), folder.join("earlier"));
    let mut shop = PrivateShop::start(plan(program, &place, &data))?;
    shop.ready().await?;
    let product = stock_up(&shop.url, 1, 1_000_000).await?.swap_remove(0);
    let mut orders = place_orders(&shop.url, &product).await?;
    copy(&data, &earlier).map_err(words)?;
    orders.extend(place_orders(&shop.url, &product).await?);
    shop.kill();
    let (crashed, rested) = (folder.join("crashed"), folder.join("rested"));
    copy(&data, &crashed).map_err(words)?;
    shop.start_again()?;
    shop.ready().await?;
    shop.stop().await?;
    copy(&data, &rested).map_err(words)?;
    Ok(Original { data: crashed, earlier, rested, orders })
}

fn plan(program: &Path, folder: &Path, data: &Path) -> Plan {
    Plan {
        program: program.to_owned(),
        folder: folder.to_owned(),
        data: data.to_owned(),
        arguments: Vec::new(),
        settings: Vec::new(),
    }
}

async fn place_orders(url: &str, product: &str) -> Result<Vec<(String, Value)>> {
    let buyer = sign_in_pool(url, 1).await?.swap_remove(0);
    let authorization = format!("Bearer {}", buyer.token);
    let headers = [("authorization", authorization.as_str())];
    let body = json!({"items": [{"productId": product, "quantity": 1}]}).to_string();
    let mut connection = Connection::new(url);
    let mut orders = Vec::with_capacity(ORDERS);
    for _ in 0..ORDERS {
        let body = Bytes::from(body.clone());
        let order =
            connection.send(Method::POST, "/api/orders", &headers, body).await?.expect(201)?;
        orders.push((order["id"].as_str().unwrap_or_default().to_owned(), order));
    }
    Ok(orders)
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

fn mutate(mutation: Mutation, original: &Original, data: &Path) -> std::io::Result<()> {
    let (file, log) = (data.join(DATABASE), data.join(LOG));
    let older = |name: &str| fs::copy(original.earlier.join(name), data.join(name)).map(|_| ());
    match mutation {
        Mutation::None => Ok(()),
        Mutation::WithoutLog => fs::remove_file(log),
        Mutation::CutLog(place) => cut(&log, place),
        Mutation::CutFile(place) => cut(&file, place),
        Mutation::FlipInLog(place) => overwrite(&log, place, 1),
        Mutation::FlipInFile(place) => overwrite(&file, place, 1),
        Mutation::ZeroInFile(place) => overwrite(&file, place, 4096),
        Mutation::OldFile => older(DATABASE),
        Mutation::OldLog => older(LOG),
        Mutation::OldBoth => older(DATABASE).and_then(|()| older(LOG)),
        Mutation::WithoutMark => fs::remove_file(data.join("holdfast.db-mark")),
        Mutation::Longer => {
            fs::OpenOptions::new().append(true).open(file)?.write_all(&[0x5a; 5000])
        }
        Mutation::Empty => fs::write(file, ""),
    }
}

fn cut(path: &Path, per_mille: u64) -> std::io::Result<()> {
    let file = fs::OpenOptions::new().write(true).open(path)?;
    file.set_len(file.metadata()?.len() * per_mille / 1000)
}

/// Turns the bytes over, or makes a page of them zero.
fn overwrite(path: &Path, per_mille: u64, count: usize) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    let place = (length * per_mille / 1000).min(length.saturating_sub(1));
    let place = if count > 1 { place / 4096 * 4096 } else { place };
    let mut bytes = vec![0; count];
    if count == 1 {
        file.seek(SeekFrom::Start(place))?;
        file.read_exact(&mut bytes)?;
        bytes[0] = !bytes[0];
    }
    file.seek(SeekFrom::Start(place))?;
    file.write_all(&bytes)
}

async fn observe(
    program: &Path,
    place: &Path,
    mutation: Mutation,
    original: &Original,
) -> Result<Case> {
    let plan = plan(program, place, &place.join("data"));
    let mut case = Case {
        mutation: format!("{mutation:?}"),
        refused: None,
        missing: 0,
        changed: 0,
        is_found: false,
    };
    match PrivateShop::start(plan) {
        Err(_) => {
            let said = fs::read_to_string(place.join("log")).unwrap_or_default();
            let said = said.replace(&format!("{}/", place.display()), "");
            case.refused = said.lines().next().map(str::to_owned);
        }
        Ok(shop) => {
            (case.missing, case.changed) = compare(&shop.url, &original.orders).await;
            case.is_found = !shop.run(&["check"])?.0;
        }
    }
    Ok(case)
}

/// How many orders are missing, and how many are not as they were told.
async fn compare(url: &str, orders: &[(String, Value)]) -> (usize, usize) {
    let mut connection = Connection::new(url);
    // Whose account is gone has lost all orders.
    let Ok(buyer) = sign_in_again(&mut connection, 0).await else { return (orders.len(), 0) };
    let authorization = format!("Bearer {}", buyer.token);
    let headers = [("authorization", authorization.as_str())];
    let (mut missing, mut changed) = (0, 0);
    for (id, order) in orders {
        let path = format!("/api/orders/{id}");
        match connection.send(Method::GET, &path, &headers, Bytes::new()).await {
            Ok(found) if found.status == 200 => changed += usize::from(found.json() != *order),
            _ => missing += 1,
        }
    }
    (missing, changed)
}
