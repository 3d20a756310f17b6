//! A second factor: codes of an app by time (RFC 6238), and codes for recovery.

use axum::extract::State;
use holdfast_types::{Code, Error, IdempotentAnswer, Permission, Result};
use holdfast_web::{
    IdPath, Input, NoQuery, Origin, Reply, answered, auth::InPerson, json_reply, parse,
};

use super::{
    accounts::{check_password, find},
    mfa_wire::{CodeBody, MfaLoginBody, MfaView, PasswordProofBody, settled},
    wire::{SessionView, UserView, changed},
};
use crate::{Users, reveal::reveal};

/// Sign in, second step: with the `mfaToken` of the refusal `mfa-required` and a code of the app, or one for recovery. Each code is
/// good once.
#[utoipa::path(post, path = "/api/users/login/mfa", tag = "users", request_body = MfaLoginBody,
    responses((status = 200, body = SessionView)),
    extensions(("x-problems" = json!(["invalid-credentials", "invalid-token"]))))]
pub(super) async fn log_in_with_code(
    State(users): State<Users>,
    origin: Origin,
    mut input: Input,
) -> Reply {
    let body: MfaLoginBody = parse(&input.body().await?)?;
    let session = users.log_in_with_code(&body.factor(), &origin).await?;
    json_reply(200, &SessionView::from(session))
}

/// Whether one's password alone signs in.
#[utoipa::path(get, path = "/api/users/me/mfa", tag = "users", security(("bearer" = [])),
    responses((status = 200, body = MfaView)), extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn get_mfa(
    State(users): State<Users>,
    InPerson(caller): InPerson,
    _: NoQuery,
) -> Reply {
    let user = find(&users, caller.user).await?;
    json_reply(200, &MfaView::new(&user, users.owes_mfa(&user)))
}

/// Begin with a second factor: the answer has the secret for an app, once. It counts when it is confirmed; beginning again gives
/// another secret.
#[utoipa::path(post, path = "/api/users/me/mfa", tag = "users", security(("bearer" = [])), request_body = PasswordProofBody,
    responses((status = 200, body = MfaView)), extensions(("x-problems" = json!(["forbidden", "mfa-enabled"]))))]
pub(super) async fn begin_mfa(
    State(users): State<Users>,
    origin: Origin,
    InPerson(caller): InPerson,
    mut input: Input,
) -> Reply {
    let body: PasswordProofBody = parse(&input.body().await?)?;
    let operation =
        input.operation(users.secret(), caller.does("begin_mfa", caller.user.uuid()), &[])?;
    let user = find(&users, caller.user).await?;
    let begin = async {
        let operation = match users.replay(operation, &[&body.password], &origin).await? {
            Ok(given) => return Ok(given),
            Err(fresh) => fresh,
        };
        check_password(&users, &user, &body.password, "#/password", &origin).await?;
        users.begin_mfa(caller.user, &operation, settled(&users)).await
    };
    let begun = users.guess(caller.user, &origin, begin).await?;
    let shown = reveal(begun, |nonce, _| {
        let app = users.app_secret(&user, nonce)?;
        Ok([("secret", app.secret.into()), ("otpauthUrl", app.address.into())])
    });
    Ok(answered(shown?))
}

/// Let the second factor count, by a code of the app. The answer has ten codes for the day on which the app is lost, once. One's other
/// sessions end.
#[utoipa::path(post, path = "/api/users/me/mfa/confirm", tag = "users", security(("bearer" = [])), request_body = CodeBody,
    responses((status = 200, body = MfaView)), extensions(("x-problems" = json!(["forbidden", "mfa-enabled"]))))]
pub(super) async fn confirm_mfa(
    State(users): State<Users>,
    origin: Origin,
    InPerson(caller): InPerson,
    mut input: Input,
) -> Reply {
    let body: CodeBody = parse(&input.body().await?)?;
    let operation = input.operation(
        users.secret(),
        caller.does("confirm_mfa", caller.user.uuid()),
        body.code.as_bytes(),
    )?;
    let confirmed =
        users.confirm_mfa(&caller, body.code, &operation, settled(&users), &origin).await?;
    Ok(answered(with_recovery_codes(&users, confirmed)?))
}

/// Get ten other codes for recovery, for a code; those that are left are not good any more.
#[utoipa::path(post, path = "/api/users/me/mfa/recovery-codes", tag = "users", security(("bearer" = [])), request_body = CodeBody,
    responses((status = 200, body = MfaView)), extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn renew_recovery_codes(
    State(users): State<Users>,
    origin: Origin,
    InPerson(caller): InPerson,
    mut input: Input,
) -> Reply {
    let body: CodeBody = parse(&input.body().await?)?;
    let operation = input.operation(
        users.secret(),
        caller.does("renew_recovery_codes", caller.user.uuid()),
        body.code.as_bytes(),
    )?;
    let renewed = users
        .renew_recovery_codes(caller.user, body.code, &operation, settled(&users), &origin)
        .await?;
    Ok(answered(with_recovery_codes(&users, renewed)?))
}

/// Give the second factor up, for a code. Tokens end: they are refreshed with what the role still permits.
#[utoipa::path(post, path = "/api/users/me/mfa/disable", tag = "users", security(("bearer" = [])), request_body = CodeBody,
    responses((status = 200, body = MfaView)), extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn disable_mfa(
    State(users): State<Users>,
    origin: Origin,
    InPerson(caller): InPerson,
    mut input: Input,
) -> Reply {
    let body: CodeBody = parse(&input.body().await?)?;
    let operation = input.operation(
        users.secret(),
        caller.does("disable_mfa", caller.user.uuid()),
        body.code.as_bytes(),
    )?;
    Ok(answered(
        users.disable_mfa(caller.user, body.code, &operation, settled(&users), &origin).await?,
    ))
}

/// Take the second factor away of a user who has lost theirs. Nobody does that to who holds more.
#[utoipa::path(post, path = "/api/users/{id}/mfa/reset", tag = "users", security(("bearer" = [])),
    params(("id" = uuid::Uuid, Path)), responses((status = 200, body = UserView)),
    extensions(("x-problems" = json!(["forbidden"]))))]
pub(super) async fn reset_mfa(
    State(users): State<Users>,
    origin: Origin,
    InPerson(caller): InPerson,
    IdPath(id): IdPath<holdfast_types::UserKind>,
    mut input: Input,
) -> Reply {
    caller.require(Permission::UsersWrite)?;
    if id == caller.user {
        let why = "your own wants a code: POST /api/users/me/mfa/disable";
        return Err(Error::new(Code::Forbidden, why).into());
    }
    find(&users, id).await?;
    input.nothing().await?;
    let operation = input.operation(users.secret(), caller.does("reset_mfa", id.uuid()), &[])?;
    let given = users.reset_mfa(id, caller.authority, &operation, changed).await?;
    origin.note("authn_mfa_reset", &format_args!("user {id} by {}", caller.principal()));
    Ok(answered(given))
}

/// Shows recovery codes in an answer that is kept without them.
fn with_recovery_codes(users: &Users, given: IdempotentAnswer) -> Result<IdempotentAnswer> {
    reveal(given, |nonce, _| Ok([("recoveryCodes", users.recovery_codes(nonce).into())]))
}
