//! The audit log. It is written with the events that tell of it.

use std::ops::Bound;

use holdfast_storage::{
    Entry, Flow,
    record::{Column, Fault, Index, Kind, Record, Scan, Table, Tx, Value},
};
use holdfast_types::{Message, Page, PageRequest, Result, Timestamp};

use super::{EventStore, Segment, records::key_of};
use crate::model::{AuditEntry, AuditFilter};

impl Record for AuditEntry {
    const TABLE: Table = Table {
        columns: &[
            Column::of("actor", Kind::Id),
            Column::of("api_key", Kind::Id),
            Column::of("resource", Kind::Id),
            Column::of("action", Kind::Text),
            Column::of("request_id", Kind::Text),
            Column::of("at", Kind::Integer),
        ],
        indexes: &[
            Index::of("actor", &["actor", "at"]),
            Index::of("key", &["api_key", "at"]),
            Index::of("resource", &["resource", "at"]),
            Index::of("action", &["action", "at"]),
            Index::of("request", &["request_id", "at"]),
            Index::of("age", &["at"]),
        ],
        ..Table::of("audit_log", "entry of the audit log")
    };

    fn key(&self) -> Value {
        key_of(self.position).into()
    }

    fn columns(&self) -> Vec<Option<Value>> {
        vec![
            Some(self.trail.actor_id.into()),
            self.trail.key_id.map(Value::from),
            Some(self.trail.resource_id.into()),
            Some(self.action.as_str().into()),
            Some(self.trail.request_id.as_str().into()),
            Some(self.at.into()),
        ]
    }
}

impl EventStore {
    /// Entries that pass, the newest first. A page may end early.
    pub(crate) async fn audit_log(
        &self,
        filter: AuditFilter,
        request: &PageRequest,
    ) -> Result<Page<AuditEntry>> {
        let scan = scan_of(&filter, request.limit);
        // Names the list in its cursors: each filter has a list of its own.
        let list = format!("audit {filter:?}");
        self.db.page_where(scan, &list, request, move |entry| filter.passes(entry)).await
    }

    /// Forgets entries of events after the position `end`, some hundred in each transaction.
    pub(super) async fn cut_audit_log(&self, end: i64) -> Result<()> {
        let after = Bound::Excluded(Value::from(key_of(end)));
        self.db.sweep::<AuditEntry>(Scan::of_keys(usize::MAX).range(after, Bound::Unbounded)).await
    }

    /// Forgets entries of before `before`.
    pub(crate) async fn forget_audit_log(&self, before: Timestamp) -> Result<()> {
        self.db.forget::<AuditEntry>("age", before).await
    }
}

/// Reads the audit log beside the log of events, and finds what one has and the other has not.
pub(super) struct AuditLogReader<'a> {
    store: &'a EventStore,
    entries: Flow<Entry<AuditEntry>>,
    next: Option<AuditEntry>,
    /// From which position on every event was read, and up to which.
    read: Option<(i64, i64)>,
    findings: Vec<String>,
}

impl<'a> AuditLogReader<'a> {
    pub(super) async fn new(store: &'a EventStore) -> Result<Self> {
        let entries = store.db.records::<AuditEntry>().await?;
        Ok(Self { store, entries, next: None, read: None, findings: Vec::new() })
    }

    /// Looks for the changes that the events from the position `first` on tell.
    pub(super) async fn expect(&mut self, first: i64, messages: &[Message]) -> Result<()> {
        let last = first - 1 + i64::try_from(messages.len()).unwrap_or_default();
        match self.read {
            Some((begin, end)) if end + 1 == first => self.read = Some((begin, last)),
            _ => {
                // What is not kept, or cannot be read, may have told the entries before.
                self.read = None;
                self.skip_to(first).await?;
                self.read = Some((first, last));
            }
        }
        let entry = |(position, message)| AuditEntry::of(position, message);
        for told in (first..).zip(messages).filter_map(entry) {
            self.skip_to(told.position).await?;
            match self.next.take_if(|next| *next == told) {
                Some(_) => {}
                None => self.look_again(told).await?,
            }
        }
        Ok(())
    }

    /// Says that some events cannot be read: what the audit log has of them is believed.
    pub(super) const fn miss(&mut self) {
        self.read = None;
    }

    /// Reads on to the entry at a position, or the first after it. No event that was read tells of those between.
    async fn skip_to(&mut self, position: i64) -> Result<()> {
        while self.next.as_ref().is_none_or(|next| next.position < position) {
            if let Some(entry) = self.next.take() {
                self.doubt(entry).await?;
            }
            match self.entries.next().await? {
                Some(Ok(entry)) => self.next = Some(entry),
                Some(Err(damage)) => self.findings.push(damage.to_string()),
                None => break,
            }
        }
        Ok(())
    }

    /// Both logs grow while they are read: what one does not have yet is looked for once more.
    async fn doubt(&mut self, entry: AuditEntry) -> Result<()> {
        let position = entry.position;
        if self.read.is_none_or(|(begin, _)| position < begin) {
            return Ok(());
        }
        let segment = self.store.segments_from(position, 1).await?.pop();
        let Ok(messages) = segment.as_ref().map(Segment::messages).transpose() else {
            return Ok(());
        };
        let first = segment.map_or(position, |segment| segment.first);
        let mut told = (first..).zip(messages.iter().flatten());
        let told = told.find(|(at, _)| *at == position);
        if told.and_then(|(at, message)| AuditEntry::of(at, message)) != Some(entry) {
            let why = format!("the audit log has an entry at {position} that no event tells");
            self.findings.push(why);
        }
        Ok(())
    }

    async fn look_again(&mut self, told: AuditEntry) -> Result<()> {
        let position = told.position;
        let found = self.store.db.get::<AuditEntry>(key_of(position)).await.ok().flatten();
        if found != Some(told) {
            let why = format!("the audit log does not have what event {position} tells");
            self.findings.push(why);
        }
        Ok(())
    }

    /// What was found, in the rest as well.
    pub(super) async fn finish(mut self) -> Result<Vec<String>> {
        self.skip_to(i64::MAX).await?;
        Ok(self.findings)
    }
}

/// By what is the rarest of what is asked for.
fn scan_of(filter: &AuditFilter, limit: usize) -> Scan {
    let AuditFilter { actor, key, resource, action, request_id, from, to } = filter;
    let by = |index, value: Value| Scan::of(index, limit).equal(value);
    let none = || Scan::of("age", limit);
    let scan = request_id.as_deref().map(|id| by("request", id.into()));
    let scan = scan.or_else(|| resource.map(|resource| by("resource", resource.into())));
    let scan = scan.or_else(|| key.map(|key| by("key", key.into())));
    let scan = scan.or_else(|| actor.map(|actor| by("actor", actor.into())));
    let scan = scan.or_else(|| action.as_deref().map(|action| by("action", action.into())));
    let from = from.map_or(Bound::Unbounded, |from| Bound::Included(from.into()));
    let to = to.map_or(Bound::Unbounded, |to| Bound::Excluded(to.into()));
    scan.unwrap_or_else(none).range(from, to).descending()
}

/// Enters what the events after the position `end` tell of changes that somebody answers for.
pub(super) async fn enter(tx: &Tx, end: i64, messages: &[Message]) -> Result<(), Fault> {
    let entry = |(position, message)| AuditEntry::of(position, message);
    let entries: Vec<AuditEntry> = (end + 1..).zip(messages).filter_map(entry).collect();
    if entries.is_empty() {
        return Ok(());
    }
    Ok(tx.insert_all(&entries).await??)
}
