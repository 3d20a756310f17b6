//! Rate limits: the generic cell rate algorithm (ITU-T I.371), one time stamp per key in a bounded table.
//! The table forgets the keys used least, so a flood of addresses costs memory of a fixed size.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use holdfast_types::Timestamp;
use quick_cache::sync::Cache;

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
pub struct Standing {
    /// Whether the request is within the quota.
    pub allowed: bool,
    /// Requests left right now.
    pub remaining: u32,
    /// Until the quota is whole again when allowed, until the next request is allowed when not.
    pub wait: Duration,
}

/// One limit over many keys.
#[derive(Debug)]
pub struct RateLimit {
    quota: Quota,
    /// When a key's bucket would be empty again, in milliseconds since the Unix epoch.
    empty_at: Cache<Box<str>, i64>,
    /// Held while a key's time is read and written, so that no request is counted with another.
    counting: Mutex<()>,
}

impl RateLimit {
    /// A limit of `quota` for each key.
    #[must_use]
    pub fn new(quota: Quota) -> Self {
        Self { quota, empty_at: Cache::new(KEYS), counting: Mutex::default() }
    }

    /// The quota.
    #[must_use]
    pub const fn quota(&self) -> Quota {
        self.quota
    }

    /// Takes one request of `key` out of its quota.
    pub fn take(&self, key: &str, now: Timestamp) -> Standing {
        let _counting = self.counting.lock().unwrap_or_else(PoisonError::into_inner);
        let standing = self.look(key, now);
        if standing.allowed {
            let empty_at =
                self.empty_at.get(key).unwrap_or(0).max(now.as_millis()) + self.interval();
            self.empty_at.insert(key.into(), empty_at);
            return self.standing(empty_at, now, true);
        }
        standing
    }

    /// Takes back that `key` made a request.
    pub fn give_back(&self, key: &str) {
        let _counting = self.counting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(empty_at) = self.empty_at.get(key) {
            self.empty_at.insert(key.into(), empty_at - self.interval());
        }
    }

    /// Where `key` stands, without taking anything.
    fn look(&self, key: &str, now: Timestamp) -> Standing {
        let empty_at = self.empty_at.get(key).unwrap_or(0).max(now.as_millis());
        let allowed = empty_at + self.interval() - now.as_millis() <= self.period();
        self.standing(empty_at, now, allowed)
    }

    fn standing(&self, empty_at: i64, now: Timestamp, allowed: bool) -> Standing {
        let used = empty_at - now.as_millis();
        let left = (self.period() - used).max(0) / self.interval();
        let wait = if allowed { used } else { used + self.interval() - self.period() };
        Standing {
            allowed,
            remaining: u32::try_from(left).unwrap_or(0),
            wait: Duration::from_millis(u64::try_from(wait).unwrap_or(0)),
        }
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
        let start = Timestamp::from_millis(1_000_000);
        let taken: Vec<_> = (0..4).map(|_| limit.take("a", start)).collect();
        assert_eq!(
            taken.iter().map(|standing| standing.allowed).collect::<Vec<_>>(),
            [true, true, true, false]
        );
        assert_eq!(taken[0].remaining, 2);
        assert_eq!(taken[3].wait, Duration::from_secs(1));
        assert!(limit.take("b", start).allowed, "keys do not share");
        assert!(!limit.take("a", start.plus(Duration::from_millis(900))).allowed);
        let later = start.plus(Duration::from_millis(1_000));
        assert!(limit.take("a", later).allowed);
        assert!(!limit.take("a", later).allowed);
        limit.give_back("a");
        assert!(limit.take("a", later).allowed);
    }
}
