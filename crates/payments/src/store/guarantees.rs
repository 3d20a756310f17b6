//! One test per guarantee of [`PaymentStore`], run on every engine, races included.

use std::time::Duration;

use holdfast_storage::{
    EventSource,
    record::{Fault, Tx},
};
use holdfast_testkit::{Fresh, audited, damage, on_every_engine, operation};
use holdfast_types::{Answer, Code, Id, OrderMove, Result, Timestamp, UserId};

use super::*;
use crate::{
    model::{Capture, Claim, Ledger, NewPayment, ProviderName, Seen, SeenRefund, Status},
    model::{RefundStatus, Wanted},
    store::settling::Claimed,
    testing::TestBook,
};

mod claiming;
mod figures;
mod following;
mod reading;

const BUYER: UserId = UserId::from_bytes([3; 16]);
const AMOUNT: i64 = 1000;

struct Bench {
    store: PaymentStore,
    book: TestBook,
    fresh: Fresh,
}

impl Bench {
    async fn new(fresh: Fresh) -> Self {
        let book = TestBook::open(&fresh.database).await;
        let kept: Arc<dyn OrderBook> = Arc::new(book.clone());
        let store = PaymentStore::open(&fresh.database, kept, &fresh.random).await.unwrap().0;
        Self { store, book, fresh }
    }

    fn now(&self) -> Timestamp {
        self.fresh.clock.now()
    }

    async fn an_order(&self) -> OrderId {
        let id = OrderId::new(self.fresh.random.uuid_v7(self.now()));
        self.book.placed(id, BUYER, AMOUNT).await.id
    }

    fn new_payment(&self, order: OrderId) -> NewPayment {
        let operation = operation(&self.fresh.random);
        NewPayment {
            id: Id::new(operation.id),
            order,
            user: Some(BUYER),
            capture: Capture::Automatic,
            provider: ProviderName::Test,
            fingerprint: operation.fingerprint,
            at: self.now(),
        }
    }

    async fn payment_of(&self, order: OrderId) -> Payment {
        let operation = operation(&self.fresh.random);
        self.store.create(self.new_payment(order), &operation).await.unwrap().0
    }

    /// A payment of an order of its own.
    async fn payment(&self) -> Payment {
        self.payment_of(self.an_order().await).await
    }

    async fn see(&self, payment: &Payment, status: Status) -> Payment {
        let (seen, now) = (seen(payment, status), self.now());
        let see = move |ledger: &mut Ledger| {
            ledger.see(&seen, 0);
            Ok(())
        };
        self.store.settle(payment, now, see).await.unwrap()
    }

    fn claim(&self, amount: i64) -> Claim {
        let id = operation(&self.fresh.random).id;
        let (amount, by, key) = (Some(amount), Some(BUYER), id.to_string());
        Claim {
            id: Id::new(id),
            amount,
            items: Vec::new(),
            reason: None,
            by,
            key,
            not_before: None,
        }
    }

    async fn refund(&self, payment: &Payment, claim: Claim) -> Result<Payment> {
        let now = self.now();
        let judge = move |ledger: &mut Ledger| ledger.claim(claim.clone(), now);
        self.store.settle(payment, now, judge).await
    }

    /// Runs one piece in a transaction of its own.
    async fn within<T, F>(&self, piece: impl Fn(PaymentStore, Tx) -> F + Send + Sync + 'static) -> T
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Fault>> + Send,
    {
        let store = self.store.clone();
        self.fresh.database.transact(move |tx| piece(store.clone(), tx)).await.unwrap()
    }

    async fn told(&self) -> Vec<String> {
        let rows = self.store.outbox().take(100).await.unwrap().into_iter();
        rows.flat_map(|row| row.messages).map(|message| message.kind.into_owned()).collect()
    }
}

fn seen(payment: &Payment, status: Status) -> Seen {
    let captured = if status == Status::Captured { payment.amount.amount } else { 0 };
    let authorized = if status == Status::Authorized { payment.amount.amount } else { captured };
    let intent = format!("pi_{}", payment.id);
    Seen { intent, client_secret: None, status, authorized, captured, failure: None }
}

fn code<T: std::fmt::Debug>(result: Result<T>) -> Code {
    result.unwrap_err().code()
}

#[tokio::test]
async fn open_keeps_the_secret_and_what_is_kept() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let payment = bench.payment().await;
        let again = || {
            let book: Arc<dyn OrderBook> = Arc::new(bench.book.clone());
            PaymentStore::open(&bench.fresh.database, book, &bench.fresh.random)
        };
        let (first, second) = (again().await.unwrap(), again().await.unwrap());
        assert_eq!(first.1.hash(b"content"), second.1.hash(b"content"));
        assert_eq!(second.0.get(payment.id).await.unwrap(), Some(payment));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn create_makes_one_open_payment_of_an_order() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        let order = bench.an_order().await;
        let calls: Vec<_> = (0..20)
            .map(|_| {
                let (bench, new) = (Arc::clone(&bench), bench.new_payment(order));
                tokio::spawn(async move {
                    let operation = operation(&bench.fresh.random);
                    bench.store.create(new, &operation).await
                })
            })
            .collect();
        let mut made = Vec::new();
        for call in calls {
            match call.await.unwrap() {
                Ok((payment, was_there)) => {
                    assert!(!was_there);
                    made.push(payment);
                }
                Err(error) => assert_eq!(error.code(), Code::PaymentOpen, "{error}"),
            }
        }
        let [payment] = made.as_slice() else { panic!("{made:?}") };
        assert!(bench.book.order(order).await.has_had_time);
        assert_eq!(bench.told().await, ["payment.created"]);
        bench.see(payment, Status::Cancelled).await;
        bench.payment_of(order).await;
    })
    .await;
}

