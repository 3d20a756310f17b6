//! `holdfast cluster`, `status` and `restart`: a shop in several processes on one machine.

mod metrics;

use std::{
    fmt::Write as _,
    io::Write as _,
    net::SocketAddr,
    num::NonZero,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use bytes::Bytes;
use clap::ValueEnum;
use holdfast_client::{Answer, Method};
use holdfast_cluster::{Plan, PortAllocator, Slot, SlotState, State, supervise};
use holdfast_types::{Code, Error, Random, Result};
use holdfast_web::{InternalTls, Tls};

use super::print;
use crate::{
    config::{Config, Layers},
    parts::{Counts, Part},
    serve::prepare_data_dir,
    system::Status,
    wiring::Shop,
};

/// How long a process may take to say how it is.
const STATUS_TIME: Duration = Duration::from_secs(1);

/// Runs a cluster until SIGTERM or Ctrl-C.
pub(crate) async fn run(
    config: &Config,
    mut layers: Layers,
    settings: &[String],
    counts: &Counts,
    program: PathBuf,
) -> Result<ExitCode> {
    prepare_data_dir(config)?;
    if let Some([certificate, key]) = &config.tls {
        Tls::check(certificate, key)?;
    }
    let tls = config.open_internal_tls()?;
    open_databases(config).await?;
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let state = state_file(config);
    let before = State::read(&state).unwrap_or_default();
    if config.cluster_secret.is_none() {
        layers.set_cluster_secret(own_secret(config)?);
    }
    let mut places = PortAllocator::new(before);
    let slots = Layout::new(counts, &mut places, tls.is_some(), settings)?.slots(&layers)?;
    let environment = vec![
        ("TOKIO_WORKER_THREADS".to_owned(), threads(slots.len()).to_string()),
        // The supervisor listens there, for all of them.
        ("HOLDFAST_METRICS_LISTEN".to_owned(), String::new()),
    ];
    let hidden = Layers::secret_variables();
    metrics::serve(config, layers.cluster_secret()?.unwrap_or_default(), tls.clone())?;
    let listen = config.listen;
    let plan = Plan { program, environment, hidden, listen, state, tls, slots, places };
    supervise(plan, |address| {
        let text = format!(
            "Holdfast {} holds fast on {scheme}://{address}\n  Console  {scheme}://{address}/console\n  Shop     {scheme}://{address}/shop\n  Docs     {scheme}://{address}/docs\n  Status   holdfast status\n  Restart  holdfast restart, one process after the other\n",
            env!("CARGO_PKG_VERSION")
        );
        // Nobody may be reading; the cluster goes on.
        let _ = std::io::stdout().write_all(text.as_bytes());
    })
    .await?;
    Ok(ExitCode::SUCCESS)
}

/// Makes or changes the tables before any process is started, so that what none of them could open is said once, by the
/// command. A server that is down may come up while they try.
async fn open_databases(config: &Config) -> Result<()> {
    match Shop::open(config).await {
        Err(error) if [Code::Unavailable, Code::Timeout].contains(&error.code()) => {
            tracing::warn!(%error, "a database is not there yet");
            Ok(())
        }
        opened => opened.map(|_| ()),
    }
}

/// Threads of each process: all together twice as many as cores. As many as cores in each, they mostly wake each other
/// up: on two cores, seven processes with one thread each were a tenth faster than with two.
fn threads(processes: usize) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    (2 * cores).div_ceil(processes.max(1))
}

fn state_file(config: &Config) -> PathBuf {
    config.data_dir.join("cluster.json")
}

/// Where the processes of a cluster are, and what they are all told.
struct Layout<'a> {
    scheme: &'static str,
    settings: &'a [String],
    processes: Vec<Process>,
}

struct Process {
    part: Part,
    name: String,
    address: SocketAddr,
}

impl<'a> Layout<'a> {
    fn new(
        counts: &Counts,
        ports: &mut PortAllocator,
        is_tls: bool,
        settings: &'a [String],
    ) -> Result<Self> {
        let mut processes = Vec::new();
        for (part, count) in counts.services_first() {
            for number in 1..=count {
                let name = format!("{}-{number}", part.name());
                let address = ports.of(&name)?;
                processes.push(Process { part, name, address });
            }
        }
        let scheme = if is_tls { "https" } else { "http" };
        Ok(Self { scheme, settings, processes })
    }

    fn slots(&self, layers: &Layers) -> Result<Vec<Slot>> {
        let slot = |process: &Process| {
            Ok(Slot {
                name: process.name.clone(),
                arguments: self.arguments(process),
                secrets: layers.secrets_of(process.part)?,
                address: process.address,
                inherits_listener: process.part == Part::Gateway,
            })
        };
        self.processes.iter().map(slot).collect()
    }

