//! Rate limits: the generic cell rate algorithm (ITU-T I.371), one time stamp per key in a bounded table.
//! The table forgets the keys used least, so a flood of addresses costs memory of a fixed size.
//! Time is the monotonic clock's: a step of the wall clock neither locks anybody out nor lets anybody through.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use quick_cache::sync::Cache;
use tokio::time::Instant;

/// Keys remembered per limit.
const KEYS: usize = 16_384;

/// So many requests per period, all at once if need be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Requests per period; also the largest burst.
    pub requests: u32,
    /// The period.
    pub period: Duration,
}

/// What a limit says about one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimitState {
    /// Whether the request is within the quota.
    pub allowed: bool,
    /// Requests left right now.
    pub remaining: u32,
    /// Until the quota is whole again when allowed, until the next request is allowed when not.
    pub wait: Duration,
}

/// Stands for a key whatever its length: what strangers choose must not decide how much memory a table takes.
pub type ShortKey = u128;

/// Shortens keys by a hash that is other in each process.
#[derive(Clone, Debug, Default)]
pub struct KeyHash([RandomState; 2]);

impl KeyHash {
    /// What stands for `key`.
    #[must_use]
    pub fn shorten(&self, key: &str) -> ShortKey {
        let [high, low] = self.0.each_ref().map(|state| ShortKey::from(state.hash_one(key)));
        high << 64 | low
    }
}

/// One limit over many keys.
#[derive(Debug)]
pub struct RateLimit {
    quota: Quota,
    began: Instant,
    keys: KeyHash,
    /// When a key's bucket would be empty again, in milliseconds since the limit began.
    empty_at: Cache<ShortKey, i64>,
    /// Held while a key's time is read and written, so that no request is counted with another.
    counting: Mutex<()>,
}

impl RateLimit {
    /// A limit of `quota` for each key.
    #[must_use]
    pub fn new(quota: Quota) -> Self {
        let empty_at = Cache::new(KEYS);
        let (began, keys) = (Instant::now(), KeyHash::default());
        Self { quota, began, keys, empty_at, counting: Mutex::default() }
    }

    /// The quota.
    #[must_use]
    pub const fn quota(&self) -> Quota {
        self.quota
    }

    /// Takes one request of `key` out of its quota.
    pub fn take(&self, key: &str, now: Instant) -> RateLimitState {
        let (key, now) = (self.keys.shorten(key), self.millis(now));
        let _counting = self.counting.lock().unwrap_or_else(PoisonError::into_inner);
        let empty_at = self.empty_at.get(&key).unwrap_or(0).max(now) + self.interval();
        if empty_at - now > self.period() {
            return self.state(empty_at - self.interval(), now, false);
        }
        self.empty_at.insert(key, empty_at);
        self.state(empty_at, now, true)
    }

    /// Takes back that `key` made a request.
    pub fn give_back(&self, key: &str) {
        let key = self.keys.shorten(key);
        let _counting = self.counting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(empty_at) = self.empty_at.get(&key) {
            self.empty_at.insert(key, empty_at - self.interval());
        }
    }

    fn state(&self, empty_at: i64, now: i64, allowed: bool) -> RateLimitState {
        let used = empty_at - now;
        let left = (self.period() - used).max(0) / self.interval();
        let wait = if allowed { used } else { used + self.interval() - self.period() };
        RateLimitState {
            allowed,
            remaining: u32::try_from(left).unwrap_or(0),
            wait: Duration::from_millis(u64::try_from(wait).unwrap_or(0)),
        }
    }

    fn millis(&self, now: Instant) -> i64 {
        let since = now.saturating_duration_since(self.began).as_millis();
        i64::try_from(since).unwrap_or(i64::MAX)
    }

    fn period(&self) -> i64 {
        i64::try_from(self.quota.period.as_millis()).unwrap_or(i64::MAX)
    }

    /// Milliseconds between two requests at the steady rate.
    fn interval(&self) -> i64 {
        (self.period() / i64::from(self.quota.requests.max(1))).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_steady_rate() {
        let limit = RateLimit::new(Quota { requests: 3, period: Duration::from_secs(3) });
        let start = Instant::now();
        let taken: Vec<_> = (0..4).map(|_| limit.take("a", start)).collect();
        assert_eq!(
            taken.iter().map(|standing| standing.allowed).collect::<Vec<_>>(),
            [true, true, true, false]
        );
        assert_eq!(taken[0].remaining, 2);
        assert_eq!(taken[3].wait, Duration::from_secs(1));
        assert!(limit.take("b", start).allowed, "keys do not share");
        assert!(!limit.take("a", start + Duration::from_millis(900)).allowed);
        let later = start + Duration::from_millis(1_000);
        assert!(limit.take("a", later).allowed);
        assert!(!limit.take("a", later).allowed);
        limit.give_back("a");
        assert!(limit.take("a", later).allowed);
    }
}
