//! Verifies access tokens. A signature costs 30 to 50 µs, so tokens that passed are remembered; expiry and
//! revocation are looked at every time.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError, RwLock},
};

use holdfast_types::{Clock, Code, Error, Result, Role, SessionId, UserId};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};

use super::Claims;

/// Verified tokens remembered: at about 600 bytes each, 10 MB when full.
const TOKENS: usize = 16_384;

/// How far the clocks of two machines may be apart. What was revoked is forgotten by the clock too, so a token that was
/// made before the clock was set back must not come to life again.
const CLOCK_SKEW_SECONDS: i64 = 60;

/// A public key that signs access tokens, as in a JWK of RFC 8037.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKey {
    /// Names the key.
    pub kid: String,
    /// The Ed25519 key in base64url.
    pub x: String,
}

/// What was revoked while tokens that carry it may still be alive.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Revocations {
    /// Tokens of a user are good only from this epoch on; `i64::MAX` for none at all.
    pub users: HashMap<UserId, i64>,
    /// Sessions that are over.
    pub sessions: HashSet<SessionId>,
    /// Tokens of a role are good only from this version on.
    #[serde(default)]
    pub roles: HashMap<Role, i64>,
}

impl Revocations {
    /// Notes that a user's tokens are good only from `epoch` on.
    pub fn refuse_before(&mut self, user: UserId, epoch: i64) {
        let newest = self.users.entry(user).or_insert(epoch);
        *newest = epoch.max(*newest);
    }

    /// Notes that tokens of a role are good only from `version` on.
    pub fn refuse_role_before(&mut self, role: Role, version: i64) {
        let newest = self.roles.entry(role).or_insert(version);
        *newest = version.max(*newest);
    }

    fn refuse(&self, claims: &Claims) -> bool {
        self.users.get(&claims.sub).is_some_and(|epoch| claims.epoch < *epoch)
            || self.sessions.contains(&claims.sid)
            || self.roles.get(&claims.role).is_some_and(|version| claims.role_version < *version)
    }
}

/// Verifies access tokens of one issuer. Keys and revocations are brought to it by whoever polls users.
pub struct Verifier {
    issuer: String,
    clock: Clock,
    keys: RwLock<HashMap<String, DecodingKey>>,
    revocations: RwLock<Arc<Revocations>>,
    verified: Cache<Box<str>, Arc<Claims>>,
}

impl Verifier {
    /// A verifier that knows no keys yet.
    #[must_use]
    pub fn new(issuer: &str, clock: Clock) -> Self {
        Self {
            issuer: issuer.to_owned(),
            clock,
            keys: RwLock::default(),
            revocations: RwLock::default(),
            verified: Cache::new(TOKENS),
        }
    }

    /// Whether any key is known: without one, nobody can be told from anybody.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.keys.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Replaces the keys; tokens of keys that are gone are forgotten.
    pub fn set_keys(&self, keys: &[PublicKey]) -> Result<()> {
        let decode = |key: &PublicKey| {
            Ok((key.kid.clone(), DecodingKey::from_ed_components(&key.x).map_err(Error::internal)?))
        };
        let keys = keys.iter().map(decode).collect::<Result<HashMap<_, _>>>()?;
        let mut known = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let same = known.len() == keys.len() && keys.keys().all(|kid| known.contains_key(kid));
        *known = keys;
        drop(known);
        if !same {
            self.verified.clear();
        }
        Ok(())
    }

    /// Replaces what is revoked.
    pub fn set_revocations(&self, revocations: Revocations) {
        *self.revocations.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(revocations);
    }

    /// The claims of a token that is good now: `invalid-token`, `token-expired` or `token-revoked` otherwise.
    pub fn verify(&self, token: &str) -> Result<Arc<Claims>> {
        let claims = self.verify_unrevoked(token)?;
        let revocations =
            Arc::clone(&self.revocations.read().unwrap_or_else(PoisonError::into_inner));
        if revocations.refuse(&claims) {
            return Err(Error::new(
                Code::TokenRevoked,
                "the access token was revoked: sign in again",
            ));
        }
        Ok(claims)
    }

    /// The claims of a token that is genuine and not expired, revoked or not.
    pub fn verify_unrevoked(&self, token: &str) -> Result<Arc<Claims>> {
        let claims = match self.verified.get(token) {
            Some(claims) => claims,
            None => {
                let claims = Arc::new(self.decode(token)?);
                self.verified.insert(token.into(), Arc::clone(&claims));
                claims
            }
        };
        let now = self.clock.now().as_seconds();
        if claims.exp <= now {
            return Err(Error::new(Code::TokenExpired, "the access token has expired: refresh it"));
        }
        if claims.iat > now + CLOCK_SKEW_SECONDS {
            let why = "the access token is from the future, so a clock was set back: refresh it";
            return Err(Error::new(Code::TokenExpired, why));
        }
        Ok(claims)
    }

    fn decode(&self, token: &str) -> Result<Claims> {
        let invalid = || Error::new(Code::InvalidToken, "the access token is not one of ours");
        let header = jsonwebtoken::decode_header(token).map_err(|_| invalid())?;
        // What must be understood is not (RFC 7515 §4.1.11).
        let is_plain = header.typ.as_deref() == Some("at+jwt") && header.crit.is_none();
        let kid = header.kid.filter(|_| is_plain).ok_or_else(invalid)?;
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        if keys.is_empty() {
            let why = "the keys that sign access tokens are not known yet: repeat";
            return Err(Error::new(Code::Unavailable, why));
        }
        let key = keys.get(&kid).ok_or_else(invalid)?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.issuer]);
        // The library reads the system's clock and allows a minute; `verify_unrevoked` looks at `exp` with ours.
        validation.validate_exp = false;
        validation.validate_nbf = true;
        Ok(jsonwebtoken::decode::<Claims>(token, key, &validation).map_err(|_| invalid())?.claims)
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
