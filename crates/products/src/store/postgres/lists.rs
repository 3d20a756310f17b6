//! Lists and searches: keyset pages over an index.

use std::fmt::Write;

use holdfast_storage::postgres::{Postgres, Value};
use holdfast_types::{PageRequest, Result};
use uuid::Uuid;

use super::rows;
use crate::{
    model::Product,
    store::{
        Beginnings, Position, ProductFilter, SortKey,
        listing::{self, Condition, Index, Walk},
    },
};

/// A query that is being put together.
struct Select {
    sql: String,
    values: Vec<Box<dyn ValueOwned>>,
}

/// Part of a query, in which each `?` stands for the next of its values.
type Sql = (&'static str, Vec<Box<dyn ValueOwned>>);

/// A value that may cross threads while the server thinks.
trait ValueOwned: Send + Sync {
    fn value(&self) -> Value<'_>;
}

impl<T: holdfast_storage::postgres::ToSql + Send + Sync> ValueOwned for T {
    fn value(&self) -> Value<'_> {
        self
    }
}

impl Select {
    fn of(sql: String) -> Self {
        Self { sql, values: Vec::new() }
    }

    fn add(&mut self, sql: &str, values: Vec<Box<dyn ValueOwned>>) {
        let mut number = self.values.len();
        for part in sql.split_inclusive('?') {
            match part.strip_suffix('?') {
                Some(before) => {
                    number += 1;
                    let _ = write!(self.sql, "{before}${number}");
                }
                None => self.sql.push_str(part),
            }
        }
        self.values.extend(values);
    }

    fn add_all(&mut self, conditions: impl IntoIterator<Item = Condition<Sql>>) {
        for Condition { condition: (sql, values), .. } in conditions {
            self.add(&format!(" AND {sql}"), values);
        }
    }

    /// The order of the list, from where the request says.
    fn sort(&mut self, column: &str, filter: &ProductFilter, request: &PageRequest) -> Result<()> {
        let compare = if filter.sort.ascending { ">" } else { "<" };
        let condition = format!(" AND ({column}, p.id) {compare} (?, ?)");
        match filter.after(request)? {
            None => {}
            Some(Position::Name(name, id)) => {
                self.add(&condition, vec![Box::new(name), Box::new(id.uuid())]);
            }
            Some(Position::Number(number, id)) => {
                self.add(&condition, vec![Box::new(number), Box::new(id.uuid())]);
            }
        }
        self.order(column, filter);
        Ok(())
    }

    fn order(&mut self, column: &str, filter: &ProductFilter) {
        let direction = if filter.sort.ascending { "ASC" } else { "DESC" };
        self.add(&format!(" ORDER BY {column} {direction}, p.id {direction}"), Vec::new());
    }

    async fn run(&self, db: &Postgres) -> Result<Vec<Product>> {
        let values: Vec<Value<'_>> = self.values.iter().map(|value| value.value()).collect();
        let rows = db.query(&self.sql, &values).await?;
        Ok(rows.iter().map(rows::product).collect::<Result<_, _>>()?)
    }
}

const fn column(filter: &ProductFilter) -> &'static str {
    match filter.sort.key {
        SortKey::CreatedAt => "p.created_at",
        SortKey::Name => "p.sort_name",
        SortKey::Price => "p.price",
    }
}

/// As the partial indexes have it.
const fn status(filter: &ProductFilter) -> &'static str {
    if filter.archived { "p.archived" } else { "NOT p.archived" }
}

/// What no index is in the order of: the server looks at what the conditions let through, and sorts.
const fn unindexed(filter: &ProductFilter) -> &'static str {
    match filter.sort.key {
        SortKey::CreatedAt => "(p.created_at + 0)",
        SortKey::Name => "(p.sort_name || '')",
        SortKey::Price => "(p.price + 0)",
    }
}

fn number(rows: usize) -> Vec<Box<dyn ValueOwned>> {
    vec![Box::new(i64::try_from(rows).unwrap_or(i64::MAX))]
}

pub(super) async fn list_by(
    db: &Postgres,
    _: Index,
    filter: &ProductFilter,
    request: &PageRequest,
) -> Result<Vec<Product>> {
    let mut query = Select::of(format!("{} WHERE {}", rows::SELECT, status(filter)));
    query.add_all(conditions(filter));
    query.sort(unindexed(filter), filter, request)?;
    query.add(" LIMIT ?", number(request.limit + 1));
    query.run(db).await
}

