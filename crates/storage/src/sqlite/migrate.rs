//! Migrations: each service numbers its own steps, and a step runs once.

use holdfast_types::Result;
use rusqlite::{Connection, OptionalExtension};

use super::{Fault, id_index};
use crate::migrations::Steps;

/// Runs the steps that this database has not seen. All of them in one transaction, so that several processes may
/// meet an empty database at once.
pub(super) fn run(db: &Connection, steps: Steps) -> Result<(), Fault> {
    db.execute_batch(
        "CREATE TABLE IF NOT EXISTS holdfast_migrations (service TEXT PRIMARY KEY, step INTEGER NOT NULL) STRICT;
         CREATE TABLE IF NOT EXISTS holdfast_secrets (service TEXT PRIMARY KEY, secret BLOB NOT NULL) STRICT;",
    )?;
    db.execute_batch(id_index::MARKS)?;
    let sql = "SELECT EXISTS (SELECT 1 FROM pragma_table_info('holdfast_id_indexes') WHERE name = 'source')";
    if !db.query_row(sql, [], |row| row.get::<_, bool>(0))? {
        db.execute_batch("ALTER TABLE holdfast_id_indexes ADD COLUMN source TEXT")?;
    }
    let sql = "SELECT step FROM holdfast_migrations WHERE service = ?1";
    let found = db.query_row(sql, [steps.service], |row| row.get(0)).optional()?;
    for step in steps.unseen(found)? {
        db.execute_batch(step)?;
    }
    if found != Some(steps.last()) {
        db.execute(
            "INSERT INTO holdfast_migrations VALUES (?1, ?2) ON CONFLICT (service) DO UPDATE SET step = excluded.step",
            (steps.service, steps.last()),
        )?;
    }
    Ok(())
}
