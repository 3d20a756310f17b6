//! Figures for the merchant.

use axum::extract::State;
use holdfast_web::{
    ListTurn, Query, Reply, StatisticsQuery,
    auth::{May, ORDERS_READ},
    json_reply,
};

use super::wire::StatisticsView;
use crate::Orders;

/// What was ordered, of how many units and for how much, what of it was called off, and what was refused, by interval. It is counted
/// as orders come, so it takes no longer on a large shop; refusals are written down a few seconds later.
#[utoipa::path(get, path = "/api/orders/statistics", tag = "orders", security(("bearer" = [])), params(StatisticsQuery),
    responses((status = 200, body = StatisticsView)),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn show_statistics(
    State(orders): State<Orders>,
    _: May<ORDERS_READ>,
    Query(query): Query<StatisticsQuery>,
    _turn: ListTurn,
) -> Reply {
    let (from, to) = query.period(orders.now())?;
    let statistics = orders.statistics(from, to, query.interval()).await?;
    json_reply(200, &StatisticsView::from(statistics))
}
