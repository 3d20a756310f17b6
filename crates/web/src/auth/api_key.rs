//! API keys as programs show them: `hfk_`, the id, the secret and a checksum, so that one that leaks is found by its form, and
//! one that is mistyped is refused without asking anybody.

use std::{fmt, net::IpAddr};

use aws_lc_rs::digest;
use holdfast_types::{Code, Error, KeyId, Result};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What every API key begins with: the gateway changes it for a token before anybody else sees it.
pub const API_KEY: &str = "hfk_";

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Digits of 128 bits in base 62, and of 32 bits.
const WIDE: usize = 22;
const SHORT: usize = 6;
/// Characters of the id and of the secret.
const BODY: usize = 3 * WIDE;

/// An API key as it is shown once: 76 characters.
pub struct ApiKeyText(String);

/// What tells whether a key is good, without the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyProof {
    /// Names the key.
    pub id: KeyId,
    /// The SHA-256 of its text.
    pub hash: [u8; 32],
}

/// What a good key is changed for.
#[derive(Clone, Serialize, Deserialize)]
pub struct KeyGrant {
    /// An access token that permits what the key does.
    pub token: String,
    /// Where the key may be used from; everywhere, when there is none.
    pub addresses: Vec<IpNet>,
}

impl KeyGrant {
    /// Refuses a key with `forbidden` where it may not be used.
    pub fn check_address(&self, client: Option<IpAddr>) -> Result<()> {
        let is_within = |client: IpAddr| {
            self.addresses.iter().any(|range| range.contains(&client.to_canonical()))
        };
        match self.addresses.is_empty() || client.is_some_and(is_within) {
            true => Ok(()),
            false => {
                Err(Error::new(Code::Forbidden, "the API key may not be used from this address"))
            }
        }
    }
}

impl fmt::Debug for KeyGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyGrant").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

impl ApiKeyText {
    /// The key `id` with a secret of 256 bits.
    #[must_use]
    pub fn new(id: KeyId, secret: &[u8; 32]) -> Self {
        let mut text = key_prefix(id);
        for half in secret.chunks(16) {
            let half = half.iter().fold(0, |number, byte| number << 8 | u128::from(*byte));
            push_digits(&mut text, half, WIDE);
        }
        let checksum = crc32fast::hash(text.as_bytes());
        push_digits(&mut text, u128::from(checksum), SHORT);
        Self(text)
    }

    /// The whole of it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        hash(&self.0)
    }
}

impl fmt::Debug for ApiKeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKeyText(hidden)")
    }
}

impl KeyProof {
    /// What `text` proves, if it is a key at all.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let body = text.strip_prefix(API_KEY).filter(|body| body.is_ascii())?;
        let (_, checksum) = body.split_at_checked(BODY).filter(|(_, sum)| sum.len() == SHORT)?;
        let said = digits(checksum)?;
        let id = digits(&body[..WIDE])?;
        let counted = crc32fast::hash(&text.as_bytes()[..API_KEY.len() + BODY]);
        (said == u128::from(counted))
            .then(|| Self { id: KeyId::new(Uuid::from_u128(id)), hash: hash(text) })
    }
}

/// How the key `id` begins, whatever its secret: what may be shown of it.
#[must_use]
pub fn key_prefix(id: KeyId) -> String {
    let mut text = API_KEY.to_owned();
    push_digits(&mut text, id.uuid().as_u128(), WIDE);
    text
}

fn hash(text: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    bytes
}

/// Appends `number` in base 62, `width` digits of it, the highest first.
fn push_digits(text: &mut String, number: u128, width: usize) {
    let digit = |place: usize| {
        let rest = (0..place).fold(number, |rest, _| rest / 62);
        char::from(ALPHABET[usize::try_from(rest % 62).unwrap_or_default()])
    };
    text.extend((0..width).rev().map(digit));
}

/// Reads what [`push_digits`] wrote.
fn digits(text: &str) -> Option<u128> {
    text.bytes().try_fold(0u128, |number, byte| {
        let digit = ALPHABET.iter().position(|known| *known == byte)?;
        number.checked_mul(62)?.checked_add(digit as u128)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_by_its_form() {
        for (id, secret) in [(0, [0; 32]), (u128::MAX, [0xff; 32]), (1 << 77, [7; 32])] {
            let id = KeyId::new(Uuid::from_u128(id));
            let key = ApiKeyText::new(id, &secret);
            let text = key.reveal();
            assert_eq!(text.len(), API_KEY.len() + BODY + SHORT);
            assert!(text.starts_with(&key_prefix(id)));
            assert_eq!(KeyProof::of(text), Some(KeyProof { id, hash: key.hash() }));
        }
    }

    #[test]
    fn what_is_mistyped_is_no_key() {
        let key = ApiKeyText::new(KeyId::new(Uuid::from_u128(7)), &[9; 32]);
        let text = key.reveal();
        let (swapped, longer) = (text.replace('0', "1"), format!("{text}0"));
        let foreign = format!("hfk_{}", "é".repeat(36));
        for bad in [&text[..75], "", "hfk_", &text[4..], &swapped, &longer, &foreign] {
            assert_eq!(KeyProof::of(bad), None, "{bad}");
        }
    }

    /// CRC-32 as in zlib, gzip and PNG (ISO 3309), so that others can check keys as well.
    #[test]
    fn the_checksum_is_the_usual_one() {
        assert_eq!(crc32fast::hash(b"123456789"), 0xcbf4_3926);
    }
}
