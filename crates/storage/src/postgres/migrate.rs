//! Migrations: each service numbers its own steps, and a step runs once.

use holdfast_types::Result;

use super::{Fault, Tx};
use crate::migrations::Steps;

/// The advisory lock that all Holdfast processes take before they migrate ("holdfast" in ASCII), so that ten of them
/// may meet an empty database at once.
const LOCK: i64 = 0x686f_6c64_6661_7374;

/// Waits for whoever else migrates.
pub(super) async fn lock(tx: &Tx) -> Result<(), Fault> {
    tx.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await.map(|_| ())
}

/// Runs the steps that this database has not seen, all of them in one transaction.
pub(super) async fn run(tx: Tx, steps: Steps) -> Result<(), Fault> {
    lock(&tx).await?;
    tx.batch(
        "CREATE TABLE IF NOT EXISTS holdfast_migrations (service text PRIMARY KEY, step bigint NOT NULL);
         CREATE TABLE IF NOT EXISTS holdfast_secrets (service text PRIMARY KEY, secret bytea NOT NULL)",
    )
    .await?;
    let sql = "SELECT step FROM holdfast_migrations WHERE service = $1";
    let found = tx.query_opt(sql, &[&steps.service]).await?;
    for step in steps.unseen(found.map(|row| row.get(0)))? {
        tx.batch(step).await?;
    }
    tx.execute(
        "INSERT INTO holdfast_migrations (service, step) VALUES ($1, $2)
         ON CONFLICT (service) DO UPDATE SET step = excluded.step WHERE holdfast_migrations.step < excluded.step",
        &[&steps.service, &steps.last()],
    )
    .await
    .map(|_| ())
}
