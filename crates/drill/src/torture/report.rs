//! What a torture showed: for people, and as JSON.

use std::{fs, time::Duration};

use holdfast_testkit::Engine;
use serde::Serialize;
use tokio::time::Instant;

use super::{
    book::{Book, Fate},
    nemesis::{Nemesis, Strike, Topology},
};
use crate::verdict::Verdict;

/// Everything.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Makes the same choices again.
    pub seed: u64,
    /// Where it ran.
    pub machine: Machine,
    /// One for each nemesis.
    pub trials: Vec<Trial>,
    /// What could not run here, and why.
    pub skipped: Vec<String>,
    /// What the rig itself could not do.
    pub failed: Vec<String>,
}

/// Where it ran.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    cpus: usize,
    memory_bytes: u64,
    kernel: String,
}

/// What one nemesis did, and what came of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trial {
    nemesis: String,
    engine: String,
    topology: String,
    /// What each fault did.
    faults: Vec<String>,
    /// Attempts at orders, by their fate as the customers knew it.
    acknowledged: usize,
    refused: usize,
    /// Those that were repeated in the end, or abandoned.
    pub(super) unknown: usize,
    /// Acknowledged in the end.
    orders: usize,
    /// With 95 % confidence, at most this part of acknowledged orders is lost or doubled, when none was: the rule of three.
    bound: f64,
    /// From each fault to the first acknowledgement of an order that was sent after it, in milliseconds, sorted.
    recovery_millis: Vec<u64>,
    /// Between two acknowledgements.
    longest_gap_millis: u64,
    /// Requests, and those without a definite answer.
    requests: u64,
    failures: u64,
    /// The same before the first fault: what the rig itself gets wrong.
    calm_requests: u64,
    calm_failures: u64,
    lost: Vec<String>,
    doubled: Vec<String>,
    wrong: Vec<String>,
    /// How many lost and doubled orders the judgement found where there was one of each.
    pub(super) controls: Option<(usize, usize)>,
}

impl Report {
    pub(super) fn new(seed: u64, machine: Machine) -> Self {
        Self { seed, machine, trials: Vec::new(), skipped: Vec::new(), failed: Vec::new() }
    }

    /// Whether the shop kept its word, and the judgement saw what it had to see.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.failed.is_empty() && self.trials.iter().all(Trial::is_clean)
    }

    /// A table in Markdown.
    #[must_use]
    pub fn to_table(&self) -> String {
        let mut table = String::from(
            "| fault | where | faults | orders | lost, doubled, wrong | recovery: median, longest | longest gap |\n|---|---|---|---|---|---|---|\n",
        );
        for trial in &self.trials {
            table.push_str(&trial.to_row());
        }
        table
    }
}

impl Machine {
    pub(super) fn look() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let memory = read("/proc/meminfo");
        let kilobytes = memory.split_whitespace().nth(1).and_then(|number| number.parse().ok());
        Self {
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: kilobytes.unwrap_or(0_u64) * 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        }
    }
}

impl Trial {
    pub(super) fn new(
        nemesis: Nemesis,
        (engine, topology): (Engine, Topology),
        strikes: &[Strike],
        book: &Book,
    ) -> Self {
        let mut trial = Self::of_watching(book);
        trial.nemesis = nemesis.name();
        trial.engine = engine.name().to_owned();
        trial.topology = match topology {
            Topology::Process => "one process",
            Topology::Cluster => "cluster",
        }
        .to_owned();
        trial.faults = strikes.iter().map(|strike| strike.evidence.clone()).collect();
        let recoveries = strikes.iter().filter_map(|strike| recovery(book, strike));
        trial.recovery_millis = recoveries.map(millis).collect();
        trial.recovery_millis.sort_unstable();
        trial
    }

