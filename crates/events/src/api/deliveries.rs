//! Deliveries: what became of each, and once more.

use axum::{
    extract::{FromRequestParts, State},
    http::{Uri, request::Parts},
};
use holdfast_types::{Error, Id, Page};
use holdfast_web::{
    IdPath, Input, ListTurn, NoQuery, Problem, Query, Reply, answered,
    auth::{May, WEBHOOKS_READ, WEBHOOKS_WRITE},
    json_reply, list_reply, page_request,
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    delivery_wire::{DeliveryPage, DeliverySummary, DeliveryView},
    webhooks::find_for,
};
use crate::{
    Events,
    model::{DeliveryId, DeliveryStatus, WebhookId, WebhookKind},
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DeliveriesQuery {
    status: Option<DeliveryStatus>,
    /// 1 to 100.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<usize>,
    /// Where the page before ended: its `nextCursor`.
    cursor: Option<String>,
}

/// A delivery of a webhook. Ids that are no UUIDs name nothing that exists: `not-found`.
pub(super) struct DeliveryPath(WebhookId, DeliveryId);

impl<S: Send + Sync> FromRequestParts<S> for DeliveryPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let found = axum::extract::Path::<(String, String)>::from_request_parts(parts, state).await;
        let ids = found.ok().and_then(|ids| Some((ids.0.0.parse().ok()?, ids.0.1.parse().ok()?)));
        let (webhook, delivery) = ids.ok_or_else(|| Error::not_found("resource"))?;
        Ok(Self(Id::new(webhook), Id::new(delivery)))
    }
}

/// The deliveries of a webhook, newest first. They are kept for thirty days.
#[utoipa::path(get, path = "/api/webhooks/{id}/deliveries", tag = "webhooks", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path), DeliveriesQuery),
    responses((status = 200, body = DeliveryPage, description = "A page of deliveries.")),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn list_deliveries(
    State(events): State<Events>,
    May(caller): May<WEBHOOKS_READ>,
    IdPath(id): IdPath<WebhookKind>,
    Query(query): Query<DeliveriesQuery>,
    _turn: ListTurn,
    uri: Uri,
) -> Reply {
    let request = page_request(query.limit, query.cursor)?;
    find_for(&events, id, &caller).await?;
    let Page { items, next } = events.store().deliveries(id, query.status, &request).await?;
    list_reply(&uri, &Page { items: items.iter().map(DeliverySummary::from).collect(), next })
}

/// One delivery with its last twenty attempts, and the first KiB of each answer.
#[utoipa::path(get, path = "/api/webhooks/{id}/deliveries/{delivery}", tag = "webhooks", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path), ("delivery" = uuid::Uuid, Path)), responses((status = 200, body = DeliveryView)),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn get_delivery(
    State(events): State<Events>,
    May(caller): May<WEBHOOKS_READ>,
    DeliveryPath(webhook, id): DeliveryPath,
    _: NoQuery,
) -> Reply {
    find_for(&events, webhook, &caller).await?;
    let found = events.store().delivery(id).await?;
    let found = found.filter(|delivery| delivery.webhook == webhook);
    let delivery = found.ok_or_else(|| Error::not_found("delivery"))?;
    json_reply(200, &DeliveryView::from(&delivery))
}

/// Try a delivery again, now, also one that has arrived; and by the schedule from its beginning where that fails.
#[utoipa::path(post, path = "/api/webhooks/{id}/deliveries/{delivery}/retry", tag = "webhooks", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path), ("delivery" = uuid::Uuid, Path)), responses((status = 200, body = DeliveryView)),
    extensions(("x-problems" = json!(["forbidden", "webhook-disabled"]))))]
pub(super) async fn retry_delivery(
    State(events): State<Events>,
    May(caller): May<WEBHOOKS_WRITE>,
    DeliveryPath(webhook, id): DeliveryPath,
    mut input: Input,
) -> Reply {
    find_for(&events, webhook, &caller).await?;
    input.nothing().await?;
    let operation =
        input.operation(events.secret(), caller.does("retry_delivery", webhook.uuid()), &[])?;
    Ok(answered(events.retry(webhook, id, &operation, DeliveryView::shown).await?))
}
