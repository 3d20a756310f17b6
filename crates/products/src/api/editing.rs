//! Creating, editing and archiving products.

use axum::extract::State;
use holdfast_types::{Answer, Error, ProductId, ProductKind, Result};
use holdfast_web::{
    Edit, IdPath, Input, Query, Reply, answered,
    auth::{Act, Caller, May, PRODUCTS_WRITE},
    conditional::MERGE_PATCH,
    created, from_json, invalid_parameter, parse_value, replayed,
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    catalogue::find,
    wire::{
        PatchBody, ProductBody, ProductDraft, ProductReplacement, ProductView, changed,
        with_current, without_read_only,
    },
};
use crate::{
    Products,
    model::{NewProduct, Product, ProductPatch},
    store::Render,
};

const JSON: &str = "application/json";

/// Add a product.
#[utoipa::path(post, path = "/api/products", tag = "products", security(("bearer" = [])), request_body = ProductDraft,
    responses((status = 201, body = ProductView<'static>)),
    extensions(("x-problems" = json!(["forbidden", "sku-taken"]))))]
pub(super) async fn create_product(
    State(products): State<Products>,
    May(caller): May<PRODUCTS_WRITE>,
    mut input: Input,
) -> Reply {
    let value = parse_value(&input.body().await?)?;
    let operation = input.operation(
        products.secret(),
        caller.does("create_product", None),
        value.to_string().as_bytes(),
    )?;
    let body: ProductBody = from_json(value)?;
    body.refuse_version()?;
    let new = NewProduct {
        id: ProductId::new(operation.id),
        seller: caller.user,
        details: body.check("#")?,
        quantity: body.quantity.unwrap_or(0),
        fingerprint: operation.fingerprint,
        created_at: products.now(),
    };
    let (product, repeat) = products.store().create(&new, operation.audit).await?;
    if product.fingerprint != operation.fingerprint {
        return Err(holdfast_types::reused().into());
    }
    // Rebuilt from what creation fixed: the product may have changed since.
    let first = Product::new(&NewProduct { created_at: product.created_at, ..new });
    let location = format!("/api/products/{}", first.id);
    let response = created(&location, &first.etag(), &ProductView::from(&first))?;
    Ok(replayed(response, repeat))
}

/// Replace a product's details; absent optional ones are cleared, an absent `quantity` is kept.
#[utoipa::path(put, path = "/api/products/{id}", tag = "products", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path)), request_body = ProductReplacement, responses((status = 200, body = ProductView<'static>)),
    extensions(("x-problems" = json!(["forbidden", "sku-taken", "below-reserved"]))))]
pub(super) async fn replace_product(
    State(products): State<Products>,
    May(caller): May<PRODUCTS_WRITE>,
    IdPath(id): IdPath<ProductKind>,
    mut input: Input,
) -> Reply {
    let read = |value| {
        let body: ProductBody = from_json(without_read_only(value))?;
        Ok(ProductPatch::replacing(body.check("#")?, body.quantity, body.offer()))
    };
    let act = act(&products, caller, "replace_product", id).await?;
    let edit = input.edit(products.secret(), act, &[JSON], read).await?;
    let render = |product: &Product| Ok(Answer { etag: None, ..changed(product)? });
    change(&products, caller, id, edit, render).await
}

/// Change some members of a product (RFC 7396): `null` clears an optional one.
#[utoipa::path(patch, path = "/api/products/{id}", tag = "products", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path)), request_body = PatchBody, responses((status = 200, body = ProductView<'static>)),
    extensions(("x-problems" = json!(["forbidden", "sku-taken", "below-reserved"]))))]
pub(super) async fn update_product(
    State(products): State<Products>,
    May(caller): May<PRODUCTS_WRITE>,
    IdPath(id): IdPath<ProductKind>,
    mut input: Input,
) -> Reply {
    let read = |value| from_json::<PatchBody>(value)?.check();
    let act = act(&products, caller, "update_product", id).await?;
    let edit = input.edit(products.secret(), act, &MERGE_PATCH, read).await?;
    change(&products, caller, id, edit, changed).await
}

/// What the caller does to a product that they may change: 403 or 404, before the body is read.
pub(super) async fn act(
    products: &Products,
    caller: Caller,
    name: &'static str,
    id: ProductId,
) -> Result<Act> {
    find(products, id).await?.may_change(caller.user, !caller.authority.own_products_only)?;
    Ok(caller.does(name, id.uuid()))
}

/// The rest of its course: replay, 428, 412, 422, 409.
async fn change(
    products: &Products,
    caller: Caller,
    id: ProductId,
    edit: Edit<ProductPatch>,
    render: Render,
) -> Reply {
    let (operation, change) = (edit.operation.clone(), products.change_by(caller.user));
    let judge = move |product: &mut Product| {
        let (patch, basis) = edit.judge(&product.etag())?;
        product.edit(patch, basis, change)
    };
    match products.store().edit(id, &operation, change.at, render, judge).await {
        Ok(answer) => Ok(answered(answer)),
        Err(error) => Err(with_current(products, id, error).await),
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ArchiveQuery {
    /// The version that the caller has seen; or send `If-Match`.
    #[param(minimum = 1)]
    version: Option<i64>,
}

/// Archive a product: off the shelves, its sku stays taken, open orders are untouched. Again: again 204.
#[utoipa::path(delete, path = "/api/products/{id}", tag = "products", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path), ArchiveQuery), responses((status = 204)),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn archive_product(
    State(products): State<Products>,
    May(caller): May<PRODUCTS_WRITE>,
    IdPath(id): IdPath<ProductKind>,
    Query(query): Query<ArchiveQuery>,
    input: Input,
) -> Reply {
    if query.version.is_some_and(|version| version < 1) {
        return Err(invalid_parameter("version", "expected 1 or more").into());
    }
    let act = act(&products, caller, "archive_product", id).await?;
    let content = format!("{:?}", query.version);
    let operation = input.operation(products.secret(), act, content.as_bytes())?;
    let basis = input.basis(&serde_json::json!({"version": query.version}));
    let change = products.change_by(caller.user);
    let judge = move |product: &mut Product| {
        product.archive(basis.as_ref().map_err(Error::copy)?, change).map(|()| None)
    };
    let render = |_: &Product| Ok(Answer { status: 204, etag: None, body: Vec::new() });
    match products.store().edit(id, &operation, change.at, render, judge).await {
        Ok(answer) => Ok(answered(answer)),
        Err(error) => Err(with_current(&products, id, error).await),
    }
}
