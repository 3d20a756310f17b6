//! What is written down for the next supervisor, and for whoever asks how the cluster is.

use std::{
    collections::HashSet,
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

/// A cluster, as its supervisor saw it last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// The supervisor's process.
    pub supervisor: u32,
    /// Where clients come to.
    pub listen: Option<SocketAddr>,
    /// Its processes.
    pub slots: Vec<SlotState>,
    /// Rolling restarts that have come to an end.
    pub rolls: u64,
    /// Why the last of them stopped early.
    pub roll_error: Option<String>,
}

/// One process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SlotState {
    /// Names the slot.
    pub name: String,
    /// Where the process answers.
    pub address: SocketAddr,
    /// The process; 0 when there is none.
    pub pid: u32,
    /// When the kernel started it: tells it from another one that got its number.
    pub started: u64,
    /// How often the slot had to be filled again.
    pub restarts: u64,
    /// Whether it has the public listener.
    pub has_listener: bool,
}

impl State {
    /// Reads what was written down; nothing when there is nothing that can be read.
    #[must_use]
    pub fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }

    /// The slot of that name.
    #[must_use]
    pub fn slot(&self, name: &str) -> Option<&SlotState> {
        self.slots.iter().find(|slot| slot.name == name)
    }
}

/// The state of the cluster that is running, on disk at every moment.
#[derive(Debug)]
pub(crate) struct StateFile {
    path: PathBuf,
    state: Mutex<State>,
    /// Slots whose processes have answered.
    heard: Mutex<HashSet<String>>,
}

impl StateFile {
    /// Begins with `state`, which is on disk when this returns.
    pub(crate) fn new(path: PathBuf, state: State) -> io::Result<Self> {
        write(&path, &state)?;
        Ok(Self { path, state: Mutex::new(state), heard: Mutex::default() })
    }

    /// Changes what stands about one slot.
    pub(crate) fn note(&self, name: &str, change: impl FnMut(&mut SlotState)) {
        self.change(|state| {
            state.slots.iter_mut().filter(|slot| slot.name == name).for_each(change);
        });
    }

    /// Notes whether the process of a slot has answered.
    pub(crate) fn heard(&self, name: &str, is_heard: bool) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        match is_heard {
            true => heard.insert(name.to_owned()),
            false => heard.remove(name),
        };
    }

    /// Whether a process of another slot of the same part has answered.
    pub(crate) fn has_others(&self, name: &str) -> bool {
        let part = |name: &str| name.rsplit_once('-').map(|(part, _)| part.to_owned());
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.iter().any(|other| other != name && part(other) == part(name))
    }

    /// Notes how a rolling restart ended.
    pub(crate) fn note_roll(&self, error: Option<String>) {
        self.change(|state| {
            state.rolls += 1;
            state.roll_error = error;
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        if let Err(error) = write(&self.path, &state) {
            tracing::error!(%error, path = %self.path.display(), "cannot write down what is running");
        }
    }

    pub(crate) fn remove(&self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

/// Replaces the file as a whole, so that nobody reads half of it.
fn write(path: &Path, state: &State) -> io::Result<()> {
    let fresh = path.with_extension("new");
    fs::write(&fresh, serde_json::to_vec_pretty(state)?)?;
    fs::rename(fresh, path)
}
