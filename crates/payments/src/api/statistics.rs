//! Money, for the merchant.

use axum::extract::State;
use holdfast_types::{Interval, Report, Sum, Timestamp};
use holdfast_web::{
    ListTurn, Query, Reply, StatisticsQuery,
    auth::{May, PAYMENTS_READ},
    json_reply,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Payments,
    model::figures::{Figures, Flow},
};

/// What was taken and what went back, by interval, and what is on its way back now. It is counted as payments change, so it takes no
/// longer on a large shop.
#[utoipa::path(get, path = "/api/payments/statistics", tag = "payments", security(("bearer" = [])), params(StatisticsQuery),
    responses((status = 200, body = StatisticsView)),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn show_payment_statistics(
    State(payments): State<Payments>,
    _: May<PAYMENTS_READ>,
    Query(query): Query<StatisticsQuery>,
    _turn: ListTurn,
) -> Reply {
    let (from, to) = query.period(payments.now())?;
    let (report, owed) = payments.statistics(from, to, query.interval()).await?;
    json_reply(200, &StatisticsView::new(report, owed))
}

/// Money of a time, by interval.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PaymentStatistics)]
struct StatisticsView {
    /// The beginning of the first interval.
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    /// The end of the last interval.
    #[schema(value_type = String, format = DateTime)]
    to: Timestamp,
    interval: Interval,
    /// One for each interval, the earliest first.
    items: Vec<IntervalView>,
    /// All intervals together.
    total: FiguresView,
    /// Refunds that the provider has not made yet, whenever they were asked for.
    owed: FlowView,
}

/// The money of an interval.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PaymentStatisticsInterval)]
struct IntervalView {
    /// When it begins.
    #[schema(value_type = String, format = DateTime)]
    start: Timestamp,
    #[serde(flatten)]
    figures: FiguresView,
}

/// What was taken in a time, and what went back in it, whenever it had been taken.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PaymentFigures)]
struct FiguresView {
    captured: FlowView,
    refunded: FlowView,
}

/// Payments or refunds, and what they come to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PaymentFlow)]
struct FlowView {
    #[schema(minimum = 0)]
    count: i64,
    /// One sum for each currency, by its code.
    sums: Vec<Sum>,
}

impl StatisticsView {
    fn new(report: Report<Figures>, owed: Flow) -> Self {
        let Report { from, to, interval, items, total } = report;
        let item = |(start, figures)| IntervalView { start, figures: FiguresView::from(figures) };
        let items = items.into_iter().map(item).collect();
        Self { from, to, interval, items, total: total.into(), owed: owed.into() }
    }
}

impl From<Figures> for FiguresView {
    fn from(Figures { captured, refunded }: Figures) -> Self {
        Self { captured: captured.into(), refunded: refunded.into() }
    }
}

impl From<Flow> for FlowView {
    fn from(Flow { count, sums }: Flow) -> Self {
        Self { count, sums: Sum::of(sums) }
    }
}
