//! One test per guarantee of [`LetterStore`], run on every engine, races included.

use std::time::Duration;

use holdfast_testkit::{Fresh, audited, damage, on_every_engine, operation};
use holdfast_types::Code;
use uuid::Uuid;

use super::*;
use crate::model::{Cause, Told};

struct Bench {
    store: LetterStore,
    fresh: Fresh,
}

impl Bench {
    async fn new(fresh: Fresh) -> Self {
        let store = LetterStore::open(&fresh.database, &fresh.random).await.unwrap().0;
        Self { store, fresh }
    }

    fn now(&self) -> Timestamp {
        self.fresh.clock.now()
    }

    fn later(&self, seconds: u64) -> Timestamp {
        self.now().plus(Duration::from_secs(seconds))
    }

    fn letter(&self, number: u128, order: u128) -> Letter {
        let told = serde_json::json!({"orderId": Uuid::from_u128(order)});
        let told: Told = serde_json::from_value(told).unwrap();
        let (id, at) = (Uuid::from_u128(number), self.now());
        let cause = Cause { id, kind: "order.placed", subject: Uuid::from_u128(order), at, told };
        Letter::about(&cause, at).unwrap()
    }

    async fn all(&self) -> Vec<Letter> {
        let request = PageRequest { limit: 100, after: None };
        self.store.list(None, None, &request).await.unwrap().items
    }

    async fn settle(&self, number: u128, outcome: Outcome) {
        let settled = vec![(LetterId::new(Uuid::from_u128(number)), outcome)];
        self.store.settle(Arc::new(settled), self.now(), 0.0).await.unwrap();
    }
}

fn render(letter: &Letter) -> Result<Answer> {
    Answer::untagged(&letter.status)
}

#[tokio::test]
async fn add_keeps_one_letter_of_an_event() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        let calls: Vec<_> = (0..6)
            .map(|_| {
                let bench = Arc::clone(&bench);
                tokio::spawn(async move {
                    let letters = (1..=20).map(|number| bench.letter(number, 1)).collect();
                    bench.store.add(letters).await
                })
            })
            .collect();
        for call in calls {
            call.await.unwrap().unwrap();
        }
        assert_eq!(bench.all().await.len(), 20);
        bench.settle(3, Outcome::Sent).await;
        bench.store.add(vec![bench.letter(3, 1), bench.letter(21, 1)]).await.unwrap();
        let all = bench.all().await;
        assert_eq!(all.len(), 21);
        let sent: Vec<_> = all.iter().filter(|one| one.status == LetterStatus::Sent).collect();
        assert_eq!(sent.len(), 1, "what has become of a letter stays");
    })
    .await;
}

#[tokio::test]
async fn take_due_gives_each_letter_to_one() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        let letters = (1..=30).map(|number| bench.letter(number, number)).collect();
        bench.store.add(letters).await.unwrap();
        let (now, until) = (bench.now(), bench.later(60));
        let calls: Vec<_> = (0..6)
            .map(|_| {
                let bench = Arc::clone(&bench);
                tokio::spawn(async move { bench.store.take_due(now, until, 7).await })
            })
            .collect();
        let mut taken = Vec::new();
        for call in calls {
            taken.extend(call.await.unwrap().unwrap().into_iter().map(|letter| letter.id));
        }
        let count = taken.len();
        taken.sort_unstable();
        taken.dedup();
        assert_eq!((taken.len(), count), (30, 30), "all, each once");
        assert!(bench.store.take_due(now, until, 7).await.unwrap().is_empty());
        let again = bench.store.take_due(until, bench.later(120), 100).await.unwrap();
        assert_eq!(again.len(), 30, "whoever has taken them has been killed");
    })
    .await;
}

#[tokio::test]
async fn renew_puts_off_what_is_still_under_way() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        bench.store.add((1..=3).map(|number| bench.letter(number, 1)).collect()).await.unwrap();
        bench.settle(2, Outcome::Sent).await;
        let ids = [1, 2, 9].map(|id| LetterId::new(Uuid::from_u128(id)));
        bench.store.renew(ids.to_vec(), bench.later(60)).await.unwrap();
        let due = bench.store.take_due(bench.now(), bench.later(60), 9).await.unwrap();
        assert_eq!(due.iter().map(|letter| letter.id.uuid().as_u128()).collect::<Vec<_>>(), [3]);
        let due = bench.store.take_due(bench.later(60), bench.later(90), 9).await.unwrap();
        assert_eq!(due.len(), 2, "what was sent stays so");
    })
    .await;
}

