//! How much a process has to do, how long that takes, and when that is too much.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::Duration,
};

use holdfast_types::{Code, Error};
use tokio::{sync::Notify, time::Instant};

use crate::Problem;

/// Requests that a process answers at once. More would only wait longer than their clients do.
const IN_FLIGHT: usize = 8192;
/// Answers are counted by the power of two of their microseconds.
const BUCKETS: usize = 32;
/// How long answers count.
const WINDOW: Duration = Duration::from_secs(30);

/// The load of a process.
#[derive(Debug, Default)]
pub struct Load {
    in_flight: AtomicUsize,
    ending: AtomicBool,
    ended: Notify,
    latencies: Mutex<Latencies>,
}

/// Answers of this window and the one before.
#[derive(Debug, Default)]
struct Latencies {
    began: Option<Instant>,
    now: [u32; BUCKETS],
    before: [u32; BUCKETS],
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Counted {
    load: Arc<Load>,
    since: Instant,
}

impl Load {
    /// Requests that are being answered.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Relaxed)
    }

    /// Of the answers of the last half minute or minute, 99 in 100 took no longer than this (within a factor of two).
    #[must_use]
    pub fn p99(&self) -> Option<Duration> {
        self.latencies.lock().unwrap_or_else(PoisonError::into_inner).p99(Instant::now())
    }

    /// From now on each answer asks its client to open another connection, which reaches another process.
    pub fn end_connections(&self) {
        self.ending.store(true, SeqCst);
        self.ended.notify_waiters();
    }

    /// Returns when the process is about to end.
    pub(super) async fn ended(self: Arc<Self>) {
        let ended = self.ended.notified();
        if !self.is_ending() {
            ended.await;
        }
    }

    pub(super) fn is_ending(&self) -> bool {
        self.ending.load(SeqCst)
    }

    /// Refuses with `overloaded`. A peer is told that nothing was executed, so it may send the request elsewhere.
    pub(super) fn admit(
        self: &Arc<Self>,
        since: Instant,
        is_internal: bool,
    ) -> Result<Counted, Problem> {
        let counted = Counted { load: Arc::clone(self), since };
        if self.in_flight.fetch_add(1, Relaxed) >= IN_FLIGHT {
            let why = "too many requests at once: repeat a little later";
            let problem = Problem::from(Error::new(Code::Overloaded, why));
            return Err(if is_internal { problem.not_executed() } else { problem });
        }
        Ok(counted)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.load.in_flight.fetch_sub(1, Relaxed);
        let now = Instant::now();
        let mut latencies = self.load.latencies.lock().unwrap_or_else(PoisonError::into_inner);
        latencies.record(now, now.saturating_duration_since(self.since));
    }
}

impl Latencies {
    fn turn(&mut self, now: Instant) {
        let age = self.began.map_or(WINDOW * 2, |began| now.saturating_duration_since(began));
        if age >= WINDOW {
            let fresh = [0; BUCKETS];
            let last = std::mem::replace(&mut self.now, fresh);
            self.before = if age < WINDOW * 2 { last } else { fresh };
            self.began = Some(now);
        }
    }

    fn record(&mut self, now: Instant, elapsed: Duration) {
        self.turn(now);
        let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX).max(1);
        let bucket = usize::try_from(micros.ilog2()).unwrap_or(BUCKETS).min(BUCKETS - 1);
        self.now[bucket] = self.now[bucket].saturating_add(1);
    }

    fn p99(&mut self, now: Instant) -> Option<Duration> {
        self.turn(now);
        let counts = self.now.iter().zip(&self.before);
        let counts: Vec<u64> =
            counts.map(|(now, before)| u64::from(*now) + u64::from(*before)).collect();
        let all: u64 = counts.iter().sum();
        let mut within = 0;
        counts
            .iter()
            .position(|count| {
                within += count;
                within > 0 && within * 100 >= all * 99
            })
            .map(|bucket| Duration::from_micros(2 << bucket))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p99_forgets_what_is_old() {
        let (mut latencies, start) = (Latencies::default(), Instant::now());
        assert_eq!(latencies.p99(start), None);
        (0..98).for_each(|_| latencies.record(start, Duration::from_micros(100)));
        (0..2).for_each(|_| latencies.record(start, Duration::from_millis(100)));
        assert_eq!(latencies.p99(start), Some(Duration::from_micros(131_072)));
        latencies.record(start + WINDOW, Duration::from_micros(100));
        assert!(latencies.p99(start + WINDOW) > Some(Duration::from_millis(1)));
        assert_eq!(latencies.p99(start + WINDOW * 4), None);
    }
}
