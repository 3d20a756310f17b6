//! An index of ids that come in another order than theirs: the newest are in memory, the others in a table.
//!
//! An index on disk takes each new id on another page, and pages are what a commit costs. So new ids are at first in
//! memory only, and go into the table many at a time in their own order, where neighbours share a page: the first level
//! of a log-structured merge-tree (O'Neil and others, 1996). Memory may be lost, since the rows are in the database: their
//! ids are read again from where the table ends.
//!
//! The writer learns as it begins a transaction what other processes added, so that it knows every id while it has the
//! write lock; a reader learns it when it misses an id or asks for a range of them.

mod all;
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
pub(super) use all::IdIndexes;
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
    /// As the transaction began, and what it has done since: ids added and removed, rows passed, ids moved.
    began: Mark,
    added: Vec<Id>,
    removed: Vec<(Id, i64)>,
    passed: usize,
    moved: Vec<Id>,
}

/// What a transaction has done up to some moment.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    seen: i64,
    added: usize,
    removed: usize,
    passed: usize,
}

/// Up to where ids are in the table, as the database says.
struct OnDisk {
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
        let mut memory = self.memory();
        memory.seen = db.last_insert_rowid();
        memory.passed += 1;
    }

    /// Forgets a row that is not in the index any more.
    pub fn remove(&self, db: &Connection, id: &Id) -> Result<(), Fault> {
        let mut memory = self.memory();
        if let Some(seq) = memory.seqs.remove(id) {
            memory.removed.push((*id, seq));
        }
        drop(memory);
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

    fn marks(&self, db: &Connection) -> rusqlite::Result<OnDisk> {
        let sql = "SELECT merged, merging, place FROM holdfast_id_indexes WHERE name = ?1";
        let last = self.last(db)?;
        db.prepare_cached(sql)?.query_row([self.name], |row| {
            Ok(OnDisk { merged: row.get(0)?, merging: row.get(1)?, place: row.get(2)?, last })
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
        let rows = memory.added.len() + memory.passed;
        if rows == 0 {
            return Ok(());
        }
        let mut marks = self.marks(db)?;
        if marks.merging == marks.merged && marks.last - marks.merged >= self.gathered {
            (marks.merging, marks.place) = (marks.last, Id::default());
        }
        if marks.merging == marks.merged {
            return Ok(());
        }
        let count = rows * PACE;
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
        marks: &OnDisk,
        count: usize,
    ) -> rusqlite::Result<Vec<Id>> {
        // What somebody else has removed meanwhile stays away.
        let may_change = self.key.starts_with(places::PLACE);
        let is_there = match may_change {
            true => format!(
                "EXISTS (SELECT 1 FROM {} WHERE seq = ?2 AND {} IS ?1)",
                self.table, self.key
            ),
            false => "true".to_owned(),
        };
        let sql = format!(
            "INSERT OR IGNORE INTO {}_ids (id, seq) SELECT ?1, ?2 WHERE {is_there}",
            self.name
        );
        let mut insert = db.prepare_cached(&sql)?;
        let rest = memory.seqs.range((Excluded(marks.place), Unbounded));
        let mut moved = Vec::with_capacity(count);
        for (id, seq) in rest.filter(|(_, seq)| **seq <= marks.merging).take(count) {
            if insert.execute((id, seq))? == 0 && !may_change {
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
        self.began = self.mark();
    }

    const fn mark(&self) -> Mark {
        let (added, removed) = (self.added.len(), self.removed.len());
        Mark { seen: self.seen, added, removed, passed: self.passed }
    }

    /// Forgets what was done since `mark`.
    fn undo(&mut self, mark: Mark) {
        self.seqs.extend(self.removed.drain(mark.removed..));
        for id in self.added.drain(mark.added..) {
            self.seqs.remove(&id);
        }
        (self.seen, self.passed) = (mark.seen, mark.passed);
        self.moved.clear();
    }

    fn commit(&mut self) {
        for id in self.moved.drain(..) {
            self.seqs.remove(&id);
        }
        self.added.clear();
        self.removed.clear();
        self.passed = 0;
    }
}

#[cfg(test)]
mod tests;
