//! Randomness: ids, tokens and jitter come from one injectable source.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use uuid::Uuid;

use crate::Timestamp;

/// A source of random bytes.
#[derive(Clone, Debug)]
pub enum Random {
    /// The system's cryptographically secure generator.
    System,
    /// Repeatable bytes for tests and simulations; worthless as secrets.
    Seeded(Arc<AtomicU64>),
}

impl Random {
    /// A repeatable source.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::Seeded(Arc::new(AtomicU64::new(seed)))
    }

    /// `N` random bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        match self {
            Self::System => aws_lc_rs::rand::fill(&mut bytes)
                .expect("the system's generator never fails once it is up"),
            Self::Seeded(state) => bytes.chunks_mut(8).for_each(|chunk| {
                let word = split_mix(state.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed))
                    .to_le_bytes();
                chunk.copy_from_slice(&word[..chunk.len()]);
            }),
        }
        bytes
    }

    /// A UUIDv7 (RFC 9562 §5.7): time-ordered, so that a database appends instead of scattering.
    #[must_use]
    pub fn uuid_v7(&self, now: Timestamp) -> Uuid {
        let millis = u64::try_from(now.as_millis()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &self.bytes()).into_uuid()
    }
}

/// The output function of SplitMix64 (Steele, Lea and Flood, 2014).
const fn split_mix(state: u64) -> u64 {
    let mut z = state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
