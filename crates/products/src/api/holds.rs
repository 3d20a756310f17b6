//! Holds: stock that is kept for a while, before it is ordered.

use axum::{extract::State, http::Uri};
use holdfast_types::{HoldKind, OrderId, Page, Permission, ReserveCommand};
use holdfast_web::{
    IdPath, Input, ListTurn, NoQuery, PageQuery, Query, Reply, answered, auth::Caller, json_reply,
    list_reply, parse, with_location,
};

use super::wire::{HoldBody, HoldPage, HoldView};
use crate::Products;

pub(super) const PATH: &str = "/api/holds";

/// Keep stock for a while: for all items or for none. An order that names the hold (`holdId`) has its units; else they go back by
/// themselves. It counts against limits per customer, and is refused as orders are. A customer has 20 open holds at most.
#[utoipa::path(post, path = "/api/holds", tag = "holds", security(("bearer" = [])), request_body = HoldBody,
    responses((status = 201, body = HoldView<'static>, headers(("Location" = String)))),
    extensions(("x-problems" = json!(["forbidden", "unknown-product", "mixed-currencies", "total-too-large", "not-on-sale",
        "limit-reached", "insufficient-stock", "hold-expired"]))))]
pub(super) async fn create_hold(
    State(products): State<Products>,
    caller: Caller,
    mut input: Input,
) -> Reply {
    caller.reach(Permission::OrdersWrite)?;
    let body: HoldBody = parse(&input.body().await?)?;
    let operation =
        input.operation_of(products.secret(), caller.does("create_hold", None), &body)?;
    let command = ReserveCommand {
        id: OrderId::new(operation.id),
        fingerprint: operation.fingerprint,
        customer: caller.user,
        items: body.check()?,
        expected_total: None,
        hold: None,
    };
    let held = products.hold(command, &operation, HoldView::held).await?;
    Ok(with_location(answered(held), &format!("{PATH}/{}", operation.id)))
}

/// One's own holds, newest first; those that are over are listed for some days.
#[utoipa::path(get, path = "/api/holds", tag = "holds", security(("bearer" = [])), params(PageQuery),
    responses((status = 200, body = HoldPage, description = "A page of holds.")),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn list_holds(
    State(products): State<Products>,
    caller: Caller,
    Query(query): Query<PageQuery>,
    _turn: ListTurn,
    uri: Uri,
) -> Reply {
    caller.reach(Permission::OrdersRead)?;
    let found = products.store().holds_of(caller.user, &query.request()?).await?;
    let now = products.now();
    let items = found.items.iter().map(|hold| HoldView::at(hold, now)).collect();
    list_reply(&uri, &Page { items, next: found.next })
}

/// One of one's own holds.
#[utoipa::path(get, path = "/api/holds/{id}", tag = "holds", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = HoldView<'static>)),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn get_hold(
    State(products): State<Products>,
    caller: Caller,
    _: NoQuery,
    IdPath(id): IdPath<HoldKind>,
) -> Reply {
    caller.reach(Permission::OrdersRead)?;
    let hold = products.store().hold_of(id, caller.user).await?;
    json_reply(200, &HoldView::at(&hold, products.now()))
}

/// Hold on for as long again from now: for an hour in all at most.
#[utoipa::path(post, path = "/api/holds/{id}/extend", tag = "holds", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = HoldView<'static>)),
    extensions(("x-problems" = json!(["forbidden", "hold-expired", "limit-reached"]))))]
pub(super) async fn extend_hold(
    State(products): State<Products>,
    caller: Caller,
    IdPath(id): IdPath<HoldKind>,
    mut input: Input,
) -> Reply {
    caller.reach(Permission::OrdersWrite)?;
    products.store().hold_of(id, caller.user).await?;
    input.nothing().await?;
    let act = caller.does("extend_hold", id.uuid());
    let operation = input.operation(products.secret(), act, &[])?;
    Ok(answered(products.extend_hold((id, caller.user), &operation, HoldView::shown).await?))
}

/// Let go of a hold. One that is over already stays as it is.
#[utoipa::path(delete, path = "/api/holds/{id}", tag = "holds", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path)), responses((status = 204)),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn release_hold(
    State(products): State<Products>,
    caller: Caller,
    IdPath(id): IdPath<HoldKind>,
    mut input: Input,
) -> Reply {
    caller.reach(Permission::OrdersWrite)?;
    products.store().hold_of(id, caller.user).await?;
    input.nothing().await?;
    let act = caller.does("release_hold", id.uuid());
    let operation = input.operation(products.secret(), act, &[])?;
    Ok(answered(products.release_hold((id, caller.user), &operation).await?))
}
