//! What a program takes from outside and cannot work out.

use crate::{Clock, Random};

/// Where the time and randomness come from: passed in, so that tests say both.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The time.
    pub clock: Clock,
    /// Ids, secrets and draws.
    pub random: Random,
}

impl Sources {
    /// Those of the machine.
    #[must_use]
    pub fn system() -> Self {
        Self { clock: Clock::system(), random: Random::system() }
    }
}
