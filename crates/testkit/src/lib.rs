//! Fresh isolated databases for tests.

use std::io::Write;

use holdfast_storage::Database;
use holdfast_types::{Clock, Fingerprint, Operation, Random, Timestamp};
use tempfile::TempDir;

/// A database that nobody else uses; gone when dropped.
#[derive(Debug)]
pub struct Fresh {
    /// The database.
    pub database: Database,
    /// A clock that stands still until it is moved.
    pub clock: Clock,
    /// Randomness that repeats.
    pub random: Random,
    _folder: TempDir,
}

/// Databases of all engines that are there, each with its name.
#[must_use]
pub fn engines() -> Vec<(&'static str, Fresh)> {
    vec![("sqlite", sqlite())]
}

fn sqlite() -> Fresh {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let database =
        holdfast_storage::open(None, folder.path()).expect("an empty folder can hold a database");
    let clock = Clock::manual(Timestamp::from_millis(1_800_000_000_000));
    Fresh { database, clock, random: Random::seeded(7), _folder: folder }
}

/// Runs a test of one guarantee on every engine.
pub async fn on_every_engine<F>(test: impl Fn(Fresh) -> F)
where
    F: Future<Output = ()>,
{
    for (engine, fresh) in engines() {
        // Dropped quietly when the test passes; a failure says where it happened.
        let _told = Told(engine);
        test(fresh).await;
    }
}

/// An operation of its own.
#[must_use]
pub fn operation(random: &Random) -> Operation {
    Operation { id: random.uuid_v7(Timestamp::from_millis(0)), fingerprint: Fingerprint([1; 16]) }
}

/// Says which engine a test failed on.
struct Told(&'static str);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "failed on engine {}", self.0);
        }
    }
}
