//! What services do with records of any type: creating one once, a page of some.

use std::{ops::Bound, sync::Arc};

use holdfast_types::{Code, Cursor, Error, Page, PageRequest, Result, Timestamp};

use super::{Fault, Position, Record, Scan, Stored, Taken, Tx, Value};
use crate::Database;

/// Values that one statement asks for.
const ASKED_AT_ONCE: usize = 128;
/// Records that one request looks at, and those that are read at once.
const WALK_ROWS: usize = 2_000;
const WALK_CHUNK: usize = 200;

impl Tx {
    /// See [`Database::create`].
    pub async fn create<R: Record>(&self, record: R) -> Result<Result<(R, bool), Taken>, Fault> {
        Ok(match self.insert(&record).await? {
            Ok(()) => Ok((record, false)),
            Err(Taken::Key) => match self.get::<R>(record.key()).await? {
                Some(found) => Ok((found.into_inner(), true)),
                None => return Err(Fault::Stale),
            },
            Err(taken) => Err(taken),
        })
    }

    /// All records whose first value in `index` (`None`: whose key) is one of these, in a few round trips.
    pub async fn find_all<R: Record>(
        &self,
        index: Option<&'static str>,
        values: &[Value],
    ) -> Result<Vec<Stored<R>>, Fault> {
        let mut found = Vec::new();
        // Once each, whichever statement asks for it.
        let mut values = values.to_vec();
        values.sort();
        values.dedup();
        for values in values.chunks(ASKED_AT_ONCE) {
            let scan = Scan::over(index, usize::MAX);
            found.extend(self.scan::<R>(scan.among(values.to_vec())).await?);
        }
        Ok(found)
    }
}

impl Database {
    /// Keeps a record once per key: a second call returns the one that is there and `true`. Says which of its unique values is
    /// taken by another.
    pub async fn create<R: Record + Clone>(&self, record: R) -> Result<Result<(R, bool), Taken>> {
        let create = move |tx: Tx| {
            let record = record.clone();
            async move { tx.create(record).await }
        };
        self.transact(create).await
    }

    /// Takes records whose first value in `index` is `now` or less, the least first, and puts each off: of processes that ask at once,
    /// one gets a record. Where there is none, nothing is locked.
    pub async fn take_due<R: Record>(
        &self,
        index: &'static str,
        now: Timestamp,
        limit: usize,
        put_off: impl Fn(&mut R) + Send + Sync + 'static,
    ) -> Result<Vec<R>> {
        let due = Scan::of(index, limit).range(Bound::Unbounded, Bound::Included(now.into()));
        let peek = due.clone().limit(1);
        let is_there = move |tx: Tx| {
            let peek = peek.clone();
            async move { Ok(!tx.scan::<R>(peek).await?.is_empty()) }
        };
        if !self.read(is_there).await? {
            return Ok(Vec::new());
        }
        let put_off = Arc::new(put_off);
        let take = move |tx: Tx| {
            let (due, put_off) = (due.clone(), Arc::clone(&put_off));
            async move {
                let mut taken = Vec::new();
                for mut record in tx.scan::<R>(due).await? {
                    put_off(&mut record);
                    tx.put(&record).await??;
                    taken.push(record.into_inner());
                }
                Ok(taken)
            }
        };
        self.transact(take).await
    }

    /// A page of the records that `scan` finds; `list` names the list that its cursors are for. Refuses with `invalid-cursor`.
    pub async fn page<R: Record>(
        &self,
        scan: Scan,
        list: &str,
        request: &PageRequest,
    ) -> Result<Page<R>> {
        let index = scan.index;
        let after = place::<R>(index, list, request)?;
        let scan = scan.limit(request.limit + 1).after(after);
        let read = move |tx: Tx| {
            let scan = scan.clone();
            async move { tx.scan::<R>(scan).await }
        };
        let found = self.read(read).await?;
        let cursor = |record: &Stored<R>| Cursor::new(list, &record.position(index));
        let Page { items, next } = Page::cut(found, request.limit, cursor);
        Ok(Page { items: items.into_iter().map(Stored::into_inner).collect(), next })
    }

    /// The same of those that pass `keep`. It looks at 2,000 records at most, so a page may end early.
    pub async fn page_where<R: Record>(
        &self,
        scan: Scan,
        list: &str,
        request: &PageRequest,
        keep: impl Fn(&R) -> bool + Send + Sync + 'static,
    ) -> Result<Page<R>> {
        let index = scan.index;
        let scan = scan.limit(request.limit).after(place::<R>(index, list, request)?);
        let keep = Arc::new(keep);
        let read = move |tx: Tx| {
            let (scan, keep) = (scan.clone(), Arc::clone(&keep));
            async move { walk(&tx, scan, &*keep).await }
        };
        let (found, end) = self.read(read).await?;
        let next = end.map(|position| Cursor::new(list, &position));
        Ok(Page { items: found.into_iter().map(Stored::into_inner).collect(), next })
    }
}

/// Where a page begins. Refuses with `invalid-cursor`.
fn place<R: Record>(
    index: Option<&str>,
    list: &str,
    request: &PageRequest,
) -> Result<Option<Position>> {
    let position = |cursor: &Cursor| -> Result<Position> {
        let position: Position = cursor.position(list)?;
        match position.fits::<R>(index) {
            true => Ok(position),
            false => Err(Error::new(Code::InvalidCursor, "the cursor is not one of this list")),
        }
    };
    request.after.as_ref().map(position).transpose()
}

/// As many records that pass as `scan` wants, and where the next page begins.
async fn walk<R: Record>(
    tx: &Tx,
    mut scan: Scan,
    keep: &(impl Fn(&R) -> bool + Sync),
) -> Result<(Vec<Stored<R>>, Option<Position>), Fault> {
    let (index, wanted) = (scan.index, scan.limit);
    let (mut found, mut looked_at): (Vec<Stored<R>>, _) = (Vec::new(), 0);
    loop {
        let chunk = tx.scan::<R>(scan.clone().limit(WALK_CHUNK)).await?;
        let is_last = chunk.len() < WALK_CHUNK;
        looked_at += chunk.len();
        for record in chunk {
            scan.after = Some(record.position(index));
            if !keep(&record) {
                continue;
            }
            if found.len() == wanted {
                let end = found.last().map(|last| last.position(index));
                return Ok((found, end));
            }
            found.push(record);
        }
        if is_last || looked_at >= WALK_ROWS {
            let end = scan.after.filter(|_| !is_last);
            return Ok((found, end));
        }
    }
}
