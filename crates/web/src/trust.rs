//! What processes of one cluster tell each other in headers, and why they believe it.

use std::time::Duration;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, HeaderValue, request::Parts},
};
use holdfast_types::{Code, Error, Result};
use uuid::Uuid;

use crate::{Context, Problem};

/// Carries the cluster's secret.
static SECRET: HeaderName = HeaderName::from_static("x-internal-secret");
/// Carries the operation id that the gateway minted.
static OPERATION: HeaderName = HeaderName::from_static("x-internal-operation");
/// Carries the address of the client.
static CLIENT: HeaderName = HeaderName::from_static("x-internal-client");
/// Carries the milliseconds that are left for the answer.
static DEADLINE: HeaderName = HeaderName::from_static("x-internal-deadline");
/// Marks an answer that says: this was not executed, and will not be.
pub(crate) static NOT_EXECUTED: HeaderName = HeaderName::from_static("x-internal-not-executed");

/// Characters that a secret must have.
const SECRET_CHARACTERS: usize = 32;

/// What the processes of a cluster know each other by.
#[derive(Clone, PartialEq, Eq)]
pub struct ClusterSecret(HeaderValue);

impl ClusterSecret {
    /// Refuses what is short or does not fit into a header.
    pub fn new(text: &str) -> Result<Self> {
        let refuse =
            || Error::new(Code::InvalidParameter, "expected at least 32 visible ASCII characters");
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.len() < SECRET_CHARACTERS || !visible {
            return Err(refuse());
        }
        let mut value = HeaderValue::from_str(text).map_err(|_| refuse())?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    /// Compares in a time that does not depend on where the first difference is.
    fn is(&self, given: &HeaderValue) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(self.0.as_bytes(), given.as_bytes())
            .is_ok()
    }
}

impl std::fmt::Debug for ClusterSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClusterSecret(hidden)")
    }
}

/// What a peer says about a request that it passes on.
#[derive(Clone, Debug, Default)]
pub struct CallContext {
    /// The operation id, for a request that brings no key.
    pub operation: Option<Uuid>,
    /// The client's address.
    pub client: Option<std::net::IpAddr>,
    /// What is left of the time for the answer.
    pub deadline: Option<Duration>,
}

impl CallContext {
    /// Writes it into the headers of a request to a peer, with the secret that makes it believable.
    pub(crate) fn write(&self, headers: &mut HeaderMap, secret: &ClusterSecret) {
        headers.insert(SECRET.clone(), secret.0.clone());
        let mut insert = |name: &HeaderName, value: Option<String>| {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
                headers.insert(name.clone(), value);
            }
        };
        insert(&OPERATION, self.operation.map(|id| id.to_string()));
        insert(&CLIENT, self.client.map(|address| address.to_string()));
        insert(&DEADLINE, self.deadline.map(|left| left.as_millis().to_string()));
    }

    /// Reads it from the headers of a request, if a peer wrote it.
    pub(crate) fn read(headers: &HeaderMap, secret: Option<&ClusterSecret>) -> Option<Self> {
        if !secret?.is(headers.get(&SECRET)?) {
            return None;
        }
        let text = |name: &HeaderName| headers.get(name)?.to_str().ok();
        Some(Self {
            operation: text(&OPERATION).and_then(|id| id.parse().ok()),
            client: text(&CLIENT).and_then(|address| address.parse().ok()),
            deadline: text(&DEADLINE).and_then(|left| left.parse().ok()).map(Duration::from_millis),
        })
    }
}

/// Says in a handler's signature that only processes of our own cluster may call it; to others it is not there.
#[derive(Clone, Copy, Debug)]
pub struct FromPeer;

impl<S: Send + Sync> FromRequestParts<S> for FromPeer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match parts.extensions.get::<Context>() {
            Some(context) if context.is_internal => Ok(Self),
            _ => Err(Error::new(Code::RouteNotFound, "there is no such route").into()),
        }
    }
}

/// Removes what only peers may say.
pub(crate) fn strip(headers: &mut HeaderMap) {
    for name in [&SECRET, &OPERATION, &CLIENT, &DEADLINE] {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_knows_the_secret_is_believed() {
        let secret = ClusterSecret::new(&"s".repeat(32)).unwrap();
        let told = CallContext { client: Some([1, 2, 3, 4].into()), ..CallContext::default() };
        let mut headers = HeaderMap::new();
        told.write(&mut headers, &secret);
        assert_eq!(CallContext::read(&headers, Some(&secret)).unwrap().client, told.client);
        let other = ClusterSecret::new(&"t".repeat(32)).unwrap();
        assert!(CallContext::read(&headers, Some(&other)).is_none());
        assert!(CallContext::read(&headers, None).is_none(), "nobody is believed without a secret");
        strip(&mut headers);
        assert!(headers.is_empty());
    }

    #[test]
    fn short_secrets_are_refused() {
        assert!(ClusterSecret::new("short").is_err());
        assert!(ClusterSecret::new(&"é".repeat(40)).is_err());
    }
}
