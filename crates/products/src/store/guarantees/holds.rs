//! Holds: stock that is kept, gives way to one order, and goes back once.

use std::{collections::HashSet, sync::Arc, time::Duration};

use holdfast_storage::record::Scan;
use holdfast_types::{Code, Error, HoldId, OrderId, PageRequest, ReservationState};

use super::*;
use crate::{
    model::{HoldStatus, Movement},
    store::holds::NewHold,
};

const OTHER: UserId = UserId::from_bytes([9; 16]);
const TIME: Duration = Duration::from_secs(300);

fn render_hold(hold: &Hold, _: Timestamp) -> Result<Answer> {
    Ok(Answer { status: 201, etag: None, body: hold.id.to_string().into_bytes() })
}

impl Bench {
    async fn hold(&self, customer: UserId, items: &[(ProductId, i64)]) -> Result<HoldId> {
        let operation = self.operation();
        self.hold_under(&operation, customer, items).await.map(|_| HoldId::new(operation.id))
    }

    async fn hold_under(
        &self,
        operation: &Operation,
        customer: UserId,
        items: &[(ProductId, i64)],
    ) -> Result<IdempotentAnswer> {
        let (id, fingerprint) = (OrderId::new(operation.id), operation.fingerprint);
        let command = ReserveCommand { id, fingerprint, customer, ..self.command(items) };
        let new = NewHold { command, expires_at: self.now().plus(TIME) };
        self.store.hold(new, operation, render_hold, self.now()).await
    }

    async fn order(
        &self,
        customer: UserId,
        hold: HoldId,
        items: &[(ProductId, i64)],
    ) -> Result<Reserved> {
        let command = ReserveCommand { customer, hold: Some(hold), ..self.command(items) };
        self.reserve(&command).await
    }

    /// Ends all whose time is over then.
    async fn expire(&self, now: Timestamp) -> usize {
        let (mut count, mut after) = (0, None);
        loop {
            let (due, last) = self.store.due_holds(now, after).await.unwrap();
            if due.is_empty() {
                return count;
            }
            count += self.store.expire_holds(due, now).await.unwrap();
            after = last;
        }
    }

    async fn let_go(&self, hold: HoldId) -> usize {
        let operation = self.operation();
        self.store
            .release_hold((hold, Some(CUSTOMER)), &operation, self.now())
            .await
            .unwrap()
            .1
            .into()
    }

    async fn state(&self, id: HoldId) -> HoldStatus {
        self.store.hold_of(id, Some(CUSTOMER)).await.unwrap().status(self.now())
    }

    async fn kinds(&self, product: ProductId) -> Vec<(MovementKind, i64)> {
        let request = PageRequest { limit: 100, after: None };
        let page = self.store.movements(product, &request).await.unwrap();
        let kind = |movement: &Movement| (movement.kind, movement.reserved_delta);
        page.items.iter().map(kind).collect()
    }
}

