//! What users ask for by mail.

use axum::extract::State;
use holdfast_types::{Answer, Error, Result};
use holdfast_web::{
    Input, Origin, Reply, answered,
    auth::{Act, InPerson},
    no_content, parse,
};

use super::{
    accounts::find,
    wire::{ResetRequestBody, TokenBody},
};
use crate::{Users, model::User, store::ResetAsked};

/// Ask for a letter with which one sets a new password, for an account that has an e-mail address: to its owner, whoever asks. Whether
/// there is such an account cannot be told from the answer, nor from its time. The token of the letter lives an hour; within a quarter of one
/// no other letter leaves. Without a mail server none does.
#[utoipa::path(post, path = "/api/users/password-reset/request", tag = "users", request_body = ResetRequestBody,
    responses((status = 204)))]
pub(super) async fn request_password_reset(
    State(users): State<Users>,
    origin: Origin,
    mut input: Input,
) -> Reply {
    let asked = parse::<ResetRequestBody>(&input.body().await?)?.check()?;
    users.admit_letter(&origin)?;
    let principal = match &asked {
        ResetAsked::Username(name) => format!("user {name}"),
        ResetAsked::Email(email) => format!("e-mail {email}"),
    };
    let operation = input.operation(users.secret(), Act::of_stranger(principal), &[])?;
    users.request_reset(asked, operation, &origin)?;
    Ok(no_content())
}

/// Ask for a letter that shows that one's e-mail address is one's own. One leaves by itself after registering, and after each change
/// of the address. Nothing happens where it is known already. Refuses who has no address with `validation`.
#[utoipa::path(post, path = "/api/users/me/email-verification", tag = "users", security(("bearer" = [])),
    responses((status = 204)), extensions(("x-problems" = json!(["forbidden", "validation", "rate-limited"]))))]
pub(super) async fn request_email_verification(
    State(users): State<Users>,
    InPerson(caller): InPerson,
    origin: Origin,
    mut input: Input,
) -> Reply {
    input.nothing().await?;
    let user = find(&users, caller.user).await?;
    let act = caller.does("request_email_verification", caller.user.uuid());
    let operation = input.operation(users.secret(), act, &[])?;
    if !users.is_repeat(&operation).await? {
        if user.email.is_none() {
            return Err(Error::invalid("", "the account has no e-mail address").into());
        }
        if !user.has_verified_email() {
            users.admit_letter_of(caller.user, &origin)?;
        }
    }
    Ok(answered(users.request_verification(caller.user, &operation).await?))
}

/// Show that an e-mail address is one's own, with the token that a letter brought there. It lives three days, and as long as the
/// account has that address.
#[utoipa::path(post, path = "/api/users/email-verification", tag = "users", request_body = TokenBody,
    responses((status = 204)))]
pub(super) async fn verify_email(
    State(users): State<Users>,
    origin: Origin,
    mut input: Input,
) -> Reply {
    let body: TokenBody = parse(&input.body().await?)?;
    let principal = format!("{:?}", users.secret().fingerprint(body.token.as_bytes()));
    let operation = input.operation(users.secret(), Act::of_stranger(principal), &[])?;
    Ok(answered(users.verify_email(&body.token, &operation, &origin, nothing).await?))
}

/// Whoever has the letter need not have a session, and is told nothing of the account.
fn nothing(_: &User) -> Result<Answer> {
    Ok(Answer { status: 204, etag: None, body: Vec::new() })
}
