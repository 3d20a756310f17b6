//! The same of deliveries.

use holdfast_testkit::{on_every_engine, operation};
use holdfast_types::{Answer, Code, IdempotentAnswer, PageRequest};

use super::*;
use crate::model::{Attempt, Delivery, DeliveryStatus, Replay, Schedule, Told, Webhook};

fn told(delivery: &Delivery) -> Result<Answer> {
    Answer::ok("\"1\"".to_owned(), &delivery.id)
}

/// The process that delivers.
fn us() -> Uuid {
    Uuid::from_u128(1)
}

impl Bench {
    /// What moves a webhook's place by `count`, with as many deliveries.
    async fn a_hand_out(&self, webhook: &Webhook, count: i64) -> HandOut {
        let before = self.progress(webhook).await.after;
        let deliveries = (before + 1..=before + count).map(|at| self.a_delivery(webhook, at));
        let (consumer, deliveries) = (webhook.id.uuid(), deliveries.collect());
        let after = before + count;
        HandOut { consumer, process: us(), before, after, skipped: 0, deliveries }
    }

    pub(super) async fn hand_out(&self, webhook: &Webhook, count: i64) -> Vec<Delivery> {
        let progress = self.progress(webhook).await;
        if progress.holder != Some(us()) {
            assert!(self.store.take_lease(&progress, us()).await.unwrap());
        }
        let hand_out = self.a_hand_out(webhook, count).await;
        let deliveries = hand_out.deliveries.clone();
        assert!(self.store.hand_out(hand_out).await.unwrap());
        deliveries
    }

    pub(super) async fn replay(&self, replay: Replay) -> Result<IdempotentAnswer> {
        let answer = Answer { status: 202, etag: None, body: b"{}".to_vec() };
        let operation = operation(&self.fresh.random);
        self.store.begin_replay(replay, &operation, self.now(), answer).await
    }

    async fn settle(&self, webhook: &Webhook, deliveries: &[Delivery], status: u16) -> usize {
        let settled = |delivery: &Delivery| {
            let at = self.now();
            let told = Told::by(status);
            let status = Some(status);
            let attempt = Attempt { at, millis: 1, told, status, answer: None, error: None };
            Settled { delivery: delivery.id, attempt, rest: None, jitter: 0.0 }
        };
        let settled = deliveries.iter().map(settled).collect();
        let schedule = Schedule::new(vec![Duration::ZERO, Duration::from_secs(5)]).unwrap();
        self.store.settle(webhook.id, settled, &schedule, self.now()).await.unwrap().over
    }

    /// Lets a delivery of a webhook fail once.
    pub(super) async fn fail(&self, webhook: &Webhook) {
        let deliveries = self.hand_out(webhook, 1).await;
        self.settle(webhook, &deliveries, 500).await;
    }

    async fn status(&self, delivery: &Delivery) -> DeliveryStatus {
        self.store.delivery(delivery.id).await.unwrap().expect("it is there").status
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hand_out_makes_deliveries_once_and_for_the_holder_alone() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        let webhook = bench.webhook().await;
        bench.hand_out(&webhook, 2).await;
        let same = bench.a_hand_out(&webhook, 3).await;
        let hand_out = |_| {
            let (bench, mut same) = (Arc::clone(&bench), same.clone());
            for delivery in &mut same.deliveries {
                delivery.id = bench.a_delivery(&webhook, 1).id;
            }
            tokio::spawn(async move { bench.store.hand_out(same).await })
        };
        let calls: Vec<_> = (0..6).map(hand_out).collect();
        let mut wins = 0;
        for call in calls {
            wins += usize::from(call.await.unwrap().unwrap());
        }
        assert_eq!((wins, bench.store.due(webhook.id, true, 9).await.unwrap().len()), (1, 5));
        let other = HandOut { process: Uuid::from_u128(2), ..bench.a_hand_out(&webhook, 1).await };
        assert!(!bench.store.hand_out(other).await.unwrap(), "another holds it");
        let lost =
            HandOut { skipped: 7, deliveries: Vec::new(), ..bench.a_hand_out(&webhook, 7).await };
        assert!(bench.store.hand_out(lost).await.unwrap());
        let progress = bench.progress(&webhook).await;
        assert_eq!((progress.after, progress.skipped), (12, 7));
    })
    .await;
}

