//! An index of ids that come in another order than theirs: the newest are in memory, the others in a table.
//!
//! An index on disk takes each new id on another page, and pages are what a commit costs. So new ids are at first in
//! memory only, and go into the table many at a time in their own order, where neighbours share a page: the first level
//! of a log-structured merge-tree (O'Neil and others, 1996). Memory may be lost, since the rows are in the database: their
//! ids are read again from where the table ends.
//!
//! The writer learns as it begins a transaction what other processes added, so that it knows every id while it has the
//! write lock; a reader learns it when it misses an id or asks for a range of them.

mod places;

use std::{
    collections::{BTreeMap, btree_map::Entry},
    ops::Bound::{Excluded, Included, Unbounded},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use holdfast_types::{Error, Result};
use rusqlite::{Connection, MAIN_DB, OptionalExtension, Row, types::ValueRef};
use uuid::Uuid;

use super::Fault;
pub(super) use places::define;
pub use places::{place, places_of, swapped};

/// Few enough that a start does not take longer: 26,000 rows of two tables are read in less than 20 ms.
const GATHERED: i64 = 32_768;
/// Ids that are moved for each that is added, so that one generation is gone before the next is full.
const PACE: usize = 2;

/// What is on disk about each index. `source` names the table, where the index has another name; `key` the column that is the
/// id, two with ", " between them, or what SQL makes of some; a row where that is NULL is not in the index. Rows up to `merged` have their ids in the table. Of the rows after those, up to
/// `merging`, it has the ids up to `place`.
pub(super) const MARKS: &str = "CREATE TABLE IF NOT EXISTS holdfast_id_indexes (
    name    TEXT    PRIMARY KEY,
    key     TEXT    NOT NULL DEFAULT 'id',
    merged  INTEGER NOT NULL DEFAULT 0,
    merging INTEGER NOT NULL DEFAULT 0,
    place   BLOB    NOT NULL DEFAULT x'00000000000000000000000000000000',
    source  TEXT
) STRICT;";

type Id = [u8; 16];

/// Two numbers as an id: sorted by the first, then by the second, as long as neither is negative.
#[must_use]
pub fn pair(first: i64, second: i64) -> Id {
    let both = u128::from(first.cast_unsigned()) << 64 | u128::from(second.cast_unsigned());
    both.to_be_bytes()
}

/// Reads the columns of the key, then `seq`.
fn id_and_seq(row: &Row<'_>) -> rusqlite::Result<(Option<Id>, i64)> {
    match row.get_ref(0)? {
        ValueRef::Integer(first) => Ok((Some(pair(first, row.get(1)?)), row.get(2)?)),
        _ => Ok((row.get(0)?, row.get(1)?)),
    }
}

/// Where the rows of a table are by their ids. Clones share what they know.
///
/// The table has the column `seq INTEGER PRIMARY KEY`, and its rows stay for good. An id is the column `id BLOB`, a
/// [`pair`] of two columns of numbers, or a [`place`]. Beside it is `{name}_ids (id BLOB PRIMARY KEY, seq INTEGER)`, and
/// `holdfast_id_indexes` has its name.
#[derive(Clone, Debug)]
pub struct IdIndex {
    name: &'static str,
    table: Arc<str>,
    key: Arc<str>,
    /// Rows whose ids are gathered in memory before they are moved.
    gathered: i64,
    memory: Arc<Mutex<Memory>>,
}

/// The ids that are not in the table yet, and perhaps some that are.
#[derive(Debug, Default)]
struct Memory {
    seqs: BTreeMap<Id, i64>,
    /// The last row that was looked at.
    seen: i64,
    merged: i64,
    /// `seen` as the transaction began, and the ids that it has added and moved since.
    began: i64,
    added: Vec<Id>,
    moved: Vec<Id>,
}

/// Up to where ids are in the table, as the database says.
struct Marks {
    merged: i64,
    merging: i64,
    place: Id,
    /// The last row.
    last: i64,
}

impl IdIndex {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The `seq` of the row with that id. While its transaction runs, a writer may find a row that no reader sees yet.
    /// A reader asks outside of a transaction, so that each look sees what was committed before it.
    pub fn find(&self, db: &Connection, id: &Id) -> Result<Option<i64>, Fault> {
        let (found, seen) = self.look(db, id)?;
        // What memory knew as it was asked counts, not what another reader has taught it since.
        if found.is_some() || !db.is_readonly(MAIN_DB)? || self.last(db)? <= seen {
            return Ok(found);
        }
        self.catch_up(db)?;
        Ok(self.look(db, id)?.0)
    }

