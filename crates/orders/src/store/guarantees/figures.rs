//! Tallies are the sums of the orders that are there, whatever happens to them.

use holdfast_testkit::empty;
use holdfast_types::Tally;

use super::*;

impl Bench {
    async fn tallies(&self) -> Vec<Tally> {
        self.store.tallies(i64::MIN..i64::MAX).await.unwrap()
    }

    async fn counts(&self) -> Vec<(String, i64, i128)> {
        let tallies = self.tallies().await;
        tallies.into_iter().map(|tally| (tally.name, tally.events, tally.amount)).collect()
    }
}

fn expected(tallies: &[(&str, i64, i128)]) -> Vec<(String, i64, i128)> {
    tallies.iter().map(|(name, events, amount)| ((*name).to_owned(), *events, *amount)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn tallies_count_an_order_once_and_a_cancellation_once() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        let orders: Vec<_> = (0..6).map(|_| bench.order()).collect();
        let ids: Vec<_> = orders.iter().map(|order| order.id).collect();
        let calls: Vec<_> = (0..4)
            .map(|_| {
                let (bench, orders) = (Arc::clone(&bench), orders.clone());
                tokio::spawn(
                    async move { bench.store.record(orders, Audits::default()).await.unwrap() },
                )
            })
            .collect();
        for call in calls {
            call.await.unwrap();
        }
        assert_eq!(bench.counts().await, expected(&[("orders/placed/USD", 6, 30)]));
        bench.fresh.clock.advance(Duration::from_secs(3 * 3600));
        bench.take(ids[0], &Action::Cancel).await.unwrap();
        bench.take(ids[0], &Action::Cancel).await.unwrap();
        bench.take(ids[1], &Action::Pay { reference: None }).await.unwrap();
        bench.store.expire(bench.now()).await.unwrap();
        let of = [("orders/cancelled/USD", 5, 25), ("orders/placed/USD", 6, 30)];
        assert_eq!(bench.counts().await, expected(&of));
        let hours: Vec<_> = bench.tallies().await.iter().map(|tally| tally.hour).collect();
        assert_eq!(hours, [Tally::hour_of(orders[0].created_at); 2], "where the order counted");
        let of_all = bench.store.tallies_of_all().await.unwrap();
        assert_eq!(of_all, bench.tallies().await);
    })
    .await;
}

#[tokio::test]
async fn count_adds_what_no_order_stands_for() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let refused = crate::model::figures::refused(Code::InsufficientStock, bench.now());
        bench.store.count(&[refused.clone(), refused]).await.unwrap();
        assert_eq!(bench.counts().await, expected(&[("orders/refused/insufficient-stock", 2, 0)]));
    })
    .await;
}

/// A shop of before there were tallies, opened by several processes at once; and one that is moved.
#[tokio::test(flavor = "multi_thread")]
async fn tallies_of_all_are_counted_once_at_the_first_start() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        bench.placed().await;
        let id = bench.placed().await;
        bench.take(id, &Action::Cancel).await.unwrap();
        let before = bench.tallies().await;
        let records: Vec<Record> = bench.dump().await.into_iter().map(Result::unwrap).collect();
        bench.store.load(records.clone()).await.unwrap();
        assert_eq!(bench.tallies().await, before, "what is there is not counted again");
        for table in ["holdfast_tallies", "orders_counted"] {
            empty(&bench.fresh.database, table).await;
        }
        assert_eq!(bench.tallies().await, []);
        let open = || Box::pin(OrderStore::open(&bench.fresh.database, &bench.fresh.random));
        let (first, second, third) = tokio::join!(open(), open(), open());
        for opened in [first, second, third] {
            opened.unwrap();
        }
        assert_eq!(bench.tallies().await, before);
    })
    .await;
}
