//! A primary that was just elected has every write that a majority confirmed, but does not know of the last ones that they
//! are of a majority before a write of its own term is: until then a read with read concern `majority` shows an older
//! state (MongoDB manual, "Read Concern majority"). A linearizable read waits for just that, so one is made after each
//! election that this process sees, and what was read before it is read once more.
//!
//! Behind `mongos` no election is seen, and nothing is waited for. A primary that was deposed and does not know it yet answers as
//! before, for as long as MongoDB lets it: ten seconds.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use mongodb::{
    Database, ServerType,
    bson::doc,
    event::{EventHandler, sdam::SdamEvent},
};
use tokio::sync::Mutex;

use super::{Fault, migrate};

/// A primary that cannot reach a majority for so long is none: who asked is told to repeat.
const SETTLING_TIME: Duration = Duration::from_secs(5);

/// The server gives up after we have.
const SERVER_TIME_MS: i64 = 10_000;

/// The elections that this process has seen.
#[derive(Default)]
pub(super) struct Elections {
    seen: Arc<AtomicU64>,
    /// Up to which of them what is read is what a majority has.
    settled: AtomicU64,
    /// One waits for all.
    waiting: Mutex<()>,
}

impl Elections {
    /// Counts primaries as the driver finds them.
    pub(super) fn handler(&self) -> EventHandler<SdamEvent> {
        let seen = Arc::clone(&self.seen);
        EventHandler::callback(move |event| {
            if let SdamEvent::ServerDescriptionChanged(change) = event
                && change.new_description.server_type() == ServerType::RsPrimary
                && change.previous_description.server_type() != ServerType::RsPrimary
            {
                seen.fetch_add(1, Ordering::AcqRel);
            }
        })
    }

    /// Waits until the primary of the last election knows what a majority has, unless that has been waited for. Says whether it was
    /// waited for: then what was read before is to be read once more.
    /// To be asked after a read: the driver tells of an election before it sends anything to the new primary, and its answer takes
    /// longer than the telling.
    pub(super) async fn settle(&self, database: &Database) -> Result<bool, Fault> {
        if self.is_settled() {
            return Ok(false);
        }
        let _waiting = self.waiting.lock().await;
        if self.is_settled() {
            return Ok(true);
        }
        let seen = self.seen.load(Ordering::Acquire);
        // Any document will do.
        let look = doc! {
            "find": migrate::MIGRATIONS, "limit": 1, "readConcern": {"level": "linearizable"}, "maxTimeMS": SERVER_TIME_MS,
        };
        let look = tokio::time::timeout(SETTLING_TIME, database.run_command(look)).await;
        look.map_err(|_| Fault::Late)??;
        self.settled.fetch_max(seen, Ordering::AcqRel);
        Ok(true)
    }

    fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Acquire) >= self.seen.load(Ordering::Acquire)
    }
}
