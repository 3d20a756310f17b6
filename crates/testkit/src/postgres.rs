//! A private PostgreSQL cluster in a temporary folder.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use tokio::time::Instant;

use crate::process::{Port, Server, find, folders_in, give_away, unprivileged};

/// A server may take this long to come up.
const START: Duration = Duration::from_secs(20);

/// A server of its own, on 127.0.0.1; gone when dropped.
#[derive(Debug)]
pub struct PostgresServer {
    server: Option<Server>,
    folder: TempDir,
    port: Port,
    /// Settings beside the usual ones.
    settings: Vec<String>,
}

/// Where a program of PostgreSQL is, if it is installed.
#[must_use]
pub fn postgres_program(name: &str) -> Option<PathBuf> {
    let versions = folders_in("/usr/lib/postgresql").into_iter();
    find(name, versions.map(|version| version.join("bin")))
}

impl PostgresServer {
    /// Makes a cluster and starts it; `None` when PostgreSQL is not installed.
    #[must_use]
    pub fn start() -> Option<Self> {
        let mut server = Self::make()?;
        server.resume();
        Some(server)
    }

    /// The same, for connections with TLS alone.
    ///
    /// # Panics
    /// When the files cannot be copied.
    #[must_use]
    pub fn start_with_tls(certificate: &Path, key: &Path) -> Option<Self> {
        let mut server = Self::make()?;
        let data = server.folder.path().join("data");
        for (name, file, rights) in [("certificate", certificate, 0o644), ("key", key, 0o600)] {
            let copy = data.join(name);
            fs::copy(file, &copy).expect("the file can be copied");
            fs::set_permissions(&copy, Permissions::from_mode(rights)).expect("it is ours");
            give_away(&copy);
        }
        let only_tls = "hostssl all all 127.0.0.1/32 trust\n";
        fs::write(data.join("pg_hba.conf"), only_tls).expect("the cluster is there");
        server.settings =
            ["ssl=on", "ssl_cert_file=certificate", "ssl_key_file=key"].map(str::to_owned).into();
        server.resume();
        Some(server)
    }

    fn make() -> Option<Self> {
        let initdb = postgres_program("initdb")?;
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        give_away(folder.path());
        let made = unprivileged(&initdb)
            .args(["--no-sync", "--auth=trust", "--username=holdfast", "--encoding=UTF8"])
            .args(["--locale=C", "--pgdata"])
            .arg(folder.path().join("data"))
            .stdin(Stdio::null())
            .output()
            .expect("initdb can be started");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        Some(Self { server: None, folder, port: Port::keep(), settings: Vec::new() })
    }

    /// Starts the server again after it was killed.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn resume(&mut self) {
        self.server = None;
        let postgres = postgres_program("postgres").expect("initdb came with postgres");
        let mut command = unprivileged(&postgres);
        command
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .args(["-p", &self.port.number.to_string()]);
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=200",
            "shared_buffers=128MB",
            "max_wal_size=2GB",
        ] {
            command.args(["-c", setting]);
        }
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        let deadline = Instant::now() + START;
        while !self.is_ready() {
            assert!(Instant::now() < deadline, "PostgreSQL did not come up");
            // After a kill it must wait for what the old one left behind.
            if self.server.as_mut().is_none_or(Server::has_ended) {
                self.server = Some(Server::start(&mut command));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills the postmaster: its children notice, and a client's connection breaks.
    pub fn kill(&mut self) {
        self.server = None;
    }

    /// Makes the server end at once, without a checkpoint, as `pg_ctl stop -m immediate` does.
    ///
    /// # Panics
    /// When it does not end.
    pub fn stop_immediately(&mut self) {
        let mut server = self.server.take().expect("it runs");
        server.signal(rustix::process::Signal::QUIT);
        let deadline = Instant::now() + START;
        while !server.has_ended() {
            assert!(Instant::now() < deadline, "PostgreSQL did not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn is_ready(&self) -> bool {
        let ready = postgres_program("pg_isready").expect("initdb came with pg_isready");
        let port = self.port.number.to_string();
        let mut command = Command::new(ready);
        command.args(["-q", "-h", "127.0.0.1", "-p", &port, "-U", "holdfast", "-d", "postgres"]);
        command.status().is_ok_and(|status| status.success())
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port.number
    }

    /// A connection string.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://holdfast@127.0.0.1:{}/postgres", self.port.number)
    }
}
