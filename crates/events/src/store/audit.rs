//! What an audit finds of the log: it is read from its first event to its last, without a gap.

use holdfast_storage::{Entry, Flow};
use holdfast_types::Result;
use uuid::Uuid;

use super::{EventStore, Segment};

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
        let mut segments = self.segments().await?;
        while let Some(segment) = segments.next().await? {
            let segment = match segment {
                Ok(segment) => segment,
                Err(damage) => {
                    findings.push(damage.to_string());
                    last = None;
                    continue;
                }
            };
            if let Some(last) = last.filter(|last| last + 1 != segment.first) {
                let first = segment.first;
                findings.push(format!("after event {last} comes event {first}: the log has a gap"));
            }
            findings.extend(segment.messages().err().map(|error| error.cause()));
            count += segment.count.unsigned_abs();
            last = Some(segment.last());
        }
        if let Some(last) = last.filter(|last| *last < end) {
            findings.push(format!("the log ends at event {last}, but {end} were written"));
        }
        Ok((count, findings))
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
