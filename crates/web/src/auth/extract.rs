//! Extractors: who may call a handler stands in its signature.

use std::sync::Arc;

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{HeaderMap, header, request::Parts},
};
use holdfast_types::{
    Authority, Code, Error, KeyId, Permission, Permissions, Result, Role, SessionId, UserId,
};

use super::{Claims, Verifier};
use crate::{Problem, invalid_parameter};

/// Anybody who is signed in, or shows an API key.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// The user, or whose the key is.
    pub user: UserId,
    /// The session, or the secret of the key.
    pub session: SessionId,
    /// What they may do for others than themselves.
    pub authority: Authority,
    /// The key, when they show one.
    pub key: Option<KeyId>,
    /// Whether their role is another than that of customers.
    pub is_staff: bool,
}

/// Whose things a caller may act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Everybody's.
    All,
    /// Their own.
    Own,
}

/// Somebody who may do one thing: `May<ORDERS_READ>`.
#[derive(Clone, Copy, Debug)]
pub struct May<const PERMISSION: u8>(pub Caller);

/// Somebody who may do everything.
#[derive(Clone, Copy, Debug)]
pub struct Admin(pub Caller);

/// A user in person: no program with a key.
#[derive(Clone, Copy, Debug)]
pub struct InPerson(pub Caller);

/// Names the permissions for [`May`].
macro_rules! permissions {
    ($($name:ident = $permission:ident),* $(,)?) => {
        $(
            #[doc = concat!("[`Permission::", stringify!($permission), "`]")]
            pub const $name: u8 = Permission::$permission as u8;
        )*
    };
}

permissions! {
    PAYMENTS_READ = PaymentsRead,
    PRODUCTS_READ = ProductsRead,
    PRODUCTS_WRITE = ProductsWrite,
    STOCK_READ = StockRead,
    STOCK_WRITE = StockWrite,
    ORDERS_READ = OrdersRead,
    USERS_READ = UsersRead,
    USERS_WRITE = UsersWrite,
    EVENTS_READ = EventsRead,
    EVENTS_WRITE = EventsWrite,
    WEBHOOKS_READ = WebhooksRead,
    WEBHOOKS_WRITE = WebhooksWrite,
    KEYS_READ = KeysRead,
    KEYS_WRITE = KeysWrite,
}

/// Somebody whose token is genuine, even when it was revoked meanwhile: for repeats of what ended the session.
#[derive(Debug)]
pub struct LapsedCaller {
    /// Who it is.
    pub caller: Caller,
    /// Passes when the token is still good.
    pub standing: Result<()>,
}

impl Caller {
    /// The name under which this caller's operation ids are kept, and requests counted.
    #[must_use]
    pub fn principal(&self) -> String {
        self.key.map_or_else(|| self.user.to_string(), |key| format!("key {key}"))
    }

    /// Whether they may do that for everybody.
    #[must_use]
    pub fn may(&self, permission: Permission) -> bool {
        self.authority.permissions.has(permission)
    }

    /// Whose things they may do that with: a user at least with their own, a key only as far as it says.
    pub fn reach(&self, permission: Permission) -> Result<Reach> {
        match self.key {
            _ if self.may(permission) => Ok(Reach::All),
            None => Ok(Reach::Own),
            Some(_) => Err(lacks(permission)),
        }
    }

    /// Whose things of a list they see: `asked` is a user's id, or `me`. `None` is everybody's. Refuses with `invalid-parameter`,
    /// and with `forbidden` who asks for somebody else's.
    pub fn whose(
        &self,
        permission: Permission,
        asked: Option<&str>,
        things: &str,
    ) -> Result<Option<UserId>> {
        let reach = self.reach(permission)?;
        let asked = match asked {
            Some("me") => Some(self.user),
            Some(id) => Some(
                id.parse().map_err(|_| invalid_parameter("userId", "expected a UUID or `me`"))?,
            ),
            None if reach == Reach::All => None,
            None => Some(self.user),
        };
        match asked {
            Some(user) if user != self.user && reach == Reach::Own => {
                let why = format!("only the staff see other people's {things}");
                Err(Error::new(Code::Forbidden, why))
            }
            asked => Ok(asked),
        }
    }

    /// Refuses with `forbidden`.
    pub fn require(self, permission: Permission) -> Result<Self> {
        if self.may(permission) { Ok(self) } else { Err(lacks(permission)) }
    }

    /// Refuses with `forbidden` who may not do everything.
    pub fn require_all(self) -> Result<Self> {
        match self.authority.permissions.has_all(Permissions::ALL) {
            true => Ok(self),
            false => Err(Error::new(Code::Forbidden, "administrators only")),
        }
    }

    /// Refuses programs with `forbidden`.
    pub fn in_person(self) -> Result<Self> {
        let why = "an API key cannot do this: sign in with the password";
        if self.key.is_none() { Ok(self) } else { Err(Error::new(Code::Forbidden, why)) }
    }

    /// Reads the caller out of a request's headers.
    pub fn from_headers(headers: &HeaderMap, verifier: &Verifier) -> Result<Option<Self>> {
        bearer(headers)?.map(|token| Ok(Self::new(&*verifier.verify(token)?))).transpose()
    }

    /// The same where only some requests want one.
    pub fn required(headers: &HeaderMap, verifier: &Verifier) -> Result<Self> {
        Self::from_headers(headers, verifier)?.ok_or_else(unauthenticated)
    }

    fn new(claims: &Claims) -> Self {
        Self {
            user: claims.sub,
            session: claims.sid,
            authority: claims.authority(),
            key: claims.key,
            is_staff: claims.role.as_str() != Role::CUSTOMER,
        }
    }
}

fn lacks(permission: Permission) -> Error {
    Error::new(Code::Forbidden, format!("this wants the permission `{permission}`"))
}

impl LapsedCaller {
    /// Reads the caller out of a request's headers, if a token is among them. An API key is none.
    pub fn from_headers(headers: &HeaderMap, verifier: &Verifier) -> Result<Option<Self>> {
        let Some(token) = bearer(headers)? else { return Ok(None) };
        let caller = Caller::new(&*verifier.verify_unrevoked(token)?).in_person()?;
        Ok(Some(Self { caller, standing: verifier.verify(token).map(|_| ()) }))
    }
}

/// The bearer token (RFC 6750 §2.1), if any.
pub fn bearer(headers: &HeaderMap) -> Result<Option<&str>> {
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
        let caller = Self::required(&parts.headers, &verifier)?;
        // For who reads the body later.
        parts.extensions.insert(verifier);
        Ok(caller)
    }
}

impl<S, const PERMISSION: u8> FromRequestParts<S> for May<PERMISSION>
where
    S: Send + Sync,
    Arc<Verifier>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        Ok(Self(caller.require(Permission::ALL[usize::from(PERMISSION)])?))
    }
}

impl<S> FromRequestParts<S> for Admin
where
    S: Send + Sync,
    Arc<Verifier>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Ok(Self(Caller::from_request_parts(parts, state).await?.require_all()?))
    }
}

impl<S> FromRequestParts<S> for InPerson
where
    S: Send + Sync,
    Arc<Verifier>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Ok(Self(Caller::from_request_parts(parts, state).await?.in_person()?))
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
