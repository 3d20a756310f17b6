//! Buyers, staff, expiry, notifications and the sweep at once, over a network that loses requests and answers, in processes that
//! end anywhere: at the end the books of the shop and of the provider agree, and nothing was kept or given back wrongly.

use std::{sync::Arc, time::Duration};

use holdfast_storage::record::Tx;
use holdfast_testkit::{Fresh, on_every_engine, operation, ordinary_or_long};
use holdfast_types::{Id, OrderId, OrderMove, Random, UserId};
use tokio::task::JoinSet;

use super::*;
use crate::{
    model::{Capture, Claim, RefundItem, RefundStatus, Status},
    testing::{Double, PRODUCT, TestBook, UNITS, hold},
};

const BUYER: UserId = UserId::from_bytes([3; 16]);
const AMOUNT: i64 = 1000;
/// Orders that are fought over at a time.
const TOGETHER: usize = 8;
/// Calls of a hundred that are lost on their way there, and on their way back.
const FAULTS: u8 = 12;

#[derive(Clone)]
struct Bench {
    payments: Payments,
    book: TestBook,
    double: Double,
    random: Random,
    clock: Clock,
    database: Database,
}

impl Bench {
    async fn new(fresh: &Fresh) -> Self {
        let book = TestBook::open(&fresh.database).await;
        let random = Random::seeded(ordinary_or_long(11, 12));
        let double = Double::new(random.clone());
        let verifier = Arc::new(Verifier::new("holdfast", fresh.clock.clone()));
        let sources = Sources { clock: fresh.clock.clone(), random: fresh.random.clone() };
        let provider: Arc<dyn Provider> = Arc::new(double.clone());
        let opened = Payments::open_with(
            &fresh.database,
            Arc::new(book.clone()),
            Some(provider),
            verifier,
            sources,
        );
        let payments = Payments(Arc::new(opened.await.unwrap()));
        let (clock, database) = (fresh.clock.clone(), fresh.database.clone());
        Self { payments, book, double, random, clock, database }
    }

    fn draw(&self, of: u8) -> u8 {
        let [byte] = self.random.bytes();
        byte % of
    }

    /// An order moves without payments having done it.
    async fn moves(&self, id: OrderId, to: OrderMove) {
        let (payments, now) = (self.payments.clone(), self.clock.now());
        let moves = move |tx: Tx| {
            let payments = payments.clone();
            async move {
                let Some(mut order) = hold(&tx, id).await? else { return Ok(()) };
                let (from, status): (&[&str], _) = match to {
                    OrderMove::Cancelled => (&["placed", "paid"], "cancelled"),
                    OrderMove::Expired => (&["placed"], "expired"),
                    OrderMove::Paid => (&["placed"], "paid"),
                };
                if !from.contains(&order.status.as_str()) {
                    return Ok(());
                }
                let is_expiry = to == OrderMove::Expired;
                if is_expiry && payments.hold_up_expiry(&tx, id, now).await?.is_some() {
                    return Ok(());
                }
                order.status = status.to_owned();
                if to == OrderMove::Paid {
                    order.reference = Some("cash".to_owned());
                }
                tx.put(&order).await??;
                payments.follow_order(&tx, id, to, now).await
            }
        };
        // Who meets too many others tries again, as clients do.
        while self.database.transact(moves.clone()).await.is_err() {}
    }

    fn new_payment(&self, id: uuid::Uuid, order: OrderId, capture: Capture) -> NewPayment {
        NewPayment {
            id: Id::new(id),
            order,
            user: Some(BUYER),
            capture,
            provider: ProviderName::Test,
            fingerprint: operation(&self.random).fingerprint,
            at: self.clock.now(),
        }
    }

    /// One of those who meddle with a payment does something.
    async fn meddle(self, order: OrderId, payment: Payment, what: u8) {
        let once = operation(&self.random);
        let intent = payment.intent.clone().unwrap_or_default();
        match what {
            0 | 1 => self.double.pay(&intent),
            2 => drop(self.payments.sync(&payment, &once).await),
            3 => drop(self.payments.cancel(&payment, &once).await),
            4 => drop(self.payments.capture(&payment, &once).await),
            5 => self.moves(order, OrderMove::Cancelled).await,
            6 => self.moves(order, OrderMove::Expired).await,
            7 => self.moves(order, OrderMove::Paid).await,
            8 => drop(self.payments.capture_to_ship(order).await),
            9 => drop(self.payments.sweep_once().await),
            10 => self.double.lapse(&intent),
            11 => {
                let new = self.new_payment(once.id, order, payment.capture);
                drop(self.payments.create(new, &once).await);
            }
            more => {
                let amount = (12 < more && more < 17).then(|| i64::from(more) * 40);
                let key = once.id.to_string();
                let items = match more {
                    ..17 => Vec::new(),
                    more => self.some_items(more.is_multiple_of(2)),
                };
                let claim = Claim {
                    id: Id::new(once.id),
                    amount,
                    items,
                    reason: None,
                    by: Some(BUYER),
                    key,
                    not_before: None,
                };
                drop(self.payments.refund(&payment, claim, &once).await);
            }
        }
    }

    /// Units of one order, some of which may go back to the stock.
    fn some_items(&self, is_mixed: bool) -> Vec<RefundItem> {
        let restock = self.draw(2) == 0;
        let quantity = i64::from(self.draw(4)) + 1;
        let item = RefundItem { product_id: PRODUCT, quantity, restock };
        let other = RefundItem { quantity: 2, restock: !restock, ..item };
        if is_mixed { vec![item, other] } else { vec![item] }
    }

