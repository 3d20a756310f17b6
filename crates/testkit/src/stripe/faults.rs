//! What goes wrong, by chance that a seed repeats, or as told.

use std::sync::{Mutex, MutexGuard, PoisonError};

use holdfast_types::Random;
use serde::{Deserialize, Serialize};

/// What becomes of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It is answered.
    Answered,
    /// The connection closes before anything has happened.
    RequestLost,
    /// Everything happens, and then the connection closes.
    AnswerLost,
    /// Everything happens, and then the answer is 500; its key remembers that.
    ErrorAfterEffect,
    /// 429, and nothing happens.
    RateLimited,
    /// 503, and nothing happens.
    Unavailable,
}

/// How likely what goes wrong is: probabilities from 0 to 1, and times in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// How likely [`Fate::RequestLost`] is.
    pub request_lost: f64,
    /// How likely [`Fate::AnswerLost`] is.
    pub answer_lost: f64,
    /// How likely [`Fate::ErrorAfterEffect`] is.
    pub error_after_effect: f64,
    /// How likely [`Fate::RateLimited`] is.
    pub rate_limited: f64,
    /// How likely [`Fate::Unavailable`] is.
    pub unavailable: f64,
    /// The fates of the next posts to `/v1`, before chance decides again.
    pub next: Vec<Fate>,
    /// How long every request takes before it has effect.
    pub latency_ms: u64,
    /// How much longer it may take, by chance.
    pub jitter_ms: u64,
    /// How likely a refund starts as pending, and waits to be settled.
    pub refund_pending: f64,
    /// How likely an event is never delivered.
    pub webhook_dropped: f64,
    /// How likely an event is delivered twice.
    pub webhook_duplicated: f64,
    /// How likely an event comes later than those after it.
    pub webhook_delayed: f64,
    /// How much later it comes at most.
    pub webhook_delay_ms: u64,
}

impl Faults {
    fn fate(&self, roll: f64) -> Fate {
        let mut below = 0.0;
        let fates = [
            (self.request_lost, Fate::RequestLost),
            (self.answer_lost, Fate::AnswerLost),
            (self.error_after_effect, Fate::ErrorAfterEffect),
            (self.rate_limited, Fate::RateLimited),
            (self.unavailable, Fate::Unavailable),
        ];
        let hit = fates.into_iter().find(|(chance, _)| {
            below += chance;
            roll < below
        });
        hit.map_or(Fate::Answered, |(_, fate)| fate)
    }
}

/// The faults of now, and the chance that decides.
#[derive(Debug)]
pub(super) struct Chance {
    faults: Mutex<Faults>,
    random: Random,
}

impl Chance {
    /// Decides by `random`.
    pub(super) fn new(faults: Faults, random: Random) -> Self {
        Self { faults: Mutex::new(faults), random }
    }

    /// The faults, to be read or changed.
    pub(super) fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws what becomes of a request.
    pub(super) fn fate(&self, is_post: bool) -> Fate {
        let roll = self.roll();
        let mut faults = self.faults();
        if is_post && !faults.next.is_empty() {
            return faults.next.remove(0);
        }
        faults.fate(roll)
    }

    /// Draws how long a request takes.
    pub(super) fn latency_ms(&self) -> u64 {
        let (latency, jitter) = {
            let faults = self.faults();
            (faults.latency_ms, faults.jitter_ms)
        };
        latency + self.up_to(jitter)
    }

    /// Whether something of that probability happens.
    pub(super) fn hits(&self, probability: impl FnOnce(&Faults) -> f64) -> bool {
        let roll = self.roll();
        roll < probability(&self.faults())
    }

    /// Anything from 0 to `most`.
    pub(super) fn up_to(&self, most: u64) -> u64 {
        u64::from_le_bytes(self.random.bytes()) % most.saturating_add(1).max(1)
    }

    /// From 0 up to, and without, 1.
    fn roll(&self) -> f64 {
        f64::from(u32::from_le_bytes(self.random.bytes())) / (f64::from(u32::MAX) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_what_goes_wrong() {
        let faults = Faults { answer_lost: 0.3, rate_limited: 0.2, ..Faults::default() };
        let draw = |seed| {
            let chance = Chance::new(faults.clone(), Random::seeded(seed));
            (0..1000).map(|_| chance.fate(true)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        let lost = draw(7).iter().filter(|fate| **fate == Fate::AnswerLost).count();
        assert!((240..360).contains(&lost), "{lost}");
        assert!(!draw(7).contains(&Fate::Unavailable));
    }

    #[test]
    fn what_is_told_comes_before_chance() {
        let faults = Faults { next: vec![Fate::AnswerLost], ..Faults::default() };
        let chance = Chance::new(faults, Random::seeded(1));
        assert_eq!(chance.fate(false), Fate::Answered);
        assert_eq!(chance.fate(true), Fate::AnswerLost);
        assert_eq!(chance.fate(true), Fate::Answered);
    }
}
