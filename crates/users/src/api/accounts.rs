//! What users do with their own account.

use axum::{extract::State, http::HeaderMap};
use holdfast_types::{Code, Error, Result, UserId};
use holdfast_web::{
    Input, NoQuery, Origin, Problem, Reply, answered,
    auth::{Act, Caller, InPerson, LapsedCaller},
    conditional::MERGE_PATCH,
    created, from_json, parse, replayed, unless_known, with_location,
};

use super::wire::{
    DeleteBody, PasswordBody, ProfileBody, RegisterBody, ResetBody, UserView, changed, registered,
};
use crate::{
    Users,
    model::{Password, User},
};

/// Register as a customer. A guest who sends their token registers the account they have, orders included; all its sessions
/// end then.
#[utoipa::path(post, path = "/api/users/register", tag = "users", request_body = RegisterBody,
    security((), ("bearer" = [])), responses((status = 201, body = UserView)),
    extensions(("x-problems" = json!(["username-taken", "forbidden"]))))]
pub(super) async fn register_user(
    State(users): State<Users>,
    origin: Origin,
    headers: HeaderMap,
    mut input: Input,
) -> Reply {
    let lapsed = LapsedCaller::from_headers(&headers, &users.verifier())?;
    let registration = parse::<RegisterBody>(&input.body().await?)?.check()?;
    users.admit_registration(&origin)?;
    let content = serde_json::to_vec(&(
        registration.username.as_str(),
        &registration.email,
        &registration.name,
    ));
    let content = content.map_err(Error::internal)?;
    if let Some(lapsed) = lapsed {
        let id = lapsed.caller.user;
        let act = lapsed.caller.does("register_user", id.uuid());
        let operation = input.operation(users.secret(), act, &content)?;
        let is_repeat = users.is_repeat(&operation).await?;
        if !is_repeat {
            lapsed.standing?;
        }
        if is_repeat || users.is_guest(id).await? {
            let claim = users.claim(id, registration, operation, registered, &origin);
            let given = users.guess(id, &origin, claim).await?;
            return Ok(with_location(answered(given), &format!("/api/users/{id}")));
        }
    }
    let act = Act::of_stranger(registration.username.folded());
    let operation = input.operation(users.secret(), act, &content)?;
    let (user, repeat) = users.register(registration, &operation, &origin).await?;
    let location = format!("/api/users/{}", user.id);
    let response = created(&location, &user.etag(), &UserView::from(&user))?;
    Ok(replayed(response, repeat))
}

/// Who is signed in.
#[utoipa::path(get, path = "/api/users/me", tag = "users", security(("bearer" = [])),
    responses((status = 200, body = UserView), (status = 304)))]
pub(super) async fn get_me(
    State(users): State<Users>,
    caller: Caller,
    _: NoQuery,
    headers: HeaderMap,
) -> Reply {
    show(&users, caller.user, &headers).await
}

/// Answers with a user, or with 304 when the client has it.
pub(super) async fn show(users: &Users, id: UserId, headers: &HeaderMap) -> Reply {
    let user = find(users, id).await?;
    unless_known(headers, &user.etag(), async || Ok(UserView::from(&user))).await
}

pub(super) async fn find(users: &Users, id: UserId) -> Result<User> {
    users
        .store()
        .get(id)
        .await?
        .filter(|user| !user.deleted)
        .ok_or_else(|| Error::not_found("user"))
}

/// Change one's e-mail address or name; `null` clears it. A letter goes to a new address, so there is a limit (429).
#[utoipa::path(patch, path = "/api/users/me", tag = "users", security(("bearer" = [])), request_body = ProfileBody,
    responses((status = 200, body = UserView)), extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn update_me(
    State(users): State<Users>,
    InPerson(caller): InPerson,
    origin: Origin,
    mut input: Input,
) -> Reply {
    let id = caller.user;
    let user = find(&users, id).await?;
    let read = |value| from_json::<ProfileBody>(value)?.check();
    let act = caller.does("update_me", id.uuid());
    let edit = input.edit(users.secret(), act, &MERGE_PATCH, read).await?;
    let operation = edit.operation.clone();
    // A letter goes to each new address.
    let is_new = edit.judge(&user.etag()).is_ok_and(|(change, _)| change.brings_letter(&user));
    if is_new && !users.is_repeat(&operation).await? {
        users.admit_letter_of(id, &origin)?;
    }
    let judge = move |user: &mut User| {
        let (change, basis) = edit.judge(&user.etag())?;
        user.change(change, basis)
    };
    match users.store().change(id, &operation, users.now(), changed, judge).await {
        Ok(answer) => Ok(answered(answer)),
        Err(error) => Err(with_current(&users, error, id).await),
    }
}

