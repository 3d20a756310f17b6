//! Who is calling: access tokens (RFC 9068) verified by every service itself, and the extractors that say in a
//! handler's signature who may call it.

mod extract;
mod verifier;

use holdfast_types::{Role, SessionId, UserId};
use serde::{Deserialize, Serialize};

pub use extract::{Admin, Caller, LapsedCaller, Seller};
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
    /// What the user may do.
    pub role: Role,
    /// Counts the changes of the user that end all their tokens.
    pub epoch: i64,
}
