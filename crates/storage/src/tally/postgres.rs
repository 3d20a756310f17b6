//! Tallies on PostgreSQL: one statement, however many there are.

use std::ops::Range;

use holdfast_types::Result;

use super::Row;
use crate::postgres::{Fault, Postgres, Tx};

pub(super) const TABLE: &str = "CREATE TABLE IF NOT EXISTS holdfast_tallies (
    hour bigint NOT NULL, name text NOT NULL, shard bigint NOT NULL, events bigint NOT NULL, units bigint NOT NULL,
    billions bigint NOT NULL, rest bigint NOT NULL, PRIMARY KEY (hour, name, shard))";

pub(super) async fn add(tx: &Tx, shard: i64, rows: &[Row]) -> Result<(), Fault> {
    let numbers = |read: fn(&Row) -> i64| -> Vec<i64> { rows.iter().map(read).collect() };
    tx.execute(
        "INSERT INTO holdfast_tallies AS before (hour, name, shard, events, units, billions, rest)
         SELECT hour, name, $3, events, units, billions, rest
         FROM unnest($1::bigint[], $2::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
             AS added (hour, name, events, units, billions, rest)
         ON CONFLICT (hour, name, shard) DO UPDATE SET events = before.events + excluded.events,
             units = before.units + excluded.units, billions = before.billions + excluded.billions,
             rest = before.rest + excluded.rest",
        &[
            &numbers(|row| row.hour),
            &rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(),
            &shard,
            &numbers(|row| row.events),
            &numbers(|row| row.units),
            &numbers(|row| row.billions),
            &numbers(|row| row.rest),
        ],
    )
    .await
    .map(|_| ())
}

pub(super) async fn sums(db: &Postgres, beginning: &str, hours: &Range<i64>) -> Result<Vec<Row>> {
    let rows = db
        .query(
            "SELECT hour, name, sum(events)::bigint, sum(units)::bigint, sum(billions)::bigint, sum(rest)::bigint
             FROM holdfast_tallies WHERE hour >= $1 AND hour < $2 AND starts_with(name, $3) GROUP BY hour, name",
            &[&hours.start, &hours.end, &beginning],
        )
        .await?;
    let row = |row: &crate::postgres::Row| Row {
        hour: row.get(0),
        name: row.get(1),
        events: row.get(2),
        units: row.get(3),
        billions: row.get(4),
        rest: row.get(5),
    };
    Ok(rows.iter().map(row).collect())
}
