//! Which commit is the newest, read without asking SQLite.
//!
//! Every commit, of whichever process, ends with a new header of the WAL index, whose first 48 bytes count it and
//! carry its checksum (<https://www.sqlite.org/walformat.html>, "The WAL-Index Header"). As long as they are the same,
//! nothing was committed. Reading them is one system call; a transaction that reads one row takes four, under a lock
//! that all threads share. A header that is torn while it is written equals none that was complete.

use std::{
    fs::File, hash::Hash, mem::ManuallyDrop, os::unix::fs::FileExt, path::Path, sync::OnceLock,
};

use holdfast_types::Result;
use quick_cache::sync::Cache as LruCache;
use rusqlite::Connection;

use super::{Fault, Sqlite};

/// Bytes of one copy of the header.
const HEADER: usize = 48;

/// A state of the whole database: equal ones have equal rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation([u8; HEADER]);

/// Tells the newest generation.
#[derive(Debug, Default)]
pub(super) struct Generations {
    /// Never closed: closing any descriptor of the file drops the locks that SQLite has on it in this process
    /// (POSIX `fcntl`).
    index: OnceLock<ManuallyDrop<File>>,
}

impl Generations {
    /// `None` when the index cannot be read; then nothing can be said about what was committed.
    pub(super) fn newest(&self, database: &Path) -> Option<Generation> {
        let index = match self.index.get() {
            Some(index) => index,
            None => {
                let opened = ManuallyDrop::new(File::open(super::beside(database, "-shm")).ok()?);
                self.index.get_or_init(|| opened)
            }
        };
        let mut header = [0; HEADER];
        index.read_exact_at(&mut header, 0).ok()?;
        // Before the first transaction there is no header yet.
        header.iter().any(|byte| *byte != 0).then_some(Generation(header))
    }
}

/// Remembers rows that are read often, for as long as nobody commits anything: what it answers is what a query would.
#[derive(Debug)]
pub struct Cache<K, V>(LruCache<K, (Generation, V)>);

impl<K: Clone + Eq + Hash, V: Clone> Cache<K, V> {
    /// Remembers up to `capacity` values.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self(LruCache::new(capacity))
    }

    /// The value of `key`, remembered or read.
    pub fn get(
        &self,
        db: &Sqlite,
        key: &K,
        read: impl FnOnce(&Connection) -> Result<V, Fault>,
    ) -> Result<V> {
        let newest = db.generation();
        if let Some((generation, value)) = self.0.get(key)
            && Some(generation) == newest
        {
            return Ok(value);
        }
        // Read after `newest`: the value may be newer than that, but never older.
        let value = db.get(read)?;
        if let Some(newest) = newest {
            self.0.insert(key.clone(), (newest, value.clone()));
        }
        Ok(value)
    }
}