    /// All of it to one order.
    async fn fight(self) -> OrderId {
        let order = OrderId::new(operation(&self.random).id);
        self.book.placed(order, BUYER, AMOUNT).await;
        let capture = if self.draw(3) == 0 { Capture::Manual } else { Capture::Automatic };
        let once = operation(&self.random);
        let new = self.new_payment(once.id, order, capture);
        drop(self.payments.create(new, &once).await);
        let Ok(Some(payment)) = self.payments.store().get(Id::new(once.id)).await else {
            return order;
        };
        let mut meddlers = JoinSet::new();
        for _ in 0..5 + self.draw(6) {
            meddlers.spawn(self.clone().meddle(order, payment.clone(), self.draw(22)));
            if self.draw(2) == 0 {
                tokio::time::sleep(Duration::from_micros(u64::from(self.draw(255)) * 8)).await;
            }
        }
        // A process ends, with all that it was about.
        if self.draw(4) == 0 {
            meddlers.abort_all();
        }
        while meddlers.join_next().await.is_some() {}
        order
    }

    /// Lets everything that is owed come about.
    async fn settle(&self) {
        self.double.fail(0);
        for _ in 0..12 {
            self.clock.advance(Duration::from_secs(20 * 60));
            self.payments.sweep_once().await.unwrap();
        }
        self.double.fail(FAULTS);
    }

    /// Else an order that nobody pays is looked at for ever.
    async fn call_off_unpaid(&self, order: OrderId) {
        if self.book.order(order).await.status == "placed" {
            self.moves(order, OrderMove::Cancelled).await;
        }
    }

    /// What must be true of an order and its payments.
    async fn assert_sound(&self, order: OrderId) {
        let found = self.book.order(order).await;
        let request = holdfast_types::PageRequest { limit: 50, after: None };
        let filter = crate::store::PaymentFilter { order: Some(order), ..Default::default() };
        let payments = self.payments.store().list(&filter, &request).await.unwrap().items;
        let (mut paying, mut in_stock) = (0, 0);
        for payment in &payments {
            assert_eq!(payment.finding(), None);
            assert_eq!(payment.refund_pending, 0, "{payment:?}");
            assert_eq!(payment.wanted, None, "{payment:?}");
            let refunds = self.payments.store().refunds_of(payment.id).await.unwrap();
            assert!(refunds.iter().all(|refund| refund.status == RefundStatus::Succeeded));
            let items = refunds.iter().flat_map(|refund| &refund.items);
            let [all, back] = [false, true].map(|only| {
                let counted = items.clone().filter(|item| item.restock || !only);
                counted.map(|item| item.quantity).sum::<i64>()
            });
            assert!(all <= UNITS, "{refunds:?}");
            in_stock += back;
            let intent = payment.intent.clone().expect("it was begun");
            let entry = self.double.entries()[&intent].clone();
            let given_back: i64 = entry.refunds.values().sum();
            assert_eq!(
                (payment.status, payment.captured, payment.refunded),
                (entry.status, entry.captured, given_back),
                "the books agree: {payment:?} {entry:?}"
            );
            assert!(given_back <= entry.captured && entry.captured <= entry.amount);
            let pays = found.status == "paid" && found.reference == payment.intent;
            assert!(!pays || payment.captured > 0, "{found:?} {payment:?}");
            assert!(pays || payment.captured == given_back, "{found:?} {payment:?}");
            paying += usize::from(pays);
        }
        assert!(paying <= 1, "{payments:?}");
        let returned: i64 = found.returned.iter().map(|(_, units)| units).sum();
        assert_eq!(returned, in_stock, "{found:?}");
        let is_cash = found.reference.as_deref() == Some("cash");
        assert_eq!(found.status == "paid" && !is_cash, paying == 1, "{found:?} {payments:?}");
    }
}

/// The ordinary run has some hundred; `HOLDFAST_TEST_LONG=1` has ten thousand on every engine.
#[tokio::test(flavor = "multi_thread")]
async fn books_agree_after_every_interleaving() {
    on_every_engine(|fresh| async move {
        let bench = Bench::new(&fresh).await;
        bench.double.fail(FAULTS);
        for _ in 0..ordinary_or_long(15, 1250) {
            let mut fights = JoinSet::new();
            for _ in 0..TOGETHER {
                fights.spawn(bench.clone().fight());
            }
            let orders = fights.join_all().await;
            bench.settle().await;
            for order in orders {
                bench.assert_sound(order).await;
                bench.call_off_unpaid(order).await;
            }
        }
        bench.settle().await;
        let (count, findings) = bench.payments.audit().await.unwrap();
        assert!(count > 0 && findings.is_empty(), "{findings:?}");
        let totals = bench.double.entries().values().fold((0, 0), |(taken, back), entry| {
            (taken + entry.captured, back + entry.refunds.values().sum::<i64>())
        });
        assert!(totals.0 > totals.1 && totals.1 > 0, "all of it has happened: {totals:?}");
        let statuses = [Status::Captured, Status::Cancelled];
        for status in statuses {
            let some = bench.double.entries().values().any(|entry| entry.status == status);
            assert!(some, "{status:?}");
        }
    })
    .await;
}
