//! API keys: made, shown, changed, ended.

use std::time::Duration;

use axum::{
    extract::State,
    http::{HeaderMap, Uri},
};
use holdfast_types::{Basis, Error, IdempotentAnswer, KeyId, KeyKind, Page, Result};
use holdfast_web::{
    IdPath, Input, ListTurn, NoQuery, Origin, PageQuery, Problem, Query, Reply, answered,
    auth::{KEYS_READ, KEYS_WRITE, May},
    conditional::MERGE_PATCH,
    from_json, list_reply, parse, unless_known, with_location,
};

use serde_json::Value;

use super::key_wire::{
    ApiKeyPage, ApiKeyView, CreateApiKeyBody, RotateApiKeyBody, UpdateApiKeyBody,
};
use crate::{Users, model::ApiKey, reveal::reveal};

/// Make an API key: a program that shows it as `Authorization: Bearer hfk_…` acts in your name, as far as its permissions say and
/// you may do it yourself. The answer shows the key, once; what is kept is its SHA-256. Nobody grants what they do not hold. A
/// shop has 200 keys at most.
#[utoipa::path(post, path = "/api/keys", tag = "keys", security(("bearer" = [])), request_body = CreateApiKeyBody,
    responses((status = 201, body = ApiKeyView, headers(("Location" = String)))),
    extensions(("x-problems" = json!(["forbidden", "limit-reached"]))))]
pub(super) async fn create_key(
    State(users): State<Users>,
    origin: Origin,
    May(caller): May<KEYS_WRITE>,
    mut input: Input,
) -> Reply {
    let body: CreateApiKeyBody = parse(&input.body().await?)?;
    let operation = input.operation_of(users.secret(), caller.does("create_key", None), &body)?;
    let new = body.check()?;
    let created = users.create_key(&caller, new, &operation, ApiKeyView::created).await?;
    let (created, id) = with_key(&users, created)?;
    if !created.replayed {
        origin.note("authn_token_created", &format_args!("key {id} by {}", caller.principal()));
    }
    Ok(with_location(answered(created), &format!("/api/keys/{id}")))
}

/// All API keys of the shop, the newest first.
#[utoipa::path(get, path = "/api/keys", tag = "keys", security(("bearer" = [])), params(PageQuery),
    responses((status = 200, body = ApiKeyPage, description = "A page of API keys.")),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn list_keys(
    State(users): State<Users>,
    _: May<KEYS_READ>,
    Query(query): Query<PageQuery>,
    _turn: ListTurn,
    uri: Uri,
) -> Reply {
    let found = users.store().list_keys(&query.request()?).await?;
    let items = found.items.iter().map(ApiKeyView::from).collect();
    list_reply(&uri, &Page { items, next: found.next })
}

/// One API key.
#[utoipa::path(get, path = "/api/keys/{id}", tag = "keys", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = ApiKeyView), (status = 304)),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn get_key(
    State(users): State<Users>,
    _: May<KEYS_READ>,
    IdPath(id): IdPath<KeyKind>,
    _: NoQuery,
    headers: HeaderMap,
) -> Reply {
    let key = find(&users, id).await?;
    unless_known(&headers, &key.etag(), async || Ok(ApiKeyView::from(&key))).await
}

/// Change an API key: it acts within 5 s. Nobody changes a key that permits more than they hold, nor makes it permit more.
#[utoipa::path(patch, path = "/api/keys/{id}", tag = "keys", security(("bearer" = [])), request_body = UpdateApiKeyBody,
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = ApiKeyView)),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn update_key(
    State(users): State<Users>,
    origin: Origin,
    May(caller): May<KEYS_WRITE>,
    IdPath(id): IdPath<KeyKind>,
    mut input: Input,
) -> Reply {
    find(&users, id).await?;
    let read = |value| from_json::<UpdateApiKeyBody>(value)?.check();
    let edit = input
        .edit(users.secret(), caller.does("update_key", id.uuid()), &MERGE_PATCH, read)
        .await?;
    let operation = edit.operation.clone();
    let judge = move |key: &ApiKey| {
        let (change, basis) = edit.judge(&key.etag())?;
        Ok((change.clone(), basis.clone()))
    };
    match users.change_key(&caller, id, &operation, ApiKeyView::shown, judge).await {
        Ok(changed) => {
            origin.note("authz_change", &format_args!("key {id} by {}", caller.principal()));
            Ok(answered(changed))
        }
        Err(error) => {
            let show = |key: &ApiKey| {
                (key.version, key.etag(), serde_json::to_value(ApiKeyView::from(key)))
            };
            Err(Problem::with_current(error, users.store().key(id), show).await)
        }
    }
}

/// Give an API key of your own another secret, which the answer shows, once. For `overlapSeconds` the one before is good as well.
#[utoipa::path(post, path = "/api/keys/{id}/rotate", tag = "keys", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path)), request_body = Option<RotateApiKeyBody>, responses((status = 200, body = ApiKeyView)),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn rotate_key(
    State(users): State<Users>,
    origin: Origin,
    May(caller): May<KEYS_WRITE>,
    IdPath(id): IdPath<KeyKind>,
    mut input: Input,
) -> Reply {
    find(&users, id).await?;
    let bytes = input.body().await?;
    let body = if bytes.is_empty() { RotateApiKeyBody::default() } else { parse(&bytes)? };
    let operation =
        input.operation_of(users.secret(), caller.does("rotate_key", id.uuid()), &body)?;
    let overlap = Duration::from_secs(body.check()?);
    let rotated = users.rotate_key(&caller, id, overlap, &operation, ApiKeyView::shown).await?;
    let (rotated, _) = with_key(&users, rotated)?;
    if !rotated.replayed {
        origin.note("authn_token_created", &format_args!("key {id} by {}", caller.principal()));
    }
    Ok(answered(rotated))
}

/// Delete an API key: it is refused within 5 s.
#[utoipa::path(delete, path = "/api/keys/{id}", tag = "keys", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path)), responses((status = 204)),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn delete_key(
    State(users): State<Users>,
    origin: Origin,
    May(caller): May<KEYS_WRITE>,
    IdPath(id): IdPath<KeyKind>,
    input: Input,
) -> Reply {
    let operation = input.operation(users.secret(), caller.does("delete_key", id.uuid()), &[])?;
    let basis = Basis { if_match: input.if_match()?, version: None };
    let deleted = users.delete_key(&caller, id, basis, &operation).await?;
    origin.note("authn_token_revoked", &format_args!("key {id} by {}", caller.principal()));
    Ok(answered(deleted))
}

async fn find(users: &Users, id: KeyId) -> Result<ApiKey> {
    users.store().key(id).await?.ok_or_else(|| Error::not_found("API key"))
}

/// Shows the key in an answer that is kept without it, and tells which one it is about.
fn with_key(users: &Users, given: IdempotentAnswer) -> Result<(IdempotentAnswer, KeyId)> {
    let mut about = None;
    let shown = reveal(given, |nonce, body| {
        let id = body.get("id").and_then(Value::as_str);
        let id: Option<KeyId> = id.and_then(|id| id.parse().ok());
        let id = *about.insert(id.ok_or_else(|| Error::internal("an answer about no key"))?);
        Ok([("key", users.key_text(id, nonce).reveal().into())])
    })?;
    Ok((shown, about.ok_or_else(|| Error::internal("an answer about no key"))?))
}
