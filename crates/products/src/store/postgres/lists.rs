//! Lists and searches: keyset pages over an index.

use std::fmt::Write;

use holdfast_storage::postgres::{Postgres, Value};
use holdfast_types::{Page, PageRequest, Result};
use uuid::Uuid;

use super::rows;
use crate::{
    model::Product,
    store::{Place, ProductFilter, SortKey},
};

/// A condition and what it compares with. Values live as long as the query.
struct Conditions {
    sql: String,
    values: Vec<Box<dyn ValueOwned>>,
}

/// A value that may cross threads while the server thinks.
trait ValueOwned: Send + Sync {
    fn value(&self) -> Value<'_>;
}

impl<T: holdfast_storage::postgres::ToSql + Send + Sync> ValueOwned for T {
    fn value(&self) -> Value<'_> {
        self
    }
}

impl Conditions {
    /// Adds `condition`, in which each `?` stands for the next of `values`.
    fn add<const N: usize>(&mut self, condition: &str, values: [Box<dyn ValueOwned>; N]) {
        let mut number = self.values.len();
        for part in condition.split_inclusive('?') {
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
}

pub(super) async fn list(
    db: &Postgres,
    filter: &ProductFilter,
    request: &PageRequest,
) -> Result<Page<Product>> {
    let mut query =
        Conditions { sql: format!("{} WHERE NOT p.archived", rows::SELECT), values: Vec::new() };
    add_filters(&mut query, filter);
    let column = match filter.sort.key {
        SortKey::CreatedAt => "p.created_at",
        SortKey::Name => "p.sort_name",
        SortKey::Price => "p.price",
    };
    let (compare, direction) = if filter.sort.ascending { (">", "ASC") } else { ("<", "DESC") };
    let condition = format!(" AND ({column}, p.id) {compare} (?, ?)");
    match filter.after(request)? {
        None => {}
        Some(Place::Name(name, id)) => {
            query.add(&condition, [Box::new(name), Box::new(id.uuid())]);
        }
        Some(Place::Number(number, id)) => {
            query.add(&condition, [Box::new(number), Box::new(id.uuid())]);
        }
    }
    let limit = i64::try_from(request.limit + 1).unwrap_or(i64::MAX);
    query.add(
        &format!(" ORDER BY {column} {direction}, p.id {direction} LIMIT ?"),
        [Box::new(limit)],
    );
    let values: Vec<Value<'_>> = query.values.iter().map(|value| value.value()).collect();
    let rows = db.query(&query.sql, &values).await?;
    let products = rows.iter().map(rows::product).collect::<Result<Vec<_>, _>>()?;
    Ok(Page::cut(products, request.limit, |product| filter.place(product)))
}

fn add_filters(query: &mut Conditions, filter: &ProductFilter) {
    if !filter.words.is_empty() {
        // Words are letters and digits only, so nothing in them has a meaning to the search syntax.
        let words: Vec<String> = filter.words.iter().map(|word| format!("'{word}':*")).collect();
        query.add(" AND p.words @@ (?::text)::tsquery", [Box::new(words.join(" & "))]);
    }
    if let Some(category) = &filter.category {
        query.add(" AND p.category = ?", [Box::new(category.clone())]);
    }
    if let Some(sku) = &filter.sku {
        query.add(
            " AND p.id = (SELECT product_id FROM product_skus WHERE sku = ?)",
            [Box::new(sku.clone())],
        );
    }
    if let Some(currency) = &filter.currency {
        query.add(" AND p.currency = ?", [Box::new(currency.as_str().to_owned())]);
    }
    if let Some(price) = filter.min_price {
        query.add(" AND p.price >= ?", [Box::new(price)]);
    }
    if let Some(price) = filter.max_price {
        query.add(" AND p.price <= ?", [Box::new(price)]);
    }
    match filter.in_stock {
        None => {}
        Some(true) => query.add(" AND s.quantity > s.reserved", []),
        Some(false) => query.add(" AND s.quantity = s.reserved", []),
    }
    if let Some(ids) = &filter.ids {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
        query.add(" AND p.id = ANY(?)", [Box::new(ids)]);
    }
}

pub(super) async fn categories(db: &Postgres) -> Result<Vec<(String, i64)>> {
    let sql = "SELECT category, count(*) FROM products WHERE NOT archived AND category IS NOT NULL
               GROUP BY category ORDER BY category";
    Ok(db.query(sql, &[]).await?.iter().map(|row| (row.get(0), row.get(1))).collect())
}