pub(super) async fn walk(
    db: &Postgres,
    filter: &ProductFilter,
    request: &PageRequest,
) -> Result<Walk> {
    let of_walk = || {
        let tables = "products p JOIN stock s ON s.product_id = p.id";
        let mut query = Select::of(format!(
            "{} (SELECT p.*, s.quantity, s.reserved, s.sequence FROM {tables} WHERE {}",
            rows::SELECT_FROM,
            status(filter)
        ));
        let conditions = conditions(filter).into_iter();
        query.add_all(conditions.filter(|condition| filter.is_in_order(condition.index)));
        query.sort(column(filter), filter, request)?;
        Ok::<_, holdfast_types::Error>(query)
    };
    let mut query = of_walk()?;
    query.add(" LIMIT ?) p WHERE TRUE", number(listing::ROWS));
    let aside = conditions(filter).into_iter();
    query.add_all(aside.filter(|condition| !filter.is_in_order(condition.index)));
    // The rows come in this order already.
    query.order(column(filter), filter);
    query.add(" LIMIT ?", number(request.limit + 1));
    let found = query.run(db).await?;
    if found.len() > request.limit {
        return Ok(Walk { found, ended: None });
    }
    let mut last = of_walk()?;
    last.add(" OFFSET ? LIMIT 1) p", number(listing::ROWS - 1));
    let ended = last.run(db).await?.pop().map(|product| filter.position(&product));
    Ok(Walk { found, ended })
}

pub(super) async fn is_narrow(db: &Postgres, index: Index, filter: &ProductFilter) -> Result<bool> {
    let counted = format!("SELECT count(*) FROM (SELECT FROM products p WHERE {}", status(filter));
    let mut query = Select::of(counted);
    query.add_all(conditions(filter).into_iter().filter(|c| c.index == Some(index)));
    query.add(" LIMIT ?) AS few", number(listing::ROWS + 1));
    let values: Vec<Value<'_>> = query.values.iter().map(|value| value.value()).collect();
    let rows = db.query(&query.sql, &values).await?;
    let found = rows.first().map_or(0, |row| row.get::<_, i64>(0));
    Ok(usize::try_from(found).is_ok_and(|found| found <= listing::ROWS))
}

fn conditions(filter: &ProductFilter) -> Vec<Condition<Sql>> {
    let mut all = Vec::new();
    let mut add = |index: Option<Index>, sql: &'static str, values: Vec<Box<dyn ValueOwned>>| {
        all.push(Condition { index, condition: (sql, values) });
    };
    if let Some(ids) = &filter.ids {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
        add(Some(Index::Keys), "p.id = ANY(?)", vec![Box::new(ids)]);
    }
    if let Some(sku) = &filter.sku {
        let sql = "p.id = (SELECT product_id FROM product_skus WHERE sku = ?)";
        add(Some(Index::Keys), sql, vec![Box::new(sku.clone())]);
    }
    if !filter.words.is_empty() {
        // Words are letters and digits only, so nothing in them has a meaning to the search syntax.
        let any = |words: &Beginnings| {
            let words: Vec<String> = words.iter().map(|word| format!("'{word}':*")).collect();
            format!("({})", words.join(" | "))
        };
        let words: Vec<String> = filter.words.iter().map(any).collect();
        let words = Box::new(words.join(" & "));
        add(Some(Index::Words), "p.words @@ (?::text)::tsquery", vec![words]);
    }
    if let Some(category) = &filter.category {
        add(Some(Index::Category), "p.category = ?", vec![Box::new(category.clone())]);
    }
    if let Some(price) = filter.min_price {
        add(Some(Index::Price), "p.price >= ?", vec![Box::new(price)]);
    }
    if let Some(price) = filter.max_price {
        add(Some(Index::Price), "p.price <= ?", vec![Box::new(price)]);
    }
    if let Some(currency) = &filter.currency {
        add(None, "p.currency = ?", vec![Box::new(currency.as_str().to_owned())]);
    }
    if let Some(available) = filter.min_available {
        add(None, "quantity - reserved >= ?", vec![Box::new(available)]);
    }
    if let Some(available) = filter.max_available {
        add(None, "quantity - reserved <= ?", vec![Box::new(available)]);
    }
    all
}

pub(super) async fn categories(db: &Postgres) -> Result<Vec<(String, i64)>> {
    let sql = "SELECT category, count(*) FROM products WHERE NOT archived AND category IS NOT NULL
               GROUP BY category ORDER BY category LIMIT $1";
    Ok(db
        .query(sql, &[&listing::CATEGORIES])
        .await?
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect())
}
