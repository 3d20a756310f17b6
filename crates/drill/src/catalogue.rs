//! The shop's stock, as anybody can read it.

use std::collections::HashMap;

use holdfast_client::Connection;
use serde_json::Value;

use crate::Result;

/// A product's numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stock {
    /// The stock keeping unit, if it has one.
    pub sku: Option<String>,
    /// Units on hand.
    pub quantity: i64,
    /// Units promised.
    pub reserved: i64,
}

/// Products by id.
pub type Catalogue = HashMap<String, Stock>;

/// Reads the numbers of all products on offer.
pub async fn read(url: &str) -> Result<Catalogue> {
    let products = Connection::new(url).read_list("/api/products", None).await?;
    Ok(products.iter().map(entry).collect())
}

fn entry(product: &Value) -> (String, Stock) {
    let stock = Stock {
        sku: product["sku"].as_str().map(str::to_owned),
        quantity: product["quantity"].as_i64().unwrap_or_default(),
        reserved: product["reserved"].as_i64().unwrap_or_default(),
    };
    (product["id"].as_str().unwrap_or_default().to_owned(), stock)
}

/// Product ids by sku.
#[must_use]
pub fn by_sku(catalogue: &Catalogue) -> HashMap<&str, &str> {
    catalogue.iter().filter_map(|(id, stock)| Some((stock.sku.as_deref()?, id.as_str()))).collect()
}
