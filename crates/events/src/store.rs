//! What the events service keeps. Each method is one atomic operation; its doc comment is its guarantee.

mod audit;
mod audit_log;
mod deliveries;
#[cfg(test)]
mod guarantees;
mod leases;
mod records;
mod webhook_records;
mod webhooks;

use std::{ops::Bound, sync::Arc};

use holdfast_storage::{
    Database, Migrations, Outbox, OutboxBatch,
    record::{Fault, Record, Scan, Stored, Tx, Value},
};
use holdfast_types::{Error, Message, Random, Result, Secret, Timestamp};
use uuid::Uuid;

pub use self::records::RECORDS;
use self::records::{Head, key_of};
pub(crate) use self::{
    deliveries::{HandOut, Outcome, RenderDelivery, Settled},
    records::{Collected, Segment},
    webhook_records::EventsOutbox,
    webhooks::Render,
};
use crate::model::{Delivery, in_order};

/// Names the service in what it keeps.
const SERVICE: &str = crate::SERVICE.name;

/// Events of a segment.
const SEGMENT: usize = 512;

/// The log of events, and to whom it is delivered. Clones share the database.
#[derive(Clone)]
pub(crate) struct EventStore {
    db: Database,
    outbox: Outbox<EventsOutbox>,
}

impl EventStore {
    /// Brings the tables up to date.
    pub(crate) async fn open(database: &Database, random: &Random) -> Result<(Self, Secret)> {
        let none = &Migrations::NONE;
        let (db, secret) = database.of_service(SERVICE, none, RECORDS, random).await?;
        let outbox = Outbox::new(&db, random);
        Ok((Self { db, outbox }, secret))
    }

    /// What the service itself has told and nobody has collected.
    pub(crate) const fn outbox(&self) -> &Outbox<EventsOutbox> {
        &self.outbox
    }

    /// The position of the last event; 0 where there is none.
    pub(crate) async fn end(&self) -> Result<i64> {
        let head = self.db.get::<Head>(Uuid::nil()).await?;
        Ok(head.map_or(0, |head| head.end))
    }

    /// What was last collected from a source.
    pub(crate) async fn collected(&self, source: &str) -> Result<Collected> {
        let found = self.db.get::<Collected>(source).await?;
        Ok(found.unwrap_or_else(|| Collected::nothing(source)))
    }

    /// Appends what was collected from a source after `before`: all of it, once, or nothing, when somebody else has collected
    /// meanwhile. Positions follow each other without a gap, and nobody sees one before those below it. Returns the last.
    pub(crate) async fn append(
        &self,
        before: &Collected,
        batches: Vec<OutboxBatch>,
        now: Timestamp,
    ) -> Result<Option<i64>> {
        let rows: Vec<Uuid> = batches.iter().map(|batch| batch.id).collect();
        let messages = batches.into_iter().flat_map(|batch| batch.messages).collect();
        let (before, messages) = (before.clone(), Arc::new(in_order(messages)));
        let append = move |tx: Tx| {
            let (before, rows) = (before.clone(), rows.clone());
            let messages = Arc::clone(&messages);
            async move {
                let found: Option<Stored<Collected>> = tx.get(before.source.as_str()).await?;
                if found.as_ref().map_or(0, |found| found.turn) != before.turn {
                    return Ok(None);
                }
                let head: Option<Stored<Head>> = tx.get(Uuid::nil()).await?;
                let end = head.as_ref().map_or(0, |head| head.end);
                let segments = segments(&before.source, end, &rows, &messages, now)?;
                let last = segments.last().map_or(end, Segment::last);
                let after = Collected { turn: before.turn + 1, rows, ..before };
                // First, since it holds up whoever else appends.
                write(&tx, head, Head::at(last)).await?;
                write(&tx, found, after).await?;
                tx.insert_all(&segments).await??;
                audit_log::enter(&tx, end, &messages).await?;
                Ok(Some(last))
            }
        };
        self.db.transact(append).await
    }

