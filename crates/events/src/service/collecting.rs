//! Collecting what services tell. Each event comes into the log once, whichever processes collect and wherever one of them is
//! killed: the log notes which rows it has taken last, in the transaction that takes them, so whoever comes next settles those
//! before it looks at the source, and whoever has looked before somebody else's turn is refused.

use std::time::Duration;

use holdfast_storage::{EventSource, OutboxBatch};
use holdfast_types::{Result, Seldom};
use tokio::time::{Instant, sleep};

use super::{Events, Inner};

/// Between two looks at a source that had nothing to tell, and at the end of the log.
const PAUSE: Duration = Duration::from_millis(100);
/// Transactions that are collected at once.
const BATCHES: usize = 64;
/// Entries of the audit log that are written at once, and those of one transaction more: they are rows of their own.
const ENTRIES: u64 = 1000;
/// Between two lines in the log about a source that cannot be collected.
const FAILURES_PAUSE: Duration = Duration::from_secs(60);

impl Events {
    /// Collects from all sources until the process ends.
    pub fn collect(&self) {
        for source in self.0.sources.keys() {
            let (events, source) = (self.clone(), *source);
            tokio::spawn(async move { events.0.collect_from(source).await });
        }
        let events = self.clone();
        tokio::spawn(async move { events.0.follow_end().await });
    }
}

