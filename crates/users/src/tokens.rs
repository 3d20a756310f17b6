//! Tokens: access tokens are JWTs (RFC 9068) signed with Ed25519; refresh tokens are opaque and form a chain.
//!
//! Each refresh token is the keyed hash of the one before. So a repeat of a refresh yields the same successor without
//! storing it, and an old token can be told from an invented one: hashing it onwards meets the newest.

use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use holdfast_types::{Error, Random, Result, Secret, SessionId, Timestamp, UserId};
use holdfast_web::auth::{Claims, PublicKey};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};

use crate::model::{ApiKey, KeyStanding, Standing, User};

/// Seconds that an access token lives.
pub(crate) const ACCESS_SECONDS: i64 = 15 * 60;

/// How long a session lives without being refreshed.
pub(crate) const SESSION_TIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Links that are followed from a presented token: about a millisecond of hashing, and ten days of a session. What is
/// older is known by its mark.
const CHAIN_LINKS: i64 = 1000;
/// Bytes of a session's id, of a link, and of the mark that says that we made it.
const SESSION_BYTES: usize = 16;
const LINK_BYTES: usize = 32;
const MARK_BYTES: usize = 16;

/// A key that signs access tokens, as stored: PKCS #8 (RFC 8410).
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct SigningKey {
    pub(crate) kid: String,
    pub(crate) pkcs8: Vec<u8>,
    pub(crate) created_at: Timestamp,
}

impl SigningKey {
    pub(crate) fn generate(random: &Random, created_at: Timestamp) -> Result<Self> {
        let pair = Ed25519KeyPair::generate().map_err(Error::internal)?;
        let pkcs8 = pair.to_pkcs8().map_err(Error::internal)?.as_ref().to_vec();
        Ok(Self { kid: BASE64_URL_SAFE_NO_PAD.encode(random.bytes::<9>()), pkcs8, created_at })
    }

    pub(crate) fn public(&self) -> Result<PublicKey> {
        let pair = Ed25519KeyPair::from_pkcs8(&self.pkcs8)
            .map_err(|error| Error::internal(error.to_string()))?;
        let x = BASE64_URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        Ok(PublicKey { kid: self.kid.clone(), x })
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// Signs access tokens.
pub(crate) struct Signer {
    issuer: String,
    header: Header,
    key: EncodingKey,
    random: Random,
}

impl Signer {
    pub(crate) fn new(issuer: &str, key: &SigningKey, random: Random) -> Self {
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some("at+jwt".into());
        header.kid = Some(key.kid.clone());
        Self {
            issuer: issuer.to_owned(),
            header,
            key: EncodingKey::from_ed_der(&key.pkcs8),
            random,
        }
    }

    /// A token of `user`, whose role says `standing`.
    pub(crate) fn sign(
        &self,
        user: &User,
        standing: Standing,
        session: SessionId,
        now: Timestamp,
    ) -> Result<String> {
        self.encode(&self.claims(user, standing, session, now))
    }

    /// A token of what an API key of `user` permits.
    pub(crate) fn sign_for_key(
        &self,
        user: &User,
        standing: Standing,
        key: &ApiKey,
        admitted: KeyStanding,
        now: Timestamp,
    ) -> Result<String> {
        let authority = key.authority(&standing.authority);
        let claims = self.claims(user, Standing { authority, ..standing }, admitted.session, now);
        let exp = admitted.until.map_or(claims.exp, |until| claims.exp.min(until.as_seconds()));
        self.encode(&Claims { key: Some(key.id), client_id: key.id.to_string(), exp, ..claims })
    }

    fn encode(&self, claims: &Claims) -> Result<String> {
        jsonwebtoken::encode(&self.header, claims, &self.key).map_err(Error::internal)
    }

    fn claims(
        &self,
        user: &User,
        standing: Standing,
        session: SessionId,
        now: Timestamp,
    ) -> Claims {
        let Standing { authority, version } = standing;
        Claims {
            iss: self.issuer.clone(),
            aud: self.issuer.clone(),
            sub: user.id,
            client_id: self.issuer.clone(),
            iat: now.as_seconds(),
            exp: now.as_seconds() + ACCESS_SECONDS,
            jti: self.random.uuid_v7(now).to_string(),
            sid: session,
            role: user.role.clone(),
            role_version: version,
            scope: Some(authority.permissions),
            own_products_only: authority.own_products_only,
            key: None,
            epoch: user.epoch,
        }
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// A refresh token: the session that it belongs to, and a link of that session's chain.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct RefreshToken {
    pub(crate) session: SessionId,
    link: [u8; LINK_BYTES],
    /// What came with it: tokens of the first version had none.
    mark: Option<[u8; MARK_BYTES]>,
}

/// Where a presented token stands in its session's chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// The newest: it may be exchanged.
    Newest,
    /// The one before the newest, which nobody has used yet: a repeat.
    Previous,
    /// An older one: somebody copied it.
    Older,
    /// Never was in this chain.
    Foreign,
}

/// A family of refresh tokens, as stored.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) user: UserId,
    /// The stored hash of the newest token.
    pub(crate) newest: [u8; 32],
    /// Exchanges so far.
    pub(crate) generation: i64,
    pub(crate) expires_at: Timestamp,
}

/// What a token that somebody presents to be exchanged calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exchange {
    /// Nothing: the session is over.
    Over,
    /// Nothing: the token never was one of its.
    Foreign,
    /// To end the session: somebody copied the token.
    Theft,
    /// The successor, which becomes the newest now, with this stored hash.
    Successor([u8; 32]),
    /// The successor that an earlier exchange made.
    Same,
}

