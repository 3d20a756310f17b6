//! Extractors: who may call a handler stands in its signature.

use std::sync::Arc;

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{HeaderMap, header, request::Parts},
};
use holdfast_types::{Code, Error, Result, Role, SessionId, UserId};

use super::{Claims, Verifier};
use crate::Problem;

/// Anybody who is signed in.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// The user.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
    /// What they may do.
    pub role: Role,
}

/// A seller or an administrator.
#[derive(Clone, Copy, Debug)]
pub struct Seller(pub Caller);

/// An administrator.
#[derive(Clone, Copy, Debug)]
pub struct Admin(pub Caller);

/// Somebody whose token is genuine, even when it was revoked meanwhile: for repeats of what ended the session.
#[derive(Debug)]
pub struct LapsedCaller {
    /// Who it is.
    pub caller: Caller,
    /// Passes when the token is still good.
    pub standing: Result<()>,
}

impl Caller {
    /// The name under which this caller's operation ids are kept.
    #[must_use]
    pub fn principal(&self) -> String {
        self.user.to_string()
    }

    /// True for administrators.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }

    /// Reads the caller out of a request's headers.
    pub fn from_headers(headers: &HeaderMap, verifier: &Verifier) -> Result<Option<Self>> {
        bearer(headers)?.map(|token| Ok(Self::new(&*verifier.verify(token)?))).transpose()
    }

    fn new(claims: &Claims) -> Self {
        Self { user: claims.sub, session: claims.sid, role: claims.role }
    }
}

impl Seller {
    /// Reads the caller out of a request's headers, where only some requests want one.
    pub fn from_headers(headers: &HeaderMap, verifier: &Verifier) -> Result<Self> {
        Self::of(Caller::from_headers(headers, verifier)?.ok_or_else(unauthenticated)?)
    }

    fn of(caller: Caller) -> Result<Self> {
        match caller.role {
            Role::Seller | Role::Admin => Ok(Self(caller)),
            Role::Customer => Err(Error::new(Code::Forbidden, "sellers and administrators only")),
        }
    }
}

impl LapsedCaller {
    /// Reads the caller out of a request's headers, if a token is among them.
    pub fn from_headers(headers: &HeaderMap, verifier: &Verifier) -> Result<Option<Self>> {
        let Some(token) = bearer(headers)? else { return Ok(None) };
        let caller = Caller::new(&*verifier.verify_unrevoked(token)?);
        Ok(Some(Self { caller, standing: verifier.verify(token).map(|_| ()) }))
    }
}

/// The bearer token (RFC 6750 §2.1), if any.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let invalid =
        || Error::new(Code::InvalidToken, "expected one header `Authorization: Bearer TOKEN`");
    if values.next().is_some() {
        return Err(invalid());
    }
    let (scheme, token) =
        value.to_str().map_err(|_| invalid())?.split_once(' ').ok_or_else(invalid)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(Some(token.trim())) } else { Err(invalid()) }
}

fn unauthenticated() -> Error {
    Error::new(
        Code::Unauthenticated,
        "sign in first: POST /api/users/login, then send `Authorization: Bearer TOKEN`",
    )
}

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    Arc<Verifier>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let verifier = Arc::<Verifier>::from_ref(state);
        let caller = Self::from_headers(&parts.headers, &verifier)?.ok_or_else(unauthenticated)?;
        // For who reads the body later.
        parts.extensions.insert(verifier);
        Ok(caller)
    }
}

impl<S> FromRequestParts<S> for Seller
where
    S: Send + Sync,
    Arc<Verifier>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        Ok(Self::of(caller)?)
    }
}

impl<S> FromRequestParts<S> for Admin
where
    S: Send + Sync,
    Arc<Verifier>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        match caller.role {
            Role::Admin => Ok(Self(caller)),
            Role::Seller | Role::Customer => {
                Err(Error::new(Code::Forbidden, "administrators only").into())
            }
        }
    }
}

impl<S> FromRequestParts<S> for LapsedCaller
where
    S: Send + Sync,
    Arc<Verifier>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let verifier = Arc::<Verifier>::from_ref(state);
        Ok(Self::from_headers(&parts.headers, &verifier)?.ok_or_else(unauthenticated)?)
    }
}
