//! One process: started by us, or taken over from a supervisor before us.

use std::{
    fs,
    io::{self, Write},
    net::{SocketAddr, TcpListener},
    os::{fd::OwnedFd, unix::process::CommandExt},
    process::Stdio,
    time::Duration,
};

use command_fds::{CommandFdExt, FdMapping};
use holdfast_client::Connection;
use holdfast_web::InternalTls;
use rustix::process::{
    Pid, PidfdFlags, PidfdGetfdFlags, Signal, kill_process, pidfd_getfd, pidfd_open,
};
use tokio::process::{Child, Command};

use crate::{Plan, Slot, SlotState};

/// The descriptor under which a process finds the listener (sd_listen_fds(3)).
const LISTENER: i32 = 3;
/// The descriptor under which it finds its secrets.
const SECRETS: i32 = 4;
/// What a pipe takes without a reader (pipe(7)).
const PIPE_BYTES: usize = 4096;
/// Between two looks at a process that is not our child.
const LOOK: Duration = Duration::from_millis(50);

/// A running process.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// When the kernel started it, in its ticks since the machine started.
    pub(crate) started: u64,
    child: Option<Child>,
}

/// The way to a process of a cluster; what travels there says who may ask.
#[must_use]
pub fn connect(address: SocketAddr, tls: Option<&InternalTls>) -> Connection {
    match tls {
        Some(tls) => Connection::with_tls(&format!("https://{address}"), tls.dialer()),
        None => Connection::new(&format!("http://{address}")),
    }
}

impl Process {
    /// Starts the process of a slot. It gets a process group of its own: what a terminal sends us is not for it.
    pub(crate) fn start(plan: &Plan, slot: &Slot, listener: &TcpListener) -> io::Result<Self> {
        let mut command = std::process::Command::new(&plan.program);
        command.args(&slot.arguments).stdin(Stdio::null()).process_group(0);
        plan.hidden.iter().for_each(|name| {
            command.env_remove(name);
        });
        command.envs(plan.environment.iter().map(|(name, value)| (name, value)));
        let secrets = pipe_of(&slot.secrets)?;
        command.env(crate::SECRETS, SECRETS.to_string());
        let mut descriptors = vec![FdMapping { parent_fd: secrets, child_fd: SECRETS }];
        if slot.inherits_listener {
            let parent_fd = OwnedFd::from(listener.try_clone()?);
            command.env("LISTEN_FDS", "1").env_remove("LISTEN_PID");
            descriptors.push(FdMapping { parent_fd, child_fd: LISTENER });
        }
        command.fd_mappings(descriptors).map_err(io::Error::other)?;
        let child = Command::from(command).spawn()?;
        let pid = child.id().ok_or_else(|| io::Error::other("the process ended at once"))?;
        Ok(Self { pid, started: started(pid).unwrap_or(0), child: Some(child) })
    }

    /// The process that an earlier supervisor started, if it still runs.
    pub(crate) fn adopt(state: &SlotState) -> Option<Self> {
        let process = Self { pid: state.pid, started: state.started, child: None };
        process.is_running().then_some(process)
    }

    fn is_running(&self) -> bool {
        started(self.pid) == Some(self.started)
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&mut self) {
        if let Some(child) = &mut self.child {
            match child.wait().await {
                Ok(status) => tracing::debug!(pid = self.pid, %status, "ended"),
                Err(error) => tracing::error!(pid = self.pid, %error, "cannot wait for a process"),
            }
            return;
        }
        while self.is_running() {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Ends it, also when it is stopped.
    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        if self.is_running()
            && let Some(pid) = pid(self.pid)
            && let Err(error) = kill_process(pid, signal)
        {
            tracing::warn!(pid = self.pid, %error, "cannot send a signal");
        }
    }

    /// A copy of the listener that the process was given.
    pub(crate) fn listener(&self) -> io::Result<TcpListener> {
        let pid = pid(self.pid).ok_or_else(|| io::Error::other("no process"))?;
        let process = pidfd_open(pid, PidfdFlags::empty())?;
        Ok(pidfd_getfd(process, LISTENER, PidfdGetfdFlags::empty())?.into())
    }
}

/// A pipe that holds these bytes and nothing after them.
fn pipe_of(bytes: &[u8]) -> io::Result<OwnedFd> {
    let (reader, mut writer) = io::pipe()?;
    if bytes.len() > PIPE_BYTES {
        return Err(io::Error::other("secrets that do not fit into a pipe"));
    }
    writer.write_all(bytes)?;
    Ok(reader.into())
}

fn pid(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

/// When the kernel started a process that has not ended: field 22 of `/proc/PID/stat` (proc_pid_stat(5)).
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before may hold spaces and brackets.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let is_dead = matches!(fields.next()?, "Z" | "X");
    if is_dead { None } else { fields.nth(18)?.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_from_its_successor() {
        let pid = std::process::id();
        let started = started(pid).unwrap();
        let state = |started| SlotState {
            name: "a".to_owned(),
            address: ([127, 0, 0, 1], 1).into(),
            pid,
            started,
            restarts: 0,
            has_listener: false,
        };
        assert!(Process::adopt(&state(started)).is_some());
        assert!(Process::adopt(&state(started + 1)).is_none(), "another one got the number");
    }
}
