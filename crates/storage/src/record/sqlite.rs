//! Records on SQLite: one writer at a time, so nothing is locked, and what is unique is so by an index.

use holdfast_types::Result;
use rusqlite::{
    Connection, OptionalExtension, params_from_iter,
    types::{ToSql, ToSqlOutput, Value as SqlValue, ValueRef},
};

use uuid::Uuid;

use super::{
    Found, Record, Row, Scan, Table, Taken, Value, entry,
    sql::{self, Dialect},
};
use crate::{Entry, Sink, sqlite::Fault};

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Integer(number) => ToSqlOutput::Owned(SqlValue::Integer(*number)),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Id(id) => ToSqlOutput::Borrowed(ValueRef::Blob(id.as_bytes())),
            Self::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        })
    }
}

/// Makes what is not there yet.
pub(super) fn define(db: &Connection, table: &Table) -> Result<(), Fault> {
    let columns = |db: &Connection| -> rusqlite::Result<Vec<String>> {
        let mut query = db.prepare("SELECT name FROM pragma_table_info(?1)")?;
        query.query_map([table.name], |row| row.get(0))?.collect()
    };
    let there = columns(db)?;
    for (place, column) in table.columns.iter().enumerate() {
        if !there.is_empty() && !there.iter().any(|name| name == column.name) {
            db.execute_batch(&sql::add_column(table, place, Dialect::Sqlite))?;
        }
    }
    for (_, statement) in sql::create(table, Dialect::Sqlite) {
        db.execute_batch(&statement)?;
    }
    Ok(())
}

fn found(row: &rusqlite::Row<'_>) -> rusqlite::Result<Found> {
    Ok(Found { version: row.get(0)?, body: row.get(1)? })
}

pub(super) fn get(db: &Connection, table: &Table, key: &Value) -> Result<Option<Found>, Fault> {
    let mut query = db.prepare_cached(&sql::get(table, Dialect::Sqlite))?;
    Ok(query.query_row([key], found).optional()?)
}

pub(super) fn scan(db: &Connection, table: &Table, scan: Scan) -> Result<Vec<Found>, Fault> {
    let query = sql::scan(table, scan, Dialect::Sqlite);
    let mut statement = db.prepare_cached(&query.sql)?;
    let rows = statement.query_map(params_from_iter(&query.values), found)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Some rows of an earlier layout.
pub(super) fn outdated(db: &Connection, table: &Table) -> Result<Vec<Found>, Fault> {
    let mut query = db.prepare(&sql::outdated(table, Dialect::Sqlite))?;
    let rows = query.query_map([], found)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Says what is taken, and changes nothing then.
pub(super) fn insert(
    db: &Connection,
    table: &Table,
    rows: Vec<Row>,
) -> Result<Option<Taken>, Fault> {
    let mut insert = db.prepare_cached(&sql::insert(table, Dialect::Sqlite))?;
    let mut delete = db.prepare_cached(&sql::delete(table))?;
    let mut inserted: Vec<(Value, i64)> = Vec::new();
    for row in rows {
        let (key, version) = (row.key.clone(), row.version);
        let found = match insert.execute(params_from_iter(sql::insert_values(row))) {
            Ok(0) => Some(Taken::Key),
            done => taken(table, done)?,
        };
        if found.is_some() {
            inserted.iter().try_for_each(|row| delete.execute((&row.0, row.1)).map(|_| ()))?;
            return Ok(found);
        }
        inserted.push((key, version));
    }
    Ok(None)
}

/// Changes the row if it is still of that version.
pub(super) fn put(
    db: &Connection,
    table: &Table,
    row: Row,
    before: &[Option<Value>],
) -> Result<Put, Fault> {
    let (put, values) = sql::put(table, row, before, Dialect::Sqlite);
    match db.prepare_cached(&put)?.execute(params_from_iter(values)) {
        Ok(0) => Ok(Put::Stale),
        done => Ok(taken(table, done)?.map_or(Put::Done, Put::Taken)),
    }
}

/// What became of a change.
pub(super) enum Put {
    Done,
    Stale,
    Taken(Taken),
}

/// False when one of the rows is not of its version any more.
pub(super) fn delete(db: &Connection, table: &Table, rows: &[Row]) -> Result<bool, Fault> {
    let mut delete = db.prepare_cached(&sql::delete(table))?;
    for row in rows {
        if delete.execute((&row.key, row.version))? == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// All rows by key.
pub(super) fn read_all<R: Record>(db: &Connection, sink: &mut Sink<Entry<R>>) -> Result<(), Fault> {
    let mut query = db.prepare(&sql::all(&R::TABLE, Dialect::Sqlite))?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let (key, body) = (Uuid::from_bytes(row.get(0)?), row.get_ref(1)?);
        sink.put_blocking(entry(key, body.as_str().unwrap_or_default()))?;
    }
    Ok(())
}

fn taken(table: &Table, done: rusqlite::Result<usize>) -> Result<Option<Taken>, Fault> {
    let fault = match done {
        Ok(_) => return Ok(None),
        Err(error) => Fault::from(error),
    };
    let columns = |names: &[&str]| {
        names.iter().map(|name| format!("{}.{name}", table.name)).collect::<Vec<_>>().join(", ")
    };
    let index = table.unique_indexes().find(|index| fault.is_taken(&columns(index.columns)));
    index.map(|index| Some(Taken::Index(index.name))).ok_or(fault)
}
