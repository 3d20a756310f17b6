//! Who is calling: access tokens (RFC 9068) verified by every service itself, and the extractors that say in a
//! handler's signature who may call it.

mod act;
mod api_key;
mod extract;
mod verifier;

use holdfast_types::{Authority, KeyId, Permissions, Role, SessionId, UserId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use act::Act;
pub(crate) use act::Audited;
pub use api_key::{API_KEY, ApiKeyText, KeyGrant, KeyProof, key_prefix};
pub use extract::*;
pub use verifier::{PublicKey, Revocations, Verifier};

/// The claims of an access token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// Whom it is for.
    pub aud: String,
    /// The user.
    pub sub: UserId,
    /// The client: one and the same, since users sign in directly.
    pub client_id: String,
    /// When it was issued, in seconds since the Unix epoch.
    pub iat: i64,
    /// When it ends, in seconds since the Unix epoch.
    pub exp: i64,
    /// Names the token.
    pub jti: String,
    /// The session it belongs to.
    pub sid: SessionId,
    /// The role of the user.
    pub role: Role,
    /// Counts the changes of the role: what it permitted before is not permitted any more.
    #[serde(default)]
    pub role_version: i64,
    /// What is permitted (RFC 9068 §2.2.3). Tokens of the first versions do not say it.
    #[serde(default, with = "scope", skip_serializing_if = "Option::is_none")]
    pub scope: Option<Permissions>,
    /// Whether products and stock are only the user's own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own_products_only: bool,
    /// The API key that the token was given for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyId>,
    /// Counts the changes of the user that end all their tokens.
    pub epoch: i64,
}

impl Claims {
    /// What who shows the token may do.
    #[must_use]
    pub fn authority(&self) -> Authority {
        match self.scope {
            Some(permissions) => {
                Authority { permissions, own_products_only: self.own_products_only }
            }
            None => self.role.built_in().unwrap_or_default(),
        }
    }
}

/// A set of permissions as a token has it: words with blanks between.
mod scope {
    use super::{Deserialize, Deserializer, Permissions, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        scope: &Option<Permissions>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        scope.map(|permissions| permissions.to_string()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Permissions>, D::Error> {
        let words = Option::<String>::deserialize(deserializer)?;
        Ok(words.map(|words| words.parse().unwrap_or_default()))
    }
}