    /// At most `limit` segments, in order: from the one on that has the event at `position`, or else the first after it.
    pub(crate) async fn segments_from(&self, position: i64, limit: usize) -> Result<Vec<Segment>> {
        let read = move |tx: Tx| async move {
            let until = Bound::Included(Value::from(key_of(position)));
            let scan = Scan::of_keys(1).range(Bound::Unbounded, until).descending();
            let before: Option<Stored<Segment>> = tx.scan(scan).await?.pop();
            let has_it = before.filter(|found| found.last() >= position);
            let first = has_it.map_or(position, |found| found.first);
            let from = Bound::Included(Value::from(key_of(first)));
            let found = tx.scan(Scan::of_keys(limit).range(from, Bound::Unbounded)).await?;
            Ok(found.into_iter().map(Stored::into_inner).collect())
        };
        self.db.read(read).await
    }

    /// The position of the last event before those that were written down at `from` or later.
    pub(crate) async fn position_before(&self, from: Timestamp) -> Result<i64> {
        let read = move |tx: Tx| async move {
            let from = Bound::Included(Value::from(from));
            let scan = Scan::of("age", 1).range(from, Bound::Unbounded);
            let found: Option<Stored<Segment>> = tx.scan(scan).await?.pop();
            let end = tx.get::<Head>(Uuid::nil()).await?.map_or(0, |head| head.end);
            Ok(found.map_or(end, |found| found.first - 1))
        };
        self.db.read(read).await
    }

    /// Forgets answers given before `before`.
    pub(crate) async fn forget_answers(&self, before: Timestamp) -> Result<()> {
        self.db.forget_answers(before).await
    }

    /// Forgets the events of before `before`, by whole segments, and deliveries of that time.
    pub(crate) async fn forget(&self, before: Timestamp) -> Result<()> {
        self.db.forget::<Segment>("age", before).await?;
        self.db.forget::<Delivery>("age", before).await
    }

    /// Lets the log end no earlier than its segments do: they came from another database. The audit log ends with it:
    /// what was entered after the segments were exported is of events that did not come.
    pub(crate) async fn end_with_segments(&self) -> Result<()> {
        let end = |tx: Tx| async move {
            let last = tx.scan::<Segment>(Scan::of_keys(1).descending()).await?.pop();
            let Some(last) = last.map(|last| last.last()) else { return Ok(()) };
            let head: Option<Stored<Head>> = tx.get(Uuid::nil()).await?;
            let end = head.as_ref().map_or(last, |head| head.end.max(last));
            write(&tx, head, Head::at(end)).await
        };
        self.db.transact(end).await?;
        self.cut_audit_log(self.end().await?).await
    }
}

/// Keeps a record in the place of what was read, or anew.
async fn write<R: Record>(tx: &Tx, before: Option<Stored<R>>, record: R) -> Result<(), Fault> {
    match before {
        Some(mut stored) => {
            *stored = record;
            Ok(tx.put(&stored).await??)
        }
        // Who is first now was not there when it was read.
        None => match tx.insert(&record).await? {
            Ok(()) => Ok(()),
            Err(_) => Err(Fault::Stale),
        },
    }
}

/// The segments of some messages, after the position `end`. The first names the rows that they came in.
fn segments(
    source: &str,
    end: i64,
    rows: &[Uuid],
    messages: &[Message],
    now: Timestamp,
) -> Result<Vec<Segment>> {
    let mut first = end + 1;
    let mut segments = Vec::with_capacity(messages.len().div_ceil(SEGMENT));
    for some in messages.chunks(SEGMENT) {
        let mut segment = Segment::new(source, first, some, now).map_err(Error::internal)?;
        if segments.is_empty() {
            rows.clone_into(&mut segment.rows);
        }
        first += segment.count;
        segments.push(segment);
    }
    Ok(segments)
}
