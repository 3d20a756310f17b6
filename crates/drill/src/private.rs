//! A shop of the drill's own: the program in a folder, with whatever settings, started again as often as it ends.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use holdfast_client::Connection;
use holdfast_cluster::State;
use hyper::Method;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio::time::{Instant, sleep};

use crate::Result;

/// The password of the administrator of every such shop.
pub const PASSWORD: &str = "drill-merchant-passphrase";
/// A start or a clean stop may take this long.
const LIMIT: Duration = Duration::from_secs(60);

/// What to start.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program.
    pub program: PathBuf,
    /// Where it runs, and logs.
    pub folder: PathBuf,
    /// Where its data lies.
    pub data: PathBuf,
    /// The command with its arguments; none is a shop in one process.
    pub arguments: Vec<String>,
    /// Its whole environment, beside the usual.
    pub settings: Vec<(String, String)>,
}

/// A running shop; ends when dropped, with all its processes.
#[derive(Debug)]
pub struct PrivateShop {
    /// Where it listens.
    pub url: String,
    plan: Plan,
    child: Option<Child>,
}

/// The program that lies beside this one.
pub fn program_beside() -> Result<PathBuf> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    Ok(program.with_file_name("holdfast"))
}

impl PrivateShop {
    /// Starts a shop on a port of the system's choice.
    pub fn start(plan: Plan) -> Result<Self> {
        let mut shop = Self { url: String::new(), plan, child: None };
        shop.start_again()?;
        Ok(shop)
    }

    /// Starts the same command on the same data and, once it has one, the same port.
    pub fn start_again(&mut self) -> Result<()> {
        let port = self.url.rsplit(':').next().filter(|port| !port.is_empty()).unwrap_or("0");
        let mut child = self
            .command()
            .args(&self.plan.arguments)
            .env("PORT", port)
            .stdout(Stdio::piped())
            .stderr(self.log()?)
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", self.plan.program.display()))?;
        let mut lines = child.stdout.take().map(|out| BufReader::new(out).lines());
        let first = lines.as_mut().and_then(Iterator::next).and_then(std::io::Result::ok);
        let url = first.and_then(|line| line.split_whitespace().last().map(str::to_owned));
        // Whoever writes into a closed pipe ends.
        std::thread::spawn(move || lines.map(Iterator::count));
        self.child = Some(child);
        self.url = url
            .ok_or_else(|| format!("the shop did not start: see {}", self.log_path().display()))?;
        Ok(())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.plan.program);
        // What is set for tests or another shop is not for this one.
        command.current_dir(&self.plan.folder).env_clear().stdin(Stdio::null());
        command.env("HOLDFAST_DATA_DIR", &self.plan.data);
        command.envs([("HOLDFAST_RATE_LIMITS", "off"), ("HOLDFAST_ADMIN_PASSWORD", PASSWORD)]);
        command.envs(self.plan.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    fn log(&self) -> Result<File> {
        let log = OpenOptions::new().create(true).append(true).open(self.log_path());
        log.map_err(|error| error.to_string())
    }

    /// What it has logged.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.plan.folder.join("log")
    }

    /// Where its data lies.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.plan.data
    }

    /// Waits until it says that it is ready.
    pub async fn ready(&self) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        let mut connection = Connection::new(&self.url);
        loop {
            let answer = connection.send(Method::GET, "/readyz", &[], bytes::Bytes::new()).await;
            if answer.is_ok_and(|answer| answer.status == 200) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("the shop is not ready: see {}", self.log_path().display()));
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// The first process: the only one, or the supervisor.
    #[must_use]
    pub fn first(&self) -> Option<Pid> {
        self.child.as_ref().and_then(|child| pid(child.id()))
    }

    /// The processes that serve.
    #[must_use]
    pub fn serving(&self) -> Vec<Pid> {
        match State::read(&self.data().join("cluster.json")) {
            Some(state) => state.slots.iter().filter_map(|slot| pid(slot.pid)).collect(),
            None => self.first().into_iter().collect(),
        }
    }

    /// Ends the first process without warning.
    pub fn kill_first(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Ends all processes without warning, and waits until they are gone.
    pub fn kill(&mut self) {
        let serving = self.serving();
        self.kill_with(&serving);
    }

    /// The same, when it cannot be read any more which processes serve.
    pub fn kill_with(&mut self, serving: &[Pid]) {
        self.kill_first();
        for pid in serving {
            // It may be gone.
            let _ = kill_process(*pid, Signal::KILL);
        }
        while serving.iter().any(|pid| test_kill_process(*pid).is_ok()) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Asks it to end, and waits.
    pub async fn stop(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        if let Some(pid) = pid(child.id()) {
            kill_process(pid, Signal::TERM).map_err(|error| error.to_string())?;
        }
        let deadline = Instant::now() + LIMIT;
        while child.try_wait().map_err(|error| error.to_string())?.is_none() {
            if Instant::now() > deadline {
                self.child = Some(child);
                return Err("the shop does not stop".to_owned());
            }
            sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Whether the first process has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| child.try_wait().is_ok_and(|ended| ended.is_some()))
    }

    /// Runs another command of the program on this shop's data: whether it succeeded, and what it said.
    pub fn run(&self, arguments: &[&str]) -> Result<(bool, String)> {
        let ran = self.command().args(arguments).output().map_err(|error| error.to_string())?;
        let said = [ran.stdout, ran.stderr].concat();
        Ok((ran.status.success(), String::from_utf8_lossy(&said).into_owned()))
    }
}

fn pid(number: u32) -> Option<Pid> {
    i32::try_from(number).ok().and_then(Pid::from_raw)
}

impl Drop for PrivateShop {
    fn drop(&mut self) {
        self.kill();
    }
}
