//! Claims of money, also for units that go back to the stock.

use super::*;
use crate::{
    model::{Refund, RefundItem},
    testing::{PRODUCT, TestOrder, UNITS},
};

impl Bench {
    async fn claimed(&self, payment: &Payment, claim: Claim) -> Result<Refund> {
        let (id, now) = (claim.id, self.now());
        let once = operation(&self.fresh.random);
        self.store.claim(payment, claim, &once, [now, now], nothing).await?;
        Ok(self.store.refund(id).await?.unwrap())
    }

    /// A claim of what units cost.
    fn claim_of(&self, items: &[(i64, bool)]) -> Claim {
        let item = |(quantity, restock): &(i64, bool)| RefundItem {
            product_id: PRODUCT,
            quantity: *quantity,
            restock: *restock,
        };
        Claim { amount: None, items: items.iter().map(item).collect(), ..self.claim(1) }
    }

    async fn returned(&self, payment: &Payment) -> i64 {
        self.book.order(payment.order).await.returned.iter().map(|(_, units)| units).sum()
    }

    async fn settled_as(&self, payment: &Payment, refund: &Refund, status: RefundStatus) {
        let (id, reference, failure) = (refund.id, "re_1".to_owned(), None);
        let seen = SeenRefund { reference, status, failure };
        let see = move |ledger: &mut Ledger| {
            ledger.see_refund(id, &seen);
            Ok(())
        };
        self.store.settle(payment, self.now(), see).await.unwrap();
    }
}

fn nothing(_: &Claimed) -> Result<Answer> {
    Ok(Answer { status: 204, etag: None, body: Vec::new() })
}

#[tokio::test]
async fn claim_of_units_takes_what_they_cost_and_no_unit_twice() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let payment = bench.see(&bench.payment().await, Status::Captured).await;
        let first =
            bench.claimed(&payment, bench.claim_of(&[(2, true), (1, false)])).await.unwrap();
        assert_eq!((first.amount.amount, first.items.len()), (3 * AMOUNT / UNITS, 2));
        assert_eq!(bench.returned(&payment).await, 2);
        let much = bench.claim_of(&[(5, false), (3, false)]);
        let refused = bench.claimed(&payment, much).await.unwrap_err();
        assert_eq!(refused.code(), Code::Validation);
        assert!(format!("{refused:?}").contains("#/items/1/quantity"), "{refused:?}");
        // Less than they cost is taken where that is said.
        let less = Claim { amount: Some(5), ..bench.claim_of(&[(7, true)]) };
        assert_eq!(bench.claimed(&payment, less).await.unwrap().amount.amount, 5);
        assert_eq!(bench.returned(&payment).await, 9);
        let nothing_left = bench.claimed(&payment, bench.claim_of(&[(1, false)])).await;
        assert_eq!(nothing_left.unwrap_err().code(), Code::Validation);
        let rest = bench.claimed(&payment, bench.claim(AMOUNT - 305)).await.unwrap();
        assert!(rest.items.is_empty());
        assert_eq!(bench.store.audit().await.unwrap().1, [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn claim_of_units_that_failed_may_be_made_again_but_the_goods_are_back() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let payment = bench.see(&bench.payment().await, Status::Captured).await;
        let failed = bench.claimed(&payment, bench.claim_of(&[(UNITS, true)])).await.unwrap();
        bench.settled_as(&payment, &failed, RefundStatus::Failed).await;
        let again = bench.claimed(&payment, bench.claim_of(&[(UNITS, true)])).await.unwrap_err();
        assert!(format!("{again:?}").contains("#/items/0/restock"), "{again:?}");
        let money = bench.claimed(&payment, bench.claim_of(&[(UNITS, false)])).await.unwrap();
        bench.settled_as(&payment, &money, RefundStatus::Succeeded).await;
        assert_eq!(bench.returned(&payment).await, UNITS);
        assert_eq!(bench.store.audit().await.unwrap().1, [""; 0]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claim_of_the_last_units_is_made_once_among_16() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        let payment = bench.see(&bench.payment().await, Status::Captured).await;
        let claims: Vec<_> = (0..16)
            .map(|_| {
                let (bench, payment) = (Arc::clone(&bench), payment.clone());
                let claim = bench.claim_of(&[(UNITS / 2, true)]);
                tokio::spawn(async move { bench.claimed(&payment, claim).await.is_ok() })
            })
            .collect();
        let mut made = 0;
        for claim in claims {
            made += i64::from(claim.await.unwrap());
        }
        assert_eq!((made, bench.returned(&payment).await), (2, UNITS));
        assert_eq!(bench.store.audit().await.unwrap().1, [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn claim_leaves_nothing_where_the_order_takes_nothing_back() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let payment = bench.see(&bench.payment().await, Status::Captured).await;
        bench.book.change(payment.order, |order| order.status = "gone".to_owned()).await;
        let refused = bench.claimed(&payment, bench.claim_of(&[(1, true)])).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidTransition);
        assert_eq!(bench.store.refunds_of(payment.id).await.unwrap(), []);
        assert_eq!(bench.store.get(payment.id).await.unwrap().unwrap().refund_pending, 0);
        assert!(bench.claimed(&payment, bench.claim_of(&[(1, false)])).await.is_ok());
    })
    .await;
}

#[tokio::test]
async fn claim_of_units_is_for_the_payment_that_pays() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let payment = bench.payment().await;
        let pay = |order: &mut TestOrder| {
            (order.status, order.reference) = ("paid".to_owned(), Some("cash".to_owned()));
        };
        bench.book.change(payment.order, pay).await;
        let late = bench.see(&payment, Status::Captured).await;
        assert_eq!(late.refund_pending, AMOUNT, "all of it is owed");
        let failed = bench.store.refunds_of(late.id).await.unwrap().remove(0);
        bench.settled_as(&late, &failed, RefundStatus::Failed).await;
        let refused = bench.claimed(&late, bench.claim_of(&[(1, true)])).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidTransition);
        assert_eq!(bench.returned(&late).await, 0);
    })
    .await;
}

#[tokio::test]
async fn move_stock_reaches_the_order() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let order = bench.an_order().await;
        assert!(!bench.book.has_moved(order));
        bench.store.move_stock(order).await.unwrap();
        assert!(bench.book.has_moved(order));
    })
    .await;
}

#[tokio::test]
async fn restore_gives_back_what_refunds_say() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let payment = bench.see(&bench.payment().await, Status::Captured).await;
        bench.claimed(&payment, bench.claim_of(&[(3, true)])).await.unwrap();
        bench.book.change(payment.order, |order| order.returned.clear()).await;
        let findings = bench.store.audit().await.unwrap().1;
        assert!(findings[0].contains("fewer units back in the stock"), "{findings:?}");
        bench.store.restore(bench.now()).await.unwrap();
        assert_eq!(bench.returned(&payment).await, 3);
        assert_eq!(bench.store.audit().await.unwrap().1, [""; 0]);
    })
    .await;
}
