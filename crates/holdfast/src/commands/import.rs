//! `holdfast import`: products from a CSV file into a running shop, through the batch endpoint.

pub(crate) mod rows;

use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
    process::ExitCode,
};

use aws_lc_rs::digest;
use holdfast_client::Shop;
use holdfast_types::{Code, Error, Result};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::{print, remark, shop};
use crate::{cli::ShopFlags, config::Config};
use rows::{Row, Rows};

/// Products in one request.
const CHUNK_ROWS: usize = 500;
/// Bytes of products in one request, below the shop's limit of 1 MiB.
const CHUNK_BYTES: usize = 900 << 10;
/// Bytes of a product's `status`.
const STATUS_BYTES: usize = 20;

/// Imports a file. A refused row does not stop the rest; exit status 1 says that there were some.
pub(crate) async fn import(
    config: &Config,
    file: &Path,
    flags: &ShopFlags,
    overwrite: bool,
) -> Result<ExitCode> {
    let hash = hash(file)?;
    let mut rows = Rows::open(file, &flags.url)?;
    let mut shop = shop::sign_in(config, flags).await?;
    let progress = progress_bar(file)?;
    let mut tally = Tally::default();
    let mut chunk = Chunk::default();
    while let Some(row) = rows.next_row()? {
        progress.set_position(rows.position());
        match row {
            Err((line, reason)) => tally.refuse(&progress, line, &reason),
            Ok(row) => {
                if chunk.is_full(&row) {
                    chunk.send(&mut shop, &hash, overwrite, &mut tally, &progress).await?;
                }
                chunk.push(row, overwrite);
            }
        }
    }
    chunk.send(&mut shop, &hash, overwrite, &mut tally, &progress).await?;
    progress.finish_and_clear();
    let seconds = progress.elapsed().as_secs_f64();
    let Tally { created, updated, refused } = tally;
    let done = f64::from(created + updated);
    print(&format!(
        "Imported {} in {seconds:.1} s ({:.0} products/s): {created} created, {updated} updated, {refused} refused\n",
        file.display(),
        done / seconds.max(0.001),
    ))?;
    Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Tells this file's content from any other.
fn hash(file: &Path) -> Result<String> {
    let mut reader = open(file)?;
    let mut context = digest::Context::new(&digest::SHA256);
    let mut buffer = vec![0; 64 << 10];
    loop {
        match reader.read(&mut buffer).map_err(Error::internal)? {
            0 => break,
            count => context.update(&buffer[..count]),
        }
    }
    Ok(context.finish().as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect())
}

fn open(file: &Path) -> Result<BufReader<File>> {
    let unreadable = |error| {
        Error::new(Code::InvalidParameter, format!("{} cannot be read", file.display()))
            .with_source(error)
    };
    File::open(file).map(BufReader::new).map_err(unreadable)
}

fn progress_bar(file: &Path) -> Result<ProgressBar> {
    let size = std::fs::metadata(file).map_err(Error::internal)?.len();
    let style =
        ProgressStyle::with_template("{bar:40} {percent:>3}%  {msg}  {elapsed} (ETA {eta})")
            .map_err(Error::internal)?;
    Ok(ProgressBar::new(size).with_style(style))
}

#[derive(Debug, Default)]
struct Tally {
    created: u32,
    updated: u32,
    refused: u32,
}

impl Tally {
    fn refuse(&mut self, progress: &ProgressBar, line: u64, reason: &str) {
        self.refused += 1;
        progress.suspend(|| remark(&format!("line {line}: {reason}")));
    }
}

/// Rows that travel together, and their lines in the file.
#[derive(Debug, Default)]
struct Chunk {
    number: u32,
    lines: Vec<u64>,
    items: Vec<Value>,
    bytes: usize,
}

impl Chunk {
    fn is_full(&self, next: &Row) -> bool {
        self.items.len() == CHUNK_ROWS || self.bytes + next.bytes > CHUNK_BYTES
    }

    /// What is overwritten is for sale again, if it was not.
    fn push(&mut self, mut row: Row, overwrite: bool) {
        if overwrite {
            row.product["status"] = json!("active");
        }
        self.bytes += row.bytes + STATUS_BYTES;
        self.lines.push(row.line);
        self.items.push(row.product);
    }

    /// Sends what is there under a key made of the file's content and the chunk's place, and begins the next chunk.
    async fn send(
        &mut self,
        shop: &mut Shop,
        hash: &str,
        overwrite: bool,
        tally: &mut Tally,
        progress: &ProgressBar,
    ) -> Result<()> {
        if self.items.is_empty() {
            return Ok(());
        }
        let items = std::mem::take(&mut self.items);
        let lines = std::mem::take(&mut self.lines);
        let mode = if overwrite { "overwrite" } else { "create" };
        let key = format!("import-{hash}-{mode}-{}", self.number);
        let body = json!({"mode": "partial", "overwrite": overwrite, "items": items});
        let answer: Value = shop.post_under(&key, "/api/products/batch", &body).await?;
        *self = Self { number: self.number + 1, ..Self::default() };
        for (result, line) in answer["results"].as_array().into_iter().flatten().zip(lines) {
            match result["status"].as_u64() {
                Some(201) => tally.created += 1,
                Some(200) => tally.updated += 1,
                _ => tally.refuse(
                    progress,
                    line,
                    result["problem"]["detail"].as_str().unwrap_or("no reason given"),
                ),
            }
        }
        let done = f64::from(tally.created + tally.updated);
        let rate = done / progress.elapsed().as_secs_f64().max(0.001);
        progress.set_message(format!("{done} products, {rate:.0}/s"));
        Ok(())
    }
}
