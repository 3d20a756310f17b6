//! What users look like on the wire.

use holdfast_types::{
    Answer, Permission, Permissions, Result, Role, Timestamp, Validation, check_email, check_line,
    fold,
};
use holdfast_web::{not_null, present};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    model::{Password, User, UserChange, Username},
    service::{Login, Registration, SignedIn},
    store::ResetAsked,
    tokens::ACCESS_SECONDS,
    work::Work,
};

/// A user.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserView {
    #[schema(value_type = uuid::Uuid)]
    id: holdfast_types::UserId,
    /// Absent for a guest.
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[schema(value_type = String, format = "role-name", example = "customer")]
    role: Role,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// Present when the user has shown, by a letter, that the address is theirs.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    email_verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Present when a password alone does not sign the user in.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    mfa_enabled: bool,
    /// Present when an administrator has shut the user out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    disabled: bool,
    version: i64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<&User> for UserView {
    fn from(user: &User) -> Self {
        Self {
            id: user.id,
            username: (!user.guest).then(|| user.username.clone()),
            role: user.role.clone(),
            email: user.email.clone(),
            email_verified: user.has_verified_email(),
            name: user.name.clone(),
            mfa_enabled: user.has_mfa(),
            disabled: user.disabled,
            version: user.version.0,
            created_at: user.created_at,
        }
    }
}

/// Part of the users.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes a list to readers of the API")]
pub(crate) struct UserPage {
    items: Vec<UserView>,
    /// Where the next page begins; null on the last. A page may be shorter than was asked for, and still not be the last.
    next_cursor: Option<String>,
}

/// A JSON Web Key Set (RFC 7517).
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the keys to readers of the API")]
pub(crate) struct KeySet {
    keys: Vec<KeyView>,
}

/// A public key (RFC 8037).
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes a key to readers of the API")]
struct KeyView {
    #[schema(example = "OKP")]
    kty: String,
    #[schema(example = "Ed25519")]
    crv: String,
    #[schema(example = "sig")]
    r#use: String,
    #[schema(example = "EdDSA")]
    alg: String,
    kid: String,
    x: String,
}

/// The answer to a guest who registers.
pub(super) fn registered(user: &User) -> Result<Answer> {
    Ok(Answer { status: 201, ..changed(user)? })
}

/// The answer to a change of a user.
pub(super) fn changed(user: &User) -> Result<Answer> {
    Answer::ok(user.etag(), &UserView::from(user))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RegisterBody {
    /// 3 to 64 letters, digits or any of `. _ - @`; unique without regard to case.
    #[schema(min_length = 3, max_length = 64, format = "username", example = "ada")]
    username: String,
    /// 8 to 256 characters, not among the commonest, not the username.
    #[schema(
        min_length = 8,
        max_length = 256,
        format = "password",
        example = "correct horse battery"
    )]
    password: String,
    #[schema(min_length = 3, max_length = 254, format = "mail", example = "ada@example.com")]
    email: Option<String>,
    #[schema(min_length = 1, max_length = 200, format = "line", example = "Ada Lovelace")]
    name: Option<String>,
}

impl RegisterBody {
    pub(super) fn check(self) -> Result<Registration> {
        let mut validation = Validation::default();
        let username = validation.take("#/username", Username::parse(&self.username));
        let password =
            validation.take("#/password", Password::parse(&self.password, &self.username));
        check_profile(&mut validation, self.email.as_deref(), self.name.as_deref());
        validation.finish()?;
        let checked = "what was refused ended the check";
        Ok(Registration {
            username: username.expect(checked),
            password: password.expect(checked),
            email: self.email,
            name: self.name,
        })
    }
}

