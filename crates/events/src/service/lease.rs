//! How long a process sees to a consumer of the log, and when another takes over.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;
use uuid::Uuid;

use crate::model::Progress;

/// Between two signs of life.
pub(super) const RENEWAL: Duration = Duration::from_secs(1);
/// Who could show no sign of life for so long does no more.
pub(super) const LEASE: Duration = Duration::from_secs(4);
/// After this silence another process takes over: the difference is for clocks that do not tick alike.
const SILENCE: Duration = Duration::from_secs(6);

/// Holder and turn of consumers, and since when they are so by this process's watch.
#[derive(Debug, Default)]
pub(super) struct Seen(HashMap<Uuid, (Option<Uuid>, i64, Instant)>);

impl Seen {
    /// Whether nobody sees to a consumer, as far as this process can tell.
    pub(super) fn is_free(&mut self, progress: &Progress, now: Instant) -> bool {
        let Progress { consumer, holder, turn, .. } = progress;
        let seen = self.0.entry(*consumer).or_insert((*holder, *turn, now));
        if (seen.0, seen.1) != (*holder, *turn) {
            *seen = (*holder, *turn, now);
        }
        holder.is_none() || now.duration_since(seen.2) >= SILENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn silence_is_told_by_ones_own_watch() {
        let (mut seen, start) = (Seen::default(), Instant::now());
        let mut progress = Progress::new(Uuid::nil(), 0);
        assert!(seen.is_free(&progress, start), "nobody holds it");
        progress.holder = Some(Uuid::from_u128(1));
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(!seen.is_free(&progress, at(0)) && !seen.is_free(&progress, at(5)));
        progress.turn += 1;
        assert!(!seen.is_free(&progress, at(7)) && !seen.is_free(&progress, at(12)));
        assert!(seen.is_free(&progress, at(13)));
    }
}
