//! What orders and holds ask for: units of products.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{ProductId, Validation};

/// Items that an order has at most.
pub const ORDER_ITEMS: usize = 200;
/// Units of a product in an order, at most.
pub const ORDER_UNITS: i64 = 1_000_000;

/// Refuses, in words, more or fewer items than an order may have.
pub fn check_item_count(count: usize) -> Result<(), String> {
    match (1..=ORDER_ITEMS).contains(&count) {
        true => Ok(()),
        false => Err(format!("expected 1 to {ORDER_ITEMS} items")),
    }
}

/// Refuses, in words, more or fewer units of a product than an order may have.
pub fn check_units(units: i64) -> Result<(), String> {
    match (1..=ORDER_UNITS).contains(&units) {
        true => Ok(()),
        false => Err(format!("expected 1 to {ORDER_UNITS} units")),
    }
}

/// Units of a product.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = ItemBody)]
pub struct OrderItem {
    /// Which.
    #[schema(value_type = uuid::Uuid)]
    pub product_id: ProductId,
    /// 1 to 1,000,000.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub quantity: i64,
}

/// Refuses items that no order may have. Those of one product are summed, so their sum has the limit of an item.
pub fn check_items(items: &[OrderItem], validation: &mut Validation) {
    validation.take("#/items", check_item_count(items.len()));
    for (index, item) in items.iter().enumerate() {
        if let Err(why) = check_units(item.quantity) {
            validation.refuse(&format!("#/items/{index}/quantity"), why);
        }
    }
    for (product, _) in sum_items(items).iter().filter(|(_, quantity)| *quantity > ORDER_UNITS) {
        let index = items.iter().position(|item| item.product_id == *product).unwrap_or(0);
        if items[index].quantity <= ORDER_UNITS {
            let why = format!("the items of this product sum to more than {ORDER_UNITS} units");
            validation.refuse(&format!("#/items/{index}/quantity"), why);
        }
    }
}

/// Products and units, each product once, in the order in which they first appear.
#[must_use]
pub fn sum_items(items: &[OrderItem]) -> Vec<(ProductId, i64)> {
    let mut places = HashMap::with_capacity(items.len());
    let mut sums: Vec<(ProductId, i64)> = Vec::with_capacity(items.len());
    for item in items {
        match places.get(&item.product_id) {
            Some(place) => {
                let (_, quantity): &mut (ProductId, i64) = &mut sums[*place];
                *quantity = quantity.saturating_add(item.quantity);
            }
            None => {
                places.insert(item.product_id, sums.len());
                sums.push((item.product_id, item.quantity));
            }
        }
    }
    sums
}
