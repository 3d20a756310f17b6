//! What administrators do with users.

use axum::{
    extract::State,
    http::{HeaderMap, Uri},
};
use holdfast_types::{Code, Error, Page, Permission, Role, fold};
use holdfast_web::{
    IdPath, Input, ListTurn, NoQuery, Origin, Query, Reply, answered,
    auth::{Caller, InPerson, May, Reach, USERS_READ, USERS_WRITE},
    conditional::MERGE_PATCH,
    from_json, invalid_parameter, json_reply, list_reply, page_request, replayed,
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    accounts,
    wire::{AccessBody, ResetView, UserPage, UserView, changed},
};
use crate::{
    Users,
    model::{Roles, User, UserChange},
    store::UserFilter,
};

/// Characters that a search may have: as many as an e-mail address.
const Q_CHARS: usize = 254;

/// Which users are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// How the username, the e-mail address or the name begins, without regard to case.
    #[param(example = "ada", min_length = 1, max_length = 254)]
    q: Option<String>,
    #[param(value_type = Option<String>, example = "seller", format = "role-name")]
    role: Option<Role>,
    /// Those who are shut out, or those who are not.
    disabled: Option<bool>,
    /// Those who buy without a name, or those who have one.
    guest: Option<bool>,
    /// 1 to 100.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<usize>,
    /// Where the page before ended: its `nextCursor`.
    cursor: Option<String>,
}

/// All users, newest first; a search has them in the order of what it finds. A page may be shorter than `limit`, even empty, and
/// still have a `nextCursor`.
#[utoipa::path(get, path = "/api/users", tag = "users", security(("bearer" = [])), params(ListQuery),
    responses((status = 200, body = UserPage, description = "A page of users.")),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn list_users(
    State(users): State<Users>,
    _: May<USERS_READ>,
    Query(query): Query<ListQuery>,
    _turn: ListTurn,
    uri: Uri,
) -> Reply {
    if query.q.as_deref().is_some_and(|q| q.chars().count() > Q_CHARS) {
        return Err(invalid_parameter("q", "expected 254 characters at most").into());
    }
    let q = query.q.as_deref().map(fold);
    let ListQuery { role, disabled, guest, .. } = query;
    let filter = UserFilter { q, role, disabled, guest };
    let request = page_request(query.limit, query.cursor)?;
    let found = users.store().list(&filter, &request).await?;
    let items = found.items.iter().map(UserView::from).collect();
    list_reply(&uri, &Page { items, next: found.next })
}

/// One user: for the staff, and for the user.
#[utoipa::path(get, path = "/api/users/{id}", tag = "users", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = UserView), (status = 304)))]
pub(super) async fn get_user(
    State(users): State<Users>,
    caller: Caller,
    _: NoQuery,
    IdPath(id): IdPath<holdfast_types::UserKind>,
    headers: HeaderMap,
) -> Reply {
    if caller.reach(Permission::UsersRead)? == Reach::Own && caller.user != id {
        return Err(Error::hidden("user").into());
    }
    accounts::show(&users, id, &headers).await
}

/// Change a user's role, or shut them out: their tokens stop within 5 s. Nobody grants what they do not hold, nor acts on who
/// holds more.
#[utoipa::path(patch, path = "/api/users/{id}", tag = "users", security(("bearer" = [])), request_body = AccessBody,
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = UserView)),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn update_user(
    State(users): State<Users>,
    origin: Origin,
    May(caller): May<USERS_WRITE>,
    IdPath(id): IdPath<holdfast_types::UserKind>,
    mut input: Input,
) -> Reply {
    accounts::find(&users, id).await?;
    let read = |value| from_json::<AccessBody>(value);
    let edit = input
        .edit(users.secret(), caller.does("update_user", id.uuid()), &MERGE_PATCH, read)
        .await?;
    let operation = edit.operation.clone();
    let judge = move |user: &mut User, roles: &Roles| {
        let (body, basis) = edit.judge(&user.etag())?;
        user.may_be_changed_by(&caller.authority, body.role.as_ref(), roles)?;
        let (role, disabled) = (body.role.clone(), body.disabled);
        user.change(&UserChange::Access { role, disabled }, basis)
    };
    match users.store().change_access(id, &operation, users.now(), changed, judge).await {
        Ok(answer) => {
            users.refresh_revocations().await?;
            origin.note("authz_change", &format_args!("user {id} by {}", caller.principal()));
            Ok(answered(answer))
        }
        Err(error) => Err(accounts::with_current(&users, error, id).await),
    }
}

/// Permit a user to set a new password once, within an hour: in person, not by an API key.
#[utoipa::path(post, path = "/api/users/{id}/password-reset", tag = "users", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = ResetView)),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn permit_password_reset(
    State(users): State<Users>,
    origin: Origin,
    InPerson(caller): InPerson,
    IdPath(id): IdPath<holdfast_types::UserKind>,
    mut input: Input,
) -> Reply {
    caller.require(Permission::UsersWrite)?;
    let user = accounts::find(&users, id).await?;
    input.nothing().await?;
    let operation =
        input.operation(users.secret(), caller.does("permit_password_reset", id.uuid()), &[])?;
    if user.guest {
        return Err(Error::new(Code::Forbidden, "a guest has no password").into());
    }
    let holder = caller.authority;
    let (reset_token, expires_at, repeat) = users.grant_reset(user.id, holder, &operation).await?;
    origin.note("authn_password_reset", &format_args!("user {id} by {}", caller.principal()));
    Ok(replayed(json_reply(200, &ResetView { reset_token, expires_at })?, repeat))
}
