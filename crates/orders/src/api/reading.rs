//! Reading orders: one's own, or anybody's for administrators.

use axum::{
    extract::State,
    http::{HeaderMap, Uri},
};
use holdfast_types::{
    Error, OrderId, OrderKind, Page, PageRequest, Permission, Result, Timestamp, check_email,
};
use holdfast_web::{
    IdPath, ListTurn, NoQuery, Query, Reply,
    auth::{Caller, Reach},
    bounded_list_reply, invalid_parameter, list_reply, page_request, unless_known,
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::wire::{EventView, OrderEventList, OrderPage, OrderView};
use crate::{
    Orders,
    model::{Buyer, Order, Status},
    store::OrderFilter,
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    status: Option<Status>,
    /// A user's id, or `me`.
    #[param(pattern = "^(me|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$")]
    user_id: Option<String>,
    /// As people type it: in any case, with or without hyphens.
    #[param(
        example = "TY2D-H1K8-W98E",
        pattern = "^([0-9A-TV-Za-tv-z]{4}-?){2}[0-9A-TV-Za-tv-z]{4}$"
    )]
    number: Option<String>,
    /// Of the buyer, as it was given with the order; without regard to case.
    #[param(example = "ada@example.com", min_length = 3, max_length = 254, format = "mail")]
    email: Option<String>,
    /// Orders of this moment and later.
    #[param(value_type = Option<String>, format = DateTime)]
    created_after: Option<Timestamp>,
    /// Orders before this moment.
    #[param(value_type = Option<String>, format = DateTime)]
    created_before: Option<Timestamp>,
    /// 1 to 100.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<usize>,
    /// Where the page before ended: its `nextCursor`.
    cursor: Option<String>,
}

impl ListQuery {
    /// Which orders a caller asks for, and which page of them.
    pub(super) fn read(self, caller: &Caller) -> Result<(OrderFilter, PageRequest)> {
        let user = caller.whose(Permission::OrdersRead, self.user_id.as_deref(), "orders")?;
        let request = page_request(self.limit, self.cursor)?;
        let number = self.number.as_deref().map(str::parse).transpose();
        let email = self.email.as_deref().map_or(Ok(()), check_email);
        email.map_err(|why| invalid_parameter("email", &why))?;
        let filter = OrderFilter {
            user,
            status: self.status,
            number: number.map_err(|why| invalid_parameter("number", why))?,
            email: Buyer { email: self.email, ..Buyer::default() }.email_key(),
            created_after: self.created_after,
            created_before: self.created_before,
        };
        Ok((filter, request))
    }
}

/// One's own orders, newest first; the staff see all of them. A page may be shorter than `limit`, even empty, and still have
/// a `nextCursor`.
#[utoipa::path(get, path = "/api/orders", tag = "orders", security(("bearer" = [])), params(ListQuery),
    responses((status = 200, body = OrderPage, description = "A page of orders.")),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn list_orders(
    State(orders): State<Orders>,
    caller: Caller,
    Query(query): Query<ListQuery>,
    _turn: ListTurn,
    uri: Uri,
) -> Reply {
    let (filter, request) = query.read(&caller)?;
    let found = orders.store().list(&filter, &request).await?;
    let view = |order| OrderView::to(&caller, order);
    bounded_list_reply(&uri, &found, view, |last| filter.position(last))
}

/// One order.
#[utoipa::path(get, path = "/api/orders/{id}", tag = "orders", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = OrderView<'static>), (status = 304)))]
pub(super) async fn get_order(
    State(orders): State<Orders>,
    caller: Caller,
    _: NoQuery,
    IdPath(id): IdPath<OrderKind>,
    headers: HeaderMap,
) -> Reply {
    let order = find(&orders, &caller, id).await?;
    unless_known(&headers, &order.etag(), async || Ok(OrderView::to(&caller, &order))).await
}

/// The order, if the caller may see it; what they may not see does not exist.
pub(super) async fn find(orders: &Orders, caller: &Caller, id: OrderId) -> Result<Order> {
    let reach = caller.reach(Permission::OrdersRead)?;
    match orders.store().get(id).await? {
        Some(order) if reach == Reach::All || order.user == caller.user => Ok(order),
        Some(_) => Err(Error::hidden("order")),
        None => Err(Error::not_found("order")),
    }
}

/// What happened to an order, when, and by whom.
#[utoipa::path(get, path = "/api/orders/{id}/events", tag = "orders", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = OrderEventList, description = "What happened to the order, oldest first.")))]
pub(super) async fn list_order_events(
    State(orders): State<Orders>,
    caller: Caller,
    _: NoQuery,
    IdPath(id): IdPath<OrderKind>,
    _turn: ListTurn,
    uri: Uri,
) -> Reply {
    let order = find(&orders, &caller, id).await?;
    list_reply(&uri, &Page { items: order.events().map(EventView::from).collect(), next: None })
}