impl Inner {
    async fn collect_from(&self, name: &'static str) {
        let Some(source) = self.sources.get(name) else { return };
        let (mut settled, mut failures) = (0, Seldom::new(FAILURES_PAUSE));
        loop {
            match self.collect_once(name, &**source, &mut settled).await {
                Ok(true) => {}
                Ok(false) => sleep(PAUSE).await,
                Err(error) => {
                    if let Some(times) = failures.happened(Instant::now().into_std()) {
                        tracing::warn!(%error, times, source = name, "cannot collect events");
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Collects what is there; says of how many transactions. `settled` is the turn whose rows are known to be gone.
    async fn collect_once(
        &self,
        name: &str,
        source: &dyn EventSource,
        settled: &mut i64,
    ) -> Result<bool> {
        let before = self.store.collected(name).await?;
        if before.turn != *settled {
            source.settle(&before.rows).await?;
            *settled = before.turn;
        }
        let mut batches = source.take(BATCHES).await?;
        batches.retain(|batch| !before.rows.contains(&batch.id));
        let found = batches.len();
        batches.truncate(entered_at_once(&batches));
        if batches.is_empty() {
            return Ok(false);
        }
        let has_more = found == BATCHES || batches.len() < found;
        let (oldest, audited) = (oldest(&batches), batches.iter().map(audited).sum());
        if let Some(end) = self.store.append(&before, batches, self.clock.now()).await? {
            self.learn_end(end);
            metrics::counter!("audit_entries_total", "service" => name.to_owned())
                .increment(audited);
            if let Some(oldest) = oldest {
                let lag = self.clock.now().as_millis().saturating_sub(oldest).max(0);
                let lag = Duration::from_millis(lag.unsigned_abs());
                metrics::histogram!("outbox_lag_seconds", "service" => name.to_owned()).record(lag);
            }
        }
        Ok(has_more)
    }

    /// Learns of what other processes have appended.
    async fn follow_end(&self) {
        let mut failures = Seldom::new(FAILURES_PAUSE);
        loop {
            match self.store.end().await {
                Ok(end) => self.learn_end(end),
                Err(error) => {
                    if let Some(times) = failures.happened(Instant::now().into_std()) {
                        tracing::warn!(%error, times, "cannot look at the log of events");
                    }
                }
            }
            sleep(PAUSE).await;
        }
    }

    fn learn_end(&self, end: i64) {
        self.end.send_if_modified(|known| {
            let is_news = end > *known;
            *known = end.max(*known);
            is_news
        });
    }
}

/// When the first of what is collected happened, in milliseconds.
fn oldest(batches: &[OutboxBatch]) -> Option<i64> {
    let messages = batches.iter().flat_map(|batch| &batch.messages);
    messages.map(|message| message.at.as_millis()).min()
}

/// How many entries the audit log gets by it.
fn audited(batch: &OutboxBatch) -> u64 {
    let audits = batch.messages.iter().filter(|message| message.is_audit());
    u64::try_from(audits.count()).unwrap_or_default()
}

/// How many of these are appended at once: one at least, and no more than bring so many entries of the audit log.
fn entered_at_once(batches: &[OutboxBatch]) -> usize {
    let mut entries = 0;
    let fits = |batch: &&OutboxBatch| {
        entries += audited(batch);
        entries <= ENTRIES
    };
    batches.iter().take_while(fits).count().max(1)
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        sync::{
            Arc,
            atomic::{AtomicU64, Ordering::Relaxed},
        },
    };

    use async_trait::async_trait;
    use holdfast_storage::{
        Database, Outbox, OutboxRow, OutboxTable,
        record::{RecordType, Table, Tx},
    };
    use holdfast_testkit::on_every_engine;
    use holdfast_types::{Clock, Code, Error, Message, Random, Sources, Timestamp, Version};
    use holdfast_web::auth::Verifier;
    use serde_json::Value;
    use tokio::time::timeout;
    use uuid::Uuid;

    use super::*;
    use crate::{
        model::Filter,
        service::{Event, Settings},
    };

    const SUBJECTS: u128 = 8;
    const CHANGES: i64 = 12;

    struct Tea;

    impl OutboxTable for Tea {
        const SERVICE: &'static str = "tea";
        const TABLE: Table = Table::of("tea_outbox", "batch of messages");
    }

    /// A source whose answers get lost now and then, before or after something was done.
    struct Lossy {
        outbox: Outbox<Tea>,
        calls: AtomicU64,
    }

    impl Lossy {
        async fn lossily<T>(&self, job: impl Future<Output = Result<T>>) -> Result<T> {
            let lost = || Error::new(Code::Unavailable, "lost");
            let call = self.calls.fetch_add(1, Relaxed);
            if call % 7 == 3 {
                return Err(lost());
            }
            let done = job.await;
            if call % 5 == 2 { Err(lost()) } else { done }
        }
    }

    #[async_trait]
    impl EventSource for Lossy {
        async fn take(&self, limit: usize) -> Result<Vec<OutboxBatch>> {
            self.lossily(self.outbox.take(limit.min(3))).await
        }

        async fn settle(&self, batches: &[Uuid]) -> Result<()> {
            self.lossily(self.outbox.settle(batches)).await
        }

        async fn describe(&self, messages: &[Message]) -> Result<Vec<Value>> {
            self.outbox.describe(messages).await
        }
    }

    /// Changes a subject again and again.
    async fn change(outbox: Outbox<Tea>, db: Database, subject: u128) {
        for at in 1..=CHANGES {
            let message = Message {
                kind: "tea.changed".into(),
                subject: Uuid::from_u128(subject),
                version: Version(at),
                at: Timestamp::from_millis(1_800_000_000_000),
                data: Some(serde_json::json!({ "at": at })),
            };
            let outbox = outbox.clone();
            let put = move |tx: Tx| {
                let (outbox, message) = (outbox.clone(), message.clone());
                async move { outbox.put(&tx, [message]).await }
            };
            db.transact(put).await.unwrap();
        }
    }

    #[test]
    fn what_is_entered_at_once_is_bounded() {
        let batch = |audits: usize| {
            let message = |kind: &'static str| Message {
                kind: kind.into(),
                subject: Uuid::nil(),
                version: Version::FIRST,
                at: Timestamp::from_millis(0),
                data: None,
            };
            let audits = (0..audits).map(|_| message("audit.place_order"));
            OutboxBatch {
                id: Uuid::nil(),
                messages: audits.chain([message("tea.drunk")]).collect(),
            }
        };
        let at_once = |audits: &[usize]| {
            entered_at_once(&audits.iter().map(|audits| batch(*audits)).collect::<Vec<_>>())
        };
        assert_eq!(at_once(&[0; 64]), 64);
        assert_eq!((at_once(&[512, 488, 1]), at_once(&[512, 512])), (2, 1));
        assert_eq!((at_once(&[2000, 1]), at_once(&[])), (1, 1));
    }

    /// Three who collect.
    async fn collect(outbox: &Outbox<Tea>, db: &Database) -> Vec<Events> {
        let mut all = Vec::new();
        for _ in 0..3 {
            let source = Lossy { outbox: outbox.clone(), calls: AtomicU64::new(0) };
            let sources = BTreeMap::from([("tea", Arc::new(source) as Arc<dyn EventSource>)]);
            let verifier = Arc::new(Verifier::new("test", Clock::system()));
            let from = Sources { clock: Clock::system(), random: Random::system() };
            let events =
                Events::open(db, sources, Settings::usual(), verifier, from).await.unwrap();
            events.collect();
            all.push(events);
        }
        all
    }

    /// Position, subject and version of each event, part by part.
    async fn log(events: &Events) -> Vec<(i64, Uuid, i64)> {
        let (mut after, mut heard) = (0, Vec::new());
        let place = |event: Event| (event.position, event.message.subject, event.message.version.0);
        loop {
            let part = events.read(Some(after), &Filter::default(), 100).await.unwrap();
            heard.extend(part.events.into_iter().map(place));
            after = part.upto;
            if after == part.end {
                return heard;
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_happens_comes_into_the_log_once_whoever_collects_and_whatever_is_lost() {
        on_every_engine(|fresh| async move {
            // All of it: with its home, the database would go.
            let fresh = fresh;
            let db = fresh.database.clone();
            db.define_all(&[RecordType::staying::<OutboxRow<Tea>>()]).await.unwrap();
            let outbox = Outbox::<Tea>::new(&db, &fresh.random);
            let events = collect(&outbox, &db).await;
            let change = |subject| tokio::spawn(change(outbox.clone(), db.clone(), subject));
            let writers: Vec<_> = (0..SUBJECTS).map(change).collect();
            for writer in writers {
                writer.await.unwrap();
            }
            let all = i64::try_from(SUBJECTS).unwrap() * CHANGES;
            let mut end = events[0].watch();
            let whole = timeout(Duration::from_secs(60), end.wait_for(|end| *end >= all));
            whole.await.expect("everything is collected").unwrap();
            sleep(PAUSE * 5).await;
            let heard = log(&events[1]).await;
            assert_eq!(i64::try_from(heard.len()), Ok(all));
            assert!(heard.iter().map(|(position, ..)| *position).eq(1..=all));
            for subject in (0..SUBJECTS).map(Uuid::from_u128) {
                let of_it = heard.iter().filter(|(_, of, _)| *of == subject);
                assert!(of_it.map(|(.., version)| *version).eq(1..=CHANGES), "in order");
            }
            assert_eq!(events[2].audit().await.unwrap(), (all.unsigned_abs(), Vec::new()));
            assert!(outbox.take(1).await.unwrap().is_empty(), "what is collected goes");
        })
        .await;
    }
}
