//! Webhooks: made, shown, changed, tried out.

use std::time::Duration;

use axum::{
    extract::State,
    http::{HeaderMap, Uri},
};
use holdfast_types::{Basis, Cursor, Error, Page, Result};
use holdfast_web::{
    IdPath, Input, ListTurn, NoQuery, PageQuery, Problem, Query, Reply, answered,
    auth::{Caller, May, WEBHOOKS_READ, WEBHOOKS_WRITE},
    conditional::MERGE_PATCH,
    from_json, list_reply, parse, unless_known, with_location,
};
use uuid::Uuid;

use super::{
    delivery_wire::DeliveryView,
    webhook_wire::{
        CreateWebhookBody, ReplayBody, ReplayView, RotateBody, UpdateWebhookBody, WebhookPage,
        WebhookView,
    },
};
use crate::{
    Events,
    model::{Progress, Webhook, WebhookId, WebhookKind},
};

/// Names the list in its cursors.
const LIST: &str = "webhooks";

/// Have events delivered to an endpoint (Standard Webhooks 1.0), beginning with the next one. The answer shows the secret that
/// deliveries are signed with, once. The address is `https` and of the public internet, whatever it is written like and whatever
/// its name stands for, at each attempt; redirects are not followed. A shop has 50 webhooks at most.
#[utoipa::path(post, path = "/api/webhooks", tag = "webhooks", security(("bearer" = [])), request_body = CreateWebhookBody,
    responses((status = 201, body = WebhookView, headers(("Location" = String)))),
    extensions(("x-problems" = json!(["forbidden", "limit-reached"]))))]
pub(super) async fn create_webhook(
    State(events): State<Events>,
    May(caller): May<WEBHOOKS_WRITE>,
    mut input: Input,
) -> Reply {
    let body: CreateWebhookBody = parse(&input.body().await?)?;
    let operation =
        input.operation_of(events.secret(), caller.does("create_webhook", None), &body)?;
    let new = body.check(&events, &caller.authority).await?;
    let created = events.create_webhook(new, &operation, WebhookView::created).await?;
    Ok(with_location(answered(created), &format!("/api/webhooks/{}", operation.id)))
}

/// All webhooks.
#[utoipa::path(get, path = "/api/webhooks", tag = "webhooks", security(("bearer" = [])), params(PageQuery),
    responses((status = 200, body = WebhookPage, description = "A page of webhooks.")),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn list_webhooks(
    State(events): State<Events>,
    _: May<WEBHOOKS_READ>,
    Query(query): Query<PageQuery>,
    _turn: ListTurn,
    uri: Uri,
) -> Reply {
    let request = query.request()?;
    let after: Option<Uuid> =
        request.after.as_ref().map(|cursor| cursor.position(LIST)).transpose()?;
    let mut all = events.store().webhooks().await?;
    all.retain(|(webhook, _)| after.is_none_or(|after| webhook.id.uuid() > after));
    let place = |(webhook, _): &(Webhook, Progress)| Cursor::new(LIST, &webhook.id.uuid());
    let Page { items, next } = Page::cut(all, request.limit, place);
    let view = |(webhook, progress): &(Webhook, Progress)| WebhookView::new(webhook, progress);
    list_reply(&uri, &Page { items: items.iter().map(view).collect(), next })
}

/// One webhook.
#[utoipa::path(get, path = "/api/webhooks/{id}", tag = "webhooks", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = WebhookView), (status = 304)),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn get_webhook(
    State(events): State<Events>,
    _: May<WEBHOOKS_READ>,
    IdPath(id): IdPath<WebhookKind>,
    _: NoQuery,
    headers: HeaderMap,
) -> Reply {
    let (webhook, progress) = find(&events, id).await?;
    let view = async || Ok(WebhookView::new(&webhook, &progress));
    unless_known(&headers, &webhook.etag(), view).await
}

/// Change a webhook; `enabled` switches it off and on again, and then it goes on where it was, as far as the log goes back.
#[utoipa::path(patch, path = "/api/webhooks/{id}", tag = "webhooks", security(("bearer" = [])), request_body = UpdateWebhookBody,
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = WebhookView)),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn update_webhook(
    State(events): State<Events>,
    May(caller): May<WEBHOOKS_WRITE>,
    IdPath(id): IdPath<WebhookKind>,
    mut input: Input,
) -> Reply {
    find_for(&events, id, &caller).await?;
    let mut url = None;
    let read = |value| {
        let change = from_json::<UpdateWebhookBody>(value)?.check(&caller.authority)?;
        url.clone_from(&change.url);
        Ok(change)
    };
    let edit = input
        .edit(events.secret(), caller.does("update_webhook", id.uuid()), &MERGE_PATCH, read)
        .await?;
    if let Some(url) = url {
        events.check_url(&url).await.map_err(|why| Error::invalid("#/url", why))?;
    }
    let (operation, now) = (edit.operation.clone(), events.now());
    let judge = move |webhook: &mut Webhook| {
        let (change, basis) = edit.judge(&webhook.etag())?;
        webhook.admits(&caller.authority)?;
        webhook.change(change, basis, now)
    };
    match events.change_webhook(id, &operation, WebhookView::shown, judge).await {
        Ok(changed) => Ok(answered(changed)),
        Err(error) => {
            let show = |(webhook, progress): &(Webhook, Progress)| {
                let view = serde_json::to_value(WebhookView::new(webhook, progress));
                (webhook.version, webhook.etag(), view)
            };
            Err(Problem::with_current(error, events.store().webhook(id), show).await)
        }
    }
}

