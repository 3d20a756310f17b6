//! Tallies on SQLite: one writer, so one row for an hour and a name.

use std::ops::Range;

use rusqlite::{Connection, params};

use super::Row;
use crate::sqlite::Fault;

pub(super) fn define(db: &Connection) -> Result<(), Fault> {
    Ok(db.execute_batch(
        "CREATE TABLE IF NOT EXISTS holdfast_tallies (
             hour INTEGER NOT NULL, name TEXT NOT NULL, events INTEGER NOT NULL, units INTEGER NOT NULL,
             billions INTEGER NOT NULL, rest INTEGER NOT NULL, PRIMARY KEY (hour, name)
         ) STRICT, WITHOUT ROWID",
    )?)
}

pub(super) fn add(db: &Connection, rows: &[Row]) -> Result<(), Fault> {
    let mut add = db.prepare_cached(
        "INSERT INTO holdfast_tallies (hour, name, events, units, billions, rest) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (hour, name) DO UPDATE SET events = events + excluded.events, units = units + excluded.units,
             billions = billions + excluded.billions, rest = rest + excluded.rest",
    )?;
    for Row { hour, name, events, units, billions, rest } in rows {
        add.execute(params![hour, name, events, units, billions, rest])?;
    }
    Ok(())
}

pub(super) fn sums(
    db: &Connection,
    beginning: &str,
    hours: &Range<i64>,
) -> Result<Vec<Row>, Fault> {
    let mut query = db.prepare_cached(
        "SELECT hour, name, events, units, billions, rest FROM holdfast_tallies
         WHERE hour >= ?1 AND hour < ?2 AND substr(name, 1, length(?3)) = ?3",
    )?;
    let rows = query.query_map(params![hours.start, hours.end, beginning], |row| {
        Ok(Row {
            hour: row.get(0)?,
            name: row.get(1)?,
            events: row.get(2)?,
            units: row.get(3)?,
            billions: row.get(4)?,
            rest: row.get(5)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
