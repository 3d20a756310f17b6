//! Operations: what makes a repeated request harmless.
//!
//! Every mutating request has an operation id, the client's `Idempotency-Key` or one that the gateway minted. It is
//! stored in the transaction of its effect, so a repeat finds the effect instead of causing it again.

use std::{fmt, sync::Arc};

use aws_lc_rs::{digest, hmac};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Audit, Code, Error};

/// A mutating request, as far as repeats are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Names the request for good; the id of what a creation creates.
    pub id: Uuid,
    /// Tells the request's content from another one under the same key.
    pub fingerprint: Fingerprint,
    /// What staff, or a program with an API key, answer for with it.
    pub audit: Option<Arc<Audit>>,
}

impl Operation {
    /// The same about another subject.
    #[must_use]
    pub fn about(&self, subject: Uuid) -> Self {
        let audit = self.audit.as_ref().map(|audit| Arc::new(audit.about(subject)));
        Self { audit, ..self.clone() }
    }

    /// Whether a client's key named it, so that the client may repeat it: ids that we mint are UUIDv7.
    #[must_use]
    pub const fn has_key(&self) -> bool {
        self.id.get_version_num() == 8
    }

    /// The id that a client's key stands for within its scope: principal, method and path.
    #[must_use]
    pub fn derived_id(principal: &str, method: &str, path: &str, key: &str) -> Uuid {
        derived_id(&[principal, method, path, key])
    }
}

/// The id of what has a name instead of one, where something is told about it.
#[must_use]
pub fn named_id(kind: &str, name: &str) -> Uuid {
    derived_id(&[kind, name])
}

/// The id that some words stand for: a UUIDv8 (RFC 9562 §5.8) over SHA-256.
fn derived_id(words: &[&str]) -> Uuid {
    let mut context = digest::Context::new(&digest::SHA256);
    for word in words {
        context.update(&(word.len() as u64).to_be_bytes());
        context.update(word.as_bytes());
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&context.finish().as_ref()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// A keyed hash of a request's content: tells contents apart without revealing them.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint(pub [u8; 16]);

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A server secret for keyed hashes (HMAC-SHA-256, RFC 2104).
#[derive(Clone)]
pub struct Secret(hmac::Key);

impl Secret {
    /// A secret from its bytes.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The keyed hash of `content`.
    #[must_use]
    pub fn hash(&self, content: &[u8]) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(hmac::sign(&self.0, content).as_ref());
        bytes
    }

    /// The fingerprint of `content`.
    #[must_use]
    pub fn fingerprint(&self, content: &[u8]) -> Fingerprint {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&self.hash(content)[..16]);
        Fingerprint(bytes)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// What a request was answered; kept, so that a repeat is answered the same whatever happened since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The entity tag, quotes included.
    pub etag: Option<String>,
    /// The JSON body; empty when there is none.
    #[serde(with = "text")]
    pub body: Vec<u8>,
}

impl Answer {
    /// 200 with an entity tag and `body` as JSON.
    pub fn ok(etag: String, body: &impl Serialize) -> crate::Result<Self> {
        Ok(Self { etag: Some(etag), ..Self::untagged(body)? })
    }

    /// The same without an entity tag.
    pub fn untagged(body: &impl Serialize) -> crate::Result<Self> {
        let body = serde_json::to_vec(body).map_err(Error::internal)?;
        Ok(Self { status: 200, etag: None, body })
    }
}

/// Bodies are JSON, so a text says them to whoever reads a database or an export.
mod text {
    use serde::{Deserialize, Deserializer, Serializer, de, ser};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Body {
        Text(String),
        /// As exports had it at first.
        Bytes(Vec<u8>),
    }

    pub(super) fn serialize<S: Serializer>(body: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(std::str::from_utf8(body).map_err(ser::Error::custom)?)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        Ok(match Body::deserialize(from).map_err(de::Error::custom)? {
            Body::Text(text) => text.into_bytes(),
            Body::Bytes(bytes) => bytes,
        })
    }
}

/// An answer, and whether it was given before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotentAnswer {
    /// What to say.
    pub answer: Answer,
    /// True when the effect and the answer are those of an earlier request.
    pub replayed: bool,
}

/// The refusal of a key that came with another content before.
#[must_use]
pub fn reused() -> Error {
    Error::new(
        Code::IdempotencyKeyReused,
        "this Idempotency-Key came with another request before: use a new key",
    )
}
