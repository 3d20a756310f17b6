//! Adjusting stock, and the journal.

use axum::{extract::State, http::Uri};
use holdfast_types::{Page, ProductKind};
use holdfast_web::{
    IdPath, Input, ListTurn, PageQuery, Query, Reply, answered,
    auth::{May, STOCK_READ, STOCK_WRITE},
    from_json, list_reply, parse_value,
};

use super::{
    catalogue::find,
    editing::act,
    wire::{MovementPage, MovementView, ProductView, StockBody, changed},
};
use crate::{Products, model::Product};

/// Add or remove units. It commutes, so it needs no version; never below what open orders and holds have.
#[utoipa::path(post, path = "/api/products/{id}/stock", tag = "products", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path)), request_body = StockBody, responses((status = 200, body = ProductView<'static>)),
    extensions(("x-problems" = json!(["forbidden", "below-reserved"]))))]
pub(super) async fn adjust_stock(
    State(products): State<Products>,
    May(caller): May<STOCK_WRITE>,
    IdPath(id): IdPath<ProductKind>,
    mut input: Input,
) -> Reply {
    let act = act(&products, caller, "adjust_stock", id).await?;
    let value = parse_value(&input.body().await?)?;
    let operation = input.operation(products.secret(), act, value.to_string().as_bytes())?;
    let body: StockBody = from_json(value)?;
    body.check()?;
    let change = products.change_by(caller.user);
    let judge =
        move |product: &mut Product| product.adjust(body.delta, &body.reason, change).map(Some);
    Ok(answered(products.store().edit(id, &operation, change.at, changed, judge).await?))
}

/// The product's journal: every change of a number, with its cause, numbered without gaps.
#[utoipa::path(get, path = "/api/products/{id}/stock/movements", tag = "products", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path), PageQuery), responses((status = 200, body = MovementPage, description = "A page of the journal.")),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn list_movements(
    State(products): State<Products>,
    May(caller): May<STOCK_READ>,
    IdPath(id): IdPath<ProductKind>,
    Query(query): Query<PageQuery>,
    _turn: ListTurn,
    uri: Uri,
) -> Reply {
    find(&products, id).await?.may_change(caller.user, !caller.authority.own_products_only)?;
    let found = products.store().movements(id, &query.request()?).await?;
    let items = found.items.into_iter().map(MovementView::from).collect();
    list_reply(&uri, &Page { items, next: found.next })
}
