//! Randomness: ids, tokens and jitter come from one injectable source.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use uuid::Uuid;

use crate::Timestamp;

/// A source of random bytes, and of ids. Clones share it.
#[derive(Clone, Debug)]
pub struct Random {
    source: Source,
    /// Milliseconds and counter of the last id, in 48 and 12 bits.
    last_id: Arc<AtomicU64>,
    /// Bytes for ids, drawn many at a time: the generator costs more per call than per byte.
    drawn: Arc<Mutex<Vec<u8>>>,
}

/// The random tail of an id: 62 bits and the version's variant.
const TAIL: usize = 8;
/// Tails drawn at a time.
const TAILS: usize = 64;

#[derive(Clone, Debug)]
enum Source {
    System,
    Seeded(Arc<AtomicU64>),
}

impl Random {
    /// The system's cryptographically secure generator.
    #[must_use]
    pub fn system() -> Self {
        Self::of(Source::System)
    }

    /// Repeatable bytes for tests and simulations; worthless as secrets.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::of(Source::Seeded(Arc::new(AtomicU64::new(seed))))
    }

    fn of(source: Source) -> Self {
        Self { source, last_id: Arc::default(), drawn: Arc::default() }
    }

    /// `N` random bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        match &self.source {
            Source::System => {
                aws_lc_rs::rand::fill(&mut bytes)
                    .expect("the system's generator never fails once it is up");
            }
            Source::Seeded(state) => bytes.chunks_mut(8).for_each(|chunk| {
                let word = split_mix(state.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed))
                    .to_le_bytes();
                chunk.copy_from_slice(&word[..chunk.len()]);
            }),
        }
        bytes
    }

    /// A UUIDv7 (RFC 9562 §5.7): time-ordered, so that a database appends instead of scattering. Ids of one
    /// millisecond count up (§6.2, method 1), so they stand in the order in which they were made.
    #[must_use]
    pub fn uuid_v7(&self, now: Timestamp) -> Uuid {
        let earliest = u64::try_from(now.as_millis()).unwrap_or(0) << 12;
        let next = |last: u64| earliest.max(last + 1);
        let last = self
            .last_id
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
        let id = next(last.unwrap_or_else(|last| last));
        let mut bytes = [0; 2 + TAIL];
        bytes[..2].copy_from_slice(&u16::try_from(id & 0xfff).unwrap_or(0).to_be_bytes());
        bytes[2..].copy_from_slice(&self.tail());
        uuid::Builder::from_unix_timestamp_millis(id >> 12, &bytes).into_uuid()
    }

    /// Bytes of which every one is used once.
    fn tail(&self) -> [u8; TAIL] {
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        if drawn.is_empty() {
            drawn.extend_from_slice(&self.bytes::<{ TAIL * TAILS }>());
        }
        let rest = drawn.len() - TAIL;
        let mut tail = [0; TAIL];
        tail.copy_from_slice(&drawn[rest..]);
        drawn.truncate(rest);
        tail
    }
}

/// The output function of SplitMix64 (Steele, Lea and Flood, 2014).
const fn split_mix(state: u64) -> u64 {
    let mut z = state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stand_in_the_order_in_which_they_were_made() {
        let random = Random::system();
        let now = Timestamp::from_millis(1_800_000_000_000);
        let ids: Vec<Uuid> = (0..10_000).map(|_| random.uuid_v7(now)).collect();
        assert!(ids.is_sorted_by(|one, next| one < next));
        assert!(ids.iter().all(|id| id.get_version_num() == 7));
    }
}