    /// The ids after `after`, up to `last`, in their order and with their rows; `limit` at most. It may tell of rows that are
    /// not committed: whoever fetches them stops at the first that is not there.
    pub fn range(
        &self,
        db: &Connection,
        after: &Id,
        last: &Id,
        limit: usize,
    ) -> Result<Vec<(Id, i64)>, Fault> {
        if after > last {
            return Ok(Vec::new());
        }
        if self.last(db)? > self.memory().seen {
            self.catch_up(db)?;
        }
        let mut found: BTreeMap<Id, i64> = {
            let memory = self.memory();
            let remembered = memory.seqs.range((Excluded(*after), Included(*last)));
            remembered.take(limit).map(|(id, seq)| (*id, *seq)).collect()
        };
        let sql = format!(
            "SELECT id, seq FROM {}_ids WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3",
            self.name
        );
        let mut query = db.prepare_cached(&sql)?;
        let most = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut rows = query.query((after, last, most))?;
        while let Some(row) = rows.next()? {
            found.entry(row.get(0)?).or_insert(row.get(1)?);
        }
        Ok(found.into_iter().take(limit).collect())
    }

    /// Takes the row that was just inserted, under an id that was not found in this transaction.
    pub fn add(&self, db: &Connection, id: &Id) -> Result<(), Fault> {
        let seq = db.last_insert_rowid();
        let mut memory = self.memory();
        match memory.seqs.entry(*id) {
            Entry::Vacant(place) => place.insert(seq),
            Entry::Occupied(_) => return Err(Error::internal("an id was given twice").into()),
        };
        memory.added.push(*id);
        memory.seen = seq;
        Ok(())
    }

    /// Knows that the row that was just inserted is not in the index.
    pub fn pass(&self, db: &Connection) {
        self.memory().seen = db.last_insert_rowid();
    }

    /// Forgets a row that is not in the index any more.
    pub fn remove(&self, db: &Connection, id: &Id) -> Result<(), Fault> {
        self.memory().seqs.remove(id);
        let sql = format!("DELETE FROM {}_ids WHERE id = ?1", self.name);
        db.prepare_cached(&sql)?.execute([id])?;
        Ok(())
    }

    /// Memory first: what leaves it is in the table by then. Tells also the last row that memory had seen.
    fn look(&self, db: &Connection, id: &Id) -> rusqlite::Result<(Option<i64>, i64)> {
        let (remembered, seen) = {
            let memory = self.memory();
            (memory.seqs.get(id).copied(), memory.seen)
        };
        if remembered.is_some() {
            return Ok((remembered, seen));
        }
        let sql = format!("SELECT seq FROM {}_ids WHERE id = ?1", self.name);
        let merged = db.prepare_cached(&sql)?.query_row([id], |row| row.get(0)).optional()?;
        Ok((merged, seen))
    }

    fn last(&self, db: &Connection) -> rusqlite::Result<i64> {
        let sql = format!("SELECT coalesce(max(seq), 0) FROM {}", self.table);
        db.prepare_cached(&sql)?.query_row([], |row| row.get(0))
    }

    fn marks(&self, db: &Connection) -> rusqlite::Result<Marks> {
        let sql = "SELECT merged, merging, place FROM holdfast_id_indexes WHERE name = ?1";
        let last = self.last(db)?;
        db.prepare_cached(sql)?.query_row([self.name], |row| {
            Ok(Marks { merged: row.get(0)?, merging: row.get(1)?, place: row.get(2)?, last })
        })
    }

    /// Reads the ids that others have added.
    fn catch_up(&self, db: &Connection) -> rusqlite::Result<()> {
        let mut memory = self.memory();
        let marks = self.marks(db)?;
        if memory.merged != marks.merged {
            memory.seqs.retain(|_, seq| *seq > marks.merged);
            memory.merged = marks.merged;
        }
        if memory.seen < marks.last {
            let sql = format!("SELECT {}, seq FROM {} WHERE seq > ?1", self.key, self.table);
            let mut query = db.prepare_cached(&sql)?;
            let mut rows = query.query([memory.seen.max(marks.merged)])?;
            while let Some(row) = rows.next()? {
                let (id, seq) = id_and_seq(row)?;
                if let Some(id) = id.filter(|id| seq > marks.merging || *id > marks.place) {
                    memory.seqs.insert(id, seq);
                }
                memory.seen = seq;
            }
        }
        memory.seen = memory.seen.max(marks.last);
        Ok(())
    }

    /// Before a transaction commits: moves ids from memory into the table, in proportion to those that it has added.
    fn merge(&self, db: &Connection) -> rusqlite::Result<()> {
        let mut memory = self.memory();
        if memory.added.is_empty() {
            return Ok(());
        }
        let mut marks = self.marks(db)?;
        if marks.merging == marks.merged && marks.last - marks.merged >= self.gathered {
            (marks.merging, marks.place) = (marks.last, Id::default());
        }
        if marks.merging == marks.merged {
            return Ok(());
        }
        let count = memory.added.len() * PACE;
        memory.moved = self.move_some(db, &memory, &marks, count)?;
        match memory.moved.last() {
            Some(id) if memory.moved.len() == count => marks.place = *id,
            _ => marks.merged = marks.merging,
        }
        let sql =
            "UPDATE holdfast_id_indexes SET merged = ?2, merging = ?3, place = ?4 WHERE name = ?1";
        db.prepare_cached(sql)?.execute((self.name, marks.merged, marks.merging, marks.place))?;
        Ok(())
    }

