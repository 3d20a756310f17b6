//! One test per guarantee of [`EventStore`], run on every engine, races included.

use std::time::Duration;

use holdfast_testkit::{Fresh, damage, on_every_engine};
use holdfast_types::Version;

use super::*;

mod audit_log;
mod deliveries;
mod webhooks;

struct Bench {
    store: EventStore,
    fresh: Fresh,
}

impl Bench {
    async fn new(fresh: Fresh) -> Self {
        let (store, _) = EventStore::open(&fresh.database, &fresh.random).await.unwrap();
        Self { store, fresh }
    }

    fn now(&self) -> Timestamp {
        self.fresh.clock.now()
    }

    /// A transaction that did so many things.
    fn batch(&self, count: u128) -> OutboxBatch {
        let id = self.fresh.random.uuid_v7(self.now());
        let message = |number| Message {
            kind: "order.placed".into(),
            subject: Uuid::from_u128(id.as_u128() ^ number),
            version: Version::FIRST,
            at: self.now(),
            data: None,
        };
        OutboxBatch { id, messages: (0..count).map(message).collect() }
    }

    async fn append(&self, counts: &[u128]) -> i64 {
        let batches = counts.iter().map(|count| self.batch(*count)).collect();
        let before = self.store.collected("orders").await.unwrap();
        self.store.append(&before, batches, self.now()).await.unwrap().expect("nobody else appends")
    }

    /// Deletes the segment that begins at a position, behind the store's back.
    async fn delete(&self, position: i64) {
        let delete = move |tx: Tx| async move {
            let found = tx.get::<Segment>(key_of(position)).await?.unwrap();
            tx.delete(found).await
        };
        self.store.db.transact(delete).await.unwrap();
    }

    /// First and last of the segment that has a position.
    async fn segment(&self, position: i64) -> Option<(i64, i64)> {
        let segments = self.store.segments_from(position, 1).await.unwrap();
        segments.first().map(|segment| (segment.first, segment.last()))
    }
}

/// Six who collect the same from a source at once; says how many of them appended it.
async fn race(bench: &Arc<Bench>, source: &str) -> usize {
    let before = bench.store.collected(source).await.unwrap();
    let batches = vec![bench.batch(3), bench.batch(2)];
    let append = |_| {
        let (bench, before, batches) = (Arc::clone(bench), before.clone(), batches.clone());
        tokio::spawn(async move { bench.store.append(&before, batches, bench.now()).await })
    };
    let calls: Vec<_> = (0..6).map(append).collect();
    let mut wins = 0;
    for call in calls {
        wins += usize::from(call.await.unwrap().unwrap().is_some());
    }
    let after = bench.store.collected(source).await.unwrap();
    assert_eq!((after.turn, after.rows.len()), (before.turn + 1, 2));
    wins
}

#[tokio::test(flavor = "multi_thread")]
async fn append_takes_what_was_collected_once_and_leaves_no_gap() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        assert_eq!((race(&bench, "orders").await, race(&bench, "products").await), (1, 1));
        assert_eq!(bench.store.end().await.unwrap(), 10);
        assert_eq!((bench.segment(1).await, bench.segment(7).await), (Some((1, 5)), Some((6, 10))));
    })
    .await;
}

/// Appends five times what a source tells, from which nobody else collects.
async fn collect(bench: Arc<Bench>, source: &'static str) {
    for _ in 0..5 {
        let before = bench.store.collected(source).await.unwrap();
        let batches = vec![bench.batch(2)];
        let appended = bench.store.append(&before, batches, bench.now()).await;
        assert!(appended.unwrap().is_some(), "nobody else collects {source}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_append_at_once_and_positions_stay_whole() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        let calls = ["orders", "products", "users"]
            .map(|source| tokio::spawn(collect(Arc::clone(&bench), source)));
        for call in calls {
            call.await.unwrap();
        }
        assert_eq!(bench.store.end().await.unwrap(), 30);
        assert_eq!(bench.store.audit().await.unwrap(), (30, Vec::new()));
    })
    .await;
}

#[tokio::test]
async fn collected_says_what_a_source_told_last() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let nothing = bench.store.collected("orders").await.unwrap();
        assert_eq!((nothing.turn, nothing.rows.len()), (0, 0));
        bench.append(&[1, 1, 1]).await;
        bench.append(&[1]).await;
        let last = bench.store.collected("orders").await.unwrap();
        assert_eq!((last.turn, last.rows.len()), (2, 1));
        assert_eq!(bench.store.collected("users").await.unwrap().turn, 0);
    })
    .await;
}