/// Delete a webhook, with its deliveries.
#[utoipa::path(delete, path = "/api/webhooks/{id}", tag = "webhooks", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path)), responses((status = 204)),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn delete_webhook(
    State(events): State<Events>,
    May(caller): May<WEBHOOKS_WRITE>,
    IdPath(id): IdPath<WebhookKind>,
    input: Input,
) -> Reply {
    let operation =
        input.operation(events.secret(), caller.does("delete_webhook", id.uuid()), &[])?;
    let basis = Basis { if_match: input.if_match()?, version: None };
    let judge = move |webhook: &Webhook| {
        webhook.admits(&caller.authority)?;
        basis.check_tag(&webhook.etag())
    };
    Ok(answered(events.delete_webhook(id, &operation, judge).await?))
}

/// Give a webhook another secret, which the answer shows, once. For `overlapSeconds` deliveries are signed with both.
#[utoipa::path(post, path = "/api/webhooks/{id}/rotate", tag = "webhooks", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path)), request_body = Option<RotateBody>, responses((status = 200, body = WebhookView)),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn rotate_webhook_secret(
    State(events): State<Events>,
    May(caller): May<WEBHOOKS_WRITE>,
    IdPath(id): IdPath<WebhookKind>,
    mut input: Input,
) -> Reply {
    find_for(&events, id, &caller).await?;
    let bytes = input.body().await?;
    let body = if bytes.is_empty() { RotateBody::default() } else { parse(&bytes)? };
    let operation = input.operation_of(
        events.secret(),
        caller.does("rotate_webhook_secret", id.uuid()),
        &body,
    )?;
    let overlap = Duration::from_secs(body.check()?);
    let holder = caller.authority;
    Ok(answered(events.rotate(id, overlap, holder, &operation, WebhookView::rotated).await?))
}

/// Send an endpoint something of the type `webhook.test`, which is no event and has the position 0.
#[utoipa::path(post, path = "/api/webhooks/{id}/test", tag = "webhooks", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path)), responses((status = 201, body = DeliveryView)),
    extensions(("x-problems" = json!(["forbidden", "webhook-disabled"]))))]
pub(super) async fn test_webhook(
    State(events): State<Events>,
    May(caller): May<WEBHOOKS_WRITE>,
    IdPath(id): IdPath<WebhookKind>,
    mut input: Input,
) -> Reply {
    find_for(&events, id, &caller).await?;
    input.nothing().await?;
    let operation =
        input.operation(events.secret(), caller.does("test_webhook", id.uuid()), &[])?;
    Ok(answered(events.try_webhook(id, &operation, DeliveryView::created).await?))
}

/// Deliver the events of a time once more, or only those deliveries of it that were given up. They come with the ids that they
/// had, in the order of the log, beside what is new. Ten replays of a webhook may be under way.
#[utoipa::path(post, path = "/api/webhooks/{id}/replay", tag = "webhooks", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path)), request_body = ReplayBody, responses((status = 202, body = ReplayView)),
    extensions(("x-problems" = json!(["forbidden", "limit-reached", "webhook-disabled"]))))]
pub(super) async fn replay_webhook(
    State(events): State<Events>,
    May(caller): May<WEBHOOKS_WRITE>,
    IdPath(id): IdPath<WebhookKind>,
    mut input: Input,
) -> Reply {
    find_for(&events, id, &caller).await?;
    let body: ReplayBody = parse(&input.body().await?)?;
    let operation =
        input.operation_of(events.secret(), caller.does("replay_webhook", id.uuid()), &body)?;
    let order = body.check()?;
    Ok(answered(events.replay(id, order, &operation, ReplayView::answer).await?))
}

/// Refuses with `not-found`.
async fn find(events: &Events, id: WebhookId) -> Result<(Webhook, Progress)> {
    events.store().webhook(id).await?.ok_or_else(|| Error::not_found("webhook"))
}

/// The same, for who has a business with its deliveries: 404, then 403.
pub(super) async fn find_for(events: &Events, id: WebhookId, caller: &Caller) -> Result<Webhook> {
    let (webhook, _) = find(events, id).await?;
    webhook.admits(&caller.authority).map(|()| webhook)
}