#[tokio::test]
async fn hold_and_hold_of_keep_stock_for_all_items_or_none_once() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let (many, few) = (bench.product("many", 10).await, bench.product("few", 1).await);
        let short = bench.hold(CUSTOMER, &[(many, 2), (few, 2)]).await.unwrap_err();
        assert_eq!(short.code(), Code::InsufficientStock);
        assert_eq!(bench.numbers(many).await, (10, 0));
        let operation = bench.operation();
        for is_repeat in [false, true] {
            let answer = bench.hold_under(&operation, CUSTOMER, &[(many, 2), (few, 1)]).await;
            assert_eq!(answer.unwrap().replayed, is_repeat);
        }
        let other = Operation { fingerprint: Fingerprint([9; 16]), ..operation.clone() };
        let reused = bench.hold_under(&other, CUSTOMER, &[(many, 3)]).await.unwrap_err();
        assert_eq!(reused.code(), Code::IdempotencyKeyReused);
        assert_eq!((bench.numbers(many).await, bench.numbers(few).await), ((10, 2), (1, 1)));
        let sold_out = bench.reserve(&bench.command(&[(few, 1)])).await.unwrap_err();
        assert_eq!(sold_out.code(), Code::InsufficientStock);
        let hold = bench.store.hold_of(HoldId::new(operation.id), Some(CUSTOMER)).await.unwrap();
        assert_eq!((hold.total.amount, hold.expires_at), (300, bench.now().plus(TIME)));
        let hidden = bench.store.hold_of(hold.id, Some(OTHER)).await.unwrap_err();
        assert_eq!(hidden.code(), Code::NotFound);
        assert_eq!(bench.kinds(few).await, [(MovementKind::Creation, 0), (MovementKind::Hold, 1)]);
        bench.assert_sound().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_gives_way_to_one_order_among_many() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        let (tea, pot) = (bench.product("tea", 4).await, bench.product("pot", 1).await);
        let hold = bench.hold(CUSTOMER, &[(tea, 4), (pot, 1)]).await.unwrap();
        let stranger = bench.order(OTHER, hold, &[(tea, 1)]).await.unwrap_err();
        assert_eq!(stranger.code(), Code::HoldExpired);
        let too_much = bench.order(CUSTOMER, hold, &[(tea, 5)]).await.unwrap_err();
        assert_eq!(too_much.code(), Code::InsufficientStock);
        assert_eq!(bench.state(hold).await, HoldStatus::Open, "a refusal ends no hold");
        let orders: Vec<_> = (0..12)
            .map(|_| {
                let bench = Arc::clone(&bench);
                tokio::spawn(async move { bench.order(CUSTOMER, hold, &[(tea, 3)]).await })
            })
            .collect();
        let mut placed = 0;
        for order in orders {
            match order.await.unwrap() {
                Ok(_) => placed += 1,
                Err(error) => assert_eq!(error.code(), Code::HoldExpired),
            }
        }
        assert_eq!((placed, bench.state(hold).await), (1, HoldStatus::Ordered));
        // What the order does not want is for sale again.
        assert_eq!((bench.numbers(tea).await, bench.numbers(pot).await), ((4, 3), (1, 0)));
        let kinds = bench.kinds(tea).await;
        assert_eq!(
            kinds[1..],
            [(MovementKind::Hold, 4), (MovementKind::HoldEnd, -4), (MovementKind::Reservation, 3),]
        );
        bench.fresh.clock.advance(TIME);
        assert_eq!(bench.expire(bench.now()).await, 0);
        bench.assert_sound().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn due_holds_and_expire_holds_and_release_hold_put_stock_back_once_whatever_orders_come() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        let tea = bench.product("tea", 100).await;
        let mut holds = Vec::new();
        for _ in 0..12 {
            holds.push(bench.hold(CUSTOMER, &[(tea, 2)]).await.unwrap());
        }
        let mut tasks = Vec::new();
        for (number, hold) in holds.iter().copied().enumerate() {
            let last = bench.now().plus(TIME);
            let (ordering, ending) = (Arc::clone(&bench), Arc::clone(&bench));
            tasks.push(tokio::spawn(async move {
                ordering.order(CUSTOMER, hold, &[(tea, 2)]).await.is_ok()
            }));
            tasks.push(tokio::spawn(async move {
                match number % 2 {
                    0 => ending.expire(last).await,
                    _ => ending.let_go(hold).await,
                };
                false
            }));
        }
        let mut ordered = 0;
        for task in tasks {
            ordered += i64::from(task.await.unwrap());
        }
        bench.expire(bench.now().plus(TIME)).await;
        assert_eq!(bench.numbers(tea).await, (100, 2 * ordered));
        let mut states = 0;
        for hold in &holds {
            states += i64::from(bench.state(*hold).await == HoldStatus::Ordered);
        }
        assert_eq!(states, ordered, "a hold says what became of it");
        bench.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn extend_hold_is_exact_and_ends_with_the_hold() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let tea = bench.product("tea", 5).await;
        let hold = bench.hold(CUSTOMER, &[(tea, 5)]).await.unwrap();
        let extend = async |bench: &Bench, customer| {
            let (operation, now) = (bench.operation(), bench.now());
            bench
                .store
                .extend_hold((hold, Some(customer)), TIME, &operation, render_hold, now)
                .await
        };
        bench.fresh.clock.advance(TIME - Duration::from_millis(1));
        assert_eq!(extend(&bench, OTHER).await.unwrap_err().code(), Code::NotFound);
        extend(&bench, CUSTOMER).await.unwrap();
        assert_eq!(bench.expire(bench.now()).await, 0);
        bench.fresh.clock.advance(TIME);
        // Nobody has tidied up, and it is over all the same.
        assert_eq!(bench.state(hold).await, HoldStatus::Expired);
        assert_eq!(extend(&bench, CUSTOMER).await.unwrap_err().code(), Code::HoldExpired);
        let late = bench.order(CUSTOMER, hold, &[(tea, 1)]).await.unwrap_err();
        assert_eq!(late.code(), Code::HoldExpired);
        assert_eq!(bench.expire(bench.now()).await, 1);
        assert_eq!(
            (bench.state(hold).await, bench.numbers(tea).await),
            (HoldStatus::Expired, (5, 0))
        );
        bench.assert_sound().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_has_twenty_open_holds_and_holds_of_lists_them() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        let tea = bench.product("tea", 100).await;
        let tasks: Vec<_> = (0..30)
            .map(|_| {
                let bench = Arc::clone(&bench);
                tokio::spawn(async move { bench.hold(CUSTOMER, &[(tea, 1)]).await })
            })
            .collect();
        let mut held = HashSet::new();
        for task in tasks {
            match task.await.unwrap() {
                Ok(hold) => assert!(held.insert(hold)),
                Err(error) => assert_eq!(error.code(), Code::LimitReached),
            }
        }
        assert_eq!((held.len(), bench.numbers(tea).await), (20, (100, 20)));
        bench.hold(OTHER, &[(tea, 1)]).await.unwrap();
        let all = PageRequest { limit: 100, after: None };
        let all = bench.store.holds_of(None, &all).await.unwrap().items;
        assert_eq!(all.len(), 21);
        let (mut listed, mut after) = (Vec::new(), None);
        loop {
            let request = PageRequest { limit: 7, after };
            let page = bench.store.holds_of(Some(CUSTOMER), &request).await.unwrap();
            listed.extend(page.items.iter().map(|hold| hold.id));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!((listed.len(), listed.into_iter().collect::<HashSet<_>>()), (20, held));
        // Those whose time is over count no more, tidied up or not.
        bench.fresh.clock.advance(TIME);
        bench.hold(CUSTOMER, &[(tea, 1)]).await.unwrap();
        bench.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn a_hold_counts_against_limits_until_it_ends_and_load_lets_go_of_it() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let drop = bench.limited("drop", 100, 3).await;
        let hold = bench.hold(CUSTOMER, &[(drop, 2)]).await.unwrap();
        let more = bench.reserve(&bench.command(&[(drop, 2)])).await.unwrap_err();
        assert_eq!(more.code(), Code::LimitReached);
        assert_eq!(
            bench.order(CUSTOMER, hold, &[(drop, 4)]).await.unwrap_err().code(),
            Code::LimitReached
        );
        bench.order(CUSTOMER, hold, &[(drop, 3)]).await.unwrap();
        let counted = bench.counted(&[(drop, CUSTOMER), (drop, OTHER)]).await;
        assert_eq!((counted[&(drop, CUSTOMER)], counted[&(drop, OTHER)]), (3, 0));
        let theirs = bench.hold(OTHER, &[(drop, 1)]).await.unwrap();
        bench.assert_sound().await;
        // As another database has it.
        let records: Vec<Record> =
            bench.dump().await.into_iter().map(|found| found.unwrap()).collect();
        let is_hold = |record: &&Record| matches!(record, Record::Reservation(held) if held.is_hold() && held.state == ReservationState::Held);
        assert_eq!(records.iter().filter(is_hold).count(), 1);
        let lost = bench.store.database().sweep::<Hold>(Scan::of_keys(10));
        lost.await.unwrap();
        let finding = bench.findings().await.pop().unwrap();
        assert!(finding.contains("nobody will let go of it"), "{finding}");
        bench.store.load(records).await.unwrap();
        bench.assert_sound().await;
        assert_eq!(bench.expire(bench.now()).await, 1);
        assert_eq!(bench.numbers(drop).await, (100, 3));
        let ended = bench.store.hold_of(theirs, None).await.unwrap();
        assert_eq!(ended.status(bench.now()), HoldStatus::Expired);
        assert_eq!(bench.counted(&[(drop, OTHER)]).await[&(drop, OTHER)], 0);
        bench.assert_sound().await;
    })
    .await;
}

