//! Statements for both engines that speak SQL. Placeholders are numbered in the order in which they appear, so `$1`
//! means the same to SQLite, for which it is a name, and to PostgreSQL.

use std::{fmt::Write as _, ops::Bound};

use super::{Index, Kind, REWRITE_ROWS, Row, Scan, Table, Value};

/// What the two spell differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    const fn type_of(self, kind: Kind) -> &'static str {
        match (self, kind) {
            (Self::Sqlite, Kind::Integer) => "INTEGER",
            (Self::Sqlite, Kind::Text) => "TEXT",
            (Self::Sqlite, Kind::Id | Kind::Bytes) => "BLOB",
            (Self::Postgres, Kind::Integer) => "bigint",
            // By bytes, as everywhere.
            (Self::Postgres, Kind::Text) => "text COLLATE \"C\"",
            (Self::Postgres, Kind::Id) => "uuid",
            (Self::Postgres, Kind::Bytes) => "bytea",
        }
    }

    const fn type_of_body(self) -> &'static str {
        match self {
            Self::Sqlite => "TEXT",
            Self::Postgres => "jsonb",
        }
    }

    const fn end_of_table(self) -> &'static str {
        match self {
            Self::Sqlite => " STRICT",
            Self::Postgres => "",
        }
    }

    const fn read_body(self) -> &'static str {
        match self {
            Self::Sqlite => "body",
            Self::Postgres => "body::text",
        }
    }

    fn write_body(self, place: usize) -> String {
        match self {
            Self::Sqlite => format!("${place}"),
            Self::Postgres => format!("${place}::text::jsonb"),
        }
    }
}

fn join<T>(items: impl IntoIterator<Item = T>, text: impl FnMut(T) -> String) -> String {
    items.into_iter().map(text).collect::<Vec<_>>().join(", ")
}

/// The table and its indexes, unless they are there: the name of each, and how it is made.
pub(super) fn create(table: &Table, dialect: Dialect) -> Vec<(String, String)> {
    let Table { name, key, columns, indexes, layout, .. } = table;
    let mut create = format!(
        "CREATE TABLE IF NOT EXISTS {name} (key {} NOT NULL PRIMARY KEY, version {integer} NOT NULL, layout {integer} NOT NULL, body {} NOT NULL",
        dialect.type_of(*key),
        dialect.type_of_body(),
        integer = dialect.type_of(Kind::Integer),
    );
    for column in *columns {
        let _ = write!(create, ", {} {}", column.name, dialect.type_of(column.kind));
    }
    let mut made = vec![((*name).to_owned(), create + ")" + dialect.end_of_table())];
    made.extend(indexes.iter().map(|index| create_index(table, index, dialect)));
    let outdated = format!("{name}_before_{layout}");
    let create =
        format!("CREATE INDEX IF NOT EXISTS {outdated} ON {name} (key) WHERE layout < {layout}");
    made.push((outdated, create));
    if dialect == Dialect::Postgres {
        made.extend(table.unique_indexes().map(|index| create_claims(table, index)));
    }
    made
}

/// SQLite holds what is unique in the index itself.
fn create_index(table: &Table, index: &Index, dialect: Dialect) -> (String, String) {
    let is_unique = index.unique && dialect == Dialect::Sqlite;
    let name = format!("{}_{}", table.name, index.name);
    let create = format!(
        "CREATE {}INDEX IF NOT EXISTS {name} ON {} ({}{}) WHERE {}",
        if is_unique { "UNIQUE " } else { "" },
        table.name,
        index.columns.join(", "),
        if is_unique { "" } else { ", key" },
        all_there(index),
    );
    (name, create)
}

fn all_there(index: &Index) -> String {
    index.columns.iter().map(|name| format!("{name} IS NOT NULL")).collect::<Vec<_>>().join(" AND ")
}

