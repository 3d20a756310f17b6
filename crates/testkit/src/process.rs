//! Database servers as children of a test: they end with it, however it ends.

use std::{
    env, fs,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use holdfast_cluster::{PortAllocator, State};

/// Nobody in particular: database servers refuse to run as root.
const NOBODY: u32 = 65534;

/// A running server; killed when dropped.
#[derive(Debug)]
pub(crate) struct Server(Child);

impl Server {
    /// Starts `program`, which dies with the thread that started it.
    pub(crate) fn start(program: &mut Command) -> Self {
        program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(program.spawn().expect("the program can be started"))
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.0.try_wait().is_ok_and(|status| status.is_some())
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw);
        let sent = pid.map(|pid| rustix::process::kill_process(pid, signal));
        sent.expect("a child has an id").expect("a child can be signalled");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A command that runs as somebody without rights when we are root, and that ends with us.
pub(crate) fn unprivileged(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.arg("--pdeathsig=KILL");
    if is_root() {
        let id = NOBODY.to_string();
        command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]);
    }
    command.arg(program);
    command
}

/// Gives `folder` to whoever [`unprivileged`] commands run as.
pub(crate) fn give_away(folder: &Path) {
    if is_root() {
        chown(folder, Some(NOBODY), Some(NOBODY)).expect("root can give folders away");
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A port of 127.0.0.1 that nobody else takes before or between two lives of a server.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) number: u16,
    _kept: Box<PortAllocator>,
}

impl Port {
    pub(crate) fn keep() -> Self {
        let mut places = PortAllocator::new(State::default());
        let address = places.of("server").expect("there is a free port");
        Self { number: address.port(), _kept: Box::new(places) }
    }
}

/// Where `name` is: in one of `folders` or on the PATH.
pub(crate) fn find(name: &str, folders: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let paths: Vec<PathBuf> = env::split_paths(&path).collect();
    folders.into_iter().chain(paths).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// The folders in `folder`, the last by name first.
pub(crate) fn folders_in(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    folders.sort();
    folders.reverse();
    folders
}
