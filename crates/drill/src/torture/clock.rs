//! A clock that jumps: libfaketime under one process. Timers go on: they are on the monotonic clock, which nobody sets.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use hyper::Method;
use serde_json::json;
use tokio::time::sleep;

use super::nemesis::Rig;
use holdfast_client::Connection;

use crate::{Result, private::PASSWORD};

/// Seconds by which it is set.
const JUMPS: [i64; 6] = [-3600, 3600, -86_400, 86_400, -300, 300];

/// The offset, in a file that the library reads at every call.
#[derive(Debug)]
pub(super) struct Clock {
    file: PathBuf,
}

fn library() -> Option<PathBuf> {
    let folders = [
        "/usr/lib/x86_64-linux-gnu/faketime",
        "/usr/lib/aarch64-linux-gnu/faketime",
        "/usr/lib/faketime",
    ];
    folders
        .iter()
        .map(|folder| Path::new(folder).join("libfaketime.so.1"))
        .find(|file| file.is_file())
}

pub(super) fn obstacle() -> Option<String> {
    library().is_none().then(|| "libfaketime is not installed".to_owned())
}

impl Clock {
    /// A clock that is right, in `folder`, and the settings of a process that lives by it.
    pub(super) fn new(folder: &Path) -> Result<(Self, Vec<(String, String)>)> {
        let library = library().ok_or("libfaketime is not installed")?;
        let clock = Self { file: folder.join("clock") };
        clock.set(0)?;
        let settings = [
            ("LD_PRELOAD", library.to_string_lossy().into_owned()),
            ("FAKETIME_TIMESTAMP_FILE", clock.file.to_string_lossy().into_owned()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
        ];
        Ok((clock, settings.map(|(name, value)| (name.to_owned(), value)).into()))
    }

    fn set(&self, seconds: i64) -> Result<()> {
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{seconds:+}s\n"))
            .and_then(|()| fs::rename(&new, &self.file))
            .map_err(|error| error.to_string())
    }
}

pub(super) async fn set(rig: &mut Rig, hold: Duration, roll: usize) -> Result<String> {
    let clock = rig.clock.as_ref().ok_or("there is no clock to set")?;
    let jump = JUMPS[roll % JUMPS.len()];
    let before = minute(rig).await?;
    clock.set(jump)?;
    let after = minute(rig).await?;
    sleep(hold).await;
    clock.set(0)?;
    match before == after {
        true => Err("the clock did not move".to_owned()),
        false => Ok(format!("the clock was set by {jump:+} s for {hold:?}")),
    }
}

/// The minute at which the shop says that a user was made.
async fn minute(rig: &Rig) -> Result<String> {
    let name = uuid::Uuid::new_v4().simple().to_string();
    let body = json!({"username": name, "password": PASSWORD}).to_string();
    let user = Connection::new(&rig.shop.url)
        .send(Method::POST, "/api/users/register", &[], body.into())
        .await?
        .expect(201)?;
    let at = user["createdAt"].as_str().and_then(|at| at.get(..16));
    at.map(str::to_owned).ok_or_else(|| "the shop does not say what time it is".to_owned())
}
