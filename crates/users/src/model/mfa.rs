//! A second factor: codes of an app by time (TOTP, RFC 6238), and codes for the day on which the app is lost.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use holdfast_types::{Code, Error, Result, Secret, SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use totp_rs::{Builder, Totp};

use super::User;
use crate::reveal::Nonce;

/// Codes for the day on which the app is lost.
pub(crate) const RECOVERY_CODES: usize = 10;
/// Bytes of the secret that the app has: as many as SHA-1 yields (RFC 4226 §4, R6).
const SECRET_BYTES: usize = 20;
/// Wrong codes in a row after which only those for recovery are good (NIST SP 800-63B §5.2.2).
const FAILURES: u32 = 100;
/// Digits of a code of the app.
const DIGITS: usize = 6;
/// Characters of a recovery code, 5 bits each, and of its two halves.
const RECOVERY_CHARS: usize = 10;
/// Without those that can be mistaken for others (Crockford's base 32).
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The second factor of a user, as stored.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mfa {
    secret: [u8; SECRET_BYTES],
    /// Whether the app has shown that it has the secret.
    confirmed: bool,
    /// The interval of the last code that was used: none is good twice (RFC 6238 §5.2).
    last_step: u64,
    /// Hashes of the recovery codes that are left.
    recovery: Vec<[u8; 32]>,
    /// Wrong codes in a row, at logins.
    #[serde(default)]
    failures: u32,
}

impl fmt::Debug for Mfa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mfa").field("confirmed", &self.confirmed).finish_non_exhaustive()
    }
}

/// What a change of the second factor ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MfaEnds {
    Nothing,
    /// Sessions that were begun without it, all but this one.
    SessionsBut(SessionId),
    /// Tokens that were given while it was there.
    Tokens,
}

impl User {
    /// Whether a password alone does not sign them in.
    #[must_use]
    pub fn has_mfa(&self) -> bool {
        self.mfa.as_ref().is_some_and(|mfa| mfa.confirmed)
    }

    /// Recovery codes that they have left.
    pub(crate) fn recovery_codes_left(&self) -> usize {
        self.mfa.as_ref().filter(|mfa| mfa.confirmed).map_or(0, |mfa| mfa.recovery.len())
    }

    /// Begins with a second factor that nobody has confirmed yet. Refuses with `mfa-enabled`.
    pub(crate) fn begin_mfa(&mut self, secret: [u8; SECRET_BYTES]) -> Result<MfaEnds> {
        if self.has_mfa() {
            let why = "there is a second factor: disable it first";
            return Err(Error::new(Code::MfaEnabled, why));
        }
        self.mfa = Some(Mfa::unconfirmed(secret));
        Ok(MfaEnds::Nothing)
    }

    /// Lets the second factor count from now on, by a code of the app that proves it. Refuses with `mfa-enabled`, and a code that is
    /// not good with `validation`.
    pub(crate) fn confirm_mfa(
        &mut self,
        code: &str,
        recovery: &[String],
        keep: SessionId,
        secret: &Secret,
        now: Timestamp,
    ) -> Result<MfaEnds> {
        if self.has_mfa() {
            let why = "there is a second factor already";
            return Err(Error::new(Code::MfaEnabled, why));
        }
        let mfa = self.mfa.as_mut().ok_or_else(wrong_code)?;
        if !mfa.takes_totp(code, now)? {
            return Err(wrong_code());
        }
        mfa.confirmed = true;
        mfa.recovery = recovery.iter().map(|code| hash(code, secret)).collect();
        self.version = self.version.next();
        Ok(MfaEnds::SessionsBut(keep))
    }

    /// Gives other recovery codes in the place of those that are left, for a code. Refuses with `validation`.
    pub(crate) fn renew_recovery_codes(
        &mut self,
        code: &str,
        recovery: &[String],
        secret: &Secret,
        now: Timestamp,
    ) -> Result<MfaEnds> {
        self.take_code(code, secret, now)?;
        if let Some(mfa) = &mut self.mfa {
            mfa.recovery = recovery.iter().map(|code| hash(code, secret)).collect();
        }
        Ok(MfaEnds::Nothing)
    }

    /// Takes the second factor away, for a code. Refuses with `validation`.
    pub(crate) fn disable_mfa(
        &mut self,
        code: &str,
        secret: &Secret,
        now: Timestamp,
    ) -> Result<MfaEnds> {
        self.take_code(code, secret, now)?;
        Ok(self.lose_mfa())
    }

