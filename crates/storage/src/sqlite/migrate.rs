//! Migrations: each service numbers its own steps, and a step runs once.

use holdfast_types::Result;
use rusqlite::{Connection, OptionalExtension};

use super::{Fault, id_index};

/// Runs the steps that this database has not seen. All of them in one transaction, so that several processes may
/// meet an empty database at once.
pub(super) fn run(db: &Connection, service: &str, steps: &[&str]) -> Result<(), Fault> {
    db.execute_batch(
        "CREATE TABLE IF NOT EXISTS holdfast_migrations (service TEXT PRIMARY KEY, step INTEGER NOT NULL) STRICT;
         CREATE TABLE IF NOT EXISTS holdfast_secrets (service TEXT PRIMARY KEY, secret BLOB NOT NULL) STRICT;",
    )?;
    db.execute_batch(id_index::MARKS)?;
    let found: Option<i64> = db
        .query_row("SELECT step FROM holdfast_migrations WHERE service = ?1", [service], |row| {
            row.get(0)
        })
        .optional()?;
    let done = crate::migrations_done(service, found.unwrap_or(0), steps.len())?;
    if found.is_some() && done == steps.len() {
        return Ok(());
    }
    for step in &steps[done..] {
        db.execute_batch(step)?;
    }
    db.execute(
        "INSERT INTO holdfast_migrations VALUES (?1, ?2) ON CONFLICT (service) DO UPDATE SET step = excluded.step",
        (service, i64::try_from(steps.len()).unwrap_or(i64::MAX)),
    )?;
    Ok(())
}
