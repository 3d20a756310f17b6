//! Reading the log. Of most events it has only who and what; the rest is asked of the services when somebody wants to read it.
//! What was read last is kept, for those who follow at the same place.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use holdfast_types::{Code, Error, Message, Result};
use serde_json::{Value, value::RawValue};
use tokio::time::Instant;
use uuid::Uuid;

use super::EventSources;
use crate::{
    model::{Filter, id_of},
    store::{EventStore, Segment},
};

/// Segments that are kept.
const SEGMENTS: usize = 16;
/// What has more bytes is asked anew by whoever reads it.
const KEPT_BYTES: usize = 4 << 10;
/// Segments that are read at once.
const AHEAD: usize = 32;
/// Events that one reading looks at, and how long it takes: it ends early where few of many pass.
const LOOK: i64 = 20_000;
const TIME: Duration = Duration::from_secs(2);
/// Bytes of one reading: it ends with the event that reaches them.
const BYTES: usize = 256 << 10;

/// An event, whole.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its place in the order of all events.
    pub position: i64,
    /// Who and what. Its `data` is beside it.
    pub message: Message,
    /// What there is to say about it, in JSON.
    pub data: Arc<RawValue>,
}

impl Event {
    /// The same for good, however often it is told.
    #[must_use]
    pub fn id(&self) -> Uuid {
        id_of(self.position, &self.message)
    }
}

/// What one reading found.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) events: Vec<Event>,
    /// The position up to which it looked.
    pub(crate) upto: i64,
    /// The position of the last event.
    pub(crate) end: i64,
}

/// The log, as this process reads it.
pub(super) struct Log {
    store: EventStore,
    sources: Arc<EventSources>,
    /// The last used first.
    kept: Mutex<VecDeque<Arc<Chunk>>>,
}

/// A segment that was read.
struct Chunk {
    first: i64,
    source: String,
    lines: Vec<Line>,
}

struct Line {
    message: Message,
    data: OnceLock<Arc<RawValue>>,
}

impl Line {
    /// What there is to say about it, where nobody has to be asked.
    fn known(&self) -> Result<Option<Arc<RawValue>>> {
        match (self.data.get(), &self.message.data) {
            (Some(data), _) => Ok(Some(Arc::clone(data))),
            (None, Some(data)) => keep(self, data).map(Some),
            (None, None) => Ok(None),
        }
    }
}

impl Chunk {
    fn new(segment: &Segment) -> Result<Self> {
        let line = |message| Line { message, data: OnceLock::new() };
        let lines = segment.messages()?.into_iter().map(line).collect();
        Ok(Self { first: segment.first, source: segment.source.clone(), lines })
    }

    fn last(&self) -> i64 {
        self.first + i64::try_from(self.lines.len()).unwrap_or_default() - 1
    }

    fn has(&self, position: i64) -> bool {
        (self.first..=self.last()).contains(&position)
    }

    /// The lines after a position.
    fn after(&self, position: i64) -> impl Iterator<Item = (i64, &Line)> {
        (self.first..).zip(&self.lines).filter(move |(at, _)| *at > position)
    }
}

impl Log {
    pub(super) fn new(store: EventStore, sources: Arc<EventSources>) -> Self {
        Self { store, sources, kept: Mutex::default() }
    }

