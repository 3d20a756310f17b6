//! The faults, by name: what each wants, where it strikes, and how.

use std::{path::PathBuf, time::Duration};

use clap::ValueEnum;
use holdfast_testkit::{Engine, Home, postgres_program};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::{
    clock::{self, Clock},
    databases,
    disk::{self, Disk},
    network,
};
use crate::{Result, private::PrivateShop};

/// What strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Nemesis {
    /// SIGKILL of a process that serves
    Kill,
    /// SIGSTOP of a process that serves, and SIGCONT later
    Pause,
    /// A clean stop, and a start
    Stop,
    /// SIGKILL of a cluster's supervisor, and a new one
    Supervisor,
    /// The power of the machine fails: the file system shuts down and forgets what was not synced
    Powercut,
    /// The disk is full for a while
    Enospc,
    /// fsync and fdatasync fail for a while
    FsyncError,
    /// fsync and fdatasync are slow for a while
    SlowDisk,
    /// The clock is set back or forth, and right again
    Clock,
    /// The database server ends without a checkpoint, and starts again
    DbRestart,
    /// Somebody else locks what orders need
    DbLock,
    /// SIGKILL of the primary of a replica set
    PrimaryKill,
    /// Nothing gets through to the database for a while
    Blackhole,
}

/// Where a shop is tortured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Topology {
    /// One process
    Process,
    /// A cluster: two gateways and two of each service
    Cluster,
}

/// A shop under torture, and what it stands on.
pub(super) struct Rig {
    pub(super) shop: PrivateShop,
    pub(super) home: Option<Home>,
    pub(super) disk: Option<Disk>,
    pub(super) clock: Option<Clock>,
    /// Goes last.
    pub(super) _folder: TempDir,
}

/// What a fault did.
pub(super) struct Strike {
    pub(super) at: Instant,
    /// How it is known that it struck.
    pub(super) evidence: String,
    /// When the machine was losing power: what was acknowledged then does not count.
    pub(super) window: Option<(Instant, Instant)>,
}

impl Nemesis {
    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// The engine and the topology that it is for, where nobody says otherwise.
    pub(super) const fn place(self) -> (Engine, Topology) {
        match self {
            Self::Supervisor => (Engine::Sqlite, Topology::Cluster),
            Self::DbRestart | Self::DbLock | Self::Blackhole => {
                (Engine::Postgres, Topology::Process)
            }
            Self::PrimaryKill => (Engine::Mongo, Topology::Process),
            _ => (Engine::Sqlite, Topology::Process),
        }
    }

    /// Why it cannot strike here, if so.
    pub(super) fn obstacle(self, engine: Engine, topology: Topology) -> Option<String> {
        let wants =
            |program: &str| find(program).is_none().then(|| format!("there is no `{program}`"));
        let root = || (!rustix::process::geteuid().is_root()).then(|| "it wants root".to_owned());
        let only = |is: bool, what: &str| (!is).then(|| format!("it is for {what}"));
        match self {
            Self::Kill | Self::Pause | Self::Stop => None,
            Self::Supervisor => only(topology == Topology::Cluster, "a cluster"),
            Self::Powercut => only(engine == Engine::Sqlite, "SQLite")
                .or_else(root)
                .or_else(|| wants("mkfs.ext4"))
                .or_else(|| wants("python3"))
                .or_else(disk::obstacle),
            Self::Enospc => {
                only(engine == Engine::Sqlite, "SQLite").or_else(root).or_else(|| wants("mount"))
            }
            Self::FsyncError | Self::SlowDisk => {
                only(engine == Engine::Sqlite, "SQLite").or_else(root).or_else(|| wants("strace"))
            }
            Self::Clock => {
                only(topology == Topology::Process, "one process").or_else(clock::obstacle)
            }
            Self::DbRestart => only(engine != Engine::Sqlite, "engines on servers"),
            Self::DbLock => match engine {
                Engine::Postgres => {
                    postgres_program("psql").is_none().then(|| "there is no `psql`".to_owned())
                }
                _ => None,
            },
            Self::PrimaryKill => only(engine == Engine::Mongo, "MongoDB"),
            Self::Blackhole => only(engine != Engine::Sqlite, "engines on servers")
                .or_else(root)
                .or_else(|| wants("nft")),
        }
    }

    /// Strikes, and heals after `hold`. `roll` is what chance says.
    pub(super) async fn strike(self, rig: &mut Rig, hold: Duration, roll: usize) -> Result<Strike> {
        let at = Instant::now();
        let mut window = None;
        let evidence = match self {
            Self::Kill => kill(rig, roll).await?,
            Self::Pause => pause(rig, hold, roll).await?,
            Self::Stop => stop(rig).await?,
            Self::Supervisor => replace_supervisor(rig).await?,
            Self::Powercut => {
                let (evidence, fell) = disk::cut_power(rig).await?;
                window = Some(fell);
                evidence
            }
            Self::Enospc => disk::fill(rig, hold).await?,
            Self::FsyncError => disk::inject(rig, "error=EIO", hold).await?,
            Self::SlowDisk => disk::inject(rig, "delay_enter=200000", hold).await?,
            Self::Clock => clock::set(rig, hold, roll).await?,
            Self::DbRestart => databases::restart(rig, hold).await?,
            Self::DbLock => databases::lock(rig, hold).await?,
            Self::PrimaryKill => databases::kill_primary(rig, hold).await?,
            Self::Blackhole => network::drop_packets(rig, hold).await?,
        };
        Ok(Strike { at, evidence, window })
    }
}

/// Where a program is.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn one_of(rig: &Rig, roll: usize) -> Result<Pid> {
    let serving = rig.shop.serving();
    let place = roll % serving.len().max(1);
    serving.get(place).copied().ok_or_else(|| "there is no process to strike at".to_owned())
}

fn signal(pid: Pid, signal: Signal) -> Result<()> {
    kill_process(pid, signal).map_err(|error| format!("cannot signal {pid:?}: {error}"))
}

async fn kill(rig: &mut Rig, roll: usize) -> Result<String> {
    let victim = one_of(rig, roll)?;
    signal(victim, Signal::KILL)?;
    if rig.shop.first() == Some(victim) {
        rig.shop.kill_first();
        rig.shop.start_again()?;
    }
    rig.shop.ready().await?;
    Ok(format!("process {} was killed", victim.as_raw_nonzero()))
}

async fn pause(rig: &mut Rig, hold: Duration, roll: usize) -> Result<String> {
    let victim = one_of(rig, roll)?;
    signal(victim, Signal::STOP)?;
    sleep(hold).await;
    // A supervisor may have replaced it.
    let goes_on = signal(victim, Signal::CONT).is_ok();
    rig.shop.ready().await?;
    let number = victim.as_raw_nonzero();
    let end = if goes_on { "went on" } else { "was replaced" };
    Ok(format!("process {number} stood still for {hold:?}, and {end}"))
}

async fn stop(rig: &mut Rig) -> Result<String> {
    rig.shop.stop().await?;
    rig.shop.start_again()?;
    rig.shop.ready().await?;
    Ok("it was stopped".to_owned())
}

/// The processes outlive their supervisor; the next one takes them over.
async fn replace_supervisor(rig: &mut Rig) -> Result<String> {
    let before = rig.shop.serving();
    rig.shop.kill_first();
    rig.shop.start_again()?;
    rig.shop.ready().await?;
    let after = rig.shop.serving();
    let kept = before.iter().filter(|pid| after.contains(pid)).count();
    Ok(format!("the supervisor was killed; {kept} of {} processes went on", before.len()))
}
