//! Answers.

use std::{collections::BTreeMap, sync::Arc};

use holdfast_types::{Answer, Error, HoldId, Money, OrderId, ProductId, Result, Timestamp, UserId};
use holdfast_web::Problem;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Products,
    model::{BatchOutcome, Cause, Image, Movement, MovementKind, Product, SaleWindow, Status},
};

/// A product.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProductView<'a> {
    #[schema(value_type = uuid::Uuid)]
    id: ProductId,
    /// The stock keeping unit: unique when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    sku: Option<&'a str>,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<&'a str>,
    images: &'a [Image],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: &'a BTreeMap<String, String>,
    price: Money,
    /// Units on hand.
    quantity: i64,
    /// Units promised to open orders and holds.
    reserved: i64,
    /// Units that can be ordered.
    available: i64,
    #[schema(value_type = uuid::Uuid)]
    seller_id: UserId,
    status: Status,
    /// When it may be ordered; absent where that is always.
    #[serde(skip_serializing_if = "Option::is_none")]
    sale_window: Option<SaleWindow>,
    /// Units that one customer may order, over all of their orders; absent where as many as there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1_000)]
    limit_per_customer: Option<i64>,
    /// Counts changes of the details and of `quantity`; sales do not move it.
    version: i64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl<'a> From<&'a Product> for ProductView<'a> {
    fn from(product: &'a Product) -> Self {
        let details = &product.details;
        Self {
            id: product.id,
            sku: details.sku.as_deref(),
            name: &details.name,
            description: details.description.as_deref(),
            category: details.category.as_deref(),
            images: &details.images,
            metadata: &details.metadata,
            price: details.price,
            quantity: product.quantity,
            reserved: product.reserved,
            available: product.available(),
            seller_id: product.seller,
            status: details.status,
            sale_window: details.sale_window.shown(),
            limit_per_customer: details.limit_per_customer,
            version: product.version.0,
            created_at: product.created_at,
            updated_at: product.updated_at,
        }
    }
}

/// The answer to a change of a product.
pub(crate) fn changed(product: &Product) -> Result<Answer> {
    Answer::ok(product.etag(), &ProductView::from(product))
}

/// The answer to a batch.
pub(crate) fn written(outcomes: &[BatchOutcome]) -> Result<Answer> {
    let result = |(index, outcome): (usize, &BatchOutcome)| match outcome {
        BatchOutcome::Created(product) => {
            json!({"index": index, "status": 201, "product": ProductView::from(product)})
        }
        BatchOutcome::Updated(product) => {
            json!({"index": index, "status": 200, "product": ProductView::from(product)})
        }
        BatchOutcome::Refused(error, current) => {
            let mut problem = Problem::document(error);
            if let Some(current) = current {
                problem.insert("current".into(), json!(ProductView::from(current)));
            }
            json!({"index": index, "status": problem["status"], "problem": problem})
        }
    };
    let results: Vec<Value> = outcomes.iter().enumerate().map(result).collect();
    let body = serde_json::to_vec(&json!({ "results": results })).map_err(Error::internal)?;
    Ok(Answer { status: 200, etag: None, body })
}

/// Part of the catalogue.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes a list to readers of the API")]
pub(crate) struct ProductPage {
    items: Vec<ProductView<'static>>,
    /// Where the next page begins; null on the last. A page may be shorter than was asked for, and still not be the last.
    next_cursor: Option<String>,
}

/// Part of a product's journal, oldest first.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes a list to readers of the API")]
pub(crate) struct MovementPage {
    items: Vec<MovementView>,
    /// Where the next page begins; null on the last. A page may be shorter than was asked for, and still not be the last.
    next_cursor: Option<String>,
}

/// The categories by name.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes a list to readers of the API")]
pub(crate) struct CategoryList {
    items: Vec<CategoryView>,
}

/// A category, and how many products of it are on offer.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes a category to readers of the API")]
struct CategoryView {
    name: String,
    count: i64,
}

/// What became of the products of a batch.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the answer to a batch to readers of the API")]
pub(crate) struct BatchResult {
    /// In the order of the items.
    results: Vec<BatchItemResult>,
}

/// What became of one product of a batch.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the answer to a batch to readers of the API")]
struct BatchItemResult {
    /// Which item, from 0 on.
    index: i64,
    /// 200 updated, 201 created, or the status of the problem.
    status: u16,
    /// When it was created or updated.
    product: Option<ProductView<'static>>,
    /// When it was refused.
    #[schema(value_type = Option<Object>)]
    problem: Option<()>,
}

/// Adds what is current to a conflict.
pub(crate) async fn with_current(products: &Products, id: ProductId, error: Error) -> Problem {
    let show = |product: &Arc<Product>| {
        let view = serde_json::to_value(ProductView::from(&**product));
        (product.version, product.etag(), view)
    };
    Problem::with_current(error, products.store().get(id), show).await
}

/// One line of a product's journal.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MovementView {
    /// 1, 2, 3, … without gaps.
    sequence: i64,
    kind: MovementKind,
    /// What it did to the units on hand.
    quantity_delta: i64,
    /// What it did to the units promised.
    reserved_delta: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    order_id: Option<OrderId>,
    /// The hold, where it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    hold_id: Option<HoldId>,
    /// Who did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    by: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
}

impl From<Movement> for MovementView {
    fn from(movement: Movement) -> Self {
        let is_hold = matches!(movement.kind, MovementKind::Hold | MovementKind::HoldEnd);
        let (order_id, by, reason) = match movement.cause {
            Cause::Order(order) => (Some(order), None, None),
            Cause::Person { by, reason } => (None, Some(by), reason),
        };
        Self {
            sequence: movement.sequence,
            kind: movement.kind,
            quantity_delta: movement.quantity_delta,
            reserved_delta: movement.reserved_delta,
            order_id: order_id.filter(|_| !is_hold),
            hold_id: order_id.filter(|_| is_hold).map(|id| HoldId::new(id.uuid())),
            by,
            reason,
            at: movement.at,
        }
    }
}
