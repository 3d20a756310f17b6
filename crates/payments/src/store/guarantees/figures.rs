//! Figures are what payments and refunds stand for, whenever they are read.

use holdfast_types::Tally;

use super::*;

impl Bench {
    async fn counted(&self) -> Vec<(String, i64, i128)> {
        let tallies = self.store.tallies(i64::MIN..i64::MAX).await.unwrap();
        tallies.into_iter().map(|tally| (tally.name, tally.events, tally.amount)).collect()
    }

    async fn count(&self, tally: Tally) {
        let shards = self.store.shards.clone();
        let count = move |tx: Tx| {
            let (shards, tally) = (shards.clone(), tally.clone());
            async move { tx.count(&shards, [tally]).await }
        };
        self.fresh.database.transact(count).await.unwrap();
    }

    async fn made(&self, payment: &Payment, claim: Claim) -> Payment {
        let (id, now) = (claim.id, self.now());
        self.refund(payment, claim).await.unwrap();
        let made = move |ledger: &mut Ledger| {
            let status = RefundStatus::Succeeded;
            let seen = SeenRefund { reference: format!("re_{id}"), status, failure: None };
            ledger.see_refund(id, &seen);
            Ok(())
        };
        self.store.settle(payment, now, made).await.unwrap()
    }
}

#[tokio::test]
async fn tallies_and_owed_follow_what_is_taken_and_given_back() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        assert!(bench.counted().await.is_empty());
        let payment = bench.payment().await;
        let paid = bench.see(&payment, Status::Captured).await;
        bench.see(&bench.payment().await, Status::Captured).await;
        bench.see(&bench.payment().await, Status::Cancelled).await;
        // Whoever says so once more changes nothing.
        bench.see(&paid, Status::Captured).await;
        let currency = paid.amount.currency;
        let captured = (format!("payments/captured/{currency}"), 2, 2 * i128::from(AMOUNT));
        assert_eq!(bench.counted().await, std::slice::from_ref(&captured));
        let hour = Tally::hour_of(bench.now());
        bench.fresh.clock.advance(Duration::from_secs(3600));
        let paid = bench.made(&paid, bench.claim(300)).await;
        bench.refund(&paid, bench.claim(50)).await.unwrap();
        let owed = bench.store.owed().await.unwrap();
        assert_eq!((owed.count, owed.sums.into_iter().collect()), (1, vec![(currency, 50)]));
        let refunded = (format!("payments/refunded/{currency}"), 1, 300);
        assert_eq!(bench.counted().await, [captured, refunded]);
        let first = bench.store.tallies(hour..hour + 1).await.unwrap();
        assert_eq!(first.len(), 1, "each counts in its hour");
        assert_eq!(bench.store.audit().await.unwrap().1, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn recount_makes_tallies_what_there_is_and_changes_nothing_twice() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let paid = bench.see(&bench.payment().await, Status::Captured).await;
        bench.made(&paid, bench.claim(300)).await;
        let right = bench.counted().await;
        // As if it had come from another database, or been counted twice.
        let name = format!("payments/captured/{}", paid.amount.currency);
        for (events, amount) in [(-1, -AMOUNT), (5, 77)] {
            let wrong = Tally { events, ..Tally::of(bench.now(), name.clone(), 0, amount) };
            bench.count(wrong).await;
            assert_eq!(bench.store.audit().await.unwrap().1.len(), 1);
            for _ in 0..2 {
                bench.store.recount().await.unwrap();
                assert_eq!(bench.counted().await, right);
            }
        }
        assert_eq!(bench.store.audit().await.unwrap().1, Vec::<String>::new());
    })
    .await;
}