    /// Takes the second factor away, whatever it was.
    pub(crate) fn lose_mfa(&mut self) -> MfaEnds {
        if !self.has_mfa() {
            self.mfa = None;
            return MfaEnds::Nothing;
        }
        self.mfa = None;
        self.version = self.version.next();
        self.epoch += 1;
        MfaEnds::Tokens
    }

    /// Uses up a code, of the app or for recovery. Refuses with `validation`, and counts that.
    pub(crate) fn take_code(&mut self, code: &str, secret: &Secret, now: Timestamp) -> Result<()> {
        let mfa = self.mfa.as_mut().filter(|mfa| mfa.confirmed).ok_or_else(wrong_code)?;
        let code = plain(code);
        let is_good = match code.len() {
            DIGITS => mfa.takes_totp(&code, now)?,
            RECOVERY_CHARS => mfa.takes_recovery(&code, secret),
            _ => false,
        };
        match is_good {
            true => {
                mfa.failures = 0;
                Ok(())
            }
            false => {
                mfa.failures = mfa.failures.saturating_add(1);
                Err(wrong_code())
            }
        }
    }
}

impl Mfa {
    /// One that nobody has confirmed yet.
    pub(crate) const fn unconfirmed(secret: [u8; SECRET_BYTES]) -> Self {
        Self { secret, confirmed: false, last_step: 0, recovery: Vec::new(), failures: 0 }
    }

    /// The `otpauth` address that apps read from a QR code, and the secret in base 32, to type in.
    pub(crate) fn shown(&self, issuer: &str, account: &str) -> Result<(String, String)> {
        // The address has a colon between the two.
        let plain = |text: &str| text.replace(':', " ");
        let totp =
            self.builder().with_issuer(Some(plain(issuer))).with_account_name(plain(account));
        let totp = totp.build().map_err(|error| Error::internal(error.to_string()))?;
        let address = totp.to_url().map_err(|error| Error::internal(error.to_string()))?;
        Ok((address, totp_rs::Secret::from(self.secret.to_vec()).to_base32()))
    }

    /// Six digits by SHA-1 every thirty seconds, one interval early or late: what all apps do.
    fn builder(&self) -> Builder {
        Builder::new().with_secret(self.secret.to_vec())
    }

    fn takes_totp(&mut self, code: &str, now: Timestamp) -> Result<bool> {
        let totp: Totp = self
            .builder()
            .with_account_name("account")
            .build()
            .map_err(|error| Error::internal(error.to_string()))?;
        let seconds = u64::try_from(now.as_seconds()).unwrap_or_default();
        let is_open = self.failures < FAILURES;
        let step =
            totp.check(&plain(code), seconds).filter(|step| *step > self.last_step && is_open);
        self.last_step = step.unwrap_or(self.last_step);
        Ok(step.is_some())
    }

    fn takes_recovery(&mut self, code: &str, secret: &Secret) -> bool {
        let presented = hash(code, secret);
        let is_it = |kept: &[u8; 32]| verify_slices_are_equal(kept, &presented).is_ok();
        match self.recovery.iter().position(is_it) {
            Some(place) => {
                self.recovery.remove(place);
                true
            }
            None => false,
        }
    }
}

/// The secret for an app that follows from `nonce`.
pub(crate) fn app_secret(secret: &Secret, nonce: &Nonce) -> [u8; SECRET_BYTES] {
    let bytes = nonce.derive(secret, "secret of an app");
    std::array::from_fn(|place| bytes[place])
}

/// The recovery codes that follow from `nonce`: `abcde-fghjk`.
pub(crate) fn recovery_codes(secret: &Secret, nonce: &Nonce) -> Vec<String> {
    let code = |number: usize| {
        let bytes = nonce.derive(secret, &format!("recovery code {number}"));
        let letter = |byte: &u8| char::from(ALPHABET[usize::from(byte % 32)]);
        let letters: String = bytes[..RECOVERY_CHARS].iter().map(letter).collect();
        let (first, second) = letters.split_at(RECOVERY_CHARS / 2);
        format!("{first}-{second}")
    };
    (0..RECOVERY_CODES).map(code).collect()
}

