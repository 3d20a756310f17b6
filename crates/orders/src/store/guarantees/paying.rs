//! Orders and what is paid for them.

use super::*;

impl Bench {
    async fn pay_in(&self, id: OrderId, reference: &'static str) -> bool {
        let now = self.now();
        self.within(move |store, tx| async move { store.pay_in(&tx, id, reference, now).await })
            .await
    }
}

#[tokio::test]
async fn pay_in_pays_an_order_once_and_revives_none() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let (paid, cancelled) = (bench.placed().await, bench.placed().await);
        assert!(bench.pay_in(paid, "pi_1").await);
        assert!(bench.pay_in(paid, "pi_1").await, "it is paid by that");
        assert!(!bench.pay_in(paid, "pi_2").await, "it is not paid twice");
        let order = bench.store.get(paid).await.unwrap().unwrap();
        assert_eq!(
            (order.status, order.progress.reference.as_deref()),
            (Status::Paid, Some("pi_1"))
        );
        bench.take(cancelled, &Action::Cancel).await.unwrap();
        assert!(!bench.pay_in(cancelled, "pi_3").await);
        let order = bench.store.get(cancelled).await.unwrap().unwrap();
        assert_eq!(order.status, Status::Cancelled);
        let nobody = bench.order().id;
        assert!(!bench.pay_in(nobody, "pi_4").await);
    })
    .await;
}

#[tokio::test]
async fn give_time_is_given_once_and_hold_shows_it() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let id = bench.placed().await;
        let before = bench.store.get(id).await.unwrap().unwrap();
        for _ in 0..2 {
            let now = bench.now();
            let give = move |store: OrderStore, tx| async move {
                store.give_time(&tx, id, now).await?;
                store.hold(&tx, id).await
            };
            let order = bench.within(give).await.unwrap();
            // The minute that it had, once more.
            let expected = before.expires_at.unwrap().plus(Duration::from_secs(60));
            assert_eq!(order.expires_at, Some(expected));
            assert_eq!(order.clone().into_placed().expires_at, before.expires_at);
        }
        let kept = bench.store.get(id).await.unwrap().unwrap();
        assert_eq!(kept.version, before.version.next());
    })
    .await;
}
