//! The lock that writers of all processes queue on, in order.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use holdfast_types::{Error, Result};

/// A lock on a file of its own (`flock`).
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// Opens the lock of the database at `path`.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let place = path.with_extension("writer-lock");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&place).map_err(|error| Error::io(place.display(), error))?;
        Ok(Self(file))
    }

    /// Waits for the lock, and runs `work` under it.
    pub(super) fn hold<T, E: From<Error>>(
        &self,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        self.0.lock().map_err(Error::internal)?;
        let done = work();
        if let Err(error) = self.0.unlock() {
            tracing::error!(%error, "cannot unlock the writer's lock");
        }
        done
    }
}