    /// At most `limit` of the events after `after` that pass; from the first that is kept on where nobody says. Refuses with
    /// `events-expired` where that is too old, and what nobody can have seen yet.
    pub(super) async fn read(
        &self,
        after: Option<i64>,
        filter: &Filter,
        limit: usize,
    ) -> Result<Part> {
        let end = self.store.end().await?;
        let mut part = Part { events: Vec::new(), upto: after.unwrap_or(0), end };
        if part.upto > end {
            let why = format!("after: the last event is {end}");
            return Err(Error::new(Code::InvalidParameter, why).with("parameter", "after"));
        }
        let (began, mut bytes, mut may_skip) = (part.upto, 0, after.is_none());
        let until = Instant::now() + TIME;
        let mut ahead = VecDeque::new();
        while part.upto < end && part.upto - began < LOOK && Instant::now() < until {
            let chunk = match self.next(&mut ahead, part.upto + 1).await? {
                Some(chunk) => chunk,
                // Nothing is left of it.
                None if may_skip => return Ok(Part { upto: end, ..part }),
                None => return Err(expired(end + 1)),
            };
            if chunk.first > part.upto + 1 && !may_skip {
                return Err(expired(chunk.first));
            }
            may_skip = false;
            let room = limit - part.events.len();
            let passes = |(_, line): &(i64, &Line)| filter.passes(&line.message);
            let wanted = chunk.after(part.upto).filter(passes).take(room).collect();
            for event in self.whole(&chunk, wanted).await? {
                bytes += event.data.get().len();
                part.upto = event.position;
                part.events.push(event);
                if part.events.len() == limit || bytes > BYTES {
                    return Ok(part);
                }
            }
            part.upto = chunk.last();
        }
        Ok(part)
    }

    /// The event at a position.
    pub(super) async fn get(&self, position: i64) -> Result<Option<Event>> {
        let found = self.next(&mut VecDeque::new(), position).await?;
        let found = found.filter(|chunk| chunk.has(position));
        let Some(chunk) = found else { return Ok(None) };
        let wanted = chunk.after(position - 1).take(1).collect();
        Ok(self.whole(&chunk, wanted).await?.pop())
    }

    /// The segment that has a position, or else the first after it. Those that follow it are read with it, into `ahead`.
    async fn next(
        &self,
        ahead: &mut VecDeque<Segment>,
        position: i64,
    ) -> Result<Option<Arc<Chunk>>> {
        if let Some(kept) = self.kept(position) {
            return Ok(Some(kept));
        }
        while ahead.front().is_some_and(|segment| segment.last() < position) {
            ahead.pop_front();
        }
        if ahead.is_empty() {
            ahead.extend(self.store.segments_from(position, AHEAD).await?);
        }
        let Some(segment) = ahead.pop_front() else { return Ok(None) };
        let chunk = Arc::new(Chunk::new(&segment)?);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_front(Arc::clone(&chunk));
        kept.truncate(SEGMENTS);
        Ok(Some(chunk))
    }

    fn kept(&self, position: i64) -> Option<Arc<Chunk>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let place = kept.iter().position(|chunk| chunk.has(position))?;
        let chunk = kept.remove(place)?;
        kept.push_front(Arc::clone(&chunk));
        Some(chunk)
    }

    /// Lines with what there is to say about them.
    async fn whole(&self, chunk: &Chunk, lines: Vec<(i64, &Line)>) -> Result<Vec<Event>> {
        // Judged once: others who read the same learn meanwhile what there is to say.
        let known = lines.iter().map(|(_, line)| line.known()).collect::<Result<Vec<_>>>()?;
        let unknown = lines.iter().zip(&known).filter(|(_, known)| known.is_none());
        let messages: Vec<Message> = unknown.map(|((_, line), _)| line.message.clone()).collect();
        let mut told = self.describe(&chunk.source, &messages).await?.into_iter();
        let event = |((position, line), known): ((i64, &Line), Option<Arc<RawValue>>)| {
            let data = match known {
                Some(data) => data,
                None => keep(line, &told.next().unwrap_or_default())?,
            };
            Ok(Event { position, message: line.message.clone(), data })
        };
        lines.into_iter().zip(known).map(event).collect()
    }

    async fn describe(&self, source: &str, messages: &[Message]) -> Result<Vec<Value>> {
        match self.sources.get(source) {
            Some(source) if !messages.is_empty() => source.describe(messages).await,
            _ => Ok(vec![Value::Null; messages.len()]),
        }
    }
}

/// Makes the text of what was told, and keeps it with the line unless it is large.
fn keep(line: &Line, data: &Value) -> Result<Arc<RawValue>> {
    let data = serde_json::value::to_raw_value(data).map_err(Error::internal)?;
    let data: Arc<RawValue> = data.into();
    if data.get().len() <= KEPT_BYTES {
        let _ = line.data.set(Arc::clone(&data));
    }
    Ok(data)
}

