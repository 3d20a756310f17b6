//! The pieces of which larger methods are made, and what is read, forgotten and loaded.

use std::collections::HashMap;

use holdfast_storage::record::Tx;

use super::*;

impl Bench {
    /// Runs one piece in a transaction of its own.
    pub(super) async fn within<T, F>(
        &self,
        piece: impl Fn(OrderStore, Tx) -> F + Send + Sync + 'static,
    ) -> T
    where
        T: Send + 'static,
        F: Future<Output = Result<T, holdfast_storage::record::Fault>> + Send,
    {
        self.try_within(piece).await.unwrap()
    }

    pub(super) async fn try_within<T, F>(
        &self,
        piece: impl Fn(OrderStore, Tx) -> F + Send + Sync + 'static,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, holdfast_storage::record::Fault>> + Send,
    {
        let store = self.store.clone();
        self.fresh.database.transact(move |tx| piece(store.clone(), tx)).await
    }

    async fn bury(&self, ids: Vec<OrderId>, now: Timestamp) -> HashMap<OrderId, Status> {
        let bury = move |store: OrderStore, tx: Tx| {
            let ids = ids.clone();
            async move { store.bury(&tx, ids, now).await }
        };
        self.within(bury).await
    }

    async fn order_of(&self, id: OrderId) -> Order {
        self.store.get(id).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn open_keeps_the_secret_and_what_is_kept() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let id = bench.placed().await;
        let first = OrderStore::open(&bench.fresh.database, &bench.fresh.random).await.unwrap();
        let second = OrderStore::open(&bench.fresh.database, &bench.fresh.random).await.unwrap();
        assert_eq!(first.1.hash(b"content"), second.1.hash(b"content"));
        assert!(second.0.get(id).await.unwrap().is_some());
    })
    .await;
}

#[tokio::test]
async fn get_knows_the_order_as_it_was_recorded() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let mut order = bench.order();
        order.buyer.metadata.insert("gift".to_owned(), "yes".to_owned());
        bench.store.record(vec![order.clone()], Audits::default()).await.unwrap();
        assert_eq!(bench.order_of(order.id).await, order);
        assert_eq!(bench.store.get(bench.order().id).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn load_for_change_leaves_tombstones_out() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let (one, other, cut) = (bench.placed().await, bench.placed().await, bench.order().id);
        bench.store.resolve(&[cut], bench.now()).await.unwrap();
        let ids = vec![other, cut, one, bench.order().id];
        let found = bench
            .within(move |store, tx| {
                let ids = ids.clone();
                async move { store.load_for_change(&tx, ids).await }
            })
            .await;
        let mut found: Vec<OrderId> = found.into_iter().map(|order| order.id).collect();
        found.sort_unstable();
        let mut expected = vec![one, other];
        expected.sort_unstable();
        assert_eq!(found, expected);
    })
    .await;
}

#[tokio::test]
async fn save_writes_the_step() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let mut order = bench.order_of(bench.placed().await).await;
        bench.fresh.clock.advance(Duration::from_secs(1));
        let pay = Action::Pay { reference: Some("inv-1".to_owned()) };
        assert!(order.take(&pay, Some(BUYER), bench.now()).unwrap());
        let stepped = order.clone();
        bench
            .within(move |store, tx| {
                let stepped = stepped.clone();
                async move { store.save(&tx, &stepped).await }
            })
            .await;
        assert_eq!(bench.order_of(order.id).await, order);
        assert_eq!(order.events().count(), 2);
    })
    .await;
}

#[tokio::test]
async fn bury_says_how_the_others_stand_and_is_for_good() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let (paid, cut) = (bench.placed().await, bench.order());
        bench.take(paid, &Action::Pay { reference: None }).await.unwrap();
        let (ids, now) = (vec![paid, cut.id], bench.now());
        for _ in 0..2 {
            let found = bench.bury(ids.clone(), now).await;
            assert_eq!(Vec::from_iter(found), [(paid, Status::Paid)]);
        }
        let late = bench.store.record(vec![cut], Audits::default()).await.unwrap();
        assert!(matches!(late.as_slice(), [Recorded::Undone]));
    })
    .await;
}