fn check_profile(validation: &mut Validation, email: Option<&str>, name: Option<&str>) {
    validation.take("#/email", email.map_or(Ok(()), check_email));
    validation.take("#/name", name.map_or(Ok(()), |name| check_line(name, 200)));
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct GuestBody {
    #[schema(min_length = 3, max_length = 254, format = "mail", example = "ada@example.com")]
    pub(super) email: Option<String>,
    #[schema(min_length = 1, max_length = 200, format = "line", example = "Ada Lovelace")]
    pub(super) name: Option<String>,
}

impl GuestBody {
    pub(super) fn check(self) -> Result<Self> {
        let mut validation = Validation::default();
        check_profile(&mut validation, self.email.as_deref(), self.name.as_deref());
        validation.finish().map(|()| self)
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LoginBody {
    #[schema(example = "ada")]
    username: String,
    #[schema(example = "correct horse battery")]
    password: String,
    /// What an earlier login on this device gave: attempts with it are not held up by what strangers try.
    device_token: Option<String>,
    /// The answer to the challenge that a refusal gave as `proofOfWork`.
    proof_of_work: Option<Work>,
}

impl LoginBody {
    pub(super) fn login(&self) -> Login<'_> {
        Login {
            username: &self.username,
            password: &self.password,
            device_token: self.device_token.as_deref(),
            work: self.proof_of_work.as_ref(),
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RefreshBody {
    pub(super) refresh_token: String,
}

/// A session, begun or renewed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionView {
    access_token: String,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds.
    #[schema(example = 900)]
    expires_in: i64,
    refresh_token: String,
    /// After a login: keep it on the device, and send it with the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    device_token: Option<String>,
    user: UserView,
    /// What the user may do for others than themselves.
    #[schema(value_type = Vec<Permission>)]
    permissions: Permissions,
    /// Whether products and stock are only their own.
    own_products_only: bool,
    /// Present when the role permits nothing until there is a second factor: POST /api/users/me/mfa, then refresh.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    mfa_setup_required: bool,
}

impl From<SignedIn> for SessionView {
    fn from(session: SignedIn) -> Self {
        Self {
            user: UserView::from(&session.user),
            access_token: session.access_token,
            token_type: "Bearer",
            expires_in: ACCESS_SECONDS,
            refresh_token: session.refresh_token,
            device_token: session.device_token,
            permissions: session.authority.permissions,
            own_products_only: session.authority.own_products_only,
            mfa_setup_required: session.owes_mfa,
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ProfileBody {
    /// The version that the change is based on; or send `If-Match`.
    #[expect(dead_code, reason = "the basis is read before the rest of the body")]
    #[schema(value_type = i64, required = false, minimum = 1)]
    version: Option<i64>,
    /// `null` clears it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, min_length = 3, max_length = 254, format = "mail")]
    email: Option<Option<String>>,
    /// `null` clears it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200, format = "line")]
    name: Option<Option<String>>,
}

impl ProfileBody {
    pub(super) fn check(self) -> Result<UserChange> {
        let mut validation = Validation::default();
        let email = self.email.as_ref().and_then(Option::as_deref);
        let name = self.name.as_ref().and_then(Option::as_deref);
        check_profile(&mut validation, email, name);
        validation.finish()?;
        Ok(UserChange::Profile { email: self.email, name: self.name })
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AccessBody {
    /// The version that the change is based on; or send `If-Match`.
    #[expect(dead_code, reason = "the basis is read before the rest of the body")]
    #[schema(value_type = i64, required = false, minimum = 1)]
    version: Option<i64>,
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = String, format = "role-name", example = "seller")]
    pub(super) role: Option<Role>,
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = bool)]
    pub(super) disabled: Option<bool>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PasswordBody {
    pub(super) current_password: String,
    #[schema(min_length = 8, max_length = 256, format = "password")]
    pub(super) new_password: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DeleteBody {
    pub(super) password: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ResetBody {
    pub(super) reset_token: String,
    #[schema(min_length = 8, max_length = 256, format = "password")]
    pub(super) new_password: String,
}

/// For whom a new password is wanted: by name, or by address.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ResetRequestBody {
    #[schema(min_length = 1, max_length = 64, example = "ada")]
    username: Option<String>,
    #[schema(min_length = 3, max_length = 254, format = "mail", example = "ada@example.com")]
    email: Option<String>,
}

impl ResetRequestBody {
    pub(super) fn check(&self) -> Result<ResetAsked> {
        let mut validation = Validation::default();
        if self.username.is_some() == self.email.is_some() {
            validation.refuse("", "expected either `username` or `email`");
        }
        validation.take("#/email", self.email.as_deref().map_or(Ok(()), check_email));
        let fits = self.username.as_ref().is_none_or(|name| name.chars().count() <= 64);
        if !fits {
            validation.refuse("#/username", "expected 64 characters at most");
        }
        validation.finish()?;
        let name = self.username.as_deref().map(|name| ResetAsked::Username(fold(name)));
        let email = || ResetAsked::Email(fold(self.email.as_deref().unwrap_or_default()));
        Ok(name.unwrap_or_else(email))
    }
}

/// What came by letter.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = EmailTokenBody)]
pub(crate) struct TokenBody {
    #[schema(min_length = 1, max_length = 200)]
    pub(super) token: String,
}

/// A permission to set a new password once.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ResetView {
    pub(super) reset_token: String,
    #[schema(value_type = String, format = DateTime)]
    pub(super) expires_at: Timestamp,
}
