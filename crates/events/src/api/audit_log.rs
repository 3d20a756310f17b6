//! The audit log: who of the staff did what, and which programs did.

use std::net::IpAddr;

use axum::{extract::State, http::Uri};
use holdfast_types::{Id, KeyId, Page, Result, Timestamp, UserId};
use holdfast_web::{
    ListTurn, Query, Reply, auth::Admin, invalid_parameter, list_reply, page_request,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::feed::EventKind;
use crate::{
    Events,
    model::{AuditEntry, AuditFilter},
};

/// Which entries are asked for: those that have all of it.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct AuditQuery {
    /// The user who did it, also by an API key of theirs.
    #[param(value_type = Option<Uuid>)]
    actor_id: Option<UserId>,
    /// The API key by which it was done.
    #[param(value_type = Option<Uuid>)]
    key_id: Option<KeyId>,
    /// The id of what was changed: an order, a product, a user, an API key, a webhook.
    #[param(value_type = Option<Uuid>)]
    resource_id: Option<Id<EventKind>>,
    /// The operation.
    #[param(example = "update_product", pattern = "^[a-z_]{1,100}$")]
    action: Option<String>,
    /// The id of the request.
    #[param(pattern = "^[!-~]{1,128}$")]
    request_id: Option<String>,
    /// At this moment and later.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-11-01T00:00:00Z")]
    from: Option<Timestamp>,
    /// Before this moment.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-12-01T00:00:00Z")]
    to: Option<Timestamp>,
    /// 1 to 100.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<usize>,
    /// Where the page before ended: its `nextCursor`.
    cursor: Option<String>,
}

impl AuditQuery {
    fn check(&self) -> Result<()> {
        let is = |text: &Option<String>, longest, fits: fn(u8) -> bool| {
            let is_word =
                |text: &String| (1..=longest).contains(&text.len()) && text.bytes().all(fits);
            text.as_ref().is_none_or(is_word)
        };
        if !is(&self.action, 100, |byte| byte.is_ascii_lowercase() || byte == b'_') {
            return Err(invalid_parameter(
                "action",
                "expected an operation such as `update_product`",
            ));
        }
        if !is(&self.request_id, 128, |byte| byte.is_ascii_graphic()) {
            let why = "expected 1 to 128 visible ASCII characters";
            return Err(invalid_parameter("requestId", why));
        }
        Ok(())
    }
}

/// A change that somebody answers for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditEntry)]
pub(super) struct AuditView<'a> {
    /// The id of the event that tells the same.
    id: Uuid,
    /// The place of that event among all.
    #[schema(minimum = 1)]
    position: i64,
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
    /// The operation, as this description names it.
    #[schema(example = "update_product")]
    action: &'a str,
    /// The id of what was changed; where many products were, each has an entry. Roles and pictures have names: their id is always the
    /// same for the same name.
    resource_id: Uuid,
    /// The user who did it, or whose the API key is.
    #[schema(value_type = Uuid)]
    actor_id: UserId,
    /// The API key, if a program did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    key_id: Option<KeyId>,
    /// Where the request came from.
    #[schema(value_type = String, format = "ip-address", example = "203.0.113.7")]
    address: IpAddr,
    /// The id of the request, as its answer had it in `X-Request-Id`.
    request_id: &'a str,
    /// The method and the path of the request.
    #[schema(example = "PATCH /api/products/0198f2a3-4b5c-7d6e-8000-00000000002a")]
    request: &'a str,
}

impl<'a> From<&'a AuditEntry> for AuditView<'a> {
    fn from(entry: &'a AuditEntry) -> Self {
        let trail = &entry.trail;
        Self {
            id: entry.event,
            position: entry.position,
            timestamp: entry.at,
            action: &entry.action,
            resource_id: trail.resource_id,
            actor_id: trail.actor_id,
            key_id: trail.key_id,
            address: trail.address,
            request_id: &trail.request_id,
            request: &trail.request,
        }
    }
}

/// Part of the audit log, newest first.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes a list to readers of the API")]
pub(super) struct AuditPage<'a> {
    items: Vec<AuditView<'a>>,
    /// Where the next page begins; null on the last.
    next_cursor: Option<String>,
}

/// What staff and programs with API keys have changed, the newest first: each request of theirs that was carried out, for a
/// year. For administrators. A page may be shorter than `limit`, even empty, and still have a `nextCursor`. The same comes as events
/// of the types `audit.*`.
#[utoipa::path(get, path = "/api/audit", tag = "events", security(("bearer" = [])), params(AuditQuery),
    responses((status = 200, body = AuditPage<'static>, description = "A page of the audit log.")),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn list_audit_entries(
    State(events): State<Events>,
    _: Admin,
    Query(query): Query<AuditQuery>,
    _turn: ListTurn,
    uri: Uri,
) -> Reply {
    query.check()?;
    let request = page_request(query.limit, query.cursor)?;
    let filter = AuditFilter {
        actor: query.actor_id,
        key: query.key_id,
        resource: query.resource_id.map(Id::uuid),
        action: query.action,
        request_id: query.request_id,
        from: query.from,
        to: query.to,
    };
    let Page { items, next } = events.store().audit_log(filter, &request).await?;
    list_reply(&uri, &Page { items: items.iter().map(AuditView::from).collect(), next })
}
