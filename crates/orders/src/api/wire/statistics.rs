//! What figures look like on the wire.

use std::collections::BTreeMap;

use holdfast_types::{Interval, Report, Sum, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::model::figures::{Figures, Sales};

/// Figures of a time, by interval.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderStatistics)]
pub(crate) struct StatisticsView {
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
}

/// The figures of an interval.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderStatisticsInterval)]
struct IntervalView {
    /// When it begins.
    #[schema(value_type = String, format = DateTime)]
    start: Timestamp,
    #[serde(flatten)]
    figures: FiguresView,
}

/// What was placed in a time, whatever became of it; and what was refused.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderFigures)]
struct FiguresView {
    #[serde(flatten)]
    placed: SalesView,
    /// Of what was placed in that time: what was cancelled, or expired, since.
    cancelled: SalesView,
    /// Orders that were refused, by the code of the problem.
    #[schema(example = json!({"insufficient-stock": 12}))]
    refusals: BTreeMap<String, i64>,
}

/// Orders, their units, and what they come to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderSales)]
struct SalesView {
    #[schema(minimum = 0)]
    orders: i64,
    #[schema(minimum = 0)]
    units: i64,
    /// One sum for each currency, by its code.
    revenue: Vec<Sum>,
}

impl From<Report<Figures>> for StatisticsView {
    fn from(Report { from, to, interval, items, total }: Report<Figures>) -> Self {
        let item = |(start, figures)| IntervalView { start, figures: FiguresView::from(figures) };
        let items = items.into_iter().map(item).collect();
        Self { from, to, interval, items, total: total.into() }
    }
}

impl From<Figures> for FiguresView {
    fn from(Figures { placed, cancelled, refusals }: Figures) -> Self {
        Self { placed: placed.into(), cancelled: cancelled.into(), refusals }
    }
}

impl From<Sales> for SalesView {
    fn from(Sales { orders, units, revenue }: Sales) -> Self {
        Self { orders, units, revenue: Sum::of(revenue) }
    }
}
