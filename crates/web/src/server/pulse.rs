//! How a connection is getting on. Its stream and its requests write that down, and one timer per connection looks at
//! it now and then: re-arming timers at each read and write would cost more than parsing the request.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::ServerLimits;

/// A client that takes its answers more slowly than this is cut off: in bytes per second.
const SLOWEST_CLIENT: u64 = 4 << 10;
/// Bytes that a connection may leave unsent before its next request waits.
const UNSENT_BYTES: usize = 1 << 20;

/// Shared by the stream, the requests and the timer of one connection. Times are milliseconds since it began, and
/// never 0, which stands for "not now".
#[derive(Debug)]
pub(super) struct Pulse {
    began: Instant,
    /// Requests that are being answered.
    serving: AtomicUsize,
    /// Since when there was nothing to answer.
    idle_since: AtomicU64,
    /// When the first byte of the next request came.
    head_since: AtomicU64,
    /// Since when the client has not taken what we write.
    blocked_since: AtomicU64,
    /// Since when something was unsent, and bytes that were sent since.
    backlog_since: AtomicU64,
    sent: AtomicU64,
    /// Bytes of answers that are not sent.
    unsent: AtomicUsize,
    /// The same of all connections.
    unsent_of_all: Arc<AtomicUsize>,
    /// Wakes a request that waits for others of its connection to be sent.
    room: Notify,
    /// Answers whose bodies were not given to the connection whole.
    answers: AtomicUsize,
    /// When each answer that has a stream of its own must be sent.
    due: Mutex<Due>,
    is_ended: AtomicBool,
    /// Wakes the timer when the connection must end.
    end: Notify,
}

#[derive(Debug, Default)]
struct Due {
    next: u64,
    answers: BTreeMap<u64, u64>,
}

