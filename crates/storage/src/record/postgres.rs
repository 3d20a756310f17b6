//! Records on PostgreSQL: rows are locked in the order of their keys, and what is unique is claimed in tables of its own.

use std::error::Error as StdError;

use bytes::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::{
    Found, Index, Move, Record, Row, Scan, Table, Taken, Value, entry,
    sql::{self, Dialect},
};
use crate::{
    Entry, Sink,
    postgres::{Fault, Postgres, Tx},
};

impl ToSql for Value {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self {
            Self::Integer(number) => number.to_sql(kind, out),
            Self::Text(text) => text.to_sql(kind, out),
            Self::Id(id) => id.to_sql(kind, out),
            Self::Bytes(bytes) => bytes.to_sql(kind, out),
        }
    }

    fn accepts(kind: &Type) -> bool {
        [Type::INT8, Type::TEXT, Type::UUID, Type::BYTEA].contains(kind)
    }

    to_sql_checked!();
}

type Parameter<'a> = &'a (dyn ToSql + Sync);

fn parameters<T: ToSql + Sync>(values: &[T]) -> Vec<Parameter<'_>> {
    values.iter().map(|value| value as Parameter<'_>).collect()
}

/// Makes what is not there yet.
pub(super) async fn define(tx: &Tx, table: &Table) -> Result<(), Fault> {
    let sql = "SELECT column_name::text FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1";
    let there = tx.query(sql, &[&table.name]).await?;
    for (place, column) in table.columns.iter().enumerate() {
        let is_there = there.iter().any(|row| row.get::<_, &str>(0) == column.name);
        if !there.is_empty() && !is_there {
            tx.batch(&sql::add_column(table, place, Dialect::Postgres)).await?;
        }
    }
    for (name, statement) in sql::create(table, Dialect::Postgres) {
        // Asked for an index that is there, the server would wait for all who write, and they for it.
        let is_there = tx.query_opt("SELECT to_regclass($1::text) IS NOT NULL", &[&name]).await?;
        if !is_there.is_some_and(|row| row.get(0)) {
            tx.batch(&statement).await?;
        }
    }
    Ok(())
}

fn found(row: &tokio_postgres::Row) -> Found {
    Found { version: row.get(0), body: row.get(1) }
}

pub(super) async fn get(tx: &Tx, table: &Table, key: &Value) -> Result<Option<Found>, Fault> {
    let row = tx.query_opt(&sql::get(table, Dialect::Postgres), &[key]).await?;
    Ok(row.as_ref().map(found))
}

pub(super) async fn scan(tx: &Tx, table: &Table, scan: Scan) -> Result<Vec<Found>, Fault> {
    let query = sql::scan(table, scan, Dialect::Postgres);
    let rows = tx.query(&query.sql, &parameters(&query.values)).await?;
    Ok(rows.iter().map(found).collect())
}

/// The same outside of a transaction.
pub(super) async fn scan_alone(
    db: &Postgres,
    table: &Table,
    scan: Scan,
) -> holdfast_types::Result<Vec<Found>> {
    let query = sql::scan(table, scan, Dialect::Postgres);
    let rows = db.query(&query.sql, &parameters(&query.values)).await?;
    Ok(rows.iter().map(found).collect())
}

/// One row outside of a transaction.
pub(super) async fn get_alone(
    db: &Postgres,
    table: &Table,
    key: &Value,
) -> holdfast_types::Result<Option<Found>> {
    Ok(db.query_opt(&sql::get(table, Dialect::Postgres), &[key]).await?.as_ref().map(found))
}

/// Some rows of an earlier layout.
pub(super) async fn outdated(tx: &Tx, table: &Table) -> Result<Vec<Found>, Fault> {
    let rows = tx.query(&sql::outdated(table, Dialect::Postgres), &[]).await?;
    Ok(rows.iter().map(found).collect())
}

/// Holds others up who lock the same keys. A key without a row is locked by a number made of it.
pub(super) async fn lock(tx: &Tx, table: &Table, keys: &[Value]) -> Result<(), Fault> {
    let sql = format!("SELECT 1 FROM {} WHERE key = $1 FOR UPDATE", table.name);
    for key in keys {
        // Not several at a time: over shards that could not be.
        if tx.query_opt(&sql, &[key]).await?.is_none() {
            let number = super::tx::number_of(table, key);
            tx.query("SELECT pg_advisory_xact_lock($1)", &[&number]).await?;
            // Whoever had it may have made the row.
            tx.query(&sql, &[key]).await?;
        }
    }
    Ok(())
}

