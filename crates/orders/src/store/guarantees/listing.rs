//! Finding orders: by number, by address, by time, and all of it together.

use std::collections::BTreeSet;

use super::*;
use crate::model::Number;

impl Bench {
    /// Orders of one address, several in each moment, in batches.
    async fn of_email(&self, email: &str, count: usize) -> Vec<Order> {
        let mut all = Vec::new();
        for number in 0..count {
            let mut order = self.order();
            order.buyer.email = Some(email.to_owned());
            all.push(order);
            if number % 7 == 6 {
                self.fresh.clock.advance(Duration::from_millis(1));
            }
        }
        for batch in all.chunks(50) {
            self.store.record(batch.to_vec(), Audits::default()).await.unwrap();
        }
        all
    }

    /// All pages of a list.
    async fn pages(&self, filter: &OrderFilter, limit: usize) -> Vec<Order> {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = self.store.list(filter, &PageRequest { limit, after }).await.unwrap();
            assert!(page.items.len() <= limit);
            seen.extend(page.items);
            after = page.next;
            if after.is_none() {
                return seen;
            }
        }
    }
}

fn of_email(email: &str) -> OrderFilter {
    OrderFilter { email: Some(email.to_owned()), ..OrderFilter::default() }
}

fn is_newest_first(orders: &[Order]) -> bool {
    let place = |order: &Order| (order.created_at, order.id);
    orders.is_sorted_by(|one, next| place(one) > place(next))
}

#[tokio::test]
async fn numbered_finds_an_order_and_no_tombstone() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let (placed, other) = (bench.placed().await, bench.placed().await);
        let cut = bench.order().id;
        bench.store.resolve(&[cut], bench.now()).await.unwrap();
        let found = bench.store.numbered(Number::of(placed)).await.unwrap();
        assert_eq!(found.iter().map(|order| order.id).collect::<Vec<_>>(), [placed]);
        assert!(bench.store.numbered(Number::of(cut)).await.unwrap().is_empty());
        let filter = OrderFilter { number: Some(Number::of(other)), ..OrderFilter::default() };
        assert_eq!(bench.pages(&filter, 10).await[0].id, other);
        let stranger = OrderFilter { user: Some(UserId::from_bytes([4; 16])), ..filter };
        assert!(bench.pages(&stranger, 10).await.is_empty(), "all filters hold");
    })
    .await;
}

#[tokio::test]
async fn list_of_an_address_has_each_order_once() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let ada = bench.of_email("Ada@Example.com", 230).await;
        bench.of_email("bob@example.com", 10).await;
        bench.placed().await;
        for limit in [1, 4, 100] {
            let found = bench.pages(&of_email("ada@example.com"), limit).await;
            assert!(is_newest_first(&found), "limit {limit}");
            assert_eq!(found.len(), ada.len(), "limit {limit}");
        }
        let ids: BTreeSet<_> = ada.iter().map(|order| order.id).collect();
        let found = bench.pages(&of_email("ada@example.com"), 7).await;
        assert_eq!(found.iter().map(|order| order.id).collect::<BTreeSet<_>>(), ids);
        bench.take(ada[3].id, &Action::Cancel).await.unwrap();
        let cancelled = Some(Status::Cancelled);
        let filter = OrderFilter { status: cancelled, ..of_email("ada@example.com") };
        assert_eq!(bench.pages(&filter, 5).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn list_of_an_address_forgets_who_was_erased() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        bench.of_email("ada@example.com", 20).await;
        bench.store.erase_buyers(&[BUYER]).await.unwrap();
        assert!(bench.pages(&of_email("ada@example.com"), 5).await.is_empty());
        let later = bench.of_email("ada@example.com", 1).await;
        assert_eq!(bench.pages(&of_email("ada@example.com"), 5).await, later);
    })
    .await;
}

#[tokio::test]
async fn list_of_a_time_has_its_beginning_and_not_its_end() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let orders = bench.of_email("ada@example.com", 70).await;
        let (from, to) = (orders[14].created_at, orders[42].created_at);
        for email in [None, Some("ada@example.com".to_owned())] {
            let filter = OrderFilter {
                email,
                created_after: Some(from),
                created_before: Some(to),
                ..OrderFilter::default()
            };
            let found = bench.pages(&filter, 5).await;
            assert!(is_newest_first(&found));
            let within = orders.iter().filter(|order| (from..to).contains(&order.created_at));
            assert_eq!((found.len(), within.count()), (28, 28));
            let nothing = OrderFilter { created_before: Some(from), ..filter };
            assert!(bench.pages(&nothing, 5).await.is_empty());
        }
    })
    .await;
}
