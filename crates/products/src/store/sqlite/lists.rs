//! Lists and searches: keyset pages over an index.

use std::fmt::Write;

use holdfast_storage::sqlite::Fault;
use holdfast_types::{PageRequest, Result};
use rusqlite::{Connection, types::Value};

use super::rows;
use crate::{
    model::Product,
    store::{
        Beginnings, Position, ProductFilter, SortKey,
        listing::{self, Condition, Index, Walk},
    },
};

/// Part of a query, and the values of its places.
type Sql = (String, Vec<Value>);

/// A query for products that is being put together.
struct Select {
    sql: String,
    values: Vec<Value>,
}

impl Select {
    fn of(filter: &ProductFilter, (columns, values): Sql) -> Self {
        let (tables, status) = ("products p JOIN stock s ON s.product = p.seq", status(filter));
        Self { sql: format!("SELECT {columns} FROM {tables} WHERE {status}"), values }
    }

    fn add(&mut self, sql: &str, values: impl IntoIterator<Item = Value>) {
        self.sql.push_str(sql);
        self.values.extend(values);
    }

    fn add_all(&mut self, conditions: impl IntoIterator<Item = Condition<Sql>>) {
        for Condition { condition: (sql, values), .. } in conditions {
            self.add(&format!(" AND {sql}"), values);
        }
    }

    /// The order of the list, from where the request says, so many rows of it. `column` is what it is sorted by; with a plus
    /// before it, SQLite sorts, and does not take the index of the order.
    fn page(
        &mut self,
        column: &str,
        filter: &ProductFilter,
        request: &PageRequest,
        rows: usize,
    ) -> Result<()> {
        let (compare, direction) = if filter.sort.ascending { (">", "ASC") } else { ("<", "DESC") };
        let place = match filter.after(request)? {
            None => None,
            Some(Position::Name(name, id)) => Some((Value::from(name), id)),
            Some(Position::Number(number, id)) => Some((Value::from(number), id)),
        };
        if let Some((key, id)) = place {
            let after = format!(" AND ({column}, p.id) {compare} (?, ?)");
            self.add(&after, [key, Value::from(id.bytes().to_vec())]);
        }
        let order = format!(" ORDER BY {column} {direction}, p.id {direction} LIMIT ?");
        self.add(&order, [limit(rows)]);
        Ok(())
    }
}

/// As the partial indexes have it.
const fn status(filter: &ProductFilter) -> &'static str {
    if filter.archived { "p.archived" } else { "NOT p.archived" }
}

const fn column(filter: &ProductFilter) -> &'static str {
    match filter.sort.key {
        SortKey::CreatedAt => "p.created_at",
        SortKey::Name => "p.sort_name",
        SortKey::Price => "p.price",
    }
}

fn limit(rows: usize) -> Value {
    Value::from(i64::try_from(rows).unwrap_or(i64::MAX))
}

