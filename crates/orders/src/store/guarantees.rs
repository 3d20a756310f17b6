//! One test per guarantee of [`OrderStore`], run on every engine, races included.

use std::time::Duration;

use holdfast_storage::Entry;
use holdfast_testkit::{Fresh, damage, on_every_engine, operation};
use holdfast_types::{
    Basis, Code, Fingerprint, IdempotentAnswer, Money, Operation, OrderId, OrderLine, OrderLines,
    PageRequest, ProductId, ReserveCommand, Reserved, StockAction, UserId, Version,
};

use super::{lifecycle::Step, portable::Record, *};
use crate::model::{Action, Buyer, PendingStock, Placement, Status};

mod figures;
mod listing;
mod paying;
mod pieces;
mod placing;
mod telling;

const BUYER: UserId = UserId::from_bytes([3; 16]);

struct Bench {
    store: OrderStore,
    fresh: Fresh,
}

impl Bench {
    async fn new(fresh: Fresh) -> Self {
        let store = OrderStore::open(&fresh.database, &fresh.random).await.unwrap().0;
        Self { store, fresh }
    }

    fn now(&self) -> Timestamp {
        self.fresh.clock.now()
    }

    fn order(&self) -> Order {
        let command = ReserveCommand {
            id: OrderId::new(self.fresh.random.uuid_v7(self.now())),
            fingerprint: Fingerprint([1; 16]),
            customer: BUYER,
            items: Vec::new(),
            expected_total: None,
            hold: None,
        };
        let placement = Placement { command, buyer: Buyer::default(), trace: None, audit: None };
        let total = Money { amount: 5, currency: "USD".parse().unwrap() };
        let reserved =
            Reserved { lines: OrderLines::new(Vec::new()).unwrap(), total, at: self.now() };
        Order::new(&placement, reserved, Some(Duration::from_secs(60)))
    }

    async fn placed(&self) -> OrderId {
        let order = self.order();
        let id = order.id;
        self.store.record(vec![order], Audits::default()).await.unwrap();
        id
    }

    async fn dump(&self) -> Vec<Entry<Record>> {
        let mut dump = self.store.dump().await.unwrap();
        let mut records = Vec::new();
        while let Some(record) = dump.next().await.unwrap() {
            records.push(record);
        }
        records
    }

    async fn take(&self, id: OrderId, action: &Action) -> Result<IdempotentAnswer> {
        let operation = operation(&self.fresh.random);
        let step = Step { order: id, by: Some(BUYER), at: self.now() };
        self.store.transition(step, &operation, render, Ok(action.clone())).await
    }
}

fn render(order: &Order) -> Result<Answer> {
    Ok(Answer { status: 200, etag: None, body: order.status.as_str().as_bytes().to_vec() })
}