#[tokio::test]
async fn create_is_once_per_id_and_only_for_orders_that_want_money() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let (order, once) = (bench.an_order().await, audited(&bench.fresh.random));
        let new = bench.new_payment(order);
        let (payment, _) = bench.store.create(new.clone(), &once).await.unwrap();
        let again = bench.store.create(new.clone(), &once).await.unwrap();
        assert_eq!(again, (payment.clone(), true));
        assert_eq!(bench.told().await, ["payment.created", "audit.make_thing"]);
        let other = NewPayment { fingerprint: holdfast_types::Fingerprint([9; 16]), ..new.clone() };
        assert_eq!(code(bench.store.create(other, &once).await), Code::IdempotencyKeyReused);
        let stranger = NewPayment { user: Some(UserId::from_bytes([4; 16])), ..new };
        assert_eq!(code(bench.store.create(stranger, &once).await), Code::NotFound);
        bench.see(&payment, Status::Captured).await;
        let late = bench.new_payment(order);
        assert_eq!(code(bench.store.create(late, &once).await), Code::InvalidTransition);
        let free = OrderId::new(bench.fresh.random.uuid_v7(bench.now()));
        bench.book.placed(free, BUYER, 0).await;
        let nothing = bench.new_payment(free);
        assert_eq!(code(bench.store.create(nothing, &once).await), Code::Validation);
    })
    .await;
}

#[tokio::test]
async fn create_makes_fifty_payments_of_an_order_at_most() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let order = bench.an_order().await;
        for _ in 0..PAYMENTS_OF_ORDER {
            let payment = bench.payment_of(order).await;
            bench.see(&payment, Status::Cancelled).await;
        }
        let once = operation(&bench.fresh.random);
        let more = bench.store.create(bench.new_payment(order), &once).await;
        assert_eq!(code(more), Code::LimitReached);
    })
    .await;
}