impl Session {
    /// When the session's newest access token was made, by the clock of that moment: a session that is renewed lives for
    /// [`SESSION_TIME`] from then on. The clock may have been set back since.
    pub(crate) fn last_issue(expires_at: Timestamp) -> Timestamp {
        expires_at.minus(SESSION_TIME)
    }

    /// Judges a token that is presented to be exchanged.
    pub(crate) fn exchange(
        &self,
        token: RefreshToken,
        secret: &Secret,
        now: Timestamp,
    ) -> Exchange {
        if self.expires_at <= now {
            return Exchange::Over;
        }
        match token.place(&self.newest, self.generation, secret) {
            Link::Foreign => Exchange::Foreign,
            Link::Older => Exchange::Theft,
            Link::Newest => Exchange::Successor(token.successor(secret).stored_hash(secret)),
            Link::Previous => Exchange::Same,
        }
    }

    /// Whether a token may end the session: any of its chain may, an invented one has no say.
    pub(crate) fn knows(&self, token: RefreshToken, secret: &Secret) -> bool {
        token.place(&self.newest, self.generation, secret) != Link::Foreign
    }
}

impl RefreshToken {
    pub(crate) fn first(session: SessionId, random: &Random) -> Self {
        Self { session, link: random.bytes(), mark: None }
    }

    pub(crate) fn from_wire(text: &str) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let (session, rest) = bytes.split_at_checked(SESSION_BYTES)?;
        let (link, mark) = rest.split_at_checked(LINK_BYTES)?;
        let mark = if mark.is_empty() { None } else { Some(mark.try_into().ok()?) };
        let session = SessionId::from_bytes(session.try_into().ok()?);
        Some(Self { session, link: link.try_into().ok()?, mark })
    }

    pub(crate) fn to_wire(self, secret: &Secret) -> String {
        let parts = [self.session.bytes().as_slice(), &self.link, &self.own_mark(secret)];
        BASE64_URL_SAFE_NO_PAD.encode(parts.concat())
    }

    /// What tells a link of ours from an invented one, however old it is.
    fn own_mark(&self, secret: &Secret) -> [u8; MARK_BYTES] {
        secret.fingerprint(&[b"link".as_slice(), self.session.bytes(), &self.link].concat()).0
    }

    fn is_ours(&self, secret: &Secret) -> bool {
        self.mark.is_some_and(|mark| {
            aws_lc_rs::constant_time::verify_slices_are_equal(&mark, &self.own_mark(secret)).is_ok()
        })
    }

    pub(crate) fn successor(self, secret: &Secret) -> Self {
        let link = secret.hash(&[b"successor".as_slice(), &self.link].concat());
        Self { link, mark: None, ..self }
    }

    /// What is stored instead of the token.
    pub(crate) fn stored_hash(self, secret: &Secret) -> [u8; 32] {
        secret.hash(&[b"stored".as_slice(), &self.link].concat())
    }

    /// Where this token stands in a chain whose newest link has `newest` as its hash, after `generation` exchanges.
    fn place(self, newest: &[u8; 32], generation: i64, secret: &Secret) -> Link {
        let mut token = self;
        for distance in 0..=generation.min(CHAIN_LINKS) {
            if token.stored_hash(secret) == *newest {
                return match distance {
                    0 => Link::Newest,
                    1 => Link::Previous,
                    _ => Link::Older,
                };
            }
            token = token.successor(secret);
        }
        match generation > CHAIN_LINKS && self.is_ours(secret) {
            true => Link::Older,
            false => Link::Foreign,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever refreshes a stolen token again and again cannot outrun its owner.
    #[test]
    fn old_links_are_known_at_any_age() {
        let (secret, random) = (Secret::new(&[7; 32]), Random::seeded(1));
        let first = RefreshToken::first(SessionId::from_bytes([1; 16]), &random);
        let presented = RefreshToken::from_wire(&first.to_wire(&secret)).unwrap();
        let (mut newest, links) = (first, CHAIN_LINKS + 5);
        for _ in 0..links {
            newest = newest.successor(&secret);
        }
        let newest = newest.stored_hash(&secret);
        assert_eq!(presented.place(&newest, links, &secret), Link::Older);
        let invented = RefreshToken { link: [9; 32], ..presented };
        assert_eq!(invented.place(&newest, links, &secret), Link::Foreign);
        let elsewhere = RefreshToken { session: SessionId::from_bytes([2; 16]), ..presented };
        assert_eq!(elsewhere.place(&newest, links, &secret), Link::Foreign);
    }

    #[test]
    fn a_chain_knows_its_links() {
        let (secret, random) = (Secret::new(&[7; 32]), Random::seeded(1));
        let first = RefreshToken::first(SessionId::from_bytes([1; 16]), &random);
        let second = first.successor(&secret);
        let third = second.successor(&secret);
        let newest = third.stored_hash(&secret);
        assert_eq!(third.place(&newest, 2, &secret), Link::Newest);
        assert_eq!(second.place(&newest, 2, &secret), Link::Previous);
        assert_eq!(first.place(&newest, 2, &secret), Link::Older);
        assert_eq!(third.successor(&secret).place(&newest, 2, &secret), Link::Foreign);
        let read = |token: RefreshToken| RefreshToken::from_wire(&token.to_wire(&secret)).unwrap();
        assert!(read(first).link == first.link && read(first).session == first.session);
        assert!(RefreshToken::from_wire("abc").is_none());
        let unmarked =
            BASE64_URL_SAFE_NO_PAD.encode([first.session.bytes(), &first.link[..]].concat());
        assert!(RefreshToken::from_wire(&unmarked) == Some(first), "as the first version made it");
    }
}
