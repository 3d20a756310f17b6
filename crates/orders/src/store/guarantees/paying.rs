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

#[tokio::test]
async fn give_back_is_noted_once_and_goes_with_what_becomes_of_the_rest() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let product = ProductId::from_bytes([9; 16]);
        let order = bench.order_of_three(product);
        let id = order.id;
        bench.store.record(vec![order], Audits::default()).await.unwrap();
        let give_back = async |units: i64| {
            let now = bench.now();
            let give = move |store: OrderStore, tx| async move {
                store.give_back(&tx, id, &[(product, units)], now).await
            };
            bench.try_within(give).await
        };
        assert_eq!(give_back(1).await.unwrap_err().code(), Code::InvalidTransition);
        bench.take(id, &Action::Pay { reference: None }).await.unwrap();
        for (units, all) in [(1, 1), (1, 1), (0, 1), (3, 3)] {
            give_back(units).await.unwrap();
            let pending = bench.store.pending_stock(bench.now()).await.unwrap();
            let told = PendingStock { action: StockAction::Keep, returned: all };
            assert_eq!(pending, [(id, told)]);
        }
        let ship = Action::Ship { carrier: None, tracking_number: None };
        bench.take(id, &ship).await.unwrap();
        // What was told before is no word about what has become since.
        let pending = |action, returned| PendingStock { action, returned };
        for earlier in [pending(StockAction::Keep, 3), pending(StockAction::Ship, 1)] {
            bench.store.clear_pending_stock(&[(id, earlier)]).await.unwrap();
            let left = bench.store.pending_stock_of(id).await.unwrap();
            assert_eq!(left, Some(pending(StockAction::Ship, 3)));
        }
        let told = pending(StockAction::Ship, 3);
        bench.store.clear_pending_stock(&[(id, told)]).await.unwrap();
        assert_eq!(bench.store.pending_stock_of(id).await.unwrap(), None);
        let kept = bench.store.get(id).await.unwrap().unwrap();
        assert_eq!((kept.kept(), kept.version), (vec![(product, 0)], Version(5)));
    })
    .await;
}

impl Bench {
    fn order_of_three(&self, product: ProductId) -> Order {
        let order = self.order();
        let unit_price = order.total;
        let line = OrderLine {
            product_id: product,
            sku: None,
            name: "Tea".to_owned(),
            unit_price,
            quantity: 3,
            total: unit_price,
            stock_sequence: 1,
        };
        Order { lines: OrderLines::new(vec![line]).unwrap(), ..order }
    }
}