impl Pulse {
    pub(super) fn new(unsent_of_all: &Arc<AtomicUsize>) -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            serving: AtomicUsize::new(0),
            idle_since: AtomicU64::new(1),
            head_since: AtomicU64::new(0),
            blocked_since: AtomicU64::new(0),
            backlog_since: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            unsent: AtomicUsize::new(0),
            unsent_of_all: Arc::clone(unsent_of_all),
            room: Notify::new(),
            answers: AtomicUsize::new(0),
            due: Mutex::default(),
            is_ended: AtomicBool::new(false),
            end: Notify::new(),
        })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    /// Counts a request that is being answered until the guard is dropped.
    pub(super) fn serve(self: &Arc<Self>) -> Serving {
        self.serving.fetch_add(1, Relaxed);
        self.head_since.store(0, Relaxed);
        Serving(Arc::clone(self))
    }

    pub(super) fn is_serving(&self) -> bool {
        self.serving.load(Relaxed) > 0
    }

    pub(super) fn heard(&self) {
        if self.serving.load(Relaxed) == 0 && self.head_since.load(Relaxed) == 0 {
            self.head_since.store(self.now(), Relaxed);
        }
    }

    pub(super) fn wrote(&self, bytes: usize, blocked: bool) {
        let before = self.blocked_since.load(Relaxed);
        if blocked != (before != 0) {
            self.blocked_since.store(if blocked { self.now() } else { 0 }, Relaxed);
        }
        if bytes > 0 {
            self.sent.fetch_add(bytes as u64, Relaxed);
            self.settle(bytes);
        }
    }

    /// Everything that was given to the stream is sent.
    pub(super) fn flushed(&self) {
        let owes = self.unsent.load(Relaxed) > 0;
        if owes && !self.is_serving() && self.answers.load(Relaxed) == 0 {
            self.settle(usize::MAX);
        }
    }

    /// Notes bytes of an answer that waits to be sent.
    pub(super) fn owe(&self, bytes: usize) {
        if self.unsent.fetch_add(bytes, Relaxed) == 0 {
            self.sent.store(0, Relaxed);
            self.backlog_since.store(self.now(), Relaxed);
        }
        self.unsent_of_all.fetch_add(bytes, Relaxed);
    }

    /// Notes bytes that are sent, or never will be.
    pub(super) fn settle(&self, bytes: usize) {
        let settle = |unsent: usize| Some(unsent.saturating_sub(bytes));
        let before = self.unsent.fetch_update(Relaxed, Relaxed, settle).unwrap_or(0);
        let settled = before.min(bytes);
        if settled == 0 {
            return;
        }
        self.unsent_of_all.fetch_sub(settled, Relaxed);
        if before == settled {
            self.backlog_since.store(0, Relaxed);
        }
        if before - settled < UNSENT_BYTES {
            self.room.notify_waiters();
        }
    }

    /// Returns when the connection does not leave too much unsent.
    pub(super) async fn has_room(&self) {
        loop {
            let room = self.room.notified();
            if self.unsent.load(Relaxed) < UNSENT_BYTES {
                return;
            }
            room.await;
        }
    }

    fn due(&self) -> std::sync::MutexGuard<'_, Due> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that an answer of so many bytes waits; [`Self::done`] ends it. With `limits` it has a stream of its own, and a
    /// time by when it must be sent.
    pub(super) fn begin(&self, bytes: usize, limits: Option<ServerLimits>) -> Option<u64> {
        self.answers.fetch_add(1, Relaxed);
        self.owe(bytes);
        let limits = limits?;
        let time = limits.write_time + Duration::from_secs(bytes as u64 / SLOWEST_CLIENT);
        let until = self.now() + u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 2);
        let mut due = self.due();
        due.next += 1;
        let number = due.next;
        due.answers.insert(number, until);
        Some(number)
    }

    /// Ends an answer of which so many bytes are left.
    pub(super) fn done(&self, left: usize, number: Option<u64>) {
        self.answers.fetch_sub(1, Relaxed);
        self.settle(left);
        if let Some(number) = number {
            self.due().answers.remove(&number);
        }
    }

    /// Ends the connection soon.
    pub(super) fn end(&self) {
        self.is_ended.store(true, Relaxed);
        self.end.notify_one();
    }

    /// For how long the connection has been of no use to anybody; `None` when it is, or when it is ending.
    pub(super) fn rests_for(&self) -> Option<u64> {
        let busy =
            self.is_serving() || self.unsent.load(Relaxed) > 0 || self.is_ended.load(Relaxed);
        (!busy).then(|| self.now().saturating_sub(self.idle_since.load(Relaxed)))
    }

    /// How much the connection leaves unsent, weighed by for how long; `None` when it is ending.
    pub(super) fn burden(&self) -> Option<u128> {
        let since = self.backlog_since.load(Relaxed);
        if since == 0 || self.is_ended.load(Relaxed) {
            return None;
        }
        let time = self.now().saturating_sub(since).max(1);
        Some(u128::from(time) * self.unsent.load(Relaxed) as u128)
    }

    /// Returns when the client has used up one of its times, or when the connection must end.
    pub(super) async fn expired(&self, limits: ServerLimits) {
        loop {
            if self.is_ended.load(Relaxed) || self.is_late(limits) {
                return;
            }
            let pause = limits.header_time / 8;
            // Either way, the next look tells.
            let _ = tokio::time::timeout(pause, self.end.notified()).await;
        }
    }

    fn is_late(&self, limits: ServerLimits) -> bool {
        let now = self.now();
        let spent = |since: u64, limit: Duration| {
            since != 0 && Duration::from_millis(now.saturating_sub(since)) >= limit
        };
        let quiet = !self.is_serving();
        let backlog = self.backlog_since.load(Relaxed);
        let crawls = spent(backlog, limits.write_time)
            && self.sent.load(Relaxed) < (now - backlog) / 1000 * SLOWEST_CLIENT;
        let overdue = || self.due().answers.values().any(|until| *until <= now);
        crawls
            || spent(self.blocked_since.load(Relaxed), limits.write_time)
            || quiet && spent(self.head_since.load(Relaxed), limits.header_time)
            || quiet && spent(self.idle_since.load(Relaxed), limits.idle_time)
            || overdue()
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.unsent_of_all.fetch_sub(*self.unsent.get_mut(), Relaxed);
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Serving(Arc<Pulse>);

impl Drop for Serving {
    fn drop(&mut self) {
        let pulse = &self.0;
        pulse.idle_since.store(pulse.now(), Relaxed);
        pulse.serving.fetch_sub(1, Relaxed);
    }
}
