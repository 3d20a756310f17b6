//! Limits per customer: over all orders of one, however many come at once, and given back with them.

use std::sync::Arc;

use holdfast_storage::record::Tx;
use holdfast_types::{Code, Kept};

use super::*;
use crate::model::Claims;

const OTHER: UserId = UserId::from_bytes([9; 16]);

impl Bench {
    /// A product of which a customer may have so many.
    pub(super) async fn limited(&self, sku: &str, quantity: i64, limit: i64) -> ProductId {
        let mut new = self.new_product(sku, quantity);
        new.details.limit_per_customer = Some(limit);
        self.store.create(&new, None).await.unwrap();
        new.id
    }

    pub(super) async fn counted(&self, counters: &[(ProductId, UserId)]) -> Claims {
        let counters: std::collections::BTreeSet<_> = counters.iter().copied().collect();
        let count = move |store: ProductStore, tx: Tx| {
            let counters = counters.clone();
            async move { store.count_claims(&tx, counters).await }
        };
        self.within(count).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_has_no_more_than_the_limit_however_many_orders_come_at_once() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        let (drop, tea) = (bench.limited("drop", 100, 3).await, bench.product("tea", 1000).await);
        let orders: Vec<_> = (0..48)
            .map(|number| {
                let bench = Arc::clone(&bench);
                let customer = if number % 2 == 0 { CUSTOMER } else { OTHER };
                tokio::spawn(async move {
                    let command = bench.command(&[(tea, 1), (drop, 1 + number % 3 / 2)]);
                    let command = ReserveCommand { customer, ..command };
                    (customer, bench.reserve(&command).await)
                })
            })
            .collect();
        let mut units = std::collections::HashMap::<UserId, i64>::new();
        for order in orders {
            match order.await.unwrap() {
                (customer, Ok(reserved)) => {
                    *units.entry(customer).or_default() += reserved.lines[1].quantity;
                }
                (_, Err(error)) => assert_eq!(error.code(), Code::LimitReached),
            }
        }
        assert_eq!(units, [(CUSTOMER, 3), (OTHER, 3)].into());
        assert_eq!(bench.numbers(drop).await, (100, 6));
        let counters = [(drop, CUSTOMER), (drop, OTHER)];
        assert_eq!(bench.counted(&counters).await, [(counters[0], 3), (counters[1], 3)].into());
        bench.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn count_claims_follows_what_is_released_and_given_back() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let drop = bench.limited("drop", 100, 5).await;
        let [gone, sent, kept] = [2, 1, 2].map(|units| bench.command(&[(drop, units)]));
        for command in [&gone, &sent, &kept] {
            bench.reserve(command).await.unwrap();
            bench.reserve(command).await.unwrap();
        }
        let one_more = bench.command(&[(drop, 1)]);
        let refused = bench.reserve(&one_more).await.unwrap_err();
        assert_eq!(refused.code(), Code::LimitReached);
        let counted = async || bench.counted(&[(drop, CUSTOMER)]).await[&(drop, CUSTOMER)];
        assert_eq!(counted().await, 5);
        let actions = [(gone.id, StockAction::Release), (sent.id, StockAction::Ship)];
        for _ in 0..2 {
            bench.store.apply_stock_actions(&actions, bench.now()).await.unwrap();
            assert_eq!(counted().await, 3, "what was shipped still counts");
        }
        let back: Vec<(OrderId, Kept)> =
            [&gone, &sent, &kept].map(|command| (command.id, vec![(drop, 1)])).to_vec();
        bench.store.give_back(&back, bench.now()).await.unwrap();
        assert_eq!(counted().await, 2);
        let all = [(sent.id, vec![(drop, 0)])];
        bench.store.give_back(&all, bench.now()).await.unwrap();
        assert_eq!(counted().await, 1);
        bench.reserve(&bench.command(&[(drop, 4)])).await.unwrap();
        bench.reserve(&bench.command(&[(drop, 1)])).await.unwrap_err();
        bench.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn change_claims_and_recount_and_load_say_what_reservations_say() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let drop = bench.limited("drop", 100, 5).await;
        let (stays, goes) = (bench.command(&[(drop, 2)]), bench.command(&[(drop, 3)]));
        bench.reserve(&stays).await.unwrap();
        bench.reserve(&goes).await.unwrap();
        let release = [(goes.id, StockAction::Release)];
        bench.store.apply_stock_actions(&release, bench.now()).await.unwrap();
        let records: Vec<Record> =
            bench.dump().await.into_iter().map(|found| found.unwrap()).collect();
        let lost = Claim { order: stays.id, product: drop, customer: CUSTOMER, units: 0 };
        let lose = move |store: ProductStore, tx: Tx| {
            let lost = [lost.clone()];
            async move { store.change_claims(&tx, &lost).await }
        };
        bench.within(lose).await.unwrap();
        let finding = bench.findings().await.pop().unwrap();
        assert!(finding.contains(": 2 units more"), "{finding}");
        bench.store.recount(vec![stays.id, goes.id]).await.unwrap();
        bench.assert_sound().await;
        for _ in 0..2 {
            bench.store.load(records.clone()).await.unwrap();
            bench.assert_sound().await;
        }
        assert_eq!(bench.counted(&[(drop, CUSTOMER)]).await, [((drop, CUSTOMER), 2)].into());
        // An import that was cut, and runs again after the stock has followed its order.
        let release = [(stays.id, StockAction::Release)];
        bench.store.apply_stock_actions(&release, bench.now()).await.unwrap();
        bench.store.load(records).await.unwrap();
        bench.assert_sound().await;
    })
    .await;
}