#[tokio::test]
async fn due_finds_placed_orders_whose_time_has_come() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let (first, paid) = (bench.placed().await, bench.placed().await);
        bench.fresh.clock.advance(Duration::from_secs(1));
        let second = bench.placed().await;
        bench.take(paid, &Action::Pay { reference: None }).await.unwrap();
        bench.fresh.clock.advance(Duration::from_secs(59));
        assert_eq!(bench.store.due(bench.now()).await.unwrap(), [first]);
        bench.fresh.clock.advance(Duration::from_secs(1));
        assert_eq!(bench.store.due(bench.now()).await.unwrap(), [first, second]);
    })
    .await;
}

#[tokio::test]
async fn pending_stock_waits_for_its_age_and_clear_pending_stock_leaves_what_is_new() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let (sent, gone) = (bench.placed().await, bench.placed().await);
        bench.take(sent, &Action::Pay { reference: None }).await.unwrap();
        let ship = Action::Ship { carrier: None, tracking_number: None };
        bench.take(sent, &ship).await.unwrap();
        bench.fresh.clock.advance(Duration::from_secs(1));
        let earlier = bench.now().minus(Duration::from_millis(1));
        bench.take(gone, &Action::Cancel).await.unwrap();
        assert_eq!(
            bench.store.pending_stock(earlier).await.unwrap(),
            [(sent, StockAction::Ship.into())]
        );
        let both = [(sent, StockAction::Ship.into()), (gone, StockAction::Release.into())];
        assert_eq!(bench.store.pending_stock(bench.now()).await.unwrap(), both);
        bench.store.clear_pending_stock(&[(sent, StockAction::Release.into())]).await.unwrap();
        assert_eq!(bench.store.pending_stock(bench.now()).await.unwrap(), both);
        bench.store.clear_pending_stock(&both[..1]).await.unwrap();
        assert_eq!(bench.store.pending_stock(bench.now()).await.unwrap(), both[1..]);
    })
    .await;
}

#[tokio::test]
async fn pending_stock_of_knows_what_one_order_waits_for() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let id = bench.placed().await;
        assert_eq!(bench.store.pending_stock_of(id).await.unwrap(), None);
        bench.take(id, &Action::Cancel).await.unwrap();
        let pending = bench.store.pending_stock_of(id).await.unwrap();
        assert_eq!(pending, Some(StockAction::Release.into()));
    })
    .await;
}

#[tokio::test]
async fn forget_lets_a_key_be_used_again() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let id = bench.placed().await;
        let (operation, pay) = (operation(&bench.fresh.random), Action::Pay { reference: None });
        let take = async || {
            let step = Step { order: id, by: Some(BUYER), at: bench.now() };
            let pay = Ok(pay.clone());
            bench.store.transition(step, &operation, render, pay).await.unwrap().replayed
        };
        assert!(!take().await && take().await);
        bench.store.forget(bench.now()).await.unwrap();
        assert!(take().await, "it is not that old");
        bench.store.forget(bench.now().plus(Duration::from_millis(1))).await.unwrap();
        assert!(!take().await);
    })
    .await;
}

#[tokio::test]
async fn load_keeps_what_is_there_and_adds_the_rest() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let (id, cut) = (bench.placed().await, bench.order().id);
        let placed = bench.order_of(id).await;
        bench.take(id, &Action::Cancel).await.unwrap();
        let mut grown = bench.order();
        grown.take(&Action::Cancel, None, bench.now()).unwrap();
        let records = || {
            vec![
                Record::Order(Box::new(placed.clone())),
                Record::Order(Box::new(grown.clone())),
                Record::Tombstone(cut, bench.now()),
            ]
        };
        for _ in 0..2 {
            bench.store.load(records()).await.unwrap();
        }
        assert_eq!(bench.order_of(id).await.status, Status::Cancelled, "what is there stays");
        assert_eq!(bench.order_of(grown.id).await, grown);
        assert_eq!(bench.dump().await.len(), 3);
    })
    .await;
}
