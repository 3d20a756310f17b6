//! Stock for orders: taken for all lines or none, once, and given back once.

use std::sync::Arc;

use holdfast_storage::record::{Fault, Tx};
use holdfast_types::{Error, Kept, ReservationState};

use super::*;
use crate::{
    model::{Demand, apply_all},
    store::reserving::{Commands, Decide, Taking},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_last_unit_is_sold_once_among_64() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        let product = bench.product("last", 1).await;
        let buyers: Vec<_> = (0..64)
            .map(|_| {
                let bench = Arc::clone(&bench);
                tokio::spawn(async move {
                    let command = bench.command(&[(product, 1)]);
                    bench.reserve(&command).await
                })
            })
            .collect();
        let mut sold = 0;
        for buyer in buyers {
            match buyer.await.unwrap() {
                Ok(_) => sold += 1,
                Err(error) => assert_eq!(error.code(), holdfast_types::Code::InsufficientStock),
            }
        }
        assert_eq!((sold, bench.numbers(product).await), (1, (1, 1)));
        bench.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn reserve_takes_all_lines_or_none_and_once_per_id() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let (many, few) = (bench.product("many", 10).await, bench.product("few", 1).await);
        let greedy = bench.command(&[(many, 3), (few, 2)]);
        assert!(bench.reserve(&greedy).await.is_err());
        assert_eq!(bench.numbers(many).await, (10, 0), "a refusal takes nothing");
        let modest = bench.command(&[(many, 3), (few, 1)]);
        let first = bench.reserve(&modest).await.unwrap();
        bench.fresh.clock.advance(std::time::Duration::from_secs(5));
        assert_eq!(bench.reserve(&modest).await.unwrap(), first, "a repeat gets what is held");
        let other = ReserveCommand { fingerprint: Fingerprint([9; 16]), ..modest };
        assert_eq!(
            bench.reserve(&other).await.unwrap_err().code(),
            holdfast_types::Code::IdempotencyKeyReused
        );
        assert_eq!((bench.numbers(many).await, bench.numbers(few).await), ((10, 3), (1, 1)));
        bench.assert_sound().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_stock_actions_releases_and_ships_exactly_once() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        let product = bench.product("A", 10).await;
        let (gone, sent) = (bench.command(&[(product, 2)]), bench.command(&[(product, 3)]));
        bench.reserve(&gone).await.unwrap();
        bench.reserve(&sent).await.unwrap();
        let actions = [(gone.id, StockAction::Release), (sent.id, StockAction::Ship)];
        let calls: Vec<_> = (0..8)
            .map(|_| {
                let bench = Arc::clone(&bench);
                tokio::spawn(
                    async move { bench.store.apply_stock_actions(&actions, bench.now()).await },
                )
            })
            .collect();
        for call in calls {
            call.await.unwrap().unwrap();
        }
        let late = [(gone.id, StockAction::Ship), (sent.id, StockAction::Release)];
        bench.store.apply_stock_actions(&late, bench.now()).await.unwrap();
        assert_eq!(bench.numbers(product).await, (7, 0));
        let product_now = bench.store.get(product).await.unwrap().unwrap();
        assert_eq!(
            product_now.version,
            Version(2),
            "a shipment moves the version, a sale and a release do not"
        );
        bench.assert_sound().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn give_back_takes_units_back_exactly_once_wherever_they_are() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        let (one, other) = (bench.product("A", 10).await, bench.product("B", 10).await);
        let [held, sent, gone] = [4, 3, 2].map(|units| bench.command(&[(one, units), (other, 1)]));
        for command in [&held, &sent, &gone] {
            bench.reserve(command).await.unwrap();
        }
        let actions = [(sent.id, StockAction::Ship), (gone.id, StockAction::Release)];
        bench.store.apply_stock_actions(&actions, bench.now()).await.unwrap();
        assert_eq!((bench.numbers(one).await, bench.numbers(other).await), ((7, 4), (9, 1)));
        // Three of four that are held, two of three that have left, one of two that were released.
        let kept: Vec<(OrderId, Kept)> =
            [&held, &sent, &gone].map(|command| (command.id, vec![(one, 1)])).to_vec();
        let calls: Vec<_> = (0..8)
            .map(|_| {
                let (bench, kept) = (Arc::clone(&bench), kept.clone());
                tokio::spawn(async move { bench.store.give_back(&kept, bench.now()).await })
            })
            .collect();
        for call in calls {
            call.await.unwrap().unwrap();
        }
        assert_eq!((bench.numbers(one).await, bench.numbers(other).await), ((9, 1), (9, 1)));
        let more = [(held.id, vec![(one, 3)]), (OrderId::from_bytes([9; 16]), vec![(one, 0)])];
        bench.store.give_back(&more, bench.now()).await.unwrap();
        assert_eq!(bench.numbers(one).await, (9, 1), "it never takes any again");
        bench.assert_sound().await;
        let ship = [(held.id, StockAction::Ship)];
        bench.store.apply_stock_actions(&ship, bench.now()).await.unwrap();
        assert_eq!(bench.numbers(one).await, (8, 0), "what stands is sent");
        let all = [(held.id, vec![(one, 0), (other, 0)]), (sent.id, vec![(one, 0)])];
        bench.store.give_back(&all, bench.now()).await.unwrap();
        assert_eq!((bench.numbers(one).await, bench.numbers(other).await), ((10, 0), (9, 0)));
        bench.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn move_stock_shows_what_is_there_and_writes_what_is_decided() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let product = bench.product("A", 10).await;
        let command = bench.command(&[(product, 3)]);
        bench.reserve(&command).await.unwrap();
        let (id, now) = (command.id, bench.now());
        let release = move |store: ProductStore, tx: Tx| async move {
            let decide: Decide = Arc::new(move |reservations, numbers| {
                let held = &reservations[&id];
                assert_eq!((held.state, held.lines[0].quantity), (ReservationState::Held, 3));
                assert_eq!(numbers[&product].reserved, 3);
                apply_all(&[(id, StockAction::Release)], reservations, numbers, now)
            });
            store.move_stock(&tx, vec![id], decide, now).await
        };
        let moved = bench.within(release).await.unwrap();
        assert_eq!(moved.messages, [], "there were some before");
        assert_eq!(moved.claims, []);
        assert_eq!(bench.numbers(product).await, (10, 0));
        bench.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn unconfirmed_finds_what_nobody_confirmed() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let product = bench.product("A", 10).await;
        let (known, forgotten) = (bench.command(&[(product, 1)]), bench.command(&[(product, 1)]));
        let (known, _) = bench.reserve_batch(&known).await;
        let (batch, _) = bench.reserve_batch(&forgotten).await;
        let id = BatchId::new(bench.fresh.random.uuid_v7(bench.now()));
        let next = ReserveBatch { id, commands: Vec::new(), confirmed: vec![known], trace: None };
        bench.store.reserve(next, bench.now()).await.unwrap();
        assert!(bench.store.unconfirmed(bench.now()).await.unwrap().is_empty(), "too young");
        bench.fresh.clock.advance(std::time::Duration::from_secs(61));
        let found = Unconfirmed { batch, orders: vec![forgotten.id] };
        assert_eq!(bench.store.unconfirmed(bench.now()).await.unwrap(), [found]);
        bench.store.confirm(&[batch]).await.unwrap();
        assert!(bench.store.unconfirmed(bench.now()).await.unwrap().is_empty());
    })
    .await;
}

