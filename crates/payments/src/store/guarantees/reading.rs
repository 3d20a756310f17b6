//! What is read, taken to be looked at, audited and forgotten.

use holdfast_types::PageRequest;

use super::*;

#[tokio::test]
async fn get_and_of_intent_and_open_of_and_refund_and_ledger_find_what_is_there() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let payment = bench.payment().await;
        assert_eq!(bench.store.open_of(payment.order).await.unwrap(), Some(payment.clone()));
        let paid = bench.see(&payment, Status::Captured).await;
        assert_eq!(bench.store.get(paid.id).await.unwrap(), Some(paid.clone()));
        let intent = paid.intent.clone().unwrap();
        assert_eq!(bench.store.of_intent(&intent).await.unwrap(), Some(paid.clone()));
        assert_eq!(bench.store.of_intent("pi_other").await.unwrap(), None);
        assert_eq!(bench.store.open_of(paid.order).await.unwrap(), None);
        let claim = bench.claim(5);
        bench.refund(&paid, claim.clone()).await.unwrap();
        let refund = bench.store.refund(claim.id).await.unwrap().unwrap();
        let ledger = bench.store.ledger(paid.id).await.unwrap().unwrap();
        assert_eq!((ledger.payment.refund_pending, ledger.refunds), (5, vec![refund]));
        let nobody = Id::new(operation(&bench.fresh.random).id);
        assert!(bench.store.ledger(nobody).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn list_and_refunds_of_show_what_was_asked_for_in_order() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let order = bench.an_order().await;
        let mut made = Vec::new();
        for _ in 0..3 {
            let payment = bench.payment_of(order).await;
            made.push(bench.see(&payment, Status::Cancelled).await.id);
            bench.fresh.clock.advance(Duration::from_millis(1));
        }
        let other = bench.payment().await;
        let paid = bench.see(&other, Status::Captured).await;
        let mut request = PageRequest { limit: 2, after: None };
        let filter = PaymentFilter { order: Some(order), ..PaymentFilter::default() };
        let page = bench.store.list(&filter, &request).await.unwrap();
        let ids: Vec<_> = page.items.iter().map(|payment| payment.id).collect();
        assert_eq!(ids, [made[2], made[1]], "the newest first");
        request.after = page.next;
        let page = bench.store.list(&filter, &request).await.unwrap();
        assert_eq!((page.items.len(), page.next.is_none()), (1, true));
        request.after = None;
        let by = [
            PaymentFilter { status: Some(Status::Captured), ..PaymentFilter::default() },
            PaymentFilter {
                user: Some(BUYER),
                status: Some(Status::Captured),
                ..PaymentFilter::default()
            },
        ];
        for filter in by {
            let found = bench.store.list(&filter, &request).await.unwrap().items;
            assert_eq!(found, std::slice::from_ref(&paid));
        }
        let all = bench.store.list(&PaymentFilter::default(), &request).await.unwrap();
        assert_eq!(all.items[0].id, other.id);
        for amount in [5, 6] {
            bench.refund(&paid, bench.claim(amount)).await.unwrap();
            bench.fresh.clock.advance(Duration::from_millis(1));
        }
        let refunds = bench.store.refunds_of(paid.id).await.unwrap();
        let amounts: Vec<_> = refunds.iter().map(|refund| refund.amount.amount).collect();
        assert_eq!(amounts, [5, 6]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn take_due_gives_a_payment_to_one_of_many() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        let payment = bench.payment().await;
        assert!(bench.store.take_due(bench.now(), bench.now(), 9).await.unwrap().is_empty());
        bench.fresh.clock.advance(Duration::from_secs(60));
        let now = bench.now();
        let calls: Vec<_> = (0..10)
            .map(|_| {
                let bench = Arc::clone(&bench);
                tokio::spawn(async move {
                    let until = now.plus(Duration::from_secs(60));
                    bench.store.take_due(now, until, 9).await.unwrap()
                })
            })
            .collect();
        let mut taken = Vec::new();
        for call in calls {
            taken.extend(call.await.unwrap());
        }
        assert_eq!(taken, [payment.id]);
        bench.fresh.clock.advance(Duration::from_secs(60));
        let again = bench.store.take_due(bench.now(), bench.now(), 9).await.unwrap();
        assert_eq!(again, [payment.id], "whoever took it may have ended");
    })
    .await;
}

#[tokio::test]
async fn replayed_and_forget_answers_know_what_was_answered() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let (payment, once, now) =
            (bench.payment().await, operation(&bench.fresh.random), bench.now());
        assert!(bench.store.replayed(&once).await.unwrap().is_none());
        let nothing = |_: &Claimed| Ok(Answer { status: 204, etag: None, body: Vec::new() });
        bench.store.order(&payment, &once, now, nothing, |_| Ok(())).await.unwrap();
        assert!(bench.store.replayed(&once).await.unwrap().is_some());
        let later = now.plus(Duration::from_millis(1));
        bench.store.forget_answers(later).await.unwrap();
        assert!(bench.store.replayed(&once).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn audit_finds_money_that_is_not_where_it_must_be() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let paid = bench.payment().await;
        bench.see(&paid, Status::Captured).await;
        bench.refund(&paid, bench.claim(5)).await.unwrap();
        assert_eq!(bench.store.audit().await.unwrap(), (1, Vec::new()));
        // The order is over, and nobody has given the money back.
        bench.move_order(paid.order, "cancelled").await;
        let (_, findings) = bench.store.audit().await.unwrap();
        assert!(findings[0].contains("keeps 995 minor units"), "{findings:?}");
        bench.move_order(paid.order, "paid").await;
        let mut spoilt = bench.store.get(paid.id).await.unwrap().unwrap();
        spoilt.refunded = 7;
        let spoil = move |_: PaymentStore, tx: Tx| {
            let spoilt = spoilt.clone();
            async move {
                let mut stored = tx.get::<Payment>(spoilt.id).await?.unwrap();
                *stored = spoilt;
                Ok(tx.put(&stored).await??)
            }
        };
        bench.within(spoil).await;
        let (_, findings) = bench.store.audit().await.unwrap();
        assert!(findings[0].contains("but its refunds are 0 and 5"), "{findings:?}");
        damage(&bench.fresh.database, "payments", "body").await;
        let (count, findings) = bench.store.audit().await.unwrap();
        assert_eq!(count, 0, "what cannot be read is found where all records are read");
        assert!(findings[0].contains("there is no such payment"), "{findings:?}");
    })
    .await;
}
