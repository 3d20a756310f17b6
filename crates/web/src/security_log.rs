//! The security log: one structured line per event, under the target `holdfast::security`, without secrets. Events have
//! the names of the OWASP Logging Vocabulary.

use std::{
    fmt::Display,
    net::IpAddr,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use tokio::time::Instant;

use crate::rate::{Quota, RateLimit};

/// Events that anybody can cause, as often as they like: each of them has lines of its own.
const STRANGERS: [&str; 5] = [
    "authn_login_fail",
    "authn_password_change_fail",
    "authz_fail",
    "excess_rate_limit_exceeded",
    "user_created",
];
/// Lines that are written; strangers cause them, and a log that fills the disk ends the shop.
const LINES: Quota = Quota { requests: 600, period: Duration::from_secs(60) };

/// Writes the lines of a process.
#[derive(Debug)]
pub(crate) struct SecurityLog {
    lines: RateLimit,
    left_out: AtomicU64,
}

/// What happened.
#[derive(Clone, Copy)]
pub(crate) struct Event<'a> {
    pub(crate) name: &'static str,
    pub(crate) request_id: &'a str,
    pub(crate) client: IpAddr,
    /// What it is about: a user's id, a route.
    pub(crate) subject: &'a dyn Display,
}

impl Default for SecurityLog {
    fn default() -> Self {
        Self { lines: RateLimit::new(LINES), left_out: AtomicU64::new(0) }
    }
}

impl SecurityLog {
    /// Writes a line, unless there are too many: then the next one says how many were left out.
    pub(crate) fn note(&self, event: Event<'_>) {
        // What strangers can cause without end does not push out what they cannot.
        let kind = if STRANGERS.contains(&event.name) { event.name } else { "" };
        if !self.lines.take(kind, Instant::now()).allowed {
            self.left_out.fetch_add(1, Relaxed);
            return;
        }
        let left_out = Some(self.left_out.swap(0, Relaxed)).filter(|count| *count > 0);
        let Event { name, request_id, client, subject } = event;
        tracing::info!(target: "holdfast::security", event = name, request_id, %client, %subject, left_out);
    }
}