#[tokio::test]
async fn due_tells_them_in_the_order_that_is_asked_for() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let (webhook, other) = (bench.webhook().await, bench.webhook().await);
        let all = bench.hand_out(&webhook, 3).await;
        bench.hand_out(&other, 1).await;
        bench.settle(&webhook, &all[..1], 500).await;
        let positions = |found: Vec<Delivery>| -> Vec<i64> {
            found.iter().map(|delivery| delivery.event.position).collect()
        };
        let due = bench.store.due(webhook.id, false, 9).await.unwrap();
        assert_eq!(positions(due), [2, 3, 1], "what failed comes later");
        let due = bench.store.due(webhook.id, true, 9).await.unwrap();
        assert_eq!(positions(due), [1, 2, 3], "what failed holds up the rest");
        assert_eq!(bench.store.due(webhook.id, true, 1).await.unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn count_pending_counts_as_far_as_it_is_asked() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let webhook = bench.webhook().await;
        let all = bench.hand_out(&webhook, 450).await;
        bench.settle(&webhook, &all[..2], 200).await;
        assert_eq!(bench.store.count_pending(webhook.id, 1_000).await.unwrap(), 448);
        assert_eq!(bench.store.count_pending(webhook.id, 300).await.unwrap(), 300);
        let none = bench.webhook().await;
        assert_eq!(bench.store.count_pending(none.id, 300).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn settle_notes_attempts_and_disables_what_is_gone_or_has_failed_for_days() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let webhook = bench.webhook().await;
        let all = bench.hand_out(&webhook, 3).await;
        assert_eq!(bench.settle(&webhook, &all, 500).await, 0);
        assert_eq!(bench.progress(&webhook).await.failing_since, Some(bench.now()));
        assert_eq!(bench.settle(&webhook, &all[..1], 200).await, 1);
        assert_eq!(bench.progress(&webhook).await.failing_since, None);
        assert_eq!(bench.settle(&webhook, &all[1..], 500).await, 2, "given up");
        assert_eq!(bench.status(&all[0]).await, DeliveryStatus::Delivered);
        assert_eq!(bench.status(&all[1]).await, DeliveryStatus::Failed);
        // What is over stays as it is, whoever comes late.
        assert_eq!(bench.settle(&webhook, &all[..1], 500).await, 1);
        assert_eq!(bench.status(&all[0]).await, DeliveryStatus::Delivered);

        bench.fresh.clock.advance(Duration::from_secs(5 * 24 * 60 * 60));
        bench.fail(&webhook).await;
        let (after, _) = bench.store.webhook(webhook.id).await.unwrap().unwrap();
        assert_eq!(
            after.disabled.unwrap().reason,
            "every attempt of the last five days has failed"
        );
        let gone = bench.webhook().await;
        let delivery = bench.hand_out(&gone, 1).await;
        assert_eq!(bench.settle(&gone, &delivery, 410).await, 1);
        let (after, _) = bench.store.webhook(gone.id).await.unwrap().unwrap();
        assert_eq!(after.disabled.unwrap().reason, "the endpoint answered 410 Gone");
        let told = holdfast_storage::EventSource::take(bench.store.outbox(), 9).await.unwrap();
        let subjects: Vec<_> =
            told.iter().flat_map(|batch| &batch.messages).map(|message| message.subject).collect();
        assert_eq!(subjects, [webhook.id.uuid(), gone.id.uuid()], "the world is told");
    })
    .await;
}

