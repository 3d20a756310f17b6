//! Databases that fail, and the back door through which a control tampers with them.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use holdfast_testkit::{Home, postgres_program};
use mongodb::{
    Client,
    bson::{Uuid, doc},
};
use rusqlite::Connection;
use tokio::time::sleep;

use super::nemesis::Rig;
use crate::Result;

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// The ports of the database's servers.
pub(super) fn ports(rig: &Rig) -> Result<Vec<u16>> {
    match &rig.home {
        Some(Home::Postgres(server)) => Ok(vec![server.port()]),
        Some(Home::Mongo(server)) => Ok(server.ports()),
        _ => Err("the database has no server".to_owned()),
    }
}

/// Ends the server without a checkpoint, and starts it again after `hold`.
pub(super) async fn restart(rig: &mut Rig, hold: Duration) -> Result<String> {
    match &mut rig.home {
        Some(Home::Postgres(server)) => {
            server.stop_immediately();
            sleep(hold).await;
            server.resume();
        }
        Some(Home::Mongo(server)) => {
            let primary = server.wait_for_primary();
            server.kill(primary);
            sleep(hold).await;
            server.resume(primary);
            server.wait_for_primary();
        }
        _ => return Err("the database has no server".to_owned()),
    }
    rig.shop.ready().await?;
    Ok(format!("the database server was gone for {hold:?}"))
}

/// Kills the primary, which comes back after `hold` as a secondary.
pub(super) async fn kill_primary(rig: &mut Rig, hold: Duration) -> Result<String> {
    let Some(Home::Mongo(server)) = &mut rig.home else {
        return Err("the database has no replica set".to_owned());
    };
    let primary = server.wait_for_primary();
    server.kill(primary);
    let next = server.wait_for_primary();
    sleep(hold).await;
    server.resume(primary);
    rig.shop.ready().await?;
    Ok(format!("member {primary} was killed, and member {next} elected"))
}

/// Locks what orders need, for `hold`: a row of stock, or the whole file.
pub(super) async fn lock(rig: &mut Rig, hold: Duration) -> Result<String> {
    match &rig.home {
        Some(Home::Postgres(server)) => lock_row(&server.url(), hold).await,
        Some(Home::Mongo(server)) => lock_document(&server.url(), hold).await,
        _ => lock_file(rig, hold).await,
    }
}

async fn lock_file(rig: &Rig, hold: Duration) -> Result<String> {
    let db = Connection::open(rig.shop.data().join("holdfast.db")).map_err(words)?;
    db.busy_timeout(Duration::from_secs(10)).map_err(words)?;
    db.execute_batch("BEGIN IMMEDIATE").map_err(words)?;
    sleep(hold).await;
    db.execute_batch("ROLLBACK").map_err(words)?;
    Ok(format!("somebody else wrote to the file for {hold:?}"))
}

async fn lock_row(url: &str, hold: Duration) -> Result<String> {
    let psql = postgres_program("psql").ok_or("there is no `psql`")?;
    let sql = format!(
        "BEGIN; SELECT 'locked' FROM stock ORDER BY product_id LIMIT 1 FOR UPDATE; SELECT pg_sleep({}); ROLLBACK",
        hold.as_secs_f64()
    );
    let mut child = Command::new(psql)
        .args(["--no-psqlrc", "--quiet", "--tuples-only", "--dbname", url])
        .args(sql.split("; ").flat_map(|statement| ["--command", statement]))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(words)?;
    let out = child.stdout.take().map(BufReader::new).ok_or("psql says nothing")?;
    let first = out.lines().next().transpose().map_err(words)?.unwrap_or_default();
    sleep(hold).await;
    child.wait().map_err(words)?;
    match first.trim() {
        "locked" => Ok(format!("somebody else held a row of stock for {hold:?}")),
        other => Err(format!("psql did not lock: {other}")),
    }
}

async fn lock_document(url: &str, hold: Duration) -> Result<String> {
    let client = Client::with_uri_str(url).await.map_err(words)?;
    let products = client.database("holdfast").collection::<mongodb::bson::Document>("products");
    let mut session = client.start_session().await.map_err(words)?;
    session.start_transaction().await.map_err(words)?;
    let touch = doc! {"$set": {"drill": 1}};
    // A sale of the product may be faster: then there is nothing to hold.
    let locked = products.update_one(doc! {}, touch).session(&mut session).await;
    sleep(hold).await;
    session.abort_transaction().await.map_err(words)?;
    locked.map(|_| format!("somebody else held a product for {hold:?}")).map_err(words)
}

/// Deletes an order behind the shop's back.
pub(super) async fn delete_order(rig: &Rig, id: &str) -> Result<()> {
    let deleted = match &rig.home {
        Some(Home::Postgres(server)) => {
            let psql = postgres_program("psql").ok_or("there is no `psql`")?;
            let sql = format!("DELETE FROM orders WHERE id = '{id}'");
            let ran = Command::new(psql)
                .args(["--no-psqlrc", "--dbname", &server.url(), "-c", &sql])
                .output();
            u64::from(String::from_utf8_lossy(&ran.map_err(words)?.stdout).contains("DELETE 1"))
        }
        Some(Home::Mongo(server)) => {
            let client = Client::with_uri_str(server.url()).await.map_err(words)?;
            let orders =
                client.database("holdfast").collection::<mongodb::bson::Document>("orders");
            let id = Uuid::parse_str(id).map_err(words)?;
            orders.delete_one(doc! {"_id": id}).await.map_err(words)?.deleted_count
        }
        _ => {
            let db = Connection::open(rig.shop.data().join("holdfast.db")).map_err(words)?;
            db.busy_timeout(Duration::from_secs(10)).map_err(words)?;
            let id = uuid::Uuid::parse_str(id).map_err(words)?;
            let deleted = db.execute("DELETE FROM orders WHERE id = ?1", [id.as_bytes()]);
            deleted.map_err(words)?.try_into().unwrap_or(0)
        }
    };
    match deleted {
        1 => Ok(()),
        _ => Err(format!("order {id} could not be deleted behind the shop's back")),
    }
}