#[tokio::test]
async fn settle_notes_all_and_forgets_nothing_that_was_sent() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        bench.store.add((1..=4).map(|number| bench.letter(number, 1)).collect()).await.unwrap();
        let settled = [
            (1, Outcome::Sent),
            (2, Outcome::Refused("550 no such mailbox".to_owned())),
            (3, Outcome::Deferred("451 later".to_owned())),
            (4, Outcome::Skipped("nobody")),
            (9, Outcome::Sent),
        ];
        let settled = settled.map(|(id, outcome)| (LetterId::new(Uuid::from_u128(id)), outcome));
        bench.store.settle(Arc::new(settled.to_vec()), bench.now(), 0.0).await.unwrap();
        bench.settle(1, Outcome::Refused("550".to_owned())).await;
        let mut all = bench.all().await;
        all.sort_by_key(|letter| letter.id);
        let states: Vec<_> = all.iter().map(|letter| letter.status.as_str()).collect();
        assert_eq!(states, ["sent", "failed", "pending", "skipped"]);
        assert_eq!(all[2].due, bench.later(60));
        let due = bench.store.take_due(bench.later(60), bench.later(70), 9).await.unwrap();
        assert_eq!(due.len(), 1, "only what is pending is sent");
    })
    .await;
}

#[tokio::test]
async fn list_shows_those_of_an_order_and_of_a_state() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let letters = vec![bench.letter(1, 1), bench.letter(2, 1), bench.letter(3, 2)];
        bench.store.add(letters).await.unwrap();
        bench.settle(2, Outcome::Sent).await;
        let request = PageRequest { limit: 10, after: None };
        let list = async |order: Option<u128>, status| {
            let order = order.map(|order| OrderId::new(Uuid::from_u128(order)));
            bench.store.list(order, status, &request).await.unwrap().items.len()
        };
        assert_eq!(list(None, None).await, 3);
        assert_eq!(list(Some(1), None).await, 2);
        assert_eq!(list(Some(1), Some(LetterStatus::Sent)).await, 1);
        assert_eq!(list(None, Some(LetterStatus::Pending)).await, 2);
        assert_eq!(list(Some(2), Some(LetterStatus::Sent)).await, 0);
    })
    .await;
}

#[tokio::test]
async fn retry_begins_a_letter_again_once_per_operation_and_tells_who_did() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        bench.store.add(vec![bench.letter(1, 1)]).await.unwrap();
        bench.settle(1, Outcome::Sent).await;
        let (id, operation) = (LetterId::new(Uuid::from_u128(1)), audited(&bench.fresh.random));
        let retry = || bench.store.retry(id, &operation, bench.now(), render);
        assert!(!retry().await.unwrap().replayed);
        bench.settle(1, Outcome::Sent).await;
        assert!(retry().await.unwrap().replayed);
        assert_eq!(bench.all().await[0].status, LetterStatus::Sent, "a repeat sends nothing");
        let told = holdfast_storage::EventSource::take(bench.store.outbox(), 10).await.unwrap();
        assert_eq!(told.len(), 1);
        let nobody = LetterId::new(Uuid::from_u128(2));
        let other = crate::store::guarantees::operation(&bench.fresh.random);
        let unknown = bench.store.retry(nobody, &other, bench.now(), render).await;
        assert_eq!(unknown.unwrap_err().code(), Code::NotFound);
    })
    .await;
}

#[tokio::test]
async fn forget_and_forget_answers_keep_what_is_young() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        bench.store.add(vec![bench.letter(1, 1)]).await.unwrap();
        let (id, operation) = (LetterId::new(Uuid::from_u128(1)), audited(&bench.fresh.random));
        bench.store.retry(id, &operation, bench.now(), render).await.unwrap();
        bench.store.forget(bench.now()).await.unwrap();
        bench.store.forget_answers(bench.now()).await.unwrap();
        assert_eq!(bench.all().await.len(), 1);
        let again = bench.store.retry(id, &operation, bench.now(), render).await.unwrap();
        assert!(again.replayed);
        bench.store.forget(bench.later(1)).await.unwrap();
        bench.store.forget_answers(bench.later(1)).await.unwrap();
        assert!(bench.all().await.is_empty());
        let gone = bench.store.retry(id, &operation, bench.now(), render).await;
        assert_eq!(gone.unwrap_err().code(), Code::NotFound);
    })
    .await;
}

#[tokio::test]
async fn audit_finds_what_is_sent_at_no_time() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let (mut wrong, right) = (bench.letter(1, 1), bench.letter(2, 1));
        wrong.status = LetterStatus::Sent;
        bench.store.add(vec![wrong, right]).await.unwrap();
        let (count, findings) = bench.store.audit().await.unwrap();
        assert_eq!((count, findings.len()), (2, 1), "{findings:?}");
        damage(&bench.fresh.database, "letters", "body").await;
        assert!(bench.store.audit().await.is_ok(), "what cannot be read is found elsewhere");
    })
    .await;
}