/// A column that a table of an earlier layout lacks.
pub(super) fn add_column(table: &Table, place: usize, dialect: Dialect) -> String {
    let column = table.columns[place];
    format!(
        "ALTER TABLE {} ADD COLUMN {} {}",
        table.name,
        column.name,
        dialect.type_of(column.kind)
    )
}

fn create_claims(table: &Table, index: &Index) -> (String, String) {
    let columns = table.places(index).into_iter().map(|place| table.columns[place]);
    let kind = |kind| Dialect::Postgres.type_of(kind);
    let create = format!(
        "CREATE TABLE IF NOT EXISTS {} ({}, key {} NOT NULL, PRIMARY KEY ({}))",
        table.claims(index),
        join(columns, |column| format!("{} {} NOT NULL", column.name, kind(column.kind))),
        kind(table.key),
        index.columns.join(", "),
    );
    (table.claims(index), create)
}

/// Values: those of the index, then the key.
pub(super) fn claim(table: &Table, index: &Index) -> String {
    let count = index.columns.len();
    format!(
        "INSERT INTO {} ({}, key) VALUES ({}) ON CONFLICT DO NOTHING",
        table.claims(index),
        index.columns.join(", "),
        join(1..=count + 1, |place| format!("${place}")),
    )
}

/// Whether it was claimed for that key before. Values: as of [`claim`].
pub(super) fn claimed(table: &Table, index: &Index) -> String {
    format!("SELECT 1 FROM {} WHERE {}", table.claims(index), equal(index, &["key"]))
}

fn equal(index: &Index, more: &[&str]) -> String {
    let names = index.columns.iter().chain(more).enumerate();
    names.map(|(place, name)| format!("{name} = ${}", place + 1)).collect::<Vec<_>>().join(" AND ")
}

/// Values: those of the index.
pub(super) fn release(table: &Table, index: &Index) -> String {
    format!("DELETE FROM {} WHERE {}", table.claims(index), equal(index, &[]))
}

/// Value: the key.
pub(super) fn get(table: &Table, dialect: Dialect) -> String {
    format!("SELECT version, {} FROM {} WHERE key = $1", dialect.read_body(), table.name)
}

/// Every row, by key.
pub(super) fn all(table: &Table, dialect: Dialect) -> String {
    format!("SELECT key, {} FROM {} ORDER BY key", dialect.read_body(), table.name)
}

/// Rows of an earlier layout; there is an index with these alone.
pub(super) fn outdated(table: &Table, dialect: Dialect) -> String {
    let Table { name, layout, .. } = table;
    let body = dialect.read_body();
    format!(
        "SELECT version, {body} FROM {name} WHERE layout < {layout} ORDER BY key LIMIT {REWRITE_ROWS}"
    )
}

/// Values: key, version, layout, body, columns.
pub(super) fn insert(table: &Table, dialect: Dialect) -> String {
    let columns = join(table.columns, |column| column.name.to_owned());
    let comma = if columns.is_empty() { "" } else { ", " };
    let places = (1..=4 + table.columns.len()).map(|place| match place {
        4 => dialect.write_body(4),
        _ => format!("${place}"),
    });
    format!(
        "INSERT INTO {} (key, version, layout, body{comma}{columns}) VALUES ({}) ON CONFLICT (key) DO NOTHING",
        table.name,
        places.collect::<Vec<_>>().join(", "),
    )
}

/// A change of a row that was `before`. What has not changed is not named: SQLite would write each of its index entries again.
pub(super) fn put(
    table: &Table,
    row: Row,
    before: &[Option<Value>],
    dialect: Dialect,
) -> (String, Vec<Option<Value>>) {
    let Row { key, version, layout, body, columns } = row;
    let mut put = format!(
        "UPDATE {} SET version = version + 1, layout = $1, body = {}",
        table.name,
        dialect.write_body(2)
    );
    let mut values = vec![Some(layout.into()), Some(Value::Text(body))];
    for (place, (column, value)) in table.columns.iter().zip(columns).enumerate() {
        if before.get(place) != Some(&value) {
            values.push(value);
            let _ = write!(put, ", {} = ${}", column.name, values.len());
        }
    }
    values.extend([Some(key), Some(version.into())]);
    let _ = write!(put, " WHERE key = ${} AND version = ${}", values.len() - 1, values.len());
    (put, values)
}

