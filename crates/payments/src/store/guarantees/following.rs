//! Payments whose orders move, and those that came from another database.

use super::*;

#[tokio::test]
async fn follow_order_calls_off_what_is_open_and_owes_back_what_was_taken() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let open = bench.payment().await;
        bench.follow(open.order, OrderMove::Cancelled).await;
        let open = bench.store.get(open.id).await.unwrap().unwrap();
        assert_eq!((open.wanted, open.next_look), (Some(Wanted::Cancel), Some(bench.now())));
        let taken = bench.payment().await;
        bench.see(&taken, Status::Captured).await;
        bench.refund(&taken, bench.claim(300)).await.unwrap();
        for _ in 0..2 {
            bench.follow(taken.order, OrderMove::Cancelled).await;
            let taken = bench.store.get(taken.id).await.unwrap().unwrap();
            assert_eq!((taken.refund_pending, taken.refundable()), (AMOUNT, 0));
        }
        assert_eq!(bench.store.refunds_of(taken.id).await.unwrap().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn hold_up_expiry_waits_for_an_open_payment_and_no_longer_than_an_hour() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let payment = bench.payment().await;
        let order = payment.order;
        let held = async |order: OrderId| {
            let now = bench.now();
            let hold = move |store: PaymentStore, tx: Tx| async move {
                store.hold_up_expiry(&tx, order, now).await
            };
            bench.within(hold).await
        };
        assert!(held(order).await.is_some_and(|until| until > bench.now()));
        let closing = bench.store.get(payment.id).await.unwrap().unwrap();
        assert_eq!(closing.wanted, Some(Wanted::Cancel));
        bench.fresh.clock.advance(Duration::from_secs(3599));
        assert!(held(order).await.is_some());
        bench.fresh.clock.advance(Duration::from_secs(1));
        assert_eq!(held(order).await, None, "the money goes back when it comes");
        let aside = bench.payment().await;
        bench.see(&aside, Status::Authorized).await;
        assert!(held(aside.order).await.is_some());
        let aside = bench.store.get(aside.id).await.unwrap().unwrap();
        assert_eq!(aside.wanted, None, "what is set aside holds the order");
        bench.see(&aside, Status::Cancelled).await;
        assert_eq!(held(aside.order).await, None);
    })
    .await;
}

#[tokio::test]
async fn restore_makes_payments_fit_their_refunds_and_their_orders() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let (torn, gone, sound) =
            (bench.payment().await, bench.payment().await, bench.payment().await);
        for payment in [&torn, &gone, &sound] {
            bench.see(payment, Status::Captured).await;
        }
        let refund = bench.claim(300);
        bench.refund(&torn, refund.clone()).await.unwrap();
        // As exports have it that were made meanwhile: the order before its payment, the payment before its refund.
        bench.move_order(torn.order, "placed").await;
        bench.move_order(gone.order, "cancelled").await;
        let (id, before) = (torn.id, bench.store.get(sound.id).await.unwrap());
        let tear = move |_: PaymentStore, tx: Tx| async move {
            let mut stored = tx.get::<Payment>(id).await?.unwrap();
            (stored.refund_pending, stored.next_look) = (0, None);
            Ok(tx.put(&stored).await??)
        };
        bench.within(tear).await;
        bench.store.restore(bench.now()).await.unwrap();
        let torn = bench.store.get(torn.id).await.unwrap().unwrap();
        assert_eq!((torn.refund_pending, torn.next_look), (300, Some(bench.now())));
        assert_eq!(bench.book.order(torn.order).await.status, "paid");
        let gone = bench.store.get(gone.id).await.unwrap().unwrap();
        assert_eq!((gone.refund_pending, gone.refundable()), (AMOUNT, 0), "it is owed back");
        assert_eq!(bench.store.get(sound.id).await.unwrap(), before);
        assert_eq!(bench.store.audit().await.unwrap(), (3, Vec::new()));
    })
    .await;
}

/// A payment that was exported before its money was taken, and its refunds after that.
#[tokio::test]
async fn restore_knows_by_the_refunds_that_money_was_taken() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let payment = bench.payment().await;
        let early = bench.see(&payment, Status::Pending).await;
        bench.see(&payment, Status::Captured).await;
        bench.move_order(payment.order, "cancelled").await;
        bench.follow(payment.order, OrderMove::Cancelled).await;
        let tear = move |_: PaymentStore, tx: Tx| {
            let early = early.clone();
            async move {
                let mut stored = tx.get::<Payment>(early.id).await?.unwrap();
                *stored = early;
                Ok(tx.put(&stored).await??)
            }
        };
        bench.within(tear).await;
        for _ in 0..2 {
            bench.store.restore(bench.now()).await.unwrap();
            let after = bench.store.get(payment.id).await.unwrap().unwrap();
            assert_eq!((after.status, after.captured), (Status::Captured, AMOUNT));
            assert_eq!((after.refund_pending, after.refundable()), (AMOUNT, 0));
        }
        assert_eq!(bench.store.audit().await.unwrap(), (1, Vec::new()));
    })
    .await;
}