    /// What customers saw of a shop that nobody strikes at.
    pub(super) fn of_watching(book: &Book) -> Self {
        Self {
            nemesis: "none".to_owned(),
            engine: "unknown".to_owned(),
            topology: "unknown".to_owned(),
            faults: Vec::new(),
            acknowledged: book.count(Fate::Acknowledged),
            refused: book.count(Fate::Refused),
            unknown: 0,
            orders: 0,
            bound: 1.0,
            recovery_millis: Vec::new(),
            longest_gap_millis: millis(longest_gap(book)),
            requests: book.requests,
            failures: book.failures,
            calm_requests: book.calm_requests,
            calm_failures: book.calm_failures,
            lost: Vec::new(),
            doubled: Vec::new(),
            wrong: Vec::new(),
            controls: None,
        }
    }

    pub(super) fn judge(&mut self, verdict: Verdict, book: &Book) {
        self.orders = book.count(Fate::Acknowledged);
        let orders = f64::from(u32::try_from(self.orders).unwrap_or(u32::MAX));
        self.bound = (3.0 / orders.max(1.0)).min(1.0);
        Verdict { lost: self.lost, doubled: self.doubled, wrong: self.wrong } = verdict;
    }

    /// Whether the shop kept its word, and the judgement saw what it had to see.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let is_kept = self.lost.is_empty() && self.doubled.is_empty() && self.wrong.is_empty();
        is_kept && self.orders > 0 && self.controls.is_none_or(|found| found == (1, 1))
    }

    fn to_row(&self) -> String {
        let recovery = |millis: Option<&u64>| {
            millis.map_or("none".to_owned(), |millis| format!("{millis} ms"))
        };
        format!(
            "| {} | {}, {} | {} | {} | {}, {}, {} | {}, {} | {} ms |\n",
            self.nemesis,
            self.engine,
            self.topology,
            self.faults.len(),
            self.orders,
            self.lost.len(),
            self.doubled.len(),
            self.wrong.len(),
            recovery(self.recovery_millis.get(self.recovery_millis.len() / 2)),
            recovery(self.recovery_millis.last()),
            self.longest_gap_millis,
        )
    }

    /// In words.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!(
            "{} ({}, {}): {} faults, {} orders acknowledged, {} refused, {} unknown at first; {} of {} requests had to be repeated ({} of {} before the first fault)\n",
            self.nemesis,
            self.engine,
            self.topology,
            self.faults.len(),
            self.orders,
            self.refused,
            self.unknown,
            self.failures,
            self.requests,
            self.calm_failures,
            self.calm_requests,
        );
        for fault in &self.faults {
            text.push_str(&format!("  fault: {fault}\n"));
        }
        text.push_str(&format!(
            "  recovery in ms: {:?}; longest gap {} ms\n  {} lost, {} doubled, {} wrong; at most 1 in {:.0} with 95 % confidence\n",
            self.recovery_millis,
            self.longest_gap_millis,
            self.lost.len(),
            self.doubled.len(),
            self.wrong.len(),
            1.0 / self.bound,
        ));
        for (kind, findings) in
            [("LOST", &self.lost), ("DOUBLED", &self.doubled), ("WRONG", &self.wrong)]
        {
            findings
                .iter()
                .take(10)
                .for_each(|finding| text.push_str(&format!("  {kind}: {finding}\n")));
        }
        match self.controls {
            None => {}
            Some((1, 1)) => text.push_str("  controls: the lost and the doubled order were found\n"),
            Some((lost, doubled)) => text.push_str(&format!(
                "  CONTROLS FAILED: {lost} lost and {doubled} doubled orders were found where there was one of each\n"
            )),
        }
        text
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// From a fault to the first acknowledgement of an order that was sent after it.
fn recovery(book: &Book, fault: &Strike) -> Option<Duration> {
    let counts = fault.window.map_or(fault.at, |(_, until)| until);
    let after = book.attempts.iter().filter(|attempt| attempt.sent >= fault.at);
    let told = after.filter(|attempt| attempt.fate == Fate::Acknowledged && attempt.told >= counts);
    told.map(|attempt| attempt.told - fault.at).min()
}

fn longest_gap(book: &Book) -> Duration {
    let known = book.attempts.iter().filter(|attempt| attempt.fate == Fate::Acknowledged);
    let mut told: Vec<Instant> = known.map(|attempt| attempt.told).collect();
    told.sort_unstable();
    told.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}
