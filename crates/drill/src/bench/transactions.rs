//! The limits of a database server: the rows of one order in one transaction each, written by 64 clients without a shop.

use std::{
    fs,
    path::Path,
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use futures_util::future::try_join_all;
use mongodb::{
    Client, ClientSession,
    bson::{Uuid, doc},
    options::{Acknowledgment, ReadConcern, WriteConcern},
};
use tokio::time::Instant;

use crate::Result;

const CLIENTS: usize = 64;

const SCHEMA: &str = "
    DROP TABLE IF EXISTS limit_stock, limit_movements, limit_reservations, limit_orders;
    CREATE TABLE limit_stock (product int PRIMARY KEY, name text, quantity bigint, reserved bigint, sequence bigint)
        WITH (fillfactor = 50);
    CREATE TABLE limit_movements (product int, sequence bigint, order_id uuid, at bigint, PRIMARY KEY (product, sequence));
    CREATE TABLE limit_reservations (id uuid PRIMARY KEY, lines text, at bigint);
    CREATE TABLE limit_orders (id uuid PRIMARY KEY, user_id uuid, lines text, at bigint);
    CREATE INDEX ON limit_orders (user_id, at, id);
    INSERT INTO limit_stock SELECT i, repeat('x', 160), 500000000, 0, 0 FROM generate_series(1, :products) i;";

/// How many products there are to choose from, for orders that spread and for one hot product.
fn choices(products: usize) -> [(&'static str, usize); 2] {
    [("spread", products), ("hot", 1)]
}

const SEVERAL: &str = "
    BEGIN;
    UPDATE limit_stock SET reserved = reserved + 1, sequence = sequence + 1
        WHERE product = :product AND reserved < quantity RETURNING sequence, gen_random_uuid() AS id \\gset
    INSERT INTO limit_movements VALUES (:product, :sequence, :id, 0);
    INSERT INTO limit_reservations VALUES (:id, repeat('x', 200), 0);
    INSERT INTO limit_orders VALUES (:id, :id, repeat('x', 200), 0);
    COMMIT;";

const ONE: &str = "
    WITH s AS (UPDATE limit_stock SET reserved = reserved + 1, sequence = sequence + 1
               WHERE product = :product AND reserved < quantity RETURNING product, sequence),
         i AS (SELECT gen_random_uuid() AS id),
         m AS (INSERT INTO limit_movements SELECT product, sequence, id, 0 FROM s, i),
         r AS (INSERT INTO limit_reservations SELECT id, repeat('x', 200), 0 FROM s, i)
    INSERT INTO limit_orders SELECT id, id, repeat('x', 200), 0 FROM s, i;";

const SELECT: &str = "SELECT * FROM limit_stock WHERE product = :product;";

/// Measures `what` with pgbench: transactions per second.
fn pgbench(url: &str, folder: &Path, script: &str, products: usize, time: Duration) -> Result<f64> {
    let file = folder.join("script.sql");
    let text = format!("\\set product random(1, {products})\n{script}\n");
    fs::write(&file, text).map_err(|error| error.to_string())?;
    let program =
        holdfast_testkit::postgres_program("pgbench").ok_or("pgbench is not installed")?;
    let seconds = time.as_secs().max(1).to_string();
    let clients = CLIENTS.to_string();
    let ran = Command::new(program)
        .args(["-n", "-M", "prepared", "-c", &clients, "-j", "2", "-T", &seconds, "-f"])
        .arg(&file)
        .arg(url)
        .output()
        .map_err(|error| error.to_string())?;
    let out = String::from_utf8_lossy(&ran.stdout);
    let rate =
        out.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
    rate.ok_or_else(|| format!("pgbench: {}", String::from_utf8_lossy(&ran.stderr)))
}

/// One round on PostgreSQL: selects by id, then orders.
pub(super) fn postgres_round(
    url: &str,
    time: Duration,
    products: usize,
) -> Result<Vec<(String, f64)>> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let psql = holdfast_testkit::postgres_program("psql").ok_or("psql is not installed")?;
    let made = Command::new(psql)
        .args(["-q", url, "-c", &SCHEMA.replace(":products", &products.to_string())])
        .output();
    if !made.map_err(|error| error.to_string())?.status.success() {
        return Err("cannot make the tables of the limits".to_owned());
    }
    let mut rates =
        vec![("selects by id".to_owned(), pgbench(url, folder.path(), SELECT, products, time)?)];
    for (choice, products) in choices(products) {
        for (how, script) in [("one statement", ONE), ("several statements", SEVERAL)] {
            let rate = pgbench(url, folder.path(), script, products, time)?;
            rates.push((format!("one order per transaction, {how}, {choice}"), rate));
        }
    }
    Ok(rates)
}

/// One round on MongoDB.
pub(super) async fn mongo_round(
    url: &str,
    time: Duration,
    products: usize,
) -> Result<Vec<(String, f64)>> {
    let client = Client::with_uri_str(url).await.map_err(|error| error.to_string())?;
    let database = client.database("limits");
    database.drop().await.map_err(|error| error.to_string())?;
    let stock = database.collection("stock");
    let rows = (1..=products).map(|product| doc! {"_id": i64::try_from(product).unwrap_or(0), "reserved": 0_i64, "sequence": 0_i64});
    stock.insert_many(rows).await.map_err(|error| error.to_string())?;
    for collection in ["movements", "reservations", "orders"] {
        database.create_collection(collection).await.map_err(|error| error.to_string())?;
    }
    let mut rates = Vec::new();
    for (choice, products) in choices(products) {
        let (count, until) = (AtomicU64::new(0), Instant::now() + time);
        let clients =
            (0..CLIENTS).map(|number| order_until(&client, (number, products), until, &count));
        try_join_all(clients).await.map_err(|error| error.to_string())?;
        let count = u32::try_from(count.into_inner()).unwrap_or(u32::MAX);
        rates.push((
            format!("one order per transaction, {choice}"),
            f64::from(count) / time.as_secs_f64(),
        ));
    }
    Ok(rates)
}

async fn order_until(
    client: &Client,
    (number, products): (usize, usize),
    until: Instant,
    count: &AtomicU64,
) -> mongodb::error::Result<()> {
    let mut session = client.start_session().await?;
    let mut next = number;
    while Instant::now() < until {
        next += 1;
        let product = i64::try_from(next % products).unwrap_or(0) + 1;
        match order(client, &mut session, product).await {
            Ok(()) => {
                count.fetch_add(1, Ordering::Relaxed);
            }
            // Somebody else was at the same product: what a client would do is to try again.
            Err(error) if error.contains_label("TransientTransactionError") => {
                let _ = session.abort_transaction().await;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn order(
    client: &Client,
    session: &mut ClientSession,
    product: i64,
) -> mongodb::error::Result<()> {
    let database = client.database("limits");
    let sure = WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build();
    session.start_transaction().read_concern(ReadConcern::snapshot()).write_concern(sure).await?;
    let id = Uuid::new();
    let take = doc! {"$inc": {"reserved": 1_i64, "sequence": 1_i64}};
    let stock = database.collection::<mongodb::bson::Document>("stock");
    let taken =
        stock.find_one_and_update(doc! {"_id": product}, take).session(&mut *session).await?;
    let sequence = taken.and_then(|taken| taken.get_i64("sequence").ok()).unwrap_or(0);
    let lines = "x".repeat(200);
    let rows = [
        ("movements", doc! {"_id": {"product": product, "sequence": sequence}, "order": id}),
        ("reservations", doc! {"_id": id, "lines": &lines}),
        ("orders", doc! {"_id": id, "user": id, "lines": &lines}),
    ];
    for (collection, row) in rows {
        database.collection(collection).insert_one(row).session(&mut *session).await?;
    }
    session.commit_transaction().await
}