fn expired(oldest: i64) -> Error {
    let why = format!("events are kept for thirty days: the oldest is {oldest}");
    Error::new(Code::EventsExpired, why).with("oldest", oldest)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use async_trait::async_trait;
    use holdfast_storage::{EventSource, OutboxBatch};
    use holdfast_testkit::{Fresh, on_every_engine};
    use holdfast_types::Version;
    use tokio::sync::Notify;
    use uuid::Uuid;

    use super::*;

    async fn append(fresh: &Fresh, store: &EventStore, kinds: &[&'static str]) {
        let before = store.collected("tea").await.unwrap();
        let message = |(number, kind): (usize, &&'static str)| Message {
            kind: (*kind).into(),
            subject: Uuid::from_u128(number as u128),
            version: Version::FIRST,
            at: fresh.clock.now(),
            data: Some(serde_json::json!({ "text": "x".repeat(number) })),
        };
        let messages = kinds.iter().enumerate().map(message).collect();
        let batch = OutboxBatch { id: fresh.random.uuid_v7(fresh.clock.now()), messages };
        store.append(&before, vec![batch], fresh.clock.now()).await.unwrap().unwrap();
    }

    /// Tells each message's subject; who asks for several waits until somebody has asked for one.
    struct Slow(Notify);

    #[async_trait]
    impl EventSource for Slow {
        async fn take(&self, _: usize) -> Result<Vec<OutboxBatch>> {
            Ok(Vec::new())
        }

        async fn settle(&self, _: &[Uuid]) -> Result<()> {
            Ok(())
        }

        async fn describe(&self, messages: &[Message]) -> Result<Vec<Value>> {
            match messages {
                [_] => self.0.notify_one(),
                _ => self.0.notified().await,
            }
            Ok(messages.iter().map(|message| message.subject.to_string().into()).collect())
        }
    }

    #[tokio::test]
    async fn who_reads_at_once_is_told_of_each_event_what_is_of_it() {
        on_every_engine(|fresh| async move {
            let fresh = &fresh;
            let (store, _) = EventStore::open(&fresh.database, &fresh.random).await.unwrap();
            let subjects: Vec<Uuid> = (1..=3).map(Uuid::from_u128).collect();
            let message = |subject: &Uuid| Message {
                kind: "tea.drunk".into(),
                subject: *subject,
                version: Version::FIRST,
                at: fresh.clock.now(),
                data: None,
            };
            let messages = subjects.iter().map(message).collect();
            let batch = OutboxBatch { id: fresh.random.uuid_v7(fresh.clock.now()), messages };
            let before = store.collected("tea").await.unwrap();
            store.append(&before, vec![batch], fresh.clock.now()).await.unwrap().unwrap();
            let source: Arc<dyn EventSource> = Arc::new(Slow(Notify::new()));
            let log = Log::new(store, Arc::new(BTreeMap::from([("tea", source)])));
            let all = Filter::default();
            // Both find the segment there, and nobody has asked yet what there is to say.
            let none = Filter { types: Filter::read_types("coffee.drunk").unwrap(), ..all.clone() };
            assert_eq!(log.read(Some(0), &none, 10).await.unwrap().upto, 3);
            let (part, one) = tokio::join!(log.read(Some(0), &all, 10), log.get(2));
            let told = |event: &Event| event.data.get().trim_matches('"').to_owned();
            assert_eq!(told(&one.unwrap().unwrap()), subjects[1].to_string());
            let heard: Vec<String> = part.unwrap().events.iter().map(told).collect();
            assert!(
                heard.iter().eq(subjects.iter().map(Uuid::to_string).collect::<Vec<_>>().iter()),
                "{heard:?}"
            );
        })
        .await;
    }

    fn places(part: &Part) -> Vec<i64> {
        part.events.iter().map(|event| event.position).collect()
    }

    #[tokio::test]
    async fn parts_follow_each_other_and_what_is_gone_is_said() {
        on_every_engine(|fresh| async move {
            // All of it: with its home, the database would go.
            let fresh = fresh;
            let (store, _) = EventStore::open(&fresh.database, &fresh.random).await.unwrap();
            let log = Log::new(store.clone(), Arc::new(BTreeMap::new()));
            append(&fresh, &store, &["tea.made", "tea.drunk", "tea.made"]).await;
            fresh.clock.advance(Duration::from_secs(60));
            let later = fresh.clock.now();
            append(&fresh, &store, &["tea.drunk", "tea.made"]).await;
            let all = Filter::default();
            let drunk =
                Filter { types: Filter::read_types("tea.drunk").unwrap(), ..Filter::default() };
            for _ in 0..2 {
                let part = log.read(None, &all, 2).await.unwrap();
                assert_eq!((places(&part), part.upto, part.end), (vec![1, 2], 2, 5));
                let part = log.read(Some(2), &all, 10).await.unwrap();
                assert_eq!((places(&part), part.upto), (vec![3, 4, 5], 5));
                assert_eq!(part.events[0].data.get(), r#"{"text":"xx"}"#);
                let part = log.read(Some(0), &drunk, 10).await.unwrap();
                assert_eq!((places(&part), part.upto), (vec![2, 4], 5));
                let part = log.read(Some(4), &drunk, 10).await.unwrap();
                assert_eq!((places(&part), part.upto), (vec![], 5));
            }
            assert_eq!(log.get(4).await.unwrap().unwrap().position, 4);
            assert!(log.get(6).await.unwrap().is_none() && log.get(0).await.unwrap().is_none());
            assert_eq!(
                log.read(Some(6), &all, 1).await.unwrap_err().code(),
                Code::InvalidParameter
            );
            store.forget(later).await.unwrap();
            // As another process sees it.
            let log = Log::new(store.clone(), Arc::new(BTreeMap::new()));
            for after in [0, 2] {
                let gone = log.read(Some(after), &all, 1).await.unwrap_err();
                let oldest = gone.extras()["oldest"].as_i64();
                assert_eq!((gone.code(), oldest), (Code::EventsExpired, Some(4)));
            }
            assert_eq!(places(&log.read(Some(3), &all, 1).await.unwrap()), [4]);
            assert_eq!(places(&log.read(None, &all, 1).await.unwrap()), [4]);
            assert!(log.get(3).await.unwrap().is_none());
            fresh.clock.advance(Duration::from_secs(60));
            store.forget(fresh.clock.now()).await.unwrap();
            let log = Log::new(store, Arc::new(BTreeMap::new()));
            let part = log.read(None, &all, 1).await.unwrap();
            assert_eq!((places(&part), part.upto, part.end), (vec![], 5, 5), "nothing is left");
            let gone = log.read(Some(4), &all, 1).await.unwrap_err();
            assert_eq!(gone.extras()["oldest"].as_i64(), Some(6), "the next that comes");
        })
        .await;
    }

    #[tokio::test]
    async fn a_part_is_bounded_in_bytes() {
        on_every_engine(|fresh| async move {
            // All of it: with its home, the database would go.
            let fresh = fresh;
            let (store, _) = EventStore::open(&fresh.database, &fresh.random).await.unwrap();
            let log = Log::new(store.clone(), Arc::new(BTreeMap::new()));
            // Each has as many bytes as its number.
            append(&fresh, &store, &["tea.made"; 1000]).await;
            let (mut after, mut heard) = (0, 0);
            while after < 1000 {
                let part = log.read(Some(after), &Filter::default(), 1000).await.unwrap();
                let bytes: usize = part.events.iter().map(|event| event.data.get().len()).sum();
                assert!(bytes <= BYTES + 2048, "{bytes}");
                heard += part.events.len();
                after = part.upto;
            }
            assert_eq!(heard, 1000);
        })
        .await;
    }
}