    /// Moves the next `count` ids of the rows that are being moved.
    fn move_some(
        &self,
        db: &Connection,
        memory: &Memory,
        marks: &Marks,
        count: usize,
    ) -> rusqlite::Result<Vec<Id>> {
        let sql = format!("INSERT OR IGNORE INTO {}_ids (id, seq) VALUES (?1, ?2)", self.name);
        let mut insert = db.prepare_cached(&sql)?;
        let rest = memory.seqs.range((Excluded(marks.place), Unbounded));
        let mut moved = Vec::with_capacity(count);
        for (id, seq) in rest.filter(|(_, seq)| **seq <= marks.merging).take(count) {
            if insert.execute((id, seq))? == 0 {
                tracing::error!(
                    index = self.name,
                    seq,
                    "an id was given twice: run `holdfast check`"
                );
            }
            moved.push(*id);
        }
        Ok(moved)
    }
}

/// Rows that would not be found by their ids, a sentence each, `limit` for each table at most.
pub(super) fn lost(db: &Connection, limit: usize) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT name, coalesce(source, name), key FROM holdfast_id_indexes";
    let mut indexes = db.prepare(sql)?;
    let indexes = indexes.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let indexes: Vec<(String, String, String)> = indexes.collect::<Result<_, _>>()?;
    let mut lost = Vec::new();
    for (name, table, key) in indexes {
        let id = match key.split_once(", ") {
            Some((first, second)) => format!("unhex(printf('%016x%016x', {first}, {second}))"),
            None => key,
        };
        // Whatever is not in the table of ids is read from the rows themselves.
        let sql = format!(
            "SELECT t.id FROM (SELECT seq, {id} AS id FROM {table}) t
             JOIN holdfast_id_indexes m ON m.name = '{name}' AND (t.seq <= m.merged OR (t.seq <= m.merging AND t.id <= m.place))
             LEFT JOIN {name}_ids i ON i.id = t.id WHERE t.id IS NOT NULL AND i.seq IS NOT t.seq LIMIT {limit}"
        );
        let mut query = db.prepare(&sql)?;
        let ids = query.query_map([], |row| Ok(Uuid::from_bytes(row.get(0)?)))?;
        for id in ids {
            lost.push(format!("the index of ids {name} does not find {} in {table}", id?));
        }
    }
    Ok(lost)
}

impl Memory {
    fn begin(&mut self) {
        self.began = self.seen;
    }

    /// Forgets what was added since there were `mark` additions.
    fn undo(&mut self, mark: usize) {
        for id in self.added.drain(mark..) {
            self.seqs.remove(&id);
        }
        self.seen = self.added.last().map_or(self.began, |id| self.seqs[id]);
        self.moved.clear();
    }

    fn commit(&mut self) {
        for id in self.moved.drain(..) {
            self.seqs.remove(&id);
        }
        self.added.clear();
    }
}

/// The indexes of the tables that this process keeps.
#[derive(Clone, Debug)]
pub(super) struct IdIndexes {
    gathered: i64,
    all: Arc<Mutex<Vec<IdIndex>>>,
}

/// How much a transaction has added up to some moment.
pub(super) struct Mark(Vec<usize>);

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
    pub(super) fn keep(&self, name: &'static str, table: &str, key: &str) -> IdIndex {
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
    pub(super) fn begin(&self, db: &Connection) -> rusqlite::Result<()> {
        self.all().iter().try_for_each(|index| {
            index.catch_up(db)?;
            index.memory().begin();
            Ok(())
        })
    }

    pub(super) fn mark(&self) -> Mark {
        Mark(self.all().iter().map(|index| index.memory().added.len()).collect())
    }

    /// Forgets what the transaction has added since then.
    pub(super) fn undo_to(&self, Mark(marks): &Mark) {
        for (index, mark) in self.all().iter().zip(marks) {
            index.memory().undo(*mark);
        }
    }

    /// Forgets what the transaction has added.
    pub(super) fn undo(&self) {
        self.all().iter().for_each(|index| index.memory().undo(0));
    }

    /// The last of a transaction's own writes.
    pub(super) fn merge(&self, db: &Connection) -> rusqlite::Result<()> {
        self.all().iter().try_for_each(|index| index.merge(db))
    }

    /// After the transaction is on disk.
    pub(super) fn commit(&self) {
        self.all().iter().for_each(|index| index.memory().commit());
    }
}

#[cfg(test)]
mod tests;