/// More commands than one statement asks for name one hold, and others that there are not.
#[tokio::test]
async fn a_batch_of_many_that_name_one_hold_takes_it_once() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let (tea, pot) = (bench.product("tea", 500).await, bench.product("pot", 500).await);
        let hold = bench.hold(CUSTOMER, &[(tea, 200)]).await.unwrap();
        let nowhere = HoldId::from_bytes([7; 16]);
        let command = |number: u32| ReserveCommand {
            hold: match number % 3 {
                0 => Some(nowhere),
                1 => Some(hold),
                _ => None,
            },
            ..bench.command(&[(tea, 1), (pot, 1)])
        };
        let batch = ReserveBatch {
            id: BatchId::new(bench.fresh.random.uuid_v7(bench.now())),
            commands: (0..400).map(command).collect(),
            confirmed: Vec::new(),
            trace: None,
        };
        let results = bench.store.reserve(batch, bench.now()).await.unwrap();
        for (result, number) in results.iter().zip(0_u32..) {
            let is_fine = number % 3 == 2 || number == 1;
            let code = result.as_ref().err().map(Error::code);
            assert_eq!(code, (!is_fine).then_some(Code::HoldExpired), "{number}");
        }
        assert_eq!((bench.numbers(tea).await, bench.numbers(pot).await), ((500, 134), (500, 134)));
        bench.assert_sound().await;
    })
    .await;
}
