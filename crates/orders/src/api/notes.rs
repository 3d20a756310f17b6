//! What the staff note about an order.

use axum::extract::State;
use holdfast_types::OrderKind;
use holdfast_web::{
    IdPath, Input, Problem, Reply, answered, auth::Caller, conditional::MERGE_PATCH, from_json,
};

use super::{
    lifecycle::staff_only,
    wire::{NoteBody, OrderView, changed},
};
use crate::{Orders, model::Order};

/// Note something about an order, for the staff alone (RFC 7396): `null` clears it. Steps of the lifecycle that were taken meanwhile
/// do not stand in the way; another note does.
#[utoipa::path(patch, path = "/api/orders/{id}", tag = "orders", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path)), request_body = NoteBody, responses((status = 200, body = OrderView<'static>)),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn update_order(
    State(orders): State<Orders>,
    caller: Caller,
    IdPath(id): IdPath<OrderKind>,
    mut input: Input,
) -> Reply {
    staff_only(&orders, &caller, id).await?;
    let read = |value| from_json::<NoteBody>(value)?.check();
    let act = caller.does("update_order", id.uuid());
    let edit = input.edit(orders.secret(), act, &MERGE_PATCH, read).await?;
    let (operation, now) = (edit.operation.clone(), orders.now());
    let judge = move |order: &mut Order| {
        let (note, basis) = edit.judge(&order.etag())?;
        let kept = order.note().map(str::to_owned);
        order.annotate(note.clone().unwrap_or(kept), basis, now)
    };
    match orders.store().change(id, &operation, now, changed(&caller), judge).await {
        Ok(answer) => Ok(answered(answer)),
        Err(error) => {
            let show = |order: &Order| {
                let view = serde_json::to_value(OrderView::to(&caller, order));
                (order.version, order.etag(), view)
            };
            Err(Problem::with_current(error, orders.store().get(id), show).await)
        }
    }
}
