//! What an audit finds of the log, which is read from its first event to its last, without a gap, and of those who read it.

use holdfast_storage::{
    Entry, Flow,
    record::{Scan, Tx},
};
use holdfast_types::Result;
use uuid::Uuid;

use super::{
    EventStore, Head, Segment,
    audit_log::AuditLogReader,
    webhooks::{CONSUMERS, WEBHOOKS},
};
use crate::model::{Progress, Webhook};

impl EventStore {
    /// All segments, in order, in one snapshot.
    pub(crate) async fn segments(&self) -> Result<Flow<Entry<Segment>>> {
        self.db.records::<Segment>().await
    }

    /// How many events there are, and what is wrong with them, a sentence each.
    pub(crate) async fn audit(&self) -> Result<(u64, Vec<String>)> {
        // Before the segments: the log grows meanwhile.
        let end = self.end().await?;
        let (mut findings, mut count, mut last) = (Vec::new(), 0, None);
        let mut entries = AuditLogReader::new(self).await?;
        let mut segments = self.segments().await?;
        while let Some(segment) = segments.next().await? {
            let segment = match segment {
                Ok(segment) => segment,
                Err(damage) => {
                    findings.push(damage.to_string());
                    last = None;
                    entries.miss();
                    continue;
                }
            };
            if let Some(last) = last.filter(|last| last + 1 != segment.first) {
                let first = segment.first;
                findings.push(format!("after event {last} comes event {first}: the log has a gap"));
            }
            match segment.messages() {
                Ok(messages) => entries.expect(segment.first, &messages).await?,
                Err(error) => {
                    findings.push(error.cause());
                    entries.miss();
                }
            }
            count += segment.count.unsigned_abs();
            last = Some(segment.last());
        }
        if let Some(last) = last.filter(|last| *last < end) {
            findings.push(format!("the log ends at event {last}, but {end} were written"));
        }
        findings.extend(entries.finish().await?);
        Ok((count, findings))
    }

    /// What is wrong with those who take events out of the log, a sentence each.
    pub(crate) async fn audit_consumers(&self) -> Result<Vec<String>> {
        let audit = |tx: Tx| async move {
            let end = tx.get::<Head>(Uuid::nil()).await?.map_or(0, |head| head.end);
            let mut without: Vec<Uuid> = Vec::new();
            for webhook in tx.scan::<Webhook>(Scan::of_keys(WEBHOOKS)).await? {
                without.push(webhook.id.uuid());
            }
            let mut findings = Vec::new();
            for progress in tx.scan::<Progress>(Scan::of_keys(CONSUMERS)).await? {
                without.retain(|id| *id != progress.consumer);
                if progress.after > end {
                    let Progress { consumer, after, .. } = &*progress;
                    let found = format!(
                        "consumer {consumer} of events is at {after}, after the last, {end}"
                    );
                    findings.push(found);
                }
            }
            let lost =
                |id| format!("webhook {id} has no place in the log: nothing is delivered to it");
            findings.extend(without.into_iter().map(lost));
            Ok(findings)
        };
        self.db.read(audit).await
    }

    /// The rows of sources that the log has.
    pub(crate) async fn collected_rows(&self) -> Result<Vec<(String, Vec<Uuid>)>> {
        let mut rows = Vec::new();
        let mut segments = self.segments().await?;
        while let Some(segment) = segments.next().await? {
            let Segment { source, rows: some, .. } = segment?;
            if !some.is_empty() {
                rows.push((source, some));
            }
        }
        Ok(rows)
    }
}
