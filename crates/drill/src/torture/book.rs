//! The ledger of a torture: what was tried, and which of three fates each attempt had as far as the customer knows.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;
use tokio::time::Instant;

use crate::ledger::Lines;

/// What a customer knows of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The shop said that it is done.
    Acknowledged,
    /// The shop said that it will not be.
    Refused,
    /// There was no answer, or one that says nothing: it may have happened.
    Unknown,
}

/// An attempt to place an order.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) account: usize,
    pub(super) key: String,
    pub(super) lines: Lines,
    pub(super) fate: Fate,
    /// When it was sent first.
    pub(super) sent: Instant,
    /// When its fate was told.
    pub(super) told: Instant,
    /// The first answer, byte for byte.
    pub(super) answer: Bytes,
    /// The order, as it was told last.
    pub(super) order: Value,
    /// What was done with it later.
    pub(super) step: Option<Step>,
}

/// A step of an order's lifecycle.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) action: &'static str,
    pub(super) key: String,
    pub(super) fate: Fate,
    pub(super) told: Instant,
}

impl Attempt {
    pub(super) fn id(&self) -> &str {
        self.order["id"].as_str().unwrap_or_default()
    }

    /// When the shop said what it is like, first and last.
    pub(super) fn told(&self) -> [Instant; 2] {
        [self.told, self.step.as_ref().map_or(self.told, |step| step.told)]
    }

    /// Its lines' places in the journal of each product.
    pub(super) fn sequences(&self) -> BTreeMap<&str, i64> {
        let items = self.order["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        items
            .iter()
            .filter_map(|item| Some((item["productId"].as_str()?, item["stockSequence"].as_i64()?)))
            .collect()
    }
}

/// Something that the shop must never do.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    /// When the shop told what it did not keep: the order, and what was done with it last.
    pub(super) told: [Instant; 2],
    pub(super) text: String,
}

/// What one customer brings home.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) attempts: Vec<Attempt>,
    /// What the shop did that it must never do.
    pub(super) findings: Vec<Finding>,
    /// Requests sent, and those without a definite answer.
    pub(super) requests: u64,
    pub(super) failures: u64,
    /// The same while no fault had struck: what the rig itself gets wrong.
    pub(super) calm_requests: u64,
    pub(super) calm_failures: u64,
}

impl Book {
    /// What was told in `window` does not count: the machine was losing power, and its disk said that it had written what
    /// it had not.
    pub(super) fn forget(&mut self, window: (Instant, Instant)) {
        let fell = |told: Instant| (window.0..=window.1).contains(&told);
        self.findings.retain(|finding| !finding.told.into_iter().any(fell));
        for attempt in &mut self.attempts {
            if fell(attempt.told) && attempt.fate == Fate::Acknowledged {
                attempt.fate = Fate::Unknown;
            }
            if let Some(step) = attempt.step.as_mut().filter(|step| fell(step.told)) {
                step.fate = Fate::Unknown;
            }
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.attempts.extend(other.attempts);
        self.findings.extend(other.findings);
        self.requests += other.requests;
        self.failures += other.failures;
        self.calm_requests += other.calm_requests;
        self.calm_failures += other.calm_failures;
    }

    pub(super) fn count(&self, fate: Fate) -> usize {
        self.attempts.iter().filter(|attempt| attempt.fate == fate).count()
    }
}