/// Its answer may have been lost, and more stock have come since.
#[tokio::test]
async fn a_batch_that_comes_again_may_take_more() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let (many, few) = (bench.product("many", 10).await, bench.product("few", 1).await);
        let commands = vec![bench.command(&[(many, 1)]), bench.command(&[(few, 2)])];
        let orders: Vec<OrderId> = commands.iter().map(|command| command.id).collect();
        let id = BatchId::new(bench.fresh.random.uuid_v7(bench.now()));
        let batch = ReserveBatch { id, commands, confirmed: Vec::new(), trace: None };
        let taken = async || {
            let answers = bench.store.reserve(batch.clone(), bench.now()).await.unwrap();
            answers.iter().map(Result::is_ok).collect::<Vec<_>>()
        };
        assert_eq!(taken().await, [true, false]);
        bench.adjust(few, 1, &bench.operation()).await.unwrap();
        assert_eq!(taken().await, [true, true]);
        assert_eq!(taken().await, [true, true]);
        bench.fresh.clock.advance(std::time::Duration::from_secs(61));
        let found = Unconfirmed { batch: id, orders };
        assert_eq!(bench.store.unconfirmed(bench.now()).await.unwrap(), [found]);
        assert_eq!((bench.numbers(many).await, bench.numbers(few).await), ((10, 1), (2, 2)));
        bench.assert_sound().await;
    })
    .await;
}

