//! What administrators do with users.

use axum::{
    extract::State,
    http::{HeaderMap, Uri},
};
use holdfast_types::{Error, Page};
use holdfast_web::{
    IdPath, Input, ListTurn, NoQuery, Origin, PageQuery, Query, Reply, answered,
    auth::{Admin, Caller},
    from_json, json_reply, list_reply, replayed,
};

use super::{
    accounts,
    wire::{AccessBody, ResetView, UserPage, UserView},
};
use crate::{Users, model::UserChange};

/// All users, newest first.
#[utoipa::path(get, path = "/api/users", tag = "users", security(("bearer" = [])), params(PageQuery),
    responses((status = 200, body = UserPage, description = "A page of users.")),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn list_users(
    State(users): State<Users>,
    _admin: Admin,
    Query(page): Query<PageQuery>,
    _turn: ListTurn,
    uri: Uri,
) -> Reply {
    let found = users.store().list(&page.request()?).await?;
    let items = found.items.iter().map(UserView::from).collect();
    list_reply(&uri, &Page { items, next: found.next })
}

/// One user: for administrators, and for the user.
#[utoipa::path(get, path = "/api/users/{id}", tag = "users", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = UserView), (status = 304)))]
pub(super) async fn get_user(
    State(users): State<Users>,
    caller: Caller,
    _: NoQuery,
    IdPath(id): IdPath<holdfast_types::UserKind>,
    headers: HeaderMap,
) -> Reply {
    if !caller.is_admin() && caller.user != id {
        return Err(Error::hidden("user").into());
    }
    accounts::show(&users, id, &headers).await
}

/// Change a user's role, or shut them out: their tokens stop within 5 s.
#[utoipa::path(patch, path = "/api/users/{id}", tag = "users", security(("bearer" = [])), request_body = AccessBody,
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = UserView)),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn update_user(
    State(users): State<Users>,
    origin: Origin,
    Admin(caller): Admin,
    IdPath(id): IdPath<holdfast_types::UserKind>,
    mut input: Input,
) -> Reply {
    let read = |value| {
        let body: AccessBody = from_json(value)?;
        Ok(UserChange::Access { role: body.role, disabled: body.disabled })
    };
    let changed = accounts::update(&users, caller, id, &mut input, read).await?;
    origin.note("authz_change", &format_args!("user {id} by {}", caller.user));
    Ok(answered(changed))
}

/// Permit a user to set a new password once, within an hour.
#[utoipa::path(post, path = "/api/users/{id}/password-reset", tag = "users", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = ResetView)),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn permit_password_reset(
    State(users): State<Users>,
    origin: Origin,
    Admin(caller): Admin,
    IdPath(id): IdPath<holdfast_types::UserKind>,
    mut input: Input,
) -> Reply {
    let user = accounts::find(&users, id).await?;
    input.nothing().await?;
    let operation = input.operation(users.secret(), &caller.principal(), &[])?;
    let (reset_token, expires_at, repeat) = users.grant_reset(user.id, &operation).await?;
    origin.note("authn_password_reset", &format_args!("user {id} by {}", caller.user));
    Ok(replayed(json_reply(200, &ResetView { reset_token, expires_at })?, repeat))
}
