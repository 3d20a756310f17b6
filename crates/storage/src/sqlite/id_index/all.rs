//! All indexes of ids of a process, through the transactions of its writer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::{GATHERED, IdIndex, Mark};

/// The indexes of the tables that this process keeps.
#[derive(Clone, Debug)]
pub(in crate::sqlite) struct IdIndexes {
    pub(super) gathered: i64,
    pub(super) all: Arc<Mutex<Vec<IdIndex>>>,
}

/// What a transaction has done up to some moment, in each index.
pub(in crate::sqlite) struct Marks(Vec<Mark>);

impl Default for IdIndexes {
    fn default() -> Self {
        Self { gathered: GATHERED, all: Arc::default() }
    }
}

impl IdIndexes {
    fn all(&self) -> MutexGuard<'_, Vec<IdIndex>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The index of that name, the same for everybody who asks.
    pub(in crate::sqlite) fn keep(&self, name: &'static str, table: &str, key: &str) -> IdIndex {
        let mut all = self.all();
        if let Some(known) = all.iter().find(|index| index.name == name) {
            return known.clone();
        }
        let (gathered, table, key) = (self.gathered, table.into(), key.into());
        let index = IdIndex { name, table, key, gathered, memory: Arc::default() };
        all.push(index.clone());
        index
    }

    /// At the beginning of a writer's transaction.
    pub(in crate::sqlite) fn begin(&self, db: &Connection) -> rusqlite::Result<()> {
        self.all().iter().try_for_each(|index| {
            index.catch_up(db)?;
            index.memory().begin();
            Ok(())
        })
    }

    pub(in crate::sqlite) fn mark(&self) -> Marks {
        Marks(self.all().iter().map(|index| index.memory().mark()).collect())
    }

    /// Forgets what the transaction has done since then.
    pub(in crate::sqlite) fn undo_to(&self, Marks(marks): &Marks) {
        for (index, mark) in self.all().iter().zip(marks) {
            index.memory().undo(*mark);
        }
    }

    /// Forgets what the transaction has done.
    pub(in crate::sqlite) fn undo(&self) {
        for index in self.all().iter() {
            let mut memory = index.memory();
            let began = memory.began;
            memory.undo(began);
        }
    }

    /// The last of a transaction's own writes.
    pub(in crate::sqlite) fn merge(&self, db: &Connection) -> rusqlite::Result<()> {
        self.all().iter().try_for_each(|index| index.merge(db))
    }

    /// After the transaction is on disk.
    pub(in crate::sqlite) fn commit(&self) {
        self.all().iter().for_each(|index| index.memory().commit());
    }
}
