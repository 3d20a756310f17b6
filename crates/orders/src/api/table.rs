//! Orders as a table, for bookkeeping and for spreadsheets.

use std::fmt::Write;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderValue, Uri, header},
    response::Response,
};
use holdfast_types::{Error, Page, Timestamp};
use holdfast_web::{
    ANSWER_BYTES, ListTurn, Query, Reply,
    auth::{May, ORDERS_READ},
    linked,
};

use super::reading::ListQuery;
use crate::{
    Orders,
    model::{Number, Order, Status},
};

/// Where they are.
pub(super) const PATH: &str = "/api/orders/csv";

/// The names of the columns. Amounts are in minor units, as everywhere.
const COLUMNS: [&str; 24] = [
    "number",
    "id",
    "status",
    "createdAt",
    "paidAt",
    "shippedAt",
    "deliveredAt",
    "cancelledAt",
    "expiredAt",
    "userId",
    "email",
    "name",
    "line1",
    "line2",
    "city",
    "state",
    "postalCode",
    "country",
    "items",
    "units",
    "total",
    "currency",
    "reference",
    "trackingNumber",
];

/// Orders as CSV (RFC 4180), a row each, with the filters of the list; the first row of each page names the columns. What
/// spreadsheets would take for a formula has an apostrophe before it.
#[utoipa::path(get, path = PATH, tag = "orders", security(("bearer" = [])), params(ListQuery),
    responses((status = 200, content_type = "text/csv", body = String,
        headers(("Link" = String, description = "Where the next page is (RFC 8288, `rel=\"next\"`); absent on the last.")))),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn export_orders(
    State(orders): State<Orders>,
    May(caller): May<ORDERS_READ>,
    Query(query): Query<ListQuery>,
    _turn: ListTurn,
    uri: Uri,
) -> Reply {
    let (filter, request) = query.read(&caller)?;
    let Page { items, mut next } = orders.store().list(&filter, &request).await?;
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(COLUMNS).map_err(Error::internal)?;
    for (number, order) in (1..).zip(&items) {
        table.write_record(row(order)).map_err(Error::internal)?;
        table.flush().map_err(Error::internal)?;
        if table.get_ref().len() > ANSWER_BYTES && number < items.len() {
            next = Some(filter.position(order));
            break;
        }
    }
    let table = table.into_inner().map_err(Error::internal)?;
    let mut response = Response::new(Body::from(table));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/csv; charset=utf-8; header=present"),
    );
    headers.insert(
        header::CONTENT_DISPOSITION,
        HeaderValue::from_static("attachment; filename=\"orders.csv\""),
    );
    Ok(linked(response, &uri, next.as_ref()))
}

fn row(order: &Order) -> Vec<String> {
    let (buyer, progress) = (&order.buyer, &order.progress);
    let to = buyer.shipping_address.as_ref();
    let at = |status| progress.at(status).map(|at: Timestamp| at.to_string());
    let cells: [Option<String>; COLUMNS.len()] = [
        Some(Number::of(order.id).to_string()),
        Some(order.id.to_string()),
        Some(order.status.as_str().to_owned()),
        Some(order.created_at.to_string()),
        at(Status::Paid),
        at(Status::Shipped),
        at(Status::Delivered),
        at(Status::Cancelled),
        at(Status::Expired),
        Some(order.user.to_string()),
        buyer.email.clone(),
        to.map(|to| to.name.clone()),
        to.map(|to| to.line1.clone()),
        to.and_then(|to| to.line2.clone()),
        to.map(|to| to.city.clone()),
        to.and_then(|to| to.state.clone()),
        to.map(|to| to.postal_code.clone()),
        to.map(|to| to.country.clone()),
        Some(items(order)),
        Some(order.lines.iter().map(|line| line.quantity).sum::<i64>().to_string()),
        Some(order.total.amount.to_string()),
        Some(order.total.currency.to_string()),
        progress.reference.clone(),
        progress.tracking_number.clone(),
    ];
    cells.into_iter().map(|cell| harmless(cell.unwrap_or_default())).collect()
}

/// `2 x TEA-1 Sencha; 1 x Teapot`.
fn items(order: &Order) -> String {
    let mut text = String::new();
    for line in order.lines.iter() {
        let gap = if text.is_empty() { "" } else { "; " };
        let sku = line.sku.as_ref().map(|sku| format!("{sku} ")).unwrap_or_default();
        let _ = write!(text, "{gap}{} x {sku}{}", line.quantity, line.name);
    }
    text
}

/// Spreadsheets run what begins so (OWASP, CSV Injection), and buyers choose what stands in many cells.
fn harmless(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_text() {
        for (cell, expected) in
            [("=1+1", "'=1+1"), ("-2", "'-2"), ("@x", "'@x"), ("a=b", "a=b"), ("", "")]
        {
            assert_eq!(harmless(cell.to_owned()), expected);
        }
    }
}