#[tokio::test]
async fn deliveries_and_delivery_show_what_there_is() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let webhook = bench.webhook().await;
        let all = bench.hand_out(&webhook, 5).await;
        bench.settle(&webhook, &all[..2], 200).await;
        let mut request = PageRequest { limit: 2, after: None };
        let mut seen = Vec::new();
        loop {
            let page = bench.store.deliveries(webhook.id, None, &request).await.unwrap();
            seen.extend(page.items.into_iter().map(|delivery| delivery.id));
            let Some(next) = page.next else { break };
            request.after = Some(next);
        }
        assert!(seen.iter().eq(all.iter().rev().map(|delivery| &delivery.id)), "newest first");
        let request = PageRequest { limit: 9, after: None };
        let pending = Some(DeliveryStatus::Pending);
        let pending = bench.store.deliveries(webhook.id, pending, &request).await.unwrap();
        assert_eq!(pending.items.len(), 3);
        let other = bench.webhook().await;
        assert!(bench.store.deliveries(other.id, None, &request).await.unwrap().items.is_empty());
        let found = bench.store.delivery(all[0].id).await.unwrap().unwrap();
        assert_eq!(found.attempts.len(), 1);
        let unknown = bench.a_delivery(&webhook, 1).id;
        assert!(bench.store.delivery(unknown).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn add_delivery_and_retry_delivery_happen_once_and_wake_whoever_delivers() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let webhook = bench.webhook().await;
        let (test, once) = (bench.a_delivery(&webhook, 0), operation(&bench.fresh.random));
        for _ in 0..2 {
            bench.store.add_delivery(test.clone(), &once, told).await.unwrap();
        }
        assert_eq!(bench.progress(&webhook).await.wake, 1);
        bench.settle(&webhook, std::slice::from_ref(&test), 500).await;
        assert_eq!(bench.status(&test).await, DeliveryStatus::Failed);
        let retry = async |id| {
            let operation = operation(&bench.fresh.random);
            bench.store.retry_delivery(webhook.id, id, &operation, bench.now(), told).await
        };
        retry(test.id).await.unwrap();
        assert_eq!(bench.status(&test).await, DeliveryStatus::Pending);
        assert_eq!(bench.progress(&webhook).await.wake, 2);
        bench.settle(&webhook, std::slice::from_ref(&test), 200).await;
        retry(test.id).await.unwrap();
        assert_eq!(bench.status(&test).await, DeliveryStatus::Pending, "once more");
        let of_another = bench.a_delivery(&bench.webhook().await, 0);
        let operation = operation(&bench.fresh.random);
        bench.store.add_delivery(of_another.clone(), &operation, told).await.unwrap();
        assert_eq!(retry(of_another.id).await.unwrap_err().code(), Code::NotFound);
        bench.switch(&webhook, false).await;
        assert_eq!(retry(test.id).await.unwrap_err().code(), Code::WebhookDisabled);
    })
    .await;
}

#[tokio::test]
async fn next_replay_and_replay_events_go_on_to_the_end_once() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let webhook = bench.webhook().await;
        let replay = bench.a_replay(&webhook, 5, false);
        bench.replay(replay.clone()).await.unwrap();
        assert_eq!(bench.store.next_replay(webhook.id).await.unwrap(), Some(replay.clone()));
        let some = vec![bench.a_delivery(&webhook, 1)];
        assert!(bench.store.replay_events(&replay, 3, some).await.unwrap());
        let twin = vec![bench.a_delivery(&webhook, 1)];
        assert!(!bench.store.replay_events(&replay, 3, twin).await.unwrap(), "it was done");
        let replay = bench.store.next_replay(webhook.id).await.unwrap().unwrap();
        assert_eq!(replay.after, 3);
        assert!(bench.store.replay_events(&replay, 5, Vec::new()).await.unwrap());
        assert!(bench.store.next_replay(webhook.id).await.unwrap().is_none());
        assert_eq!(bench.store.due(webhook.id, true, 9).await.unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn replay_failed_begins_again_what_was_given_up() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let webhook = bench.webhook().await;
        let mut all = bench.hand_out(&webhook, 120).await;
        bench.fresh.clock.advance(Duration::from_secs(60));
        let late = bench.hand_out(&webhook, 3).await;
        all.extend(late.iter().cloned());
        for _ in 0..2 {
            bench.settle(&webhook, &all[1..], 500).await;
        }
        bench.settle(&webhook, &all[..1], 200).await;
        let mut replay = bench.a_replay(&webhook, 0, true);
        replay.to = late[0].event.at;
        bench.replay(replay).await.unwrap();
        let (mut steps, mut begun) = (0, 0);
        while let Some(replay) = bench.store.next_replay(webhook.id).await.unwrap() {
            begun += bench.store.replay_failed(&replay, bench.now()).await.unwrap();
            steps += 1;
        }
        assert_eq!((steps, begun), (2, 119), "a hundred at a time");
        assert_eq!(bench.store.due(webhook.id, false, 999).await.unwrap().len(), 119);
        assert_eq!(bench.status(&late[0]).await, DeliveryStatus::Failed, "it is of another time");
        assert_eq!(bench.status(&all[0]).await, DeliveryStatus::Delivered);
    })
    .await;
}
