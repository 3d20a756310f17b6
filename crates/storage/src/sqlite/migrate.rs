//! Migrations: each service numbers its own steps, and a step runs once.

use holdfast_types::{Code, Error, Result};
use rusqlite::{Connection, OptionalExtension};

use super::Fault;

/// Runs the steps that this database has not seen. All of them in one transaction, so that several processes may
/// meet an empty database at once.
pub(super) fn run(db: &Connection, service: &str, steps: &[&str]) -> Result<(), Fault> {
    db.execute_batch(
        "CREATE TABLE IF NOT EXISTS holdfast_migrations (service TEXT PRIMARY KEY, step INTEGER NOT NULL) STRICT;
         CREATE TABLE IF NOT EXISTS holdfast_secrets (service TEXT PRIMARY KEY, secret BLOB NOT NULL) STRICT;",
    )?;
    let done: Option<usize> = db
        .query_row("SELECT step FROM holdfast_migrations WHERE service = ?1", [service], |row| {
            row.get::<_, i64>(0)
        })
        .optional()?
        .and_then(|step| usize::try_from(step).ok());
    let done = done.unwrap_or(0);
    if done > steps.len() {
        return Err(newer(service, done, steps.len()).into());
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

fn newer(service: &str, found: usize, known: usize) -> Error {
    Error::new(
        Code::Internal,
        format!(
            "the database was written by a newer Holdfast ({service} is at step {found}, this program knows {known}): start that one"
        ),
    )
}
