//! Creating and updating many products in one request.

use std::collections::HashMap;

use holdfast_types::{Basis, Code, Error, Operation, ProductId, Result, Version};

use super::{Change, Details, Movement, NewProduct, Offer, Product, ProductPatch, Status};

/// Whether one refusal refuses all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BatchMode {
    /// All or none.
    Atomic,
    /// Each for itself.
    Partial,
}

/// One product of a batch.
#[derive(Clone, Debug)]
pub(crate) struct BatchItem {
    /// The id, should it be new.
    pub(crate) id: ProductId,
    pub(crate) details: Details,
    pub(crate) offer: Offer,
    pub(crate) quantity: Option<i64>,
    pub(crate) version: Option<Version>,
}

/// A batch: what was refused at the edge already stays in its place.
#[derive(Debug)]
pub(crate) struct BatchRequest {
    pub(crate) mode: BatchMode,
    pub(crate) overwrite: bool,
    pub(crate) of_anybody: bool,
    pub(crate) items: Vec<Result<BatchItem>>,
}

/// What became of one item.
#[derive(Debug)]
pub(crate) enum BatchOutcome {
    Created(Product),
    Updated(Product),
    /// With the product as it stands, when that is what it conflicts with.
    Refused(Error, Option<Product>),
}

/// A product that is to be written.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    /// What it was; `None` for one that is created.
    pub(crate) before: Option<Product>,
    pub(crate) product: Product,
    /// What the change did to its stock; that of a creation goes without saying.
    pub(crate) movement: Option<Movement>,
}

impl Written {
    pub(crate) const fn sku(&self) -> Option<&String> {
        self.product.details.sku.as_ref()
    }
}

/// Decides a whole batch, item by item, over the products that have its skus. Returns what each item led to and what is
/// to be written, in order. An item sees what the items before it did.
pub(crate) fn decide_batch(
    request: &BatchRequest,
    mut existing: HashMap<String, Product>,
    operation: &Operation,
    change: Change,
) -> Result<(Vec<BatchOutcome>, Vec<Written>)> {
    let mut outcomes = Vec::with_capacity(request.items.len());
    let mut written = Vec::with_capacity(request.items.len());
    for (index, item) in request.items.iter().enumerate() {
        let decided = item.as_ref().map_err(Error::copy).and_then(|item| {
            let known = item.details.sku.as_ref().and_then(|sku| existing.get(sku)).cloned();
            upsert(item.clone(), known, request, operation, change)
        });
        let decided = match decided {
            Ok(decided) => decided,
            Err(error) if request.mode == BatchMode::Partial => {
                let current = conflicting(&existing, &error);
                outcomes.push(BatchOutcome::Refused(error, current));
                continue;
            }
            Err(error) => return Err(error.with("index", index)),
        };
        let product = decided.product.clone();
        outcomes.push(match decided.before {
            None => BatchOutcome::Created(product.clone()),
            Some(_) => BatchOutcome::Updated(product.clone()),
        });
        written.push(decided);
        if let Some(sku) = &product.details.sku {
            existing.insert(sku.clone(), product);
        }
    }
    Ok((outcomes, written))
}

/// The product that a version conflict names.
fn conflicting(existing: &HashMap<String, Product>, error: &Error) -> Option<Product> {
    let named: ProductId = error.extras().get("productId")?.as_str()?.parse().ok()?;
    let conflicts = error.code() == Code::VersionConflict;
    existing.values().find(|product| conflicts && product.id == named).cloned()
}

impl BatchRequest {
    /// The skus that its items name, each once, in order.
    pub(crate) fn skus(&self) -> Vec<String> {
        let items = self.items.iter().filter_map(|item| item.as_ref().ok());
        let mut skus: Vec<String> = items.filter_map(|item| item.details.sku.clone()).collect();
        skus.sort_unstable();
        skus.dedup();
        skus
    }
}

/// Decides one item: creates, or updates the product that has its sku. An update needs the version, unless the
/// batch overwrites. Refuses with `sku-taken` when the sku is another seller's.
fn upsert(
    item: BatchItem,
    existing: Option<Product>,
    request: &BatchRequest,
    operation: &Operation,
    change: Change,
) -> Result<Written> {
    let Some(before) = existing else {
        if item.version.is_some() {
            let why = "the item names a version, but there is no product with its sku: a new product has none";
            return Err(Error::new(Code::VersionConflict, why));
        }
        let details =
            Details { status: item.offer.status.unwrap_or(Status::Active), ..item.details };
        let new = NewProduct {
            id: item.id,
            seller: change.by,
            details,
            quantity: item.quantity.unwrap_or(0),
            fingerprint: operation.fingerprint,
            created_at: change.at,
        };
        return Ok(Written { before: None, product: Product::new(&new), movement: None });
    };
    if before.may_change(change.by, request.of_anybody).is_err() {
        return Err(Error::new(Code::SkuTaken, "another seller has a product with this sku"));
    }
    if item.version.is_none() && !request.overwrite {
        let why = "a product with this sku exists: send its `version`, or `overwrite: true` for the batch";
        return Err(
            Error::new(Code::PreconditionRequired, why).with("currentVersion", before.version.0)
        );
    }
    let basis = Basis { if_match: None, version: item.version };
    let patch = ProductPatch::replacing(item.details, item.quantity, item.offer);
    let mut product = before.clone();
    let movement = product.edit(&patch, &basis, change).map_err(|error| match error.code() {
        Code::VersionConflict => {
            error.with("currentVersion", before.version.0).with("productId", before.id.to_string())
        }
        _ => error,
    })?;
    Ok(Written { before: Some(before), product, movement })
}
