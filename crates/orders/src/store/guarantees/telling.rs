//! What is told of orders: each thing once, with the change itself.

use holdfast_storage::EventSource;
use holdfast_testkit::audited;

use super::*;

impl Bench {
    /// What was told, by its type and the version of its order.
    async fn told(&self) -> Vec<(String, i64)> {
        let batches = self.store.outbox().take(100).await.unwrap();
        let messages = batches.into_iter().flat_map(|batch| batch.messages);
        messages.map(|message| (message.kind.to_string(), message.version.0)).collect()
    }
}

fn told(messages: &[(&str, i64)]) -> Vec<(String, i64)> {
    messages.iter().map(|(kind, version)| ((*kind).to_owned(), *version)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn recording_and_steps_are_told_once() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        let order = bench.order();
        let calls: Vec<_> = (0..8)
            .map(|_| {
                let (bench, order) = (Arc::clone(&bench), order.clone());
                tokio::spawn(async move {
                    bench.store.record(vec![order], Audits::default()).await.unwrap()
                })
            })
            .collect();
        for call in calls {
            call.await.unwrap();
        }
        assert_eq!(bench.told().await, told(&[("order.placed", 1)]));
        let pay = Action::Pay { reference: None };
        for action in [&pay, &pay, &Action::Deliver] {
            let _ = bench.take(order.id, action).await;
        }
        assert_eq!(bench.told().await, told(&[("order.placed", 1), ("order.paid", 2)]));
        bench.placed().await;
        bench.fresh.clock.advance(Duration::from_secs(60));
        bench.store.expire(bench.now()).await.unwrap();
        bench.store.expire(bench.now()).await.unwrap();
        let mut all = bench.told().await;
        assert_eq!(all.pop(), told(&[("order.expired", 2)]).pop());
        assert_eq!(all.len(), 3);
    })
    .await;
}

#[tokio::test]
async fn who_answers_for_an_order_is_told_with_it() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let (order, other) = (bench.order(), bench.order());
        let operation = audited(&bench.fresh.random).about(order.id.uuid());
        let audits = Audits::new(operation.audit.into_iter().collect());
        for _ in 0..2 {
            let orders = vec![order.clone(), other.clone()];
            bench.store.record(orders, Arc::clone(&audits)).await.unwrap();
        }
        let expected = [("order.placed", 1), ("order.placed", 1), ("audit.make_thing", 1)];
        assert_eq!(bench.told().await, told(&expected));
    })
    .await;
}

#[tokio::test]
async fn loading_what_was_placed_elsewhere_tells_nothing() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let moved = Record::Order(Box::new(bench.order()));
        bench.store.load(vec![moved]).await.unwrap();
        assert_eq!((bench.dump().await.len(), bench.told().await.len()), (1, 0));
    })
    .await;
}

#[tokio::test]
async fn subjects_and_get_all_find_the_orders_that_are_there() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let (one, other, cut) = (bench.placed().await, bench.placed().await, bench.order().id);
        bench.store.resolve(&[cut], bench.now()).await.unwrap();
        let mut found = bench.store.get_all(vec![one, cut, other]).await.unwrap();
        found.sort_by_key(|order| order.id);
        let mut expected = [one, other];
        expected.sort();
        assert!(found.iter().map(|order| order.id).eq(expected));
        let batches = bench.store.outbox().take(100).await.unwrap();
        let mut messages: Vec<_> = batches.into_iter().flat_map(|batch| batch.messages).collect();
        messages.extend(messages.clone());
        let subjects = bench.store.subjects(&messages).await.unwrap();
        assert_eq!((subjects.len(), subjects[&one.uuid()].id), (2, one));
    })
    .await;
}
