//! Holds: stock that is kept for a while, before it is ordered.

use axum::{extract::State, http::Uri};
use holdfast_types::{
    HoldId, HoldKind, Operation, OrderId, Page, Permission, ReserveCommand, Result,
};
use holdfast_web::{
    IdPath, Input, ListTurn, NoQuery, Query, Reply, answered, auth::Caller, json_reply, list_reply,
    page_request, parse, with_location,
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::wire::{HoldBody, HoldPage, HoldView};
use crate::{Products, store::holds::Whose};

pub(super) const PATH: &str = "/api/holds";
/// What they are called in a refusal.
const THINGS: &str = "holds";

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

/// Whose holds are listed, and which of them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// A user's id, or `me`.
    #[param(pattern = "^(me|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$")]
    user_id: Option<String>,
    /// 1 to 100.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<usize>,
    /// Where the page before ended: its `nextCursor`.
    cursor: Option<String>,
}

/// One's own holds, newest first; the staff see everybody's. Those that are over are listed for four days.
#[utoipa::path(get, path = "/api/holds", tag = "holds", security(("bearer" = [])), params(ListQuery),
    responses((status = 200, body = HoldPage, description = "A page of holds.")),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn list_holds(
    State(products): State<Products>,
    caller: Caller,
    Query(query): Query<ListQuery>,
    _turn: ListTurn,
    uri: Uri,
) -> Reply {
    let whose = caller.whose(Permission::OrdersRead, query.user_id.as_deref(), THINGS)?;
    let request = page_request(query.limit, query.cursor)?;
    let found = products.store().holds_of(whose, &request).await?;
    let now = products.now();
    let items = found.items.iter().map(|hold| HoldView::at(hold, now)).collect();
    list_reply(&uri, &Page { items, next: found.next })
}

/// A hold: one's own, or anybody's for the staff.
#[utoipa::path(get, path = "/api/holds/{id}", tag = "holds", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = HoldView<'static>)),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn get_hold(
    State(products): State<Products>,
    caller: Caller,
    _: NoQuery,
    IdPath(id): IdPath<HoldKind>,
) -> Reply {
    let whose = caller.whose(Permission::OrdersRead, None, THINGS)?;
    let hold = products.store().hold_of(id, whose).await?;
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
    let (whose, operation) = bare(&products, &caller, ("extend_hold", id), &mut input).await?;
    Ok(answered(products.extend_hold((id, whose), &operation, HoldView::shown).await?))
}

/// Let go of a hold: one's own, or anybody's for the staff. One that is over already stays as it is.
#[utoipa::path(delete, path = "/api/holds/{id}", tag = "holds", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path)), responses((status = 204)),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn release_hold(
    State(products): State<Products>,
    caller: Caller,
    IdPath(id): IdPath<HoldKind>,
    mut input: Input,
) -> Reply {
    let (whose, operation) = bare(&products, &caller, ("release_hold", id), &mut input).await?;
    Ok(answered(products.release_hold((id, whose), &operation).await?))
}

/// A step that says nothing more: whose hold it may be about, and the operation.
async fn bare(
    products: &Products,
    caller: &Caller,
    (name, id): (&'static str, HoldId),
    input: &mut Input,
) -> Result<(Whose, Operation)> {
    let whose = caller.whose(Permission::OrdersWrite, None, THINGS)?;
    products.store().hold_of(id, whose).await?;
    input.nothing().await?;
    let act = caller.does(name, id.uuid());
    Ok((whose, input.operation(products.secret(), act, &[])?))
}