/// Says what is taken, and changes nothing then.
pub(super) async fn insert(
    tx: &Tx,
    table: &Table,
    mut rows: Vec<Row>,
) -> Result<Option<Taken>, Fault> {
    // One that claims nothing has done nothing where its key is taken.
    if rows.len() == 1 && table.unique_indexes().next().is_none() {
        return insert_one(tx, table, rows.remove(0)).await;
    }
    // What was done before something was found taken is undone here, and nothing else of the transaction.
    tx.batch("SAVEPOINT records").await?;
    for row in rows {
        if let Some(taken) = insert_one(tx, table, row).await? {
            tx.batch("ROLLBACK TO records; RELEASE records").await?;
            return Ok(Some(taken));
        }
    }
    tx.batch("RELEASE records").await?;
    Ok(None)
}

async fn insert_one(tx: &Tx, table: &Table, row: Row) -> Result<Option<Taken>, Fault> {
    let (key, columns) = (row.key.clone(), row.columns.clone());
    let values = sql::insert_values(row);
    match tx.execute(&sql::insert(table, Dialect::Postgres), &parameters(&values)).await? {
        0 => Ok(Some(Taken::Key)),
        _ => claim_all(tx, table, &key, &table.moves(&[], &columns)).await,
    }
}

/// Changes the row if it is still of that version. Says what is taken, and changes nothing then.
pub(super) async fn put(
    tx: &Tx,
    table: &Table,
    row: Row,
    before: &[Option<Value>],
) -> Result<Option<Taken>, Fault> {
    let moves = table.moves(before, &row.columns);
    if let Some(taken) = claim_all(tx, table, &row.key, &moves).await? {
        return Ok(Some(taken));
    }
    for Move { index, lets_go, .. } in &moves {
        if let Some(values) = lets_go {
            tx.execute(&sql::release(table, index), &parameters(values)).await?;
        }
    }
    let (put, values) = sql::put(table, row, before, Dialect::Postgres);
    match tx.execute(&put, &parameters(&values)).await? {
        0 => Err(Fault::Stale),
        _ => Ok(None),
    }
}

pub(super) async fn delete(tx: &Tx, table: &Table, rows: &[Row]) -> Result<(), Fault> {
    for row in rows {
        if tx.execute(&sql::delete(table), &[&row.key, &row.version]).await? == 0 {
            return Err(Fault::Stale);
        }
        for index in table.unique_indexes() {
            if let Some(values) = table.values(index, &row.columns) {
                tx.execute(&sql::release(table, index), &parameters(&values)).await?;
            }
        }
    }
    Ok(())
}

/// All rows by key.
pub(super) async fn read_all<R: Record>(tx: Tx, sink: &mut Sink<Entry<R>>) -> Result<(), Fault> {
    let mut rows = tx.cursor(R::TABLE.name, &sql::all(&R::TABLE, Dialect::Postgres)).await?;
    while let Some(row) = rows.next().await? {
        sink.put(entry(row.get(0), row.get(1))).await?;
    }
    Ok(())
}

/// Claims what is unique and new. Whoever claims the same at once waits here for the other to end.
async fn claim_all(
    tx: &Tx,
    table: &Table,
    key: &Value,
    moves: &[Move],
) -> Result<Option<Taken>, Fault> {
    let mut claimed: Vec<(&Index, &Vec<Value>)> = Vec::new();
    for Move { index, claims, .. } in moves {
        let Some(values) = claims else { continue };
        let parts: Vec<&Value> = values.iter().chain([key]).collect();
        let is_claimed = tx.execute(&sql::claim(table, index), &parameters(&parts)).await? > 0;
        if !is_claimed
            && tx.query_opt(&sql::claimed(table, index), &parameters(&parts)).await?.is_none()
        {
            for (index, values) in claimed {
                tx.execute(&sql::release(table, index), &parameters(values)).await?;
            }
            return Ok(Some(Taken::Index(index.name)));
        }
        claimed.push((index, values));
    }
    Ok(None)
}