#[tokio::test(flavor = "multi_thread")]
async fn record_makes_one_order_of_forty_requests() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        let order = bench.order();
        let calls: Vec<_> = (0..40)
            .map(|_| {
                let (bench, order) = (Arc::clone(&bench), order.clone());
                tokio::spawn(async move {
                    bench.store.record(vec![order], Audits::default()).await.unwrap().pop().unwrap()
                })
            })
            .collect();
        let mut new = 0;
        for call in calls {
            match call.await.unwrap() {
                Recorded::New(_) => new += 1,
                Recorded::Before(found) => assert_eq!(found.id, order.id),
                Recorded::Undone => panic!("nobody undid it"),
            }
        }
        assert_eq!(new, 1);
        assert_eq!(bench.dump().await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn resolve_keeps_a_cut_order_from_being_recorded_late() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let (cut, placed) = (bench.order(), bench.placed().await);
        let resolved = bench.store.resolve(&[cut.id, placed], bench.now()).await.unwrap();
        assert_eq!(resolved, [(cut.id, StockAction::Release), (placed, StockAction::Keep)]);
        let late = bench.store.record(vec![cut.clone()], Audits::default()).await.unwrap();
        assert!(matches!(late.as_slice(), [Recorded::Undone]));
        assert!(bench.store.get(cut.id).await.unwrap().is_none(), "a tombstone is no order");
        let request = PageRequest { limit: 10, after: None };
        assert_eq!(
            bench.store.list(&OrderFilter::default(), &request).await.unwrap().items.len(),
            1
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transition_happens_once_and_owes_once() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        let id = bench.placed().await;
        let calls: Vec<_> = (0..8)
            .map(|_| {
                let bench = Arc::clone(&bench);
                tokio::spawn(async move { bench.take(id, &Action::Cancel).await.unwrap() })
            })
            .collect();
        for call in calls {
            assert_eq!(call.await.unwrap().answer.body, b"cancelled");
        }
        let order = bench.store.get(id).await.unwrap().unwrap();
        assert_eq!((order.version.0, order.pending_stock), (2, Some(StockAction::Release.into())));
        assert_eq!(order.events().count(), 2);
        assert_eq!(
            bench.take(id, &Action::Deliver).await.unwrap_err().code(),
            Code::InvalidTransition
        );
        bench.store.clear_pending_stock(&[(id, StockAction::Keep.into())]).await.unwrap();
        assert_eq!(
            bench.store.pending_stock_of(id).await.unwrap(),
            Some(StockAction::Release.into()),
            "another pending_stock_of than the one paid stands"
        );
        bench.store.clear_pending_stock(&[(id, StockAction::Release.into())]).await.unwrap();
        assert_eq!(bench.store.pending_stock_of(id).await.unwrap(), None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pay_and_expire_exclude_each_other() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        let ids: Vec<OrderId> = placed_many(&bench).await;
        bench.fresh.clock.advance(Duration::from_secs(60));
        let payer = tokio::spawn(pay_all(Arc::clone(&bench), ids.clone()));
        let expired = bench.store.expire(bench.now()).await.unwrap();
        let paid = payer.await.unwrap();
        assert_eq!(paid.len() + expired.len(), ids.len(), "each order went one way");
        assert!(paid.iter().all(|id| !expired.contains(id)));
        for id in expired {
            assert_eq!(
                bench.store.pending_stock_of(id).await.unwrap(),
                Some(StockAction::Release.into())
            );
        }
    })
    .await;
}

async fn pay_all(bench: Arc<Bench>, ids: Vec<OrderId>) -> Vec<OrderId> {
    let mut paid = Vec::new();
    for id in ids {
        if bench.take(id, &Action::Pay { reference: None }).await.is_ok() {
            paid.push(id);
        }
    }
    paid
}

async fn placed_many(bench: &Bench) -> Vec<OrderId> {
    let mut ids = Vec::new();
    for _ in 0..32 {
        ids.push(bench.placed().await);
    }
    ids
}

#[tokio::test]
async fn expire_waits_for_its_time() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let id = bench.placed().await;
        bench.fresh.clock.advance(Duration::from_millis(59_999));
        assert!(bench.store.expire(bench.now()).await.unwrap().is_empty());
        bench.fresh.clock.advance(Duration::from_millis(1));
        assert_eq!(bench.store.expire(bench.now()).await.unwrap(), [id]);
        assert!(bench.store.expire(bench.now()).await.unwrap().is_empty(), "once");
    })
    .await;
}

#[tokio::test]
async fn list_shows_newest_first_in_whole_pages() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let mut ids = Vec::new();
        for number in 0..11 {
            ids.push(bench.placed().await);
            bench.fresh.clock.advance(Duration::from_millis(number % 2));
        }
        bench.take(ids[3], &Action::Pay { reference: None }).await.unwrap();
        let mine = OrderFilter { user: Some(BUYER), ..OrderFilter::default() };
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = bench.store.list(&mine, &PageRequest { limit: 4, after }).await.unwrap();
            seen.extend(page.items.into_iter().map(|order| (order.created_at, order.id)));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert!(seen.is_sorted_by(|one, next| one > next) && seen.len() == 11);
        let all = PageRequest { limit: 100, after: None };
        let paid = OrderFilter { status: Some(Status::Paid), ..OrderFilter::default() };
        let found = bench.store.list(&paid, &all).await.unwrap().items;
        assert_eq!(found.iter().map(|order| order.id).collect::<Vec<_>>(), [ids[3]]);
        let other =
            OrderFilter { user: Some(UserId::from_bytes([4; 16])), ..OrderFilter::default() };
        assert!(bench.store.list(&other, &all).await.unwrap().items.is_empty());
    })
    .await;
}

