//! Rows of a CSV file of products, plain or gzipped.

use std::{
    io::{BufRead, Read},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use flate2::read::MultiGzDecoder;
use holdfast_types::{Code, Error, Result};
use serde::Deserialize;
use serde_json::{Value, json};

/// The columns that must be there, in any order; the others may be left out.
const REQUIRED: [&str; 5] = ["sku", "name", "price", "currency", "quantity"];
const KNOWN: [&str; 11] = [
    "sku",
    "name",
    "description",
    "category",
    "price",
    "currency",
    "quantity",
    "images",
    "opensAt",
    "closesAt",
    "limitPerCustomer",
];

/// A product, ready to be sent.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) line: u64,
    pub(crate) product: Value,
    /// About how many bytes of a request it takes.
    pub(crate) bytes: usize,
}

#[derive(Debug, Deserialize)]
struct Columns {
    sku: String,
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    category: Option<String>,
    price: i64,
    currency: String,
    quantity: i64,
    /// Addresses with spaces between them; those that begin with `/` are of the shop itself.
    #[serde(default)]
    images: Option<String>,
    /// When it may be ordered (RFC 3339).
    #[serde(default, rename = "opensAt")]
    opens_at: Option<String>,
    #[serde(default, rename = "closesAt")]
    closes_at: Option<String>,
    /// Units that one customer may order.
    #[serde(default, rename = "limitPerCustomer")]
    limit_per_customer: Option<i64>,
}

/// Reads row after row.
pub(crate) struct Rows {
    reader: csv::Reader<Box<dyn Read>>,
    headers: csv::StringRecord,
    record: csv::StringRecord,
    /// Bytes of the file that were read, for the progress bar.
    read: Arc<AtomicU64>,
    /// Bytes that the next row may have.
    left: Arc<AtomicU64>,
    /// Where the shop is.
    shop: String,
    terms: Terms,
}

/// What the file has columns about: what it has none about stays as it is.
#[derive(Clone, Copy)]
struct Terms {
    window: bool,
    limit: bool,
}

/// Bytes of a row: many times what the shop takes.
const ROW_BYTES: u64 = 16 << 20;

impl Rows {
    /// The rows of a file for the shop at that address.
    pub(crate) fn open(file: &Path, shop: &str) -> Result<Self> {
        Self::read(super::open(file)?, &file.display().to_string(), shop)
    }

    /// The same of `source`, which messages call `name`.
    pub(crate) fn read(mut source: impl BufRead + 'static, name: &str, shop: &str) -> Result<Self> {
        let refuse = |why: String| Error::new(Code::InvalidParameter, format!("{name}: {why}"));
        let gzipped = source.fill_buf().map_err(Error::internal)?.starts_with(&[0x1f, 0x8b]);
        let read = Arc::new(AtomicU64::new(0));
        let counted = Counted { source, read: Arc::clone(&read) };
        let content: Box<dyn Read> =
            if gzipped { Box::new(MultiGzDecoder::new(counted)) } else { Box::new(counted) };
        let left = Arc::new(AtomicU64::new(ROW_BYTES));
        let content: Box<dyn Read> = Box::new(Bounded { content, left: Arc::clone(&left) });
        let mut reader = csv::ReaderBuilder::new().from_reader(content);
        let headers = reader.headers().map_err(|error| refuse(error.to_string()))?.clone();
        if let Some(missing) =
            REQUIRED.iter().find(|name| !headers.iter().any(|header| header == **name))
        {
            return Err(refuse(format!(
                "line 1: there is no column `{missing}`; expected {}",
                KNOWN.join(", ")
            )));
        }
        if let Some(unknown) = headers.iter().find(|header| !KNOWN.contains(header)) {
            return Err(refuse(format!(
                "line 1: the column `{unknown}` is not known; expected {}",
                KNOWN.join(", ")
            )));
        }
        let shop = shop.trim_end_matches('/').to_owned();
        let terms = Terms {
            window: headers.iter().any(|header| matches!(header, "opensAt" | "closesAt")),
            limit: headers.iter().any(|header| header == "limitPerCustomer"),
        };
        Ok(Self { reader, headers, record: csv::StringRecord::new(), read, left, shop, terms })
    }

    /// The next row, or its line and what is wrong with it; `None` at the end.
    /// Fails when the file cannot be read on: a damaged gzip, a broken disk.
    pub(crate) fn next_row(&mut self) -> Result<Option<Result<Row, (u64, String)>>> {
        self.left.store(ROW_BYTES, Ordering::Relaxed);
        let more = self.reader.read_record(&mut self.record);
        let line = self.record.position().map_or(0, csv::Position::line);
        match more {
            Ok(false) => Ok(None),
            Ok(true) => Ok(Some(
                self.record
                    .deserialize(Some(&self.headers))
                    .map_err(|error| explain(line, &error))
                    .map(|columns| row(line, columns, &self.shop, self.terms)),
            )),
            Err(error) if error.is_io_error() => Err(Error::new(
                Code::InvalidParameter,
                format!("after line {line}: the file cannot be read on"),
            )
            .with_source(error)),
            Err(error) => Ok(Some(Err(explain(line, &error)))),
        }
    }

    pub(crate) fn position(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }
}

fn explain(line: u64, error: &csv::Error) -> (u64, String) {
    let line = error.position().map_or(line, csv::Position::line);
    match error.kind() {
        csv::ErrorKind::Deserialize { err, .. } => {
            let column = err.field().and_then(|index| usize::try_from(index).ok());
            (
                line,
                format!(
                    "column {}: {}",
                    column.map_or_else(String::new, |index| (index + 1).to_string()),
                    err.kind()
                ),
            )
        }
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            (line, format!("{len} columns, expected {expected_len}"))
        }
        _ => (line, error.to_string()),
    }
}

fn row(line: u64, columns: Columns, shop: &str, terms: Terms) -> Row {
    let images = columns.images.as_deref().unwrap_or_default().split_ascii_whitespace();
    let images: Vec<Value> = images
        .map(|url| match url.starts_with('/') {
            true => json!({"url": format!("{shop}{url}")}),
            false => json!({"url": url}),
        })
        .collect();
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    let window =
        json!({"opensAt": filled(columns.opens_at), "closesAt": filled(columns.closes_at)});
    let mut product = json!({
        "sku": filled(Some(columns.sku)),
        "name": columns.name,
        "description": filled(columns.description),
        "category": filled(columns.category),
        "price": {"amount": columns.price, "currency": columns.currency},
        "quantity": columns.quantity,
        "images": images,
    });
    if terms.window {
        product["saleWindow"] = window;
    }
    if terms.limit {
        product["limitPerCustomer"] = json!(columns.limit_per_customer);
    }
    let bytes = product.to_string().len() + 1;
    Row { line, product, bytes }
}

/// Ends with an error where a row is too long to be one: a quote that is not closed, or a file that was made to take memory.
struct Bounded {
    content: Box<dyn Read>,
    left: Arc<AtomicU64>,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.content.read(buffer)?;
        let left = self.left.load(Ordering::Relaxed).checked_sub(count as u64);
        let left = left.ok_or_else(|| std::io::Error::other("a row is longer than 16 MiB"))?;
        self.left.store(left, Ordering::Relaxed);
        Ok(count)
    }
}

struct Counted<R> {
    source: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
