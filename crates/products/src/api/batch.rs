//! Many products at once.

use axum::extract::State;
use holdfast_types::{Error, FieldError, Result, Version};
use holdfast_web::{
    Input, Problem, Reply, answered,
    auth::{Caller, May, PRODUCTS_WRITE},
    from_json, parse_value,
};
use serde_json::Value;

use super::wire::{BatchBody, BatchResult, Mode, ProductBody, with_current, written};
use crate::{
    Products,
    model::{BatchItem, BatchMode, BatchRequest},
};

/// Bytes of a batch.
pub(super) const BATCH_BYTES: usize = 1 << 20;
pub(super) const PATH: &str = "/api/products/batch";
/// Products of a batch.
const BATCH_ITEMS: usize = 500;

/// Create or update (by `sku`) up to 500 products.
#[utoipa::path(post, path = "/api/products/batch", tag = "products", security(("bearer" = [])), request_body = BatchBody,
    responses((status = 200, body = BatchResult, description = "What became of each product.")),
    extensions(("x-problems" = json!(["forbidden", "sku-taken", "version-conflict", "precondition-required", "below-reserved"]))))]
pub(super) async fn write_products(
    State(products): State<Products>,
    May(caller): May<PRODUCTS_WRITE>,
    mut input: Input,
) -> Reply {
    let bytes = input.body_of(BATCH_BYTES, &["application/json"]).await?;
    let value = parse_value(&bytes)?;
    let content = value.to_string();
    let body: BatchBody = from_json(value)?;
    let operation = input.operation(
        products.secret(),
        caller.does("write_products", None),
        content.as_bytes(),
    )?;
    let request = read_request(&products, &caller, body);
    let change = products.change_by(caller.user);
    match products.store().write_batch(request, &operation, change, written).await {
        Ok(answer) => Ok(answered(answer)),
        Err(error) => Err(conflict(&products, error).await),
    }
}

fn read_request(products: &Products, caller: &Caller, body: BatchBody) -> Result<BatchRequest> {
    if !(1..=BATCH_ITEMS).contains(&body.items.len()) {
        return Err(Error::invalid("#/items", "expected 1 to 500 products"));
    }
    let mode = match body.mode {
        Mode::Atomic => BatchMode::Atomic,
        Mode::Partial => BatchMode::Partial,
    };
    let items = body.items.into_iter().enumerate();
    let items: Vec<Result<BatchItem>> =
        items.map(|(index, item)| read_item(products, index, item)).collect();
    if mode == BatchMode::Atomic {
        refuse_invalid(&items)?;
    }
    Ok(BatchRequest {
        mode,
        overwrite: body.overwrite,
        of_anybody: !caller.authority.own_products_only,
        items,
    })
}

/// Adds what is current to the conflict of an item.
async fn conflict(products: &Products, error: Error) -> Problem {
    let id = error.extras().get("productId").and_then(Value::as_str).and_then(|id| id.parse().ok());
    match id {
        Some(id) => with_current(products, id, error).await,
        None => error.into(),
    }
}

fn read_item(products: &Products, index: usize, item: Value) -> Result<BatchItem> {
    let pointer = format!("#/items/{index}");
    let body: ProductBody = from_json(item).map_err(|error| below(&pointer, &error))?;
    Ok(BatchItem {
        id: products.new_id(),
        details: body.check(&pointer)?,
        offer: body.offer(),
        quantity: body.quantity,
        version: body.version.map(Version),
    })
}

/// Moves the pointers of an item's refusal below the item.
fn below(pointer: &str, error: &Error) -> Error {
    let moved = |field: &FieldError| FieldError {
        pointer: format!("{pointer}{}", &field.pointer[1..]),
        ..field.clone()
    };
    let fields: Vec<FieldError> = error.fields().iter().map(moved).collect();
    Error::new(error.code(), format!("{pointer}: {}", error.message())).with_fields(fields)
}

/// All that is invalid in an atomic batch is told at once.
fn refuse_invalid(items: &[Result<BatchItem>]) -> Result<()> {
    let errors: Vec<&Error> = items.iter().filter_map(|item| item.as_ref().err()).collect();
    let Some(first) = errors.first() else { return Ok(()) };
    let fields = errors.iter().flat_map(|error| error.fields().to_vec()).collect();
    Err(Error::new(first.code(), first.message().to_owned()).with_fields(fields))
}