#[tokio::test]
async fn erase_buyers_leaves_the_orders() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let mut new = bench.order();
        new.buyer.email = Some("ada@example.com".to_owned());
        let id = new.id;
        bench.store.record(vec![new], Audits::default()).await.unwrap();
        bench.store.erase_buyers(&[UserId::from_bytes([4; 16])]).await.unwrap();
        assert!(bench.store.get(id).await.unwrap().unwrap().buyer.email.is_some(), "another's");
        bench.store.erase_buyers(&[BUYER]).await.unwrap();
        let left = bench.store.get(id).await.unwrap().unwrap();
        assert_eq!((left.buyer.email, left.user), (None, BUYER));
    })
    .await;
}

#[tokio::test]
async fn dump_tells_everything_by_id() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let mut ids = Vec::new();
        for _ in 0..250 {
            ids.push(bench.placed().await);
        }
        bench.take(ids[3], &Action::Cancel).await.unwrap();
        let cut = bench.order().id;
        bench.store.resolve(&[cut], bench.now()).await.unwrap();
        ids.push(cut);
        ids.sort_unstable();
        let mut found = Vec::new();
        for record in bench.dump().await {
            match record.unwrap() {
                Record::Order(order) => {
                    let steps = usize::from(order.status == Status::Cancelled);
                    assert_eq!(order.progress.events.len(), steps);
                    found.push(order.id);
                }
                Record::Tombstone(id, _) => {
                    assert_eq!(id, cut);
                    found.push(id);
                }
            }
        }
        assert_eq!(found, ids);
    })
    .await;
}

#[tokio::test]
async fn dump_names_what_cannot_be_read() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let id = bench.placed().await;
        damage(&bench.fresh.database, "orders", "lines").await;
        let damaged = bench.dump().await.pop().unwrap().unwrap_err().to_string();
        assert!(damaged.starts_with(&format!("order {id} cannot be read: ")), "{damaged}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn change_writes_what_is_judged_once_and_loses_no_step() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        let id = bench.placed().await;
        let annotate = |bench: &Arc<Bench>, operation: Operation, text: String| {
            let (bench, now) = (Arc::clone(bench), bench.now());
            let judge = move |order: &mut Order| {
                let basis = Basis { if_match: None, version: Some(order.version) };
                order.annotate(Some(text.clone()), &basis, now)
            };
            tokio::spawn(
                async move { bench.store.change(id, &operation, now, render, judge).await },
            )
        };
        let again = operation(&bench.fresh.random);
        let mut calls: Vec<_> = (0..4)
            .map(|at| annotate(&bench, operation(&bench.fresh.random), format!("note {at}")))
            .collect();
        calls.extend((0..3).map(|_| annotate(&bench, again.clone(), "the same".to_owned())));
        bench.take(id, &Action::Pay { reference: None }).await.unwrap();
        for call in calls {
            call.await.unwrap().unwrap();
        }
        let order = bench.store.get(id).await.unwrap().unwrap();
        assert_eq!((order.version.0, order.status), (1 + 5 + 1, Status::Paid));
        let unknown = OrderId::from_bytes([8; 16]);
        let none = |_: &mut Order| Ok(true);
        let new = operation(&bench.fresh.random);
        let refused = bench.store.change(unknown, &new, bench.now(), render, none).await;
        assert_eq!(refused.unwrap_err().code(), Code::NotFound);
    })
    .await;
}