/// Values: key, version.
pub(super) fn delete(table: &Table) -> String {
    format!("DELETE FROM {} WHERE key = $1 AND version = $2", table.name)
}

/// A statement and its values.
pub(super) struct Query {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
}

/// The conditions, one after the other, each value in the order of its placeholder.
struct Conditions {
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl Conditions {
    fn position(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("${}", self.values.len())
    }

    /// Some value more than once makes one statement do for about as many.
    fn among(&mut self, name: &str, values: Vec<Value>) {
        let Some(last) = values.last().cloned() else {
            return self.conditions.push("1 = 0".to_owned());
        };
        let missing = values.len().next_power_of_two() - values.len();
        let values = values.into_iter().chain(std::iter::repeat_n(last, missing));
        let places = join(values, |value| self.position(value));
        self.conditions.push(format!("{name} IN ({places})"));
    }

    fn compare(&mut self, name: &str, operator: &str, value: Value) {
        let place = self.position(value);
        self.conditions.push(format!("{name} {operator} {place}"));
    }
}

pub(super) fn scan(table: &Table, scan: Scan, dialect: Dialect) -> Query {
    let Scan { index, equal, among, range, after, limit, is_descending } = scan;
    let index = index.map(|name| table.index(name).0);
    let names = index.map_or(&[][..], |index| index.columns);
    let mut found = Conditions { conditions: Vec::new(), values: Vec::new() };
    found.conditions.extend(index.map(all_there));
    let fixed = equal.len();
    for (name, value) in names.iter().zip(equal) {
        found.compare(name, "=", value);
    }
    let next = names.get(fixed).copied().unwrap_or("key");
    if let Some(values) = among {
        found.among(next, values);
    }
    match range.0 {
        Bound::Included(value) => found.compare(next, ">=", value),
        Bound::Excluded(value) => found.compare(next, ">", value),
        Bound::Unbounded => {}
    }
    match range.1 {
        Bound::Included(value) => found.compare(next, "<=", value),
        Bound::Excluded(value) => found.compare(next, "<", value),
        Bound::Unbounded => {}
    }
    // Where values are unique, keys decide nothing.
    let last = (!index.is_some_and(|index| index.unique)).then_some("key");
    let order: Vec<&str> = names.iter().copied().chain(last).collect();
    if let Some(place) = after {
        let rest = &order[fixed..];
        let values = place.values.into_iter().chain([place.key]).skip(fixed).take(rest.len());
        let places = values.map(|value| found.position(value)).collect::<Vec<_>>().join(", ");
        let operator = if is_descending { "<" } else { ">" };
        found.conditions.push(match rest {
            [] => "1 = 0".to_owned(),
            rest => format!("({}) {operator} ({places})", rest.join(", ")),
        });
    }
    let mut sql = format!("SELECT version, {} FROM {}", dialect.read_body(), table.name);
    if !found.conditions.is_empty() {
        let _ = write!(sql, " WHERE {}", found.conditions.join(" AND "));
    }
    let direction = if is_descending { " DESC" } else { "" };
    let order = join(order, |name| format!("{name}{direction}"));
    let limit = found.position(Value::Integer(i64::try_from(limit).unwrap_or(i64::MAX)));
    let _ = write!(sql, " ORDER BY {order} LIMIT {limit}");
    Query { sql, values: found.values }
}

/// The values of [`insert`].
pub(super) fn insert_values(row: Row) -> Vec<Option<Value>> {
    let Row { key, version, layout, body, columns } = row;
    let head = [key, version.into(), layout.into(), Value::Text(body)];
    head.into_iter().map(Some).chain(columns).collect()
}
