//! What is kept, and what it is found by.

use std::io::{self, Read, Write};

use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use holdfast_storage::{
    OutboxRow,
    record::{Column, Index, Kind, Record, RecordType, Table, Value},
};
use holdfast_types::{Error, Message, Result, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::EventsOutbox;
use crate::model::{AuditEntry, Delivery, Progress, Replay, Webhook};

/// Everything that the service keeps. What was collected last belongs to a database; the log moves with the shop.
pub const RECORDS: &[RecordType] = &[
    // Before the log, as outboxes of other services: what is collected meanwhile is in both, and not in neither.
    RecordType::told::<OutboxRow<EventsOutbox>>(),
    RecordType::told::<Head>(),
    RecordType::staying::<Collected>(),
    RecordType::told::<Segment>(),
    RecordType::told::<AuditEntry>(),
    RecordType::moving::<Webhook>(),
    RecordType::told::<Progress>(),
    RecordType::told::<Replay>(),
    RecordType::told::<Delivery>(),
];

/// Bytes of a segment at most, as it is read: many times what one has.
const SEGMENT_BYTES: u64 = 64 << 20;

/// Where the log ends.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Head {
    /// Always the same: there is one.
    id: Uuid,
    /// The position of the last event.
    pub(super) end: i64,
}

impl Head {
    pub(super) const fn at(end: i64) -> Self {
        Self { id: Uuid::nil(), end }
    }
}

impl Record for Head {
    const TABLE: Table = Table::of("event_log_head", "end of the log of events");

    fn key(&self) -> Value {
        self.id.into()
    }

    fn columns(&self) -> Vec<Option<Value>> {
        Vec::new()
    }
}

/// What was last collected from a source: it need not be there any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Collected {
    pub(crate) source: String,
    /// Counts the times that something was collected.
    pub(crate) turn: i64,
    /// The rows of the last time.
    pub(crate) rows: Vec<Uuid>,
}

impl Collected {
    pub(super) fn nothing(source: &str) -> Self {
        Self { source: source.to_owned(), turn: 0, rows: Vec::new() }
    }
}

impl Record for Collected {
    const TABLE: Table =
        Table { key: Kind::Text, ..Table::of("event_sources", "mark of a source of events") };

    fn key(&self) -> Value {
        self.source.as_str().into()
    }

    fn columns(&self) -> Vec<Option<Value>> {
        Vec::new()
    }
}

/// Events that follow each other.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Segment {
    /// The position of the first.
    pub(crate) first: i64,
    /// How many there are.
    pub(crate) count: i64,
    /// The service that told of them.
    pub(crate) source: String,
    /// The rows that they came in, and those of the segments that were appended with this one.
    pub(crate) rows: Vec<Uuid>,
    /// When they were appended.
    pub(crate) at: Timestamp,
    /// The messages: JSON, deflated (RFC 1951), in Base64.
    lines: String,
}

impl Segment {
    pub(super) fn new(
        source: &str,
        first: i64,
        messages: &[Message],
        at: Timestamp,
    ) -> io::Result<Self> {
        let mut deflated = DeflateEncoder::new(Vec::new(), Compression::fast());
        deflated.write_all(&serde_json::to_vec(messages)?)?;
        let lines = BASE64_STANDARD.encode(deflated.finish()?);
        let count = i64::try_from(messages.len()).map_err(io::Error::other)?;
        Ok(Self { first, count, source: source.to_owned(), rows: Vec::new(), at, lines })
    }

    /// The position of the last.
    pub(crate) const fn last(&self) -> i64 {
        self.first + self.count - 1
    }

    /// The messages, as many as there are positions.
    pub(crate) fn messages(&self) -> Result<Vec<Message>> {
        let damaged = |why: String| {
            Error::internal(format!("the events from {} on cannot be read: {why}", self.first))
        };
        let deflated =
            BASE64_STANDARD.decode(&self.lines).map_err(|error| damaged(error.to_string()))?;
        let mut json = Vec::new();
        let mut inflated = DeflateDecoder::new(deflated.as_slice()).take(SEGMENT_BYTES);
        inflated.read_to_end(&mut json).map_err(|error| damaged(error.to_string()))?;
        let messages: Vec<Message> =
            serde_json::from_slice(&json).map_err(|error| damaged(error.to_string()))?;
        match i64::try_from(messages.len()) == Ok(self.count) {
            true => Ok(messages),
            false => Err(damaged(format!("{} of {} are there", messages.len(), self.count))),
        }
    }
}

impl Record for Segment {
    const TABLE: Table = Table {
        columns: &[Column::of("at", Kind::Integer)],
        indexes: &[Index::of("age", &["at"])],
        ..Table::of("event_segments", "segment of the log of events")
    };

    fn key(&self) -> Value {
        key_of(self.first).into()
    }

    fn columns(&self) -> Vec<Option<Value>> {
        vec![Some(self.at.into())]
    }
}

/// The key of the segment that begins at a position: keys are in the order of positions.
pub(super) fn key_of(position: i64) -> Uuid {
    Uuid::from_u64_pair(position.cast_unsigned(), 0)
}
