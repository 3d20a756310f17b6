//! Keeps one slot filled.

use std::{
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use holdfast_client::{Connection, Method};
use holdfast_types::{Code, Error, Result};
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    time::{Instant, timeout},
};

use crate::{
    Plan, Slot,
    process::{Process, connect},
    state::StateFile,
};

/// How long a heartbeat may take.
const HEARTBEAT_TIME: Duration = Duration::from_millis(450);
/// Between two heartbeats.
const HEARTBEAT_PAUSE: Duration = Duration::from_millis(150);
/// Heartbeats missed in a row after which a process is ended: a stopped one may hold a lock that all others need.
/// Less than 2 s all together.
const MISSED: u32 = 3;
/// How long a process may take to answer for the first time.
const START_TIME: Duration = Duration::from_secs(20);
/// How long a process may take to end when asked.
const END_TIME: Duration = Duration::from_secs(35);
/// The first and the longest pause before starting again.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause when no other process serves the part.
const LONGEST_PAUSE_OF_THE_LAST: Duration = Duration::from_millis(200);

/// What a keeper can be told.
pub(crate) enum Command {
    /// Replace the process by a new one; says how that went.
    Replace(oneshot::Sender<Result<()>>),
    /// End the process for good.
    End(oneshot::Sender<()>),
}

pub(crate) struct Keeper {
    pub(crate) plan: Arc<Plan>,
    pub(crate) slot: Slot,
    pub(crate) listener: Arc<TcpListener>,
    pub(crate) state_file: Arc<StateFile>,
    /// To the process.
    pub(crate) connection: Mutex<Connection>,
    /// Whether the process has answered since it was started.
    was_heard: AtomicBool,
}

impl Keeper {
    pub(crate) fn new(
        plan: &Arc<Plan>,
        slot: Slot,
        listener: &Arc<TcpListener>,
        state_file: &Arc<StateFile>,
    ) -> Self {
        let connection = Mutex::new(connect(slot.address, plan.tls.as_ref()));
        Self {
            plan: Arc::clone(plan),
            slot,
            listener: Arc::clone(listener),
            state_file: Arc::clone(state_file),
            connection,
            was_heard: AtomicBool::new(false),
        }
    }

    /// Keeps the slot filled until told to end.
    pub(crate) async fn keep(
        self,
        adopted: Option<Process>,
        mut commands: mpsc::Receiver<Command>,
    ) {
        let mut early_ends = 0;
        let mut process = match adopted {
            Some(process) => process,
            None => self.start(&mut early_ends).await,
        };
        loop {
            let command = tokio::select! {
                () = process.ended() => None,
                () = self.silence() => {
                    tracing::warn!(slot = self.slot.name, pid = process.pid, "went silent: ending it");
                    process.kill();
                    process.ended().await;
                    None
                }
                command = commands.recv() => match command {
                    Some(command) => Some(command),
                    None => return,
                }
            };
            match command {
                None => {
                    tracing::warn!(
                        slot = self.slot.name,
                        pid = process.pid,
                        "ended: starting another"
                    );
                    // However short its life was: what has answered can be started again.
                    early_ends = if self.was_heard.load(Relaxed) { 0 } else { early_ends + 1 };
                    self.count_restart();
                    process = self.start(&mut early_ends).await;
                }
                Some(Command::Replace(done)) => {
                    self.end(&mut process).await;
                    self.count_restart();
                    process = self.start(&mut early_ends).await;
                    // Whoever asked may have gone.
                    let _ = done.send(self.is_ready(&mut process).await);
                }
                Some(Command::End(done)) => {
                    self.end(&mut process).await;
                    let _ = done.send(());
                    return;
                }
            }
        }
    }

    fn count_restart(&self) {
        self.state_file.note(&self.slot.name, |slot| slot.restarts += 1);
    }

    /// Starts a process, however often that takes. One of a part that no other process serves does not wait long.
    async fn start(&self, early_ends: &mut u32) -> Process {
        self.was_heard.store(false, Relaxed);
        self.state_file.heard(&self.slot.name, false);
        loop {
            if *early_ends > 1 {
                let longer = PAUSE * 2_u32.pow((*early_ends).min(8));
                let is_last = !self.state_file.has_others(&self.slot.name);
                let longest = if is_last { LONGEST_PAUSE_OF_THE_LAST } else { LONGEST_PAUSE };
                tokio::time::sleep(longer.min(longest)).await;
            }
            match Process::start(&self.plan, &self.slot, &self.listener) {
                Ok(process) => {
                    let (pid, started) = (process.pid, process.started);
                    tracing::info!(slot = self.slot.name, pid, "started");
                    self.state_file.note(&self.slot.name, |slot| {
                        (slot.pid, slot.started) = (pid, started);
                    });
                    return process;
                }
                Err(error) => {
                    tracing::error!(slot = self.slot.name, %error, "cannot start");
                    *early_ends += 2;
                }
            }
        }
    }

    /// Asks the process to end, and ends it when it takes too long.
    async fn end(&self, process: &mut Process) {
        process.terminate();
        if timeout(END_TIME, process.ended()).await.is_err() {
            tracing::warn!(slot = self.slot.name, pid = process.pid, "does not end: ending it");
            process.kill();
            process.ended().await;
        }
    }

    /// Waits until a process that has just been started is ready.
    async fn is_ready(&self, process: &mut Process) -> Result<()> {
        let ready = async {
            while self.answers("/readyz").await != Some(200) {
                tokio::time::sleep(Duration::from_millis(25)).await;
            }
        };
        let not_ready =
            |why: &str| Error::new(Code::Unavailable, format!("{} {why}", self.slot.name));
        tokio::select! {
            ready = timeout(START_TIME, ready) => ready.map_err(|_| not_ready("did not become ready")),
            () = process.ended() => Err(not_ready("ended before it was ready")),
        }
    }

    /// Returns when the process has missed too many heartbeats.
    async fn silence(&self) {
        let began = Instant::now();
        let mut missed = 0;
        loop {
            match self.answers("/livez").await {
                Some(_) => {
                    missed = 0;
                    if !self.was_heard.swap(true, Relaxed) {
                        self.state_file.heard(&self.slot.name, true);
                    }
                }
                None => missed += 1,
            }
            let starting = !self.was_heard.load(Relaxed) && began.elapsed() < START_TIME;
            if missed >= MISSED && !starting {
                return;
            }
            tokio::time::sleep(HEARTBEAT_PAUSE).await;
        }
    }

    async fn answers(&self, path: &str) -> Option<u16> {
        let call = async {
            let mut connection = self.connection.lock().await;
            connection.send(Method::GET, path, &[], Bytes::new()).await
        };
        Some(timeout(HEARTBEAT_TIME, call).await.ok()?.ok()?.status.as_u16())
    }
}
