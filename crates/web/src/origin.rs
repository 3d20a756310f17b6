//! Where a request comes from.

use std::{
    fmt::Display,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use axum::{extract::FromRequestParts, http::request::Parts};
use holdfast_types::Error;

use crate::{
    Context, Problem, RequestId,
    security_log::{Event, SecurityLog},
};

/// Where a request comes from, as an extractor: for limits that count by it and for the security log.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The client, as far as proxies that we trust can say.
    pub address: IpAddr,
    /// Names the request in answers and in the log.
    pub request_id: RequestId,
    log: Arc<SecurityLog>,
}

impl Origin {
    pub(crate) fn of(context: &Context) -> Self {
        Self {
            address: context.client,
            request_id: context.request_id.clone(),
            log: Arc::clone(&context.security_log),
        }
    }

    /// What limits count by.
    #[must_use]
    pub fn source(&self) -> String {
        source(self.address)
    }

    /// Writes a line of the security log. `name` is of the OWASP Logging Vocabulary; `subject` is what it is about.
    pub fn note(&self, name: &'static str, subject: &dyn Display) {
        let (request_id, client) = (self.request_id.as_str(), self.address);
        self.log.note(Event { name, request_id, client, subject });
    }
}

/// An IPv4 address, or the /64 of an IPv6 address: that is what one subscriber has at least (RFC 6177 §2), and within it
/// anybody can take another address for each request.
#[must_use]
pub fn source(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            format!("{}/64", Ipv6Addr::from(network))
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Origin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let context = parts.extensions.get::<Context>();
        let context = context.ok_or_else(|| Error::internal("the request has no context"))?;
        Ok(Self::of(context))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_in_a_network_count_together() {
        for (address, expected) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
            ("2001:db8:1:3::", "2001:db8:1:3::/64"),
        ] {
            assert_eq!(source(address.parse().unwrap()), expected);
        }
    }
}
