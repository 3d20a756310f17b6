//! How much room pictures take, and how much they may: a seller who puts in more and more must not fill the disk that orders need.

use std::time::Duration;

use futures_util::TryStreamExt;
use holdfast_types::{Code, Error, Result};
use object_store::{ObjectStore, path::Path};
use tokio::{sync::Mutex, time::Instant};

use crate::unavailable;

/// What other processes put in is noticed so late.
const RECOUNT: Duration = Duration::from_secs(600);
/// How long counting may take.
const COUNT_TIME: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(crate) struct Room {
    /// In bytes.
    limit: u64,
    /// When it was counted, and what is taken, with what this process has put in since.
    taken: Mutex<Option<(Instant, u64)>>,
}

impl Room {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, taken: Mutex::default() }
    }

    /// Takes room for so many bytes, or refuses with `storage-full`.
    pub(crate) async fn take(
        &self,
        store: &dyn ObjectStore,
        folder: &Path,
        bytes: u64,
    ) -> Result<()> {
        let mut known = self.taken.lock().await;
        let (at, taken) = match *known {
            Some(counted) if counted.0.elapsed() < RECOUNT => counted,
            _ => (Instant::now(), count(store, folder).await?),
        };
        let sum = taken.saturating_add(bytes);
        let fits = sum <= self.limit;
        *known = Some((at, if fits { sum } else { taken }));
        let full = || {
            let why = format!("pictures may take {} bytes together (media_limit)", self.limit);
            Error::new(Code::StorageFull, why)
        };
        fits.then_some(()).ok_or_else(full)
    }
}

async fn count(store: &dyn ObjectStore, folder: &Path) -> Result<u64> {
    let sum = store
        .list(Some(folder))
        .try_fold(0_u64, |sum, kept| async move { Ok(sum.saturating_add(kept.size)) });
    let late = |_| Error::new(Code::Unavailable, "counting the pictures takes too long: repeat");
    tokio::time::timeout(COUNT_TIME, sum).await.map_err(late)?.map_err(|error| unavailable(&error))
}
