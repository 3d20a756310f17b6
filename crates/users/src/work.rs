//! A proof of work (Dwork and Naor, 1992; Back's Hashcash): a guess that costs its author something.
//!
//! The work is bound to the username and to the password that is tried, so none of it serves for another guess.

use std::time::Duration;

use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use holdfast_types::{Secret, Timestamp};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::service::Guess;

/// Leading zero bits that a hash must have: a million hashes, about a second on a telephone.
pub(crate) const BITS: u32 = 20;
/// How long a challenge may be answered.
const TIME: Duration = Duration::from_secs(5 * 60);

/// The longest nonce.
const NONCE_BYTES: usize = 64;

/// An answer to a challenge.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Work {
    /// As the refusal gave it.
    challenge: String,
    /// Without a colon, 64 bytes at most; chosen so that SHA-256 of `challenge:nonce:password` in UTF-8 begins with as many zero bits as were asked for.
    nonce: String,
}

/// A challenge for who tries passwords of `username`.
pub(crate) fn challenge(username: &str, secret: &Secret, now: Timestamp) -> String {
    let time = now.as_millis().to_be_bytes();
    let code = secret.fingerprint(&[b"work".as_slice(), &time, username.as_bytes()].concat());
    BASE64_URL_SAFE_NO_PAD.encode([time.as_slice(), &code.0].concat())
}

/// Whether `work` answers a challenge for this guess that is not old.
pub(crate) fn is_done(work: &Work, guess: &Guess<'_>, secret: &Secret, now: Timestamp) -> bool {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(&work.challenge).unwrap_or_default();
    let Some(time) = bytes.first_chunk::<8>() else { return false };
    let made = Timestamp::from_millis(i64::from_be_bytes(*time));
    // Where the nonce ends and the password begins must be clear, else one nonce serves for several.
    if work.nonce.len() > NONCE_BYTES || work.nonce.contains(':') {
        return false;
    }
    let is_fresh = now.minus(TIME) <= made && made <= now.plus(TIME);
    is_fresh && challenge(guess.username, secret, made) == work.challenge && {
        let text = format!("{}:{}:{}", work.challenge, work.nonce, guess.password);
        let hash = digest::digest(&digest::SHA256, text.as_bytes());
        leading_zeros(hash.as_ref()) >= BITS
    }
}

fn leading_zeros(bytes: &[u8]) -> u32 {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let rest = bytes.get(zeros).map_or(0, |byte| byte.leading_zeros());
    u32::try_from(zeros * 8).unwrap_or(u32::MAX).saturating_add(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_serves_for_one_guess_for_a_while() {
        let (secret, now) = (Secret::new(&[7; 32]), Timestamp::from_millis(1_800_000_000_000));
        let guess = Guess {
            username: "ada",
            password: "correct horse",
            source: "192.0.2.7",
            device_token: None,
            work: None,
        };
        let challenge = challenge("ada", &secret, now);
        let work = (0_u32..)
            .map(|nonce| Work { challenge: challenge.clone(), nonce: nonce.to_string() })
            .find(|work| is_done(work, &guess, &secret, now))
            .unwrap();
        assert!(is_done(&work, &guess, &secret, now.plus(TIME)));
        assert!(!is_done(&work, &guess, &secret, now.plus(TIME * 2)), "too old");
        assert!(!is_done(&work, &Guess { password: "other", ..guess }, &secret, now));
        assert!(!is_done(&work, &Guess { username: "eve", ..guess }, &secret, now));
        let invented = Work { challenge: "AAAA".to_owned(), nonce: work.nonce };
        assert!(!is_done(&invented, &guess, &secret, now));
    }

    #[test]
    fn zeros_are_counted_from_the_front() {
        assert_eq!(leading_zeros(&[0, 0, 0x10, 0]), 19);
        assert_eq!(leading_zeros(&[0x80]), 0);
        assert_eq!(leading_zeros(&[0, 0]), 16);
    }
}
