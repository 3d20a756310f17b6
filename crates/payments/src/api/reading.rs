//! Reading payments: those of one's own orders, or anybody's for the staff.

use axum::{
    extract::State,
    http::{HeaderMap, Uri},
};
use holdfast_types::{Error, OrderId, Page, Permission, Result};
use holdfast_web::{
    IdPath, ListTurn, NoQuery, Query, Reply,
    auth::{Caller, Reach},
    json_reply, list_reply, page_request, unless_known,
};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::wire::{PaymentPage, PaymentView, ProviderView};
use crate::{
    Payments,
    model::{Payment, PaymentId, PaymentKind, Status},
    store::PaymentFilter,
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PaymentsQuery {
    /// Those of one order.
    order_id: Option<Uuid>,
    status: Option<Status>,
    /// 1 to 100.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<usize>,
    /// Where the page before ended: its `nextCursor`.
    cursor: Option<String>,
}

/// Who takes the money, for shop fronts: whether to offer payments, and how.
#[utoipa::path(get, path = "/api/payments/provider", tag = "payments", responses((status = 200, body = ProviderView)))]
pub(super) async fn get_payment_provider(State(payments): State<Payments>, _: NoQuery) -> Reply {
    json_reply(200, &ProviderView::of(&payments))
}

/// The payments of one's own orders, newest first; the staff see all of them. A page may be shorter than `limit`, even empty,
/// and still have a `nextCursor`.
#[utoipa::path(get, path = "/api/payments", tag = "payments", security(("bearer" = [])), params(PaymentsQuery),
    responses((status = 200, body = PaymentPage, description = "A page of payments.")),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn list_payments(
    State(payments): State<Payments>,
    caller: Caller,
    Query(query): Query<PaymentsQuery>,
    _turn: ListTurn,
    uri: Uri,
) -> Reply {
    let reach = caller.reach(Permission::PaymentsRead)?;
    let request = page_request(query.limit, query.cursor)?;
    let filter = PaymentFilter {
        order: query.order_id.map(OrderId::new),
        user: (reach == Reach::Own).then_some(caller.user),
        status: query.status,
    };
    let Page { items, next } = payments.store().list(&filter, &request).await?;
    let items = items.iter().map(|payment| PaymentView::to(caller.user, payment)).collect();
    list_reply(&uri, &Page { items, next })
}

/// One payment, with what was given back of it: for the buyer, and for who may read refunds.
#[utoipa::path(get, path = "/api/payments/{id}", tag = "payments", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = PaymentView), (status = 304)))]
pub(super) async fn get_payment(
    State(payments): State<Payments>,
    caller: Caller,
    _: NoQuery,
    IdPath(id): IdPath<PaymentKind>,
    headers: HeaderMap,
) -> Reply {
    let payment = find(&payments, &caller, id, Permission::PaymentsRead).await?;
    let view = async || {
        let refunds = payments.store().refunds_of(id).await?;
        Ok(PaymentView::to(caller.user, &payment).with(&caller, &refunds))
    };
    unless_known(&headers, &payment.etag(), view).await
}

/// The payment, if the caller may do that with it or it is of their order; what they may not see does not exist.
pub(super) async fn find(
    payments: &Payments,
    caller: &Caller,
    id: PaymentId,
    permission: Permission,
) -> Result<Payment> {
    let reach = caller.reach(permission)?;
    match payments.store().get(id).await? {
        Some(payment) if reach == Reach::All || payment.user == caller.user => Ok(payment),
        // They may see it: what they may not is told.
        Some(payment) if caller.may(Permission::PaymentsRead) => {
            caller.require(permission).map(|_| payment)
        }
        Some(_) => Err(Error::hidden("payment")),
        None => Err(Error::not_found("payment")),
    }
}
