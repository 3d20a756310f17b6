//! Roles: what users of a kind may do.

use axum::{
    extract::{FromRequestParts, Path, State},
    http::{HeaderMap, request::Parts},
};
use holdfast_types::{Basis, Code, Error, Result, Role};
use holdfast_web::{
    Input, NoQuery, Origin, Problem, Reply, answered,
    auth::{May, USERS_READ, USERS_WRITE},
    conditional::MERGE_PATCH,
    from_json, json_reply, parse, unless_known, with_location,
};

use super::role_wire::{CreateRoleBody, RoleList, RoleView, UpdateRoleBody};
use crate::{Users, model::CustomRole};

/// The role in the path. What cannot be a name names nothing that exists: `not-found`.
pub(super) struct RolePath(Role);

impl<S: Send + Sync> FromRequestParts<S> for RolePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let name = Path::<String>::from_request_parts(parts, state).await;
        let name = name.ok().and_then(|name| name.0.parse().ok());
        Ok(Self(name.ok_or_else(|| Error::not_found("role"))?))
    }
}

/// All roles: the three that are built in, and those that were made.
#[utoipa::path(get, path = "/api/roles", tag = "users", security(("bearer" = [])),
    responses((status = 200, body = RoleList, description = "All roles.")),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn list_roles(
    State(users): State<Users>,
    _: May<USERS_READ>,
    _: NoQuery,
) -> Reply {
    let made = users.store().roles().await?;
    let built_in = [Role::CUSTOMER, Role::SELLER, Role::ADMIN].into_iter();
    let built_in = built_in.filter_map(|name| RoleView::built_in(name.parse().ok()?));
    let items = built_in.chain(made.into_custom().map(|role| RoleView::from(&role))).collect();
    json_reply(200, &RoleList { items })
}

/// Make a role: users who have it may do what its permissions say. Nobody grants what they do not hold. A shop makes 50 at most.
#[utoipa::path(post, path = "/api/roles", tag = "users", security(("bearer" = [])), request_body = CreateRoleBody,
    responses((status = 201, body = RoleView, headers(("Location" = String)))),
    extensions(("x-problems" = json!(["forbidden", "role-taken", "limit-reached"]))))]
pub(super) async fn create_role(
    State(users): State<Users>,
    origin: Origin,
    May(caller): May<USERS_WRITE>,
    mut input: Input,
) -> Reply {
    let body: CreateRoleBody = parse(&input.body().await?)?;
    let act = caller.does("create_role", None);
    let operation = input.operation_of(users.secret(), act, &body)?;
    let role = body.check(users.now())?;
    let operation = operation.about(role.name.id());
    let location = format!("/api/roles/{}", role.name);
    let created = users.create_role(role, &caller.authority, &operation, RoleView::created).await?;
    origin.note("authz_change", &format_args!("{location} by {}", caller.principal()));
    Ok(with_location(answered(created), &location))
}

/// One role.
#[utoipa::path(get, path = "/api/roles/{name}", tag = "users", security(("bearer" = [])),
    params(("name" = String, Path, example = "seller")), responses((status = 200, body = RoleView), (status = 304)),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn get_role(
    State(users): State<Users>,
    _: May<USERS_READ>,
    RolePath(name): RolePath,
    _: NoQuery,
    headers: HeaderMap,
) -> Reply {
    if let Some(view) = RoleView::built_in(name.clone()) {
        return json_reply(200, &view);
    }
    let role = find(&users, &name).await?;
    unless_known(&headers, &role.etag(), async || Ok(RoleView::from(&role))).await
}

/// Change what a role permits: tokens of those who have it must be refreshed within 5 s. Nobody changes a role that permits more
/// than they hold, nor makes it permit more.
#[utoipa::path(patch, path = "/api/roles/{name}", tag = "users", security(("bearer" = [])), request_body = UpdateRoleBody,
    params(("name" = String, Path, example = "packer")), responses((status = 200, body = RoleView)),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn update_role(
    State(users): State<Users>,
    origin: Origin,
    May(caller): May<USERS_WRITE>,
    RolePath(name): RolePath,
    mut input: Input,
) -> Reply {
    require_made(&name)?;
    find(&users, &name).await?;
    let read = |value| from_json::<UpdateRoleBody>(value)?.check();
    let edit = input
        .edit(users.secret(), caller.does("update_role", name.id()), &MERGE_PATCH, read)
        .await?;
    let operation = edit.operation.clone();
    let judge = move |role: &mut CustomRole| {
        let (change, basis) = edit.judge(&role.etag())?;
        role.change(change, basis, &caller.authority)
    };
    match users.change_role(&name, &operation, RoleView::shown, judge).await {
        Ok(changed) => {
            origin.note("authz_change", &format_args!("role {name} by {}", caller.principal()));
            Ok(answered(changed))
        }
        Err(error) => {
            let show = |role: &CustomRole| {
                (role.version, role.etag(), serde_json::to_value(RoleView::from(role)))
            };
            Err(Problem::with_current(error, users.store().role(&name), show).await)
        }
    }
}

/// Delete a role that nobody has.
#[utoipa::path(delete, path = "/api/roles/{name}", tag = "users", security(("bearer" = [])),
    params(("name" = String, Path, example = "packer")), responses((status = 204)),
    extensions(("x-problems" = json!(["forbidden", "role-in-use"]))))]
pub(super) async fn delete_role(
    State(users): State<Users>,
    origin: Origin,
    May(caller): May<USERS_WRITE>,
    RolePath(name): RolePath,
    input: Input,
) -> Reply {
    require_made(&name)?;
    let operation = input.operation(users.secret(), caller.does("delete_role", name.id()), &[])?;
    let basis = Basis { if_match: input.if_match()?, version: None };
    let deleted = users.delete_role(&name, caller.authority, basis, &operation).await?;
    origin.note("authz_change", &format_args!("role {name} by {}", caller.principal()));
    Ok(answered(deleted))
}

async fn find(users: &Users, name: &Role) -> Result<CustomRole> {
    users.store().role(name).await?.ok_or_else(|| Error::not_found("role"))
}

fn require_made(name: &Role) -> Result<()> {
    match name.built_in() {
        Some(_) => Err(Error::new(Code::Forbidden, "this role is built in: make another one")),
        None => Ok(()),
    }
}
