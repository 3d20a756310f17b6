//! Figures for the merchant.

use std::time::Duration;

use axum::extract::State;
use holdfast_types::{Result, Timestamp};
use holdfast_web::{
    ListTurn, Query, Reply,
    auth::{May, ORDERS_READ},
    invalid_parameter, json_reply,
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::wire::StatisticsView;
use crate::{Orders, model::figures::Interval};

/// What is shown to whoever does not say from when.
const USUAL: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Figures are told of times that calendars know: 1970 to 9999.
const LAST: Timestamp = Timestamp::from_millis(253_402_300_799_999);

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct StatisticsQuery {
    /// The interval of this moment is the first; by default that of thirty days before `to`.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-11-01T00:00:00Z")]
    from: Option<Timestamp>,
    /// Intervals that begin before this moment are told of; by default it is now.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-12-01T00:00:00Z")]
    to: Option<Timestamp>,
    /// At most 744 hours or 366 days of UTC; days where it is not said.
    interval: Option<Interval>,
}

impl StatisticsQuery {
    fn interval(&self) -> Interval {
        self.interval.unwrap_or_default()
    }

    fn period(&self, now: Timestamp) -> Result<(Timestamp, Timestamp)> {
        let to = self.to.unwrap_or(now);
        let from = self.from.unwrap_or_else(|| to.minus(USUAL));
        let within = |at: Timestamp| (0..=LAST.as_millis()).contains(&at.as_millis());
        if !within(from) {
            return Err(invalid_parameter("from", "expected a moment of 1970 to 9999"));
        }
        if from >= to || !within(to) {
            return Err(invalid_parameter("to", "expected a moment after `from`, up to 9999"));
        }
        let interval = self.interval();
        if interval.count(from, to) > interval.most() {
            let why = format!("expected at most {} intervals up to `to`", interval.most());
            return Err(invalid_parameter("from", &why));
        }
        Ok((from, to))
    }
}

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
