//! Lists and searches: keyset pages over an index.

use std::fmt::Write;

use holdfast_storage::sqlite::Fault;
use holdfast_types::{Page, PageRequest, Result};
use rusqlite::{Connection, types::Value};

use super::rows;
use crate::{
    model::Product,
    store::{Place, ProductFilter, SortKey},
};

pub(super) fn list(
    db: &Connection,
    filter: &ProductFilter,
    request: &PageRequest,
) -> Result<Page<Product>, Fault> {
    let mut sql = format!(
        "SELECT {} FROM products p JOIN stock s ON s.product = p.seq WHERE NOT p.archived",
        rows::COLUMNS
    );
    let mut values = Vec::new();
    add_filters(&mut sql, &mut values, filter);
    let column = match filter.sort.key {
        SortKey::CreatedAt => "p.created_at",
        SortKey::Name => "p.sort_name",
        SortKey::Price => "p.price",
    };
    let (compare, direction) = if filter.sort.ascending { (">", "ASC") } else { ("<", "DESC") };
    if let Some(place) = filter.after(request)? {
        let (key, id) = match place {
            Place::Name(name, id) => (Value::from(name), id),
            Place::Number(number, id) => (Value::from(number), id),
        };
        let _ = write!(sql, " AND ({column}, p.id) {compare} (?, ?)");
        values.extend([key, Value::from(id.bytes().to_vec())]);
    }
    let _ = write!(sql, " ORDER BY {column} {direction}, p.id {direction} LIMIT ?");
    values.push(Value::from(i64::try_from(request.limit + 1).unwrap_or(i64::MAX)));
    let mut query = db.prepare_cached(&sql)?;
    let products = query
        .query_map(rusqlite::params_from_iter(values), rows::product)?
        .collect::<Result<_, _>>()?;
    Ok(Page::cut(products, request.limit, |product| filter.place(product)))
}

fn add_filters(sql: &mut String, values: &mut Vec<Value>, filter: &ProductFilter) {
    let mut add = |condition: &str, value: Value| {
        sql.push_str(condition);
        values.push(value);
    };
    if !filter.words.is_empty() {
        // Words are letters and digits only, so nothing in them has a meaning to the search syntax.
        let query: Vec<String> = filter.words.iter().map(|word| format!("\"{word}\"*")).collect();
        let words = " AND p.seq IN (SELECT rowid FROM product_words WHERE product_words MATCH ?)";
        add(words, query.join(" AND ").into());
    }
    if let Some(category) = &filter.category {
        add(" AND p.category = ?", category.clone().into());
    }
    if let Some(sku) = &filter.sku {
        add(" AND p.sku = ?", sku.clone().into());
    }
    if let Some(currency) = &filter.currency {
        add(" AND p.currency = ?", currency.as_str().to_owned().into());
    }
    if let Some(price) = filter.min_price {
        add(" AND p.price >= ?", price.into());
    }
    if let Some(price) = filter.max_price {
        add(" AND p.price <= ?", price.into());
    }
    if let Some(in_stock) = filter.in_stock {
        sql.push_str(if in_stock {
            " AND s.quantity > s.reserved"
        } else {
            " AND s.quantity = s.reserved"
        });
    }
    if let Some(ids) = &filter.ids {
        sql.push_str(" AND p.id IN (");
        sql.push_str(&vec!["?"; ids.len()].join(", "));
        sql.push(')');
        values.extend(ids.iter().map(|id| Value::from(id.bytes().to_vec())));
    }
}

pub(super) fn categories(db: &Connection) -> Result<Vec<(String, i64)>, Fault> {
    let sql = "SELECT category, count(*) FROM products WHERE NOT archived AND category IS NOT NULL
               GROUP BY category ORDER BY category";
    let mut query = db.prepare_cached(sql)?;
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
