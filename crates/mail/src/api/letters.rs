//! What became of letters, and once more.

use axum::{extract::State, http::Uri};
use holdfast_types::{OrderId, Page};
use holdfast_web::{
    IdPath, Input, ListTurn, NoQuery, Query, Reply, answered,
    auth::{EVENTS_READ, EVENTS_WRITE, May},
    json_reply, list_reply, page_request,
};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::wire::{LetterPage, LetterView, ServerView};
use crate::{
    Mail,
    model::{LetterMark, LetterStatus},
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LettersQuery {
    /// Those about one order.
    order_id: Option<Uuid>,
    status: Option<LetterStatus>,
    /// 1 to 100.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<usize>,
    /// Where the page before ended: its `nextCursor`.
    cursor: Option<String>,
}

/// Letters to customers, newest first: which are sent, and why others are not. They are kept for thirty days. A page may be shorter
/// than `limit`, even empty, and still have a `nextCursor`.
#[utoipa::path(get, path = "/api/letters", tag = "mail", security(("bearer" = [])), params(LettersQuery),
    responses((status = 200, body = LetterPage, description = "A page of letters.")),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn list_letters(
    State(mail): State<Mail>,
    _: May<EVENTS_READ>,
    Query(query): Query<LettersQuery>,
    _turn: ListTurn,
    uri: Uri,
) -> Reply {
    let request = page_request(query.limit, query.cursor)?;
    let order = query.order_id.map(OrderId::new);
    let Page { items, next } = mail.store().list(order, query.status, &request).await?;
    list_reply(&uri, &Page { items: items.iter().map(LetterView::from).collect(), next })
}

/// From whom letters are, for the staff: whether any leave the shop.
#[utoipa::path(get, path = "/api/letters/server", tag = "mail", security(("bearer" = [])),
    responses((status = 200, body = ServerView)), extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn get_mail_server(
    State(mail): State<Mail>,
    _: May<EVENTS_READ>,
    _: NoQuery,
) -> Reply {
    json_reply(200, &ServerView::of(mail.sender()))
}

/// Send a letter once more, now, also one that has been sent. What it says, and to whom, is looked up anew.
#[utoipa::path(post, path = "/api/letters/{id}/retry", tag = "mail", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = LetterView)),
    extensions(("x-problems" = json!(["forbidden", "mail-disabled"]))))]
pub(super) async fn retry_letter(
    State(mail): State<Mail>,
    May(caller): May<EVENTS_WRITE>,
    IdPath(id): IdPath<LetterMark>,
    mut input: Input,
) -> Reply {
    input.nothing().await?;
    let operation = input.operation(mail.secret(), caller.does("retry_letter", id.uuid()), &[])?;
    Ok(answered(mail.retry(id, &operation, LetterView::shown).await?))
}