#[tokio::test]
async fn settle_pays_the_order_with_the_money_or_owes_it_back() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let payment = bench.payment().await;
        let paid = bench.see(&payment, Status::Captured).await;
        let order = bench.book.order(payment.order).await;
        assert_eq!((order.status.as_str(), &order.reference), ("paid", &paid.intent));
        assert_eq!((paid.captured, paid.refund_pending, paid.next_look), (AMOUNT, 0, None));
        // Seen again, or what was earlier: nothing moves.
        assert_eq!(bench.see(&payment, Status::Captured).await.version, paid.version);
        assert_eq!(bench.see(&payment, Status::Cancelled).await.status, Status::Captured);

        let late = bench.payment().await;
        bench.move_order(late.order, "cancelled").await;
        let late = bench.see(&late, Status::Captured).await;
        assert_eq!((late.captured, late.refund_pending, late.refundable()), (AMOUNT, AMOUNT, 0));
        let [refund] = bench.store.refunds_of(late.id).await.unwrap().try_into().unwrap();
        assert_eq!((refund.key, refund.by), (format!("late:{}", late.id), None));
        assert_eq!(bench.book.order(late.order).await.status, "cancelled", "it is not revived");

        let aside = bench.payment().await;
        bench.move_order(aside.order, "expired").await;
        let aside = bench.see(&aside, Status::Authorized).await;
        assert_eq!(aside.wanted, Some(Wanted::Cancel));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settle_claims_no_more_than_was_taken() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        let payment = bench.payment().await;
        let payment = bench.see(&payment, Status::Captured).await;
        let calls: Vec<_> = (0..20)
            .map(|_| {
                let (bench, payment) = (Arc::clone(&bench), payment.clone());
                tokio::spawn(async move { bench.refund(&payment, bench.claim(300)).await })
            })
            .collect();
        let mut claimed = 0;
        for call in calls {
            match call.await.unwrap() {
                Ok(_) => claimed += 1,
                Err(error) => assert_eq!(error.code(), Code::RefundExceedsCaptured, "{error}"),
            }
        }
        assert_eq!(claimed, 3);
        let after = bench.store.get(payment.id).await.unwrap().unwrap();
        assert_eq!((after.refund_pending, after.refundable()), (900, 100));
        assert!(after.next_look.is_some(), "somebody asks the provider");

        let refunds = bench.store.refunds_of(payment.id).await.unwrap();
        let now = bench.now();
        let (first, second) = (refunds[0].id, refunds[1].id);
        let settle = move |ledger: &mut Ledger| {
            let status = RefundStatus::Succeeded;
            let seen = SeenRefund { reference: "re_1".into(), status, failure: None };
            ledger.see_refund(first, &seen);
            ledger.see_refund(first, &seen);
            ledger.refuse_refund(second, "no");
            Ok(())
        };
        let after = bench.store.settle(&payment, now, settle).await.unwrap();
        assert_eq!((after.refunded, after.refund_pending, after.refundable()), (300, 300, 400));
    })
    .await;
}

#[tokio::test]
async fn order_changes_once_per_operation() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let payment = bench.payment().await;
        let payment = bench.see(&payment, Status::Captured).await;
        let (once, now, claim) = (audited(&bench.fresh.random), bench.now(), bench.claim(10));
        let render = |(payment, refunds): &Claimed| Answer::ok(payment.etag(), &refunds.len());
        for is_again in [false, true] {
            let claim = claim.clone();
            let judge = move |ledger: &mut Ledger| ledger.claim(claim.clone(), now);
            let given = bench.store.order(&payment, &once, now, render, judge).await.unwrap();
            assert_eq!((given.replayed, given.answer.body.as_slice()), (is_again, &b"1"[..]));
        }
        assert!(bench.store.replayed(&once).await.unwrap().is_some());
        assert_eq!(bench.store.get(payment.id).await.unwrap().unwrap().refund_pending, 10);
        let told = bench.told().await;
        assert_eq!(told.iter().filter(|kind| *kind == "audit.make_thing").count(), 1);
    })
    .await;
}

impl Bench {
    /// Moves an order without payments hearing of it.
    async fn move_order(&self, id: OrderId, status: &'static str) {
        let moves = move |_: PaymentStore, tx: Tx| async move {
            let mut order = crate::testing::hold(&tx, id).await?.unwrap();
            order.status = status.to_owned();
            Ok(tx.put(&order).await??)
        };
        self.within(moves).await;
    }

    async fn follow(&self, order: OrderId, to: OrderMove) {
        let now = self.now();
        let follow = move |store: PaymentStore, tx: Tx| async move {
            store.follow_order(&tx, order, to, now).await
        };
        self.within(follow).await;
    }
}

#[tokio::test]
async fn settle_owes_money_again_that_could_not_be_given_back() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let payment = bench.payment().await;
        bench.see(&payment, Status::Captured).await;
        bench.refund(&payment, bench.claim(300)).await.unwrap();
        bench.move_order(payment.order, "cancelled").await;
        bench.follow(payment.order, OrderMove::Cancelled).await;
        let now = bench.now();
        let mut made = Vec::new();
        for _ in 0..9 {
            let refuse = move |ledger: &mut Ledger| {
                let pending = ledger.refunds.iter().map(|refund| refund.id);
                let pending: Vec<_> = pending.collect();
                pending.into_iter().for_each(|id| ledger.refuse_refund(id, "no"));
                Ok(())
            };
            let after = bench.store.settle(&payment, now, refuse).await.unwrap();
            made.push((after.refund_pending, after.owed_refunds));
        }
        assert_eq!((made[0], made[6]), ((AMOUNT, 2), (AMOUNT, 8)));
        assert_eq!(made[8], (0, 8), "a provider that refuses is not asked for ever");
        let (_, findings) = bench.store.audit().await.unwrap();
        assert!(findings[0].contains("keeps 1000 minor units"), "{findings:?}");
    })
    .await;
}
