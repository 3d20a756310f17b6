//! What happens often is said seldom.

use std::time::{Duration, Instant};

/// Decides when to say again that something happens.
#[derive(Clone, Copy, Debug)]
pub struct Seldom {
    pause: Duration,
    said: Option<Instant>,
    times: u64,
}

impl Seldom {
    /// Says something at once, and then again after `pause` at the earliest.
    #[must_use]
    pub const fn new(pause: Duration) -> Self {
        Self { pause, said: None, times: 0 }
    }

    /// It has happened: how often since it was said last, when it is time to say so.
    pub fn happened(&mut self, now: Instant) -> Option<u64> {
        self.times += 1;
        if self.said.is_some_and(|said| now.saturating_duration_since(said) < self.pause) {
            return None;
        }
        self.said = Some(now);
        Some(std::mem::take(&mut self.times))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a moment to begin with")]
    fn it_is_said_at_once_and_then_seldom() {
        let (mut seldom, start) = (Seldom::new(Duration::from_secs(10)), Instant::now());
        let said =
            |seldom: &mut Seldom, seconds| seldom.happened(start + Duration::from_secs(seconds));
        assert_eq!(said(&mut seldom, 0), Some(1));
        assert_eq!((said(&mut seldom, 1), said(&mut seldom, 9)), (None, None));
        assert_eq!(said(&mut seldom, 10), Some(3));
        assert_eq!(said(&mut seldom, 11), None);
    }
}
