//! The limits: HTTP without a shop behind it, and the shop's rows without HTTP before them.

use std::{
    io::Write,
    net::{SocketAddr, TcpListener as StdListener},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use rusqlite::Connection;
use tokio::net::{TcpListener, TcpStream};

use crate::Result;

/// Rows per transaction, as a busy shop has them.
const BATCH: usize = 256;

/// Serves `body` to every request, on `address`, for ever.
pub async fn serve_bare(address: SocketAddr, body: String) -> Result<()> {
    let listener = TcpListener::bind(address).await.map_err(|error| error.to_string())?;
    let body = Bytes::from(body);
    loop {
        let (stream, _) = listener.accept().await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let body = body.clone();
        let answer = service_fn(move |_: Request<Incoming>| {
            let body = Full::new(body.clone());
            async move { Response::builder().header("content-type", "application/json").body(body) }
        });
        tokio::spawn(async move {
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await);
        });
    }
}

/// A bare server in a process of its own; it ends when dropped.
#[derive(Debug)]
pub(super) struct Bare {
    pub(super) url: String,
    child: Child,
}

impl Bare {
    /// Starts this program once more, to answer `body` to everything.
    pub(super) async fn start(body: &str) -> Result<Self> {
        let text = |error: std::io::Error| error.to_string();
        let address = StdListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let address = address.map_err(text)?.to_string();
        let program = std::env::current_exe().map_err(text)?;
        let mut command = Command::new(program);
        command.args(["bare", &address]).stdin(Stdio::piped());
        let mut child = command.spawn().map_err(text)?;
        let said = child.stdin.take().map(|mut input| input.write_all(body.as_bytes()));
        let bare = Self { url: format!("http://{address}"), child };
        said.transpose().map_err(text)?;
        for _ in 0..100 {
            if TcpStream::connect(&address).await.is_ok() {
                return Ok(bare);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err("the bare server does not start".to_owned())
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Orders per second when the rows of one-line orders are written by one thread, in batches, each on disk before the
/// next: reservation, movement, stock, order, in tables with the usual indexes.
pub(super) fn row_rate(orders: usize, products: usize) -> Result<f64> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    write_rows(&folder.path().join("rows.db"), orders, products).map_err(|error| error.to_string())
}

#[expect(clippy::disallowed_methods, reason = "this measures a thread that has no runtime")]
fn write_rows(path: &Path, orders: usize, products: usize) -> rusqlite::Result<f64> {
    let mut db = Connection::open(path)?;
    db.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 16384;
         CREATE TABLE stock (product INTEGER PRIMARY KEY, reserved INTEGER NOT NULL);
         CREATE TABLE movements (product INTEGER, sequence INTEGER, order_id BLOB, at INTEGER,
                                 PRIMARY KEY (product, sequence)) WITHOUT ROWID;
         CREATE TABLE reservations (seq INTEGER PRIMARY KEY, id BLOB UNIQUE, lines TEXT, at INTEGER);
         CREATE TABLE orders (seq INTEGER PRIMARY KEY, id BLOB UNIQUE, user_id BLOB, lines TEXT, at INTEGER);
         CREATE INDEX orders_by_user ON orders (user_id, at, id);
         WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {products})
         INSERT INTO stock SELECT i, 0 FROM n;"
    ))?;
    let lines = format!("[{{\"productId\":\"{}\",\"quantity\":1}}]", "x".repeat(160));
    let started = Instant::now();
    for first in (0..orders).step_by(BATCH) {
        let transaction = db.transaction()?;
        for number in first..orders.min(first + BATCH) {
            write_row(&transaction, (number, number % products), &lines)?;
        }
        transaction.commit()?;
    }
    Ok(f64::from(u32::try_from(orders).unwrap_or(u32::MAX)) / started.elapsed().as_secs_f64())
}

fn write_row(
    db: &Connection,
    (number, product): (usize, usize),
    lines: &str,
) -> rusqlite::Result<()> {
    let number = i64::try_from(number).unwrap_or(i64::MAX);
    let product = i64::try_from(product).unwrap_or(i64::MAX);
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64.cast_signed());
    let id = [mixed.to_be_bytes(), number.to_be_bytes()].concat();
    db.prepare_cached("UPDATE stock SET reserved = reserved + 1 WHERE product = ?1")?
        .execute([product])?;
    db.prepare_cached("INSERT INTO movements VALUES (?1, ?2, ?3, ?4)")?
        .execute((product, number, &id, number))?;
    db.prepare_cached("INSERT INTO reservations (id, lines, at) VALUES (?1, ?2, ?3)")?
        .execute((&id, lines, number))?;
    db.prepare_cached("INSERT INTO orders (id, user_id, lines, at) VALUES (?1, ?2, ?3, ?4)")?
        .execute((&id, &id[8..], lines, number))?;
    Ok(())
}