impl Bench {
    /// Takes stock twice in one transaction, which fails in the end or not.
    async fn take_twice(&self, commands: Commands, fails: bool) -> Result<()> {
        let now = self.now();
        let take = move |store: ProductStore, tx: Tx| {
            let commands = Arc::clone(&commands);
            async move {
                let reserved = store.reserve_in(&tx, Arc::clone(&commands), now).await?;
                let demand = Demand { commands, ..Demand::default() };
                let again = store.take_stock(&tx, demand, now).await?;
                let Taking::Done(again) = again else { panic!("no product has a limit") };
                assert!(reserved[0].is_ok() && again.results[0].is_ok());
                assert_eq!(again.orders, [], "it is taken once");
                if fails { Err(Fault::Refused(Error::not_found("order"))) } else { Ok(()) }
            }
        };
        self.within(take).await
    }

    async fn note(&self, batch: Unconfirmed) {
        let now = self.now();
        let note = move |store: ProductStore, tx: Tx| {
            let batch = batch.clone();
            async move { store.note_unconfirmed(&tx, batch, now).await }
        };
        self.within(note).await.unwrap();
    }
}

#[tokio::test]
async fn take_stock_and_reserve_in_stand_or_fall_with_their_transaction() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let product = bench.product("A", 10).await;
        let commands = Arc::new(vec![bench.command(&[(product, 3)])]);
        bench.take_twice(Arc::clone(&commands), true).await.unwrap_err();
        assert_eq!(bench.numbers(product).await, (10, 0));
        bench.take_twice(commands, false).await.unwrap();
        assert_eq!(bench.numbers(product).await, (10, 3));
        bench.fresh.clock.advance(std::time::Duration::from_secs(61));
        assert_eq!(bench.store.unconfirmed(bench.now()).await.unwrap(), [], "nothing to confirm");
        bench.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn note_unconfirmed_adds_and_strike_unconfirmed_ends_it() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let [one, other] = [1, 2].map(|number| OrderId::from_bytes([number; 16]));
        let batch = BatchId::new(bench.fresh.random.uuid_v7(bench.now()));
        bench.note(Unconfirmed { batch, orders: vec![one] }).await;
        bench.note(Unconfirmed { batch, orders: vec![other] }).await;
        let later = bench.now().plus(std::time::Duration::from_millis(1));
        let noted = Unconfirmed { batch, orders: vec![one, other] };
        assert_eq!(bench.store.unconfirmed(later).await.unwrap(), [noted]);
        let strike = move |store: ProductStore, tx: Tx| async move {
            store.strike_unconfirmed(&tx, &[batch]).await
        };
        bench.within(strike).await.unwrap();
        assert_eq!(bench.store.unconfirmed(later).await.unwrap(), []);
    })
    .await;
}
