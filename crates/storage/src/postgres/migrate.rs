//! Migrations: each service numbers its own steps, and a step runs once.

use holdfast_types::Result;

use super::{Fault, Tx};

/// The advisory lock that all Holdfast processes take before they migrate ("holdfast" in ASCII), so that ten of them
/// may meet an empty database at once.
const LOCK: i64 = 0x686f_6c64_6661_7374;

/// Waits for whoever else migrates.
pub(super) async fn lock(tx: &Tx) -> Result<(), Fault> {
    tx.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await.map(|_| ())
}

/// Runs the steps that this database has not seen, all of them in one transaction.
pub(super) async fn run(
    tx: Tx,
    service: &'static str,
    steps: &'static [&'static str],
) -> Result<(), Fault> {
    lock(&tx).await?;
    tx.batch(
        "CREATE TABLE IF NOT EXISTS holdfast_migrations (service text PRIMARY KEY, step bigint NOT NULL);
         CREATE TABLE IF NOT EXISTS holdfast_secrets (service text PRIMARY KEY, secret bytea NOT NULL)",
    )
    .await?;
    let found = tx
        .query_opt("SELECT step FROM holdfast_migrations WHERE service = $1", &[&service])
        .await?
        .map_or(0, |row| row.get::<_, i64>(0));
    let done = crate::migrations_done(service, found, steps.len())?;
    for step in &steps[done..] {
        tx.batch(step).await?;
    }
    let known = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    tx.execute(
        "INSERT INTO holdfast_migrations (service, step) VALUES ($1, $2)
         ON CONFLICT (service) DO UPDATE SET step = excluded.step WHERE holdfast_migrations.step < excluded.step",
        &[&service, &known],
    )
    .await?;
    Ok(())
}
