//! Signing in, staying signed in, signing out; the public keys.

use axum::{extract::State, response::Response};
use holdfast_web::{Input, NoQuery, Origin, Reply, json_reply, no_content, parse};
use serde_json::json;

use super::wire::{GuestBody, KeySet, LoginBody, RefreshBody, SessionView};
use crate::Users;

/// Sign in. Who has a second factor is refused with `mfa-required`, which says how to go on. A wrong user and a wrong password cannot be told apart. After too many failures on a username from
/// everywhere, the refusal (429) asks for a proof of work, unless a device shows the `deviceToken` of an earlier login.
#[utoipa::path(post, path = "/api/users/login", tag = "users", request_body = LoginBody,
    responses((status = 200, body = SessionView)),
    extensions(("x-problems" = json!(["invalid-credentials", "mfa-required"]))))]
pub(super) async fn log_in(State(users): State<Users>, origin: Origin, mut input: Input) -> Reply {
    let body: LoginBody = parse(&input.body().await?)?;
    let session = users.log_in(&body.login(), &origin).await?;
    json_reply(200, &SessionView::from(session))
}

/// Buy without a name: a session of an account that nobody can sign in to. It lives as long as it is renewed, at most 30 days
/// without; whoever registers with its token keeps its orders. Each request makes another guest.
#[utoipa::path(post, path = "/api/users/guest", tag = "users", request_body = GuestBody,
    responses((status = 201, body = SessionView)))]
pub(super) async fn begin_guest(
    State(users): State<Users>,
    origin: Origin,
    mut input: Input,
) -> Reply {
    let body = parse::<GuestBody>(&input.body().await?)?.check()?;
    users.admit_guest(&origin)?;
    let session = users.begin_guest(body.email, body.name, &origin).await?;
    json_reply(201, &SessionView::from(session))
}

/// Exchange a refresh token. Repeating it before the successor is used returns that same successor; later it is
/// theft, and the whole family is revoked.
#[utoipa::path(post, path = "/api/users/refresh", tag = "users", request_body = RefreshBody,
    responses((status = 200, body = SessionView)),
    extensions(("x-problems" = json!(["invalid-token", "token-revoked"]))))]
pub(super) async fn refresh_session(
    State(users): State<Users>,
    origin: Origin,
    mut input: Input,
) -> Reply {
    let body: RefreshBody = parse(&input.body().await?)?;
    let session = users.refresh(&body.refresh_token, &origin).await?;
    json_reply(200, &SessionView::from(session))
}

/// Sign out: revokes the family of the refresh token.
#[utoipa::path(post, path = "/api/users/logout", tag = "users", request_body = RefreshBody,
    responses((status = 204)))]
pub(super) async fn log_out(State(users): State<Users>, mut input: Input) -> Reply<Response> {
    let body: RefreshBody = parse(&input.body().await?)?;
    users.log_out(&body.refresh_token).await?;
    Ok(no_content())
}

/// The public keys that verify access tokens (RFC 7517).
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "users", responses((status = 200, body = KeySet)))]
pub(super) async fn list_public_keys(State(users): State<Users>, _: NoQuery) -> Reply {
    let keys = users.public_keys().await?;
    let keys: Vec<_> = keys
        .iter()
        .map(|key| json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": key.kid, "x": key.x}))
        .collect();
    json_reply(200, &json!({ "keys": keys }))
}