#[tokio::test]
async fn end_and_segments_from_find_what_was_appended() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        assert_eq!((bench.store.end().await.unwrap(), bench.segment(1).await), (0, None));
        assert_eq!(bench.append(&[3]).await, 3);
        // More than one segment holds.
        assert_eq!(bench.append(&[500, 600]).await, 1103);
        for (position, found) in [(1, (1, 3)), (3, (1, 3)), (4, (4, 515)), (1103, (1028, 1103))] {
            assert_eq!(bench.segment(position).await, Some(found), "{position}");
        }
        assert_eq!(bench.segment(1104).await, None);
        let segments = bench.store.segments_from(5, 2).await.unwrap();
        assert!(segments.iter().map(|segment| segment.first).eq([4, 516]));
        assert_eq!((segments[0].messages().unwrap().len(), segments[0].rows.len()), (512, 2));
    })
    .await;
}

#[tokio::test]
async fn forget_drops_what_is_old_and_the_log_goes_on() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        bench.append(&[2]).await;
        bench.fresh.clock.advance(Duration::from_secs(60));
        let later = bench.now();
        bench.append(&[3]).await;
        bench.store.forget(later).await.unwrap();
        assert_eq!(bench.segment(1).await, Some((3, 5)), "the first that is left");
        bench.store.forget(later.plus(Duration::from_secs(1))).await.unwrap();
        assert_eq!((bench.segment(1).await, bench.store.end().await.unwrap()), (None, 5));
        assert_eq!(bench.append(&[1]).await, 6);
        assert_eq!(bench.store.audit().await.unwrap(), (1, Vec::new()));
    })
    .await;
}

#[tokio::test]
async fn end_with_segments_goes_on_after_those_that_came_from_elsewhere() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        bench.store.end_with_segments().await.unwrap();
        assert_eq!(bench.store.end().await.unwrap(), 0);
        let mut moved = segments("orders", 41, &[], &bench.batch(2).messages, bench.now()).unwrap();
        bench.store.db.load::<Segment>(vec![moved.remove(0)]).await.unwrap();
        bench.store.end_with_segments().await.unwrap();
        assert_eq!((bench.store.end().await.unwrap(), bench.append(&[1]).await), (43, 44));
        // A log whose last events have gone ends where it did.
        bench.fresh.clock.advance(Duration::from_secs(1));
        bench.store.forget(bench.now()).await.unwrap();
        let mut older = segments("orders", 11, &[], &bench.batch(2).messages, bench.now()).unwrap();
        bench.store.db.load::<Segment>(vec![older.remove(0)]).await.unwrap();
        bench.store.end_with_segments().await.unwrap();
        assert_eq!(bench.store.end().await.unwrap(), 44);
    })
    .await;
}

#[tokio::test]
async fn segments_and_collected_rows_tell_of_all() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        bench.append(&[300, 300]).await;
        bench.append(&[1]).await;
        let mut all = bench.store.segments().await.unwrap();
        let mut firsts = Vec::new();
        while let Some(segment) = all.next().await.unwrap() {
            firsts.push(segment.unwrap().first);
        }
        assert_eq!(firsts, [1, 513, 601]);
        let rows = bench.store.collected_rows().await.unwrap();
        let counts: Vec<_> =
            rows.iter().map(|(source, rows)| (source.as_str(), rows.len())).collect();
        assert_eq!(counts, [("orders", 2), ("orders", 1)]);
    })
    .await;
}

#[tokio::test]
async fn audit_finds_what_is_missing_and_what_cannot_be_read() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        for _ in 0..3 {
            bench.append(&[2]).await;
        }
        assert_eq!(bench.store.audit().await.unwrap(), (6, Vec::new()));
        bench.delete(3).await;
        let (count, findings) = bench.store.audit().await.unwrap();
        assert_eq!(
            (count, findings),
            (4, vec!["after event 2 comes event 5: the log has a gap".into()])
        );
        bench.delete(5).await;
        let (_, findings) = bench.store.audit().await.unwrap();
        assert_eq!(findings, ["the log ends at event 2, but 6 were written"]);
        damage(&bench.store.db, "event_segments", "body").await;
        let (count, findings) = bench.store.audit().await.unwrap();
        assert_eq!((count, findings.len()), (0, 1), "{findings:?}");
    })
    .await;
}
