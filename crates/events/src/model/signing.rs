//! How a webhook shows whose it is (Standard Webhooks 1.0, symmetric signatures).

use std::fmt;

use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_STANDARD};
use holdfast_types::Timestamp;
use serde::{Deserialize, Serialize};

/// What stands before a secret, so that it is known where it turns up.
const PREFIX: &str = "whsec_";

/// What an endpoint knows the shop by: 32 bytes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct SigningSecret(String);

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(hidden)")
    }
}

impl SigningSecret {
    pub(crate) fn new(bytes: [u8; 32]) -> Self {
        Self(BASE64_STANDARD.encode(bytes))
    }

    /// As its owner keeps it.
    pub(crate) fn reveal(&self) -> String {
        format!("{PREFIX}{}", self.0)
    }

    /// The signature of a delivery: `v1,` and the HMAC-SHA-256 of id, time in seconds and body.
    pub(crate) fn sign(&self, id: &str, at: Timestamp, body: &str) -> String {
        let key = BASE64_STANDARD.decode(&self.0).unwrap_or_default();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let signed = format!("{id}.{}.{body}", at.as_seconds());
        format!("v1,{}", BASE64_STANDARD.encode(hmac::sign(&key, signed.as_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the libraries of Standard Webhooks.
    #[test]
    fn a_delivery_is_signed_as_the_standard_says() {
        let secret = SigningSecret("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
        let at = Timestamp::from_millis(1_614_265_330_789);
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(
            SigningSecret::new([7; 32]).reveal(),
            "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="
        );
        assert_eq!(format!("{secret:?}"), "SigningSecret(hidden)");
    }
}
