//! Limits on guessing passwords that never shut the owner out.
//!
//! Failures count per address, per username from one address, and per username from everywhere. The last of these would
//! let strangers lock somebody out, so it does not hold for a device that has signed in before (OWASP, "Slow Down Online
//! Guessing Attacks with Device Cookies"), nor at an address that has, nor for who shows a proof of work.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use holdfast_types::{Code, Error, Random, Result, Secret, Timestamp};
use holdfast_web::rate::{KeyHash, Quota, RateLimit, RateLimitState, ShortKey};
use quick_cache::sync::Cache;
use tokio::time::Instant;

use crate::work::{BITS, Work, challenge, is_done};

/// Pairs of username and address that are remembered for having signed in: about 1 MB when full.
const KNOWN_ADDRESSES: usize = 16_384;
/// Bytes of a device token that are random, and of the code that authenticates them.
const DEVICE_BYTES: usize = 16;

/// Failed attempts that are allowed; `None` for no limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct GuessQuotas {
    /// From one address, whatever the username.
    pub per_address: Option<Quota>,
    /// On one username from one address or from one known device.
    pub per_username: Option<Quota>,
    /// On one username from everywhere.
    pub everywhere: Option<Quota>,
}

/// What is said by somebody who tries a password.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guess<'a> {
    /// The folded name.
    pub(crate) username: &'a str,
    pub(crate) password: &'a str,
    /// What limits count by instead of the address.
    pub(crate) source: &'a str,
    pub(crate) device_token: Option<&'a str>,
    pub(crate) work: Option<&'a Work>,
}

/// Counts guesses.
pub(super) struct Guesses {
    per_address: Option<RateLimit>,
    per_username: Option<RateLimit>,
    everywhere: Option<RateLimit>,
    keys: KeyHash,
    known: Cache<ShortKey, ()>,
    secret: Secret,
    random: Random,
}

/// A guess that is being judged. It counts as failed until it is known not to have.
#[must_use]
pub(super) struct Attempt<'a> {
    counted: Vec<(&'a RateLimit, String)>,
    known: &'a Cache<ShortKey, ()>,
    /// The username and the address.
    pair: Option<ShortKey>,
}

impl Guesses {
    pub(super) fn new(quotas: GuessQuotas, secret: Secret, random: Random) -> Self {
        let limit = |quota: Option<Quota>| quota.map(RateLimit::new);
        Self {
            per_address: limit(quotas.per_address),
            per_username: limit(quotas.per_username),
            everywhere: limit(quotas.everywhere),
            keys: KeyHash::default(),
            known: Cache::new(KNOWN_ADDRESSES),
            secret,
            random,
        }
    }

    /// Refuses with `rate-limited` after too many failures; a refused guess counts nowhere.
    pub(super) fn admit(&self, guess: &Guess<'_>, now: Timestamp) -> Result<Attempt<'_>> {
        let pair = format!("{} {}", guess.source, guess.username);
        let short = self.keys.shorten(&pair);
        let mut attempt = self.attempt(Some(short));
        if let Some(device) =
            guess.device_token.filter(|token| self.is_device(token, guess.username))
        {
            attempt.count(self.per_username.as_ref(), format!("{device} {}", guess.username))?;
            return Ok(attempt);
        }
        attempt.count(self.per_address.as_ref(), guess.source.to_owned())?;
        attempt.count(self.per_username.as_ref(), pair)?;
        let is_known = self.known.get(&short).is_some();
        let has_worked = guess.work.is_some_and(|work| is_done(work, guess, &self.secret, now));
        if !is_known && !has_worked {
            let counted = attempt.count(self.everywhere.as_ref(), guess.username.to_owned());
            counted.map_err(|refusal| self.ask_for_work(refusal, guess, now))?;
        }
        Ok(attempt)
    }

    /// Counts an attempt at a secret that nobody has a name for.
    pub(super) fn admit_nameless(&self, source: &str) -> Result<Attempt<'_>> {
        let mut attempt = self.attempt(None);
        attempt.count(self.per_address.as_ref(), source.to_owned())?;
        Ok(attempt)
    }

    fn attempt(&self, pair: Option<ShortKey>) -> Attempt<'_> {
        Attempt { counted: Vec::new(), known: &self.known, pair }
    }

    fn ask_for_work(&self, refusal: Error, guess: &Guess<'_>, now: Timestamp) -> Error {
        let challenge = challenge(guess.username, &self.secret, now);
        refusal.with("proofOfWork", serde_json::json!({"challenge": challenge, "bits": BITS}))
    }

    /// What a device shows later to be known as one that this user has signed in on: what it showed, if that is one.
    pub(super) fn device_token(&self, shown: Option<&str>, username: &str) -> String {
        if let Some(token) = shown.filter(|token| self.is_device(token, username)) {
            return token.to_owned();
        }
        let random: [u8; DEVICE_BYTES] = self.random.bytes();
        BASE64_URL_SAFE_NO_PAD.encode([random, self.device_code(&random, username)].concat())
    }

    fn is_device(&self, token: &str, username: &str) -> bool {
        let Ok(bytes) = BASE64_URL_SAFE_NO_PAD.decode(token) else { return false };
        let Some((random, code)) = bytes.split_at_checked(DEVICE_BYTES) else { return false };
        let expected = self.device_code(random, username);
        aws_lc_rs::constant_time::verify_slices_are_equal(code, &expected).is_ok()
    }

    fn device_code(&self, random: &[u8], username: &str) -> [u8; DEVICE_BYTES] {
        self.secret.fingerprint(&[b"device".as_slice(), random, username.as_bytes()].concat()).0
    }
}

impl<'a> Attempt<'a> {
    fn count(&mut self, limit: Option<&'a RateLimit>, key: String) -> Result<()> {
        let Some(limit) = limit else { return Ok(()) };
        match limit.take(&key, Instant::now()) {
            RateLimitState { allowed: true, .. } => {
                self.counted.push((limit, key));
                Ok(())
            }
            refused => {
                self.give_back();
                Err(too_many("failed logins", refused.wait))
            }
        }
    }

    fn give_back(&mut self) {
        self.counted.drain(..).for_each(|(limit, key)| limit.give_back(&key));
    }

    /// The password was right: nothing counts, and the address is known from now on.
    fn succeeded(&mut self) {
        self.give_back();
        if let Some(pair) = self.pair {
            self.known.insert(pair, ());
        }
    }

    /// What came of it. Only what says that the guess was wrong counts: a failure of ours says nothing about it.
    pub(super) fn judged<T>(mut self, outcome: Result<T>) -> Result<T> {
        match &outcome {
            Ok(_) => self.succeeded(),
            Err(error) if !is_wrong_guess(error) => self.give_back(),
            Err(_) => {}
        }
        outcome
    }
}

fn is_wrong_guess(error: &Error) -> bool {
    const SECRETS: [&str; 4] = ["#/currentPassword", "#/password", "#/resetToken", "#/code"];
    match error.code() {
        Code::InvalidCredentials | Code::IdempotencyKeyReused => true,
        Code::Validation => {
            error.fields().iter().any(|field| SECRETS.contains(&field.pointer.as_str()))
        }
        _ => false,
    }
}

/// The refusal of what came too often.
pub(super) fn too_many(what: &str, wait: Duration) -> Error {
    let seconds = wait.as_millis().div_ceil(1000).max(1);
    let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
    Error::new(Code::RateLimited, format!("too many {what}: wait {seconds} s"))
        .with("retryAfter", seconds)
}