    fn arguments(&self, process: &Process) -> Vec<String> {
        let mut arguments = vec!["serve".to_owned(), process.part.name().to_owned()];
        arguments.extend_from_slice(self.settings);
        let is_gateway = process.part == Part::Gateway;
        let listen = if is_gateway { "--internal-listen" } else { "--listen" };
        arguments.extend([listen.to_owned(), process.address.to_string()]);
        for &peer in Part::value_variants() {
            let instances = self.processes.iter().filter(|other| other.part == peer);
            let urls: Vec<String> =
                instances.map(|other| format!("{}://{}", self.scheme, other.address)).collect();
            arguments.extend([format!("--{}", peer.name()), urls.join(",")]);
        }
        arguments
    }
}

/// The secret of a cluster that was given none: made once, readable for its user only.
fn own_secret(config: &Config) -> Result<String> {
    let path = secret_file(config);
    if let Some(secret) = read_secret(&path) {
        let rights = std::fs::symlink_metadata(&path).map(|file| file.permissions().mode());
        if rights.is_ok_and(|mode| mode & 0o077 == 0) {
            return Ok(secret);
        }
        // Others may know it.
        tracing::warn!(file = %path.display(), "others could read the cluster's secret: a new one is made");
    }
    // A file that is there keeps its rights, and a link may lead anywhere.
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::io(path.display(), error));
        }
        _ => {}
    }
    let bytes: [u8; 32] = Random::system().bytes();
    let secret = bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let written = options.open(&path).and_then(|mut file| file.write_all(secret.as_bytes()));
    written.map_err(|error| Error::io(path.display(), error))?;
    Ok(secret)
}

fn secret_file(config: &Config) -> PathBuf {
    config.data_dir.join("cluster-secret")
}

fn read_secret(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok().filter(|text| text.len() == 64)
}

/// Shows how every process is getting on; exit status 1 when one is not.
pub(crate) async fn status(config: &Config, secret: Option<String>) -> Result<ExitCode> {
    let state = State::read(&state_file(config)).ok_or_else(|| {
        Error::new(
            Code::Unavailable,
            "no cluster is running here: start one with `holdfast cluster`",
        )
    })?;
    let secret = secret.or_else(|| read_secret(&secret_file(config))).unwrap_or_default();
    let tls = config.open_internal_tls()?;
    let mut table = format!(
        "{:<12} {:>8} {:>10} {:>9} {:>9} {:>9}\n",
        "PROCESS", "PID", "UPTIME", "RESTARTS", "IN FLIGHT", "P99"
    );
    let mut all_well = true;
    for slot in &state.slots {
        let found = ask(slot, &secret, tls.as_ref()).await;
        let found = found.filter(|status| status.pid == slot.pid);
        all_well &= found.as_ref().is_some_and(|status| status.wants_requests);
        table.push_str(&row(slot, found.as_ref()));
    }
    print(&table)?;
    Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn ask(slot: &SlotState, secret: &str, tls: Option<&InternalTls>) -> Option<Status> {
    let asked = tell(slot, "/internal/status", secret, tls);
    serde_json::from_slice(&tokio::time::timeout(STATUS_TIME, asked).await.ok()??.body).ok()
}

/// What a process of the cluster answers to another one.
async fn tell(
    slot: &SlotState,
    path: &str,
    secret: &str,
    tls: Option<&InternalTls>,
) -> Option<Answer> {
    let mut process = holdfast_cluster::connect(slot.address, tls);
    process.send(Method::GET, path, &[("x-internal-secret", secret)], Bytes::new()).await.ok()
}

fn row(slot: &SlotState, status: Option<&Status>) -> String {
    let SlotState { name, pid, restarts, .. } = slot;
    let Some(status) = status else {
        return format!("{name:<12} {pid:>8} {:>10} {restarts:>9} {:>9} {:>9}\n", "silent", "", "");
    };
    let uptime = format!("{} s", status.uptime_seconds);
    let p99 = status.p99_micros.map_or_else(
        || "-".to_owned(),
        |micros| format!("≤ {:?}", Duration::from_micros(micros.next_multiple_of(100))),
    );
    let standing = if status.wants_requests { "" } else { "  draining" };
    format!(
        "{name:<12} {:>8} {uptime:>10} {restarts:>9} {:>9} {p99:>9}{standing}\n",
        status.pid, status.in_flight
    )
}

/// Restarts every process, one after the other.
pub(crate) async fn restart(config: &Config) -> Result<ExitCode> {
    let state = holdfast_cluster::restart(&state_file(config)).await?;
    print(&format!("{} processes were restarted, one after the other.\n", state.slots.len()))?;
    Ok(ExitCode::SUCCESS)
}
