//! Texts that carry something and show that it was us who wrote it: for links in letters.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::Secret;

/// Bytes of the code: 128 bits of HMAC-SHA-256 (RFC 2104, §5).
const CODE: usize = 16;

/// `N` bytes that anybody can read, with a code that only who has the secret can make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signed<const N: usize> {
    /// What it carries.
    pub content: [u8; N],
    code: [u8; CODE],
}

impl<const N: usize> Signed<N> {
    /// Signs `content` for a purpose: a code for one is none for another.
    #[must_use]
    pub fn new(content: [u8; N], purpose: &[u8], secret: &Secret) -> Self {
        let mut code = [0; CODE];
        let length = (purpose.len() as u64).to_be_bytes();
        let text = [b"signed".as_slice(), &length, purpose, &content].concat();
        code.copy_from_slice(&secret.hash(&text)[..CODE]);
        Self { content, code }
    }

    /// As it is written: in letters and digits, `-` and `_`.
    #[must_use]
    pub fn text(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode([self.content.as_slice(), &self.code].concat())
    }

    /// Reads what may be genuine.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let (content, code) = bytes.split_first_chunk::<N>()?;
        Some(Self { content: *content, code: code.try_into().ok()? })
    }

    /// Whether it was signed for that purpose.
    #[must_use]
    pub fn is_for(&self, purpose: &[u8], secret: &Secret) -> bool {
        let genuine = Self::new(self.content, purpose, secret);
        verify_slices_are_equal(&self.code, &genuine.code).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_signed_for_that_is_genuine() {
        let (ours, theirs) = (Secret::new(&[7; 32]), Secret::new(&[8; 32]));
        let signed = Signed::new(*b"order 5", b"status", &ours);
        let text = signed.text();
        let read = Signed::<7>::read(&text).unwrap();
        assert_eq!(read, signed);
        assert!(read.is_for(b"status", &ours));
        assert!(!read.is_for(b"statu", &ours) && !read.is_for(b"status", &theirs));
        let other = Signed { content: *b"order 6", ..signed };
        assert!(!other.is_for(b"status", &ours));
        for wrong in ["", "!", &text[1..], &format!("{text}AAAA")] {
            assert!(Signed::<7>::read(wrong).is_none(), "{wrong}");
        }
    }
}