/// Looks at all products that one of the filters lets through, and sorts those that pass all.
pub(super) fn list_by(
    db: &Connection,
    filter: &ProductFilter,
    request: &PageRequest,
) -> Result<Vec<Product>, Fault> {
    let mut query = Select::of(filter, (rows::COLUMNS.to_owned(), Vec::new()));
    query.add_all(conditions(filter));
    query.page(&format!("+{}", column(filter)), filter, request, request.limit + 1)?;
    let mut statement = db.prepare_cached(&query.sql)?;
    let found = statement.query_map(rusqlite::params_from_iter(query.values), rows::product)?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Steps over products in the order of the list, each with a mark that says whether it passes.
pub(super) fn walk(
    db: &Connection,
    filter: &ProductFilter,
    request: &PageRequest,
) -> Result<Walk, Fault> {
    // Asking the index of words would gather all that it finds before the first step.
    let conditions = conditions(filter).into_iter().filter(|c| c.index != Some(Index::Words));
    let (in_order, aside): (Vec<_>, Vec<_>) =
        conditions.partition(|condition| filter.is_in_order(condition.index));
    let mut columns = (format!("{}, (TRUE", rows::COLUMNS), Vec::new());
    for Condition { condition: (sql, values), .. } in aside {
        let _ = write!(columns.0, " AND {sql}");
        columns.1.extend(values);
    }
    // What compares with nothing, as with the category of a product that has none, does not pass.
    columns.0.push_str(") IS TRUE");
    let mut query = Select::of(filter, columns);
    query.add_all(in_order);
    query.page(column(filter), filter, request, listing::ROWS)?;
    let mut statement = db.prepare_cached(&query.sql)?;
    let mut rows = statement.query(rusqlite::params_from_iter(query.values))?;
    let mut walk = Walk { found: Vec::new(), ended: None };
    for step in 1.. {
        let Some(row) = rows.next()? else { break };
        let passes = row.get::<_, bool>(rows::COLUMN_COUNT)?;
        if !passes && step < listing::ROWS {
            continue;
        }
        let product = rows::product(row)?;
        if step == listing::ROWS {
            walk.ended = Some(filter.position(&product));
        }
        if passes && filter.has_words(&product) {
            walk.found.push(product);
        }
        if walk.found.len() > request.limit {
            break;
        }
    }
    Ok(walk)
}

/// Whether an index lets few products through.
pub(super) fn is_narrow(
    db: &Connection,
    index: Index,
    filter: &ProductFilter,
) -> Result<bool, Fault> {
    let mut query = Select {
        sql: match index {
            Index::Keys => return Ok(true),
            Index::Words => {
                "SELECT count(*) FROM (SELECT 1 FROM product_words p WHERE TRUE".to_owned()
            }
            Index::Category | Index::Price => {
                format!("SELECT count(*) FROM (SELECT 1 FROM products p WHERE {}", status(filter))
            }
        },
        values: Vec::new(),
    };
    match index {
        Index::Words => query.add(" AND product_words MATCH ?", [matching(filter).into()]),
        _ => query.add_all(conditions(filter).into_iter().filter(|c| c.index == Some(index))),
    }
    query.add(" LIMIT ?)", [limit(listing::ROWS + 1)]);
    let found: i64 = db
        .prepare_cached(&query.sql)?
        .query_row(rusqlite::params_from_iter(query.values), |row| row.get(0))?;
    Ok(usize::try_from(found).is_ok_and(|found| found <= listing::ROWS))
}

/// Words are letters and digits only, so nothing in them has a meaning to the search syntax.
fn matching(filter: &ProductFilter) -> String {
    let any = |words: &Beginnings| {
        let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"*")).collect();
        format!("({})", words.join(" OR "))
    };
    let words: Vec<String> = filter.words.iter().map(any).collect();
    words.join(" AND ")
}

fn conditions(filter: &ProductFilter) -> Vec<Condition<Sql>> {
    let mut all = Vec::new();
    let mut add = |index: Option<Index>, sql: &str, values: Vec<Value>| {
        all.push(Condition { index, condition: (sql.to_owned(), values) });
    };
    let text = |text: &str| vec![Value::from(text.to_owned())];
    if let Some(ids) = &filter.ids {
        let places = vec!["?"; ids.len()].join(", ");
        let ids = ids.iter().map(|id| Value::from(id.bytes().to_vec())).collect();
        add(Some(Index::Keys), &format!("p.id IN ({places})"), ids);
    }
    if let Some(sku) = &filter.sku {
        add(Some(Index::Keys), "p.sku = ?", text(sku));
    }
    if !filter.words.is_empty() {
        let words = "p.seq IN (SELECT rowid FROM product_words WHERE product_words MATCH ?)";
        add(Some(Index::Words), words, vec![matching(filter).into()]);
    }
    if let Some(category) = &filter.category {
        add(Some(Index::Category), "p.category = ?", text(category));
    }
    if let Some(price) = filter.min_price {
        add(Some(Index::Price), "p.price >= ?", vec![price.into()]);
    }
    if let Some(price) = filter.max_price {
        add(Some(Index::Price), "p.price <= ?", vec![price.into()]);
    }
    if let Some(currency) = &filter.currency {
        add(None, "p.currency = ?", text(currency.as_str()));
    }
    if let Some(available) = filter.min_available {
        add(None, "s.quantity - s.reserved >= ?", vec![available.into()]);
    }
    if let Some(available) = filter.max_available {
        add(None, "s.quantity - s.reserved <= ?", vec![available.into()]);
    }
    all
}

pub(super) fn categories(db: &Connection) -> Result<Vec<(String, i64)>, Fault> {
    let sql = "SELECT category, count(*) FROM products WHERE NOT archived AND category IS NOT NULL
               GROUP BY category ORDER BY category LIMIT ?1";
    let mut query = db.prepare_cached(sql)?;
    let rows = query.query_map([listing::CATEGORIES], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