/// A refusal of a change, with what is there when that is what stands in its way.
pub(super) async fn with_current(users: &Users, error: Error, id: UserId) -> Problem {
    let show =
        |user: &User| (user.version, user.etag(), serde_json::to_value(UserView::from(user)));
    Problem::with_current(error, users.store().get(id), show).await
}

/// Change one's password: ends all other sessions.
#[utoipa::path(put, path = "/api/users/me/password", tag = "users", security(("bearer" = [])),
    request_body = PasswordBody, responses((status = 204)), extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn change_password(
    State(users): State<Users>,
    origin: Origin,
    lapsed: LapsedCaller,
    mut input: Input,
) -> Reply {
    let caller = lapsed.caller;
    let body: PasswordBody = parse(&input.body().await?)?;
    let check = async || {
        let user = find_standing(&users, &lapsed).await?;
        let new = Password::parse(&body.new_password, &user.username);
        Ok::<_, Error>((user, new.map_err(|why| Error::invalid("#/newPassword", why))?))
    };
    let operation =
        input.operation(users.secret(), caller.does("change_password", caller.user.uuid()), &[])?;
    if !users.is_repeat(&operation).await? {
        check().await?;
    }
    let change = async {
        let passwords = [body.current_password.as_str(), &body.new_password];
        let operation = match users.replay(operation, &passwords, &origin).await? {
            Ok(given) => return Ok(given),
            Err(fresh) => fresh,
        };
        let (user, new) = check().await?;
        check_password(&users, &user, &body.current_password, "#/currentPassword", &origin).await?;
        users.change_password(&user, &new, caller.session, &operation, &origin).await
    };
    Ok(answered(users.guess(caller.user, &origin, change).await?))
}

/// Delete one's account: erases the personal data; orders stay under the id. The last administrator stays. A guest has no
/// password: any will do.
#[utoipa::path(post, path = "/api/users/me/delete", tag = "users", security(("bearer" = [])),
    request_body = DeleteBody, responses((status = 204)),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn delete_me(
    State(users): State<Users>,
    origin: Origin,
    lapsed: LapsedCaller,
    mut input: Input,
) -> Reply {
    let caller = lapsed.caller;
    let body: DeleteBody = parse(&input.body().await?)?;
    let operation =
        input.operation(users.secret(), caller.does("delete_me", caller.user.uuid()), &[])?;
    if !users.is_repeat(&operation).await? {
        find_standing(&users, &lapsed).await?;
    }
    let delete = async {
        let operation = match users.replay(operation, &[&body.password], &origin).await? {
            Ok(given) => return Ok(given),
            Err(fresh) => fresh,
        };
        let user = find_standing(&users, &lapsed).await?;
        if !user.guest {
            check_password(&users, &user, &body.password, "#/password", &origin).await?;
        }
        users.delete(caller.user, &operation, &origin).await
    };
    Ok(answered(users.guess(caller.user, &origin, delete).await?))
}

/// The caller, if the token is still good.
async fn find_standing(users: &Users, lapsed: &LapsedCaller) -> Result<User> {
    lapsed.standing.as_ref().map_err(Error::copy)?;
    find(users, lapsed.caller.user).await
}

/// Set a new password with a permission that an administrator gave.
#[utoipa::path(post, path = "/api/users/password-reset", tag = "users", request_body = ResetBody,
    responses((status = 204)))]
pub(super) async fn reset_password(
    State(users): State<Users>,
    origin: Origin,
    mut input: Input,
) -> Reply {
    let body: ResetBody = parse(&input.body().await?)?;
    // Whoever has the token is the principal: a key names a request only within its principal.
    let principal = format!("{:?}", users.secret().fingerprint(body.reset_token.as_bytes()));
    let operation = input.operation(users.secret(), Act::of_stranger(principal), &[])?;
    let reset = users.reset_password(&body.reset_token, &body.new_password, operation, &origin);
    Ok(answered(reset.await?))
}

/// Refuses a wrong password at its pointer.
pub(super) async fn check_password(
    users: &Users,
    user: &User,
    password: &str,
    pointer: &str,
    origin: &Origin,
) -> Result<()> {
    if user.guest {
        return Err(Error::new(Code::Forbidden, "a guest has no password: register first"));
    }
    if users.is_password(user, password, origin).await? {
        return Ok(());
    }
    origin.note("authn_password_change_fail", &user.id);
    Err(Error::invalid(pointer, "the password is wrong"))
}
