//! What somebody holds who has shown the password and owes the second factor: signed, not stored.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use holdfast_types::{Secret, Timestamp, UserId};

use crate::model::User;

/// How long it is good, in seconds.
pub(crate) const SECONDS: u64 = 300;

/// Whose it is, and until when it is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MfaToken {
    pub(crate) user: UserId,
    until: Timestamp,
}

impl MfaToken {
    pub(crate) fn new(user: UserId, now: Timestamp) -> Self {
        Self { user, until: now.plus(Duration::from_secs(SECONDS)) }
    }

    /// Signed for who has the password that `user` has now.
    pub(crate) fn to_wire(self, user: &User, secret: &Secret) -> String {
        let until = self.until.as_millis().to_be_bytes();
        let parts = [self.user.bytes().as_slice(), &until, &self.mark(user, secret)];
        BASE64_URL_SAFE_NO_PAD.encode(parts.concat())
    }

    /// Reads one, whose mark is still to be judged.
    pub(crate) fn from_wire(text: &str) -> Option<(Self, [u8; 16])> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let (user, rest) = bytes.split_at_checked(16)?;
        let (until, mark) = rest.split_at_checked(8)?;
        let user = UserId::from_bytes(user.try_into().ok()?);
        let until = Timestamp::from_millis(i64::from_be_bytes(until.try_into().ok()?));
        Some((Self { user, until }, mark.try_into().ok()?))
    }

    /// Whether it was given to who has the password that `user` has now, and not long ago.
    pub(crate) fn is_good(
        self,
        mark: &[u8; 16],
        user: &User,
        secret: &Secret,
        now: Timestamp,
    ) -> bool {
        let longest = now.plus(Duration::from_secs(2 * SECONDS));
        let is_fresh = now < self.until && self.until <= longest;
        let expected = self.mark(user, secret);
        is_fresh && aws_lc_rs::constant_time::verify_slices_are_equal(mark, &expected).is_ok()
    }

    fn mark(self, user: &User, secret: &Secret) -> [u8; 16] {
        let until = self.until.as_millis().to_be_bytes();
        let parts = [b"mfa token".as_slice(), self.user.bytes(), &until];
        secret.fingerprint(&[&parts.concat(), user.password_hash.as_bytes()].concat()).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_good_for_a_while_and_for_one_password() {
        let secret = Secret::new(&[7; 32]);
        let now = Timestamp::from_millis(1_000_000);
        let id = UserId::from_bytes([1; 16]);
        let mut user = User::guest(id, None, None, now);
        user.password_hash = "hash".to_owned();
        let token = MfaToken::new(id, now);
        let (read, mark) = MfaToken::from_wire(&token.to_wire(&user, &secret)).unwrap();
        assert_eq!(read, token);
        assert!(read.is_good(&mark, &user, &secret, now));
        let late = now.plus(Duration::from_secs(SECONDS));
        assert!(!read.is_good(&mark, &user, &secret, late));
        let longer = MfaToken { until: late.plus(Duration::from_secs(1)), ..read };
        assert!(!longer.is_good(&mark, &user, &secret, now), "nobody makes it last longer");
        user.password_hash = "another hash".to_owned();
        assert!(!read.is_good(&mark, &user, &secret, now));
        assert!(MfaToken::from_wire("abc").is_none());
    }
}
