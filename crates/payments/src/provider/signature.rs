//! Signatures of Stripe's notifications: `Stripe-Signature: t=…,v1=…`, HMAC-SHA-256 in hexadecimal over `{t}.{body}`
//! (docs.stripe.com/webhooks/signature). The secret is used as the text that it is.

use std::fmt::Write;

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use axum::http::HeaderMap;
use holdfast_types::{Code, Error, Result, Timestamp};

/// A notification that is older is refused: somebody may have recorded it.
const TOLERANCE_SECONDS: u64 = 300;
/// Signatures that are looked at.
const SIGNATURES: usize = 16;

/// The refusal of a notification that is not genuine.
pub(crate) fn invalid_signature(why: &str) -> Error {
    Error::new(Code::InvalidSignature, why.to_owned())
}

/// The time that a notification says, and what says that it is genuine. Refuses with `invalid-signature` what is old.
pub(super) fn read(headers: &HeaderMap, now: Timestamp) -> Result<(i64, Vec<&str>)> {
    let header = headers.get("stripe-signature").and_then(|value| value.to_str().ok());
    let header =
        header.ok_or_else(|| invalid_signature("the header Stripe-Signature is missing"))?;
    let parts = || header.split(',').filter_map(|part| part.trim().split_once('='));
    let time: Option<i64> =
        parts().find(|(name, _)| *name == "t").and_then(|(_, t)| t.parse().ok());
    let time = time.ok_or_else(|| invalid_signature("Stripe-Signature has no time `t`"))?;
    if now.as_seconds().abs_diff(time) > TOLERANCE_SECONDS {
        return Err(invalid_signature("the notification is older than five minutes"));
    }
    let signatures = parts().filter(|(name, _)| *name == "v1").map(|(_, given)| given);
    Ok((time, signatures.take(SIGNATURES).collect()))
}

/// Refuses with `invalid-signature`.
pub(super) fn verify(headers: &HeaderMap, body: &[u8], secret: &str, now: Timestamp) -> Result<()> {
    let (time, signatures) = read(headers, now)?;
    let expected = sign(secret, time, body);
    let is_signed = signatures
        .iter()
        .any(|given| verify_slices_are_equal(given.as_bytes(), expected.as_bytes()).is_ok());
    match is_signed {
        true => Ok(()),
        false => Err(invalid_signature("no signature of the notification is that of its body")),
    }
}

/// The signature of a body at a time, in seconds.
fn sign(secret: &str, time: i64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(format!("{time}.").as_bytes());
    context.update(body);
    context.sign().as_ref().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with OpenSSL: `printf '1700000000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_test`.
    const SIGNATURE: &str = "c89214b5b5da833daed6f0b8c5bb6bd58cea9022bd80ccc78230f3942d632925";

    fn check(header: &str, body: &[u8], seconds: i64) -> Result<()> {
        let mut headers = HeaderMap::new();
        headers.insert("stripe-signature", header.parse().unwrap());
        verify(&headers, body, "whsec_test", Timestamp::from_millis(seconds * 1000))
    }

    #[test]
    fn what_is_signed_is_taken_and_nothing_else() {
        let (body, at) = (br#"{"id":"evt_1"}"#, 1_700_000_000);
        let good = format!("t={at},v1={SIGNATURE}");
        check(&good, body, at).unwrap();
        check(&format!("t={at},v0=00,v1=ff,v1={SIGNATURE}"), body, at + 300).unwrap();
        let refused = [
            check(&good, br#"{"id":"evt_2"}"#, at),
            check(&good, body, at + 301),
            check(&good, body, at - 301),
            check(&format!("t={},v1={SIGNATURE}", at + 1), body, at),
            check(&format!("t={at},v0={SIGNATURE}"), body, at),
            check(&format!("v1={SIGNATURE}"), body, at),
            verify(&HeaderMap::new(), body, "whsec_test", Timestamp::from_millis(at * 1000)),
        ];
        for refusal in refused {
            assert_eq!(refusal.unwrap_err().code(), Code::InvalidSignature);
        }
    }
}