/// Without what people put between the parts of a code.
fn plain(code: &str) -> String {
    code.chars().filter(|c| !c.is_whitespace() && *c != '-').flat_map(char::to_lowercase).collect()
}

fn hash(code: &str, secret: &Secret) -> [u8; 32] {
    secret.hash(&[b"recovery code".as_slice(), plain(code).as_bytes()].concat())
}

/// The refusal of a code that is not good, or not any more.
fn wrong_code() -> Error {
    Error::invalid("#/code", "the code is wrong, was used, or has run out")
}

#[cfg(test)]
mod tests {
    use holdfast_types::{Random, UserId, Version};

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn user(secret: [u8; 20]) -> User {
        let mut user = User::guest(UserId::from_bytes([1; 16]), None, None, at(0));
        user.begin_mfa(secret).unwrap();
        user
    }

    fn code(secret: [u8; 20], seconds: u64) -> String {
        let totp = Builder::new().with_secret(secret.to_vec()).with_account_name("a").build();
        totp.unwrap().generate(seconds).to_string()
    }

    /// The vectors of RFC 6238, appendix B, of which six digits are the last.
    #[test]
    fn codes_are_those_of_the_standard() {
        let secret = *b"12345678901234567890";
        for (time, digits) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_234_567_890, "005924"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code(secret, time), digits);
            let mut mfa = user(secret).mfa.unwrap();
            let now = at(i64::try_from(time).unwrap());
            assert!(mfa.takes_totp(digits, now).unwrap(), "{time}");
            assert!(!mfa.takes_totp(digits, now).unwrap(), "none is good twice");
        }
    }

    #[test]
    fn a_second_factor_counts_when_it_is_confirmed() {
        let (keyed, app) = (Secret::new(&[7; 32]), [3; 20]);
        let random = Random::seeded(1);
        let recovery = recovery_codes(&keyed, &Nonce::new(&random));
        let (mut user, session) = (user(app), SessionId::from_bytes([2; 16]));
        assert!(!user.has_mfa());
        let wrong = user.confirm_mfa("000000", &recovery, session, &keyed, at(90));
        assert_eq!(wrong.unwrap_err().fields()[0].pointer, "#/code");
        let good = code(app, 90);
        let ends = user.confirm_mfa(&good, &recovery, session, &keyed, at(90)).unwrap();
        assert_eq!((ends, user.has_mfa()), (MfaEnds::SessionsBut(session), true));
        assert_eq!(user.version, Version(2));
        assert!(user.take_code(&good, &keyed, at(91)).is_err(), "it was used");
        user.take_code(&format!(" {} ", code(app, 120)), &keyed, at(125)).unwrap();
        assert!(user.take_code(&code(app, 60), &keyed, at(125)).is_err(), "older than the last");
        user.take_code(&recovery[4].to_uppercase(), &keyed, at(125)).unwrap();
        assert!(user.take_code(&recovery[4], &keyed, at(125)).is_err(), "once");
        assert_eq!(user.recovery_codes_left(), RECOVERY_CODES - 1);
        assert!(user.begin_mfa(app).is_err());
        for _ in 0..FAILURES {
            assert!(user.take_code("000000", &keyed, at(125)).is_err());
        }
        assert!(user.take_code(&code(app, 150), &keyed, at(155)).is_err(), "too many were wrong");
        user.take_code(&recovery[6], &keyed, at(155)).unwrap();
        user.take_code(&code(app, 150), &keyed, at(155)).unwrap();
        let renewed = recovery_codes(&keyed, &Nonce::new(&random));
        user.renew_recovery_codes(&recovery[0], &renewed, &keyed, at(125)).unwrap();
        assert!(user.take_code(&recovery[1], &keyed, at(125)).is_err(), "others are there now");
        assert_eq!(user.disable_mfa(&renewed[0], &keyed, at(125)).unwrap(), MfaEnds::Tokens);
        assert_eq!((user.has_mfa(), user.epoch), (false, 1));
    }

    #[test]
    fn apps_are_told_what_they_need() {
        let mfa = user([0; 20]).mfa.unwrap();
        let (address, secret) = mfa.shown("Tea: shop", "ada").unwrap();
        assert_eq!(secret, "A".repeat(32));
        assert!(address.starts_with("otpauth://totp/"), "{address}");
        assert!(address.contains(&format!("secret={secret}")), "{address}");
    }
}
