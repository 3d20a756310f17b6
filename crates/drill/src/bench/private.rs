//! A shop on a database server of its own, for one measurement.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use holdfast_testkit::{Engine, Home};
use tempfile::TempDir;

use crate::Result;

/// A running shop and its database server; both end when dropped.
#[derive(Debug)]
pub struct PrivateShop {
    /// Where it listens.
    pub url: String,
    /// The database's connection string.
    pub database: String,
    child: Child,
    _folder: TempDir,
    _home: Home,
}

impl PrivateShop {
    /// Starts the `holdfast` that lies beside this program, on a server of `engine` that is started for it.
    pub fn start(engine: &str, password: &str) -> Result<Self> {
        let home = Home::of(Engine::named(engine))
            .ok_or_else(|| format!("{engine} is not installed: ./check installs it"))?;
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let database = home.url();
        let mut child = Command::new(program.with_file_name("holdfast"))
            .current_dir(folder.path())
            // What is set for tests or another shop is not for this one.
            .env_clear()
            .envs([("DB_CONNECTION_STRING", database.as_str()), ("PORT", "0")])
            .envs([("HOLDFAST_RATE_LIMITS", "off"), ("HOLDFAST_ADMIN_PASSWORD", password)])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start holdfast beside drill: {error}"))?;
        let mut lines = child.stdout.take().map(|out| BufReader::new(out).lines());
        let first = lines.as_mut().and_then(Iterator::next).and_then(std::io::Result::ok);
        let url = first.and_then(|line| line.split_whitespace().last().map(str::to_owned));
        // Whoever writes into a closed pipe ends.
        std::thread::spawn(move || lines.map(Iterator::count));
        let mut shop = Self { url: String::new(), database, child, _folder: folder, _home: home };
        shop.url = url.ok_or("the shop did not start")?;
        Ok(shop)
    }
}

impl Drop for PrivateShop {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
