//! The same of what is kept of webhooks and of who delivers for them.

use holdfast_testkit::{Fresh, on_every_engine, operation};
use holdfast_types::{Answer, Basis, Code, Version};

use super::*;
use crate::model::{
    ConsumerName, Delivery, EventRef, NewWebhook, Progress, Replay, SigningSecret, Webhook,
    WebhookChange,
};

/// The answer that tests want.
pub(super) fn told(webhook: &Webhook, progress: &Progress) -> Result<Answer> {
    Answer::ok(webhook.etag(), &(webhook.id, progress.after))
}

impl Bench {
    pub(super) fn a_webhook(&self) -> Webhook {
        let new = NewWebhook {
            url: "https://example.com/".into(),
            description: None,
            types: vec!["order.*".parse().unwrap()],
            audit: true,
            ordered: false,
        };
        let id = self.fresh.random.uuid_v7(self.now());
        Webhook::new(id, new, SigningSecret::new([1; 32]), self.now())
    }

    /// A webhook that is kept.
    pub(super) async fn webhook(&self) -> Webhook {
        let webhook = self.a_webhook();
        let operation = operation(&self.fresh.random);
        self.store.create_webhook(webhook.clone(), &operation, told).await.unwrap();
        webhook
    }

    pub(super) async fn progress(&self, webhook: &Webhook) -> Progress {
        self.store.webhook(webhook.id).await.unwrap().expect("it is there").1
    }

    pub(super) fn a_delivery(&self, webhook: &Webhook, position: i64) -> Delivery {
        let id = self.fresh.random.uuid_v7(self.now());
        let event = EventRef { id, kind: "order.placed".into(), position, at: self.now() };
        Delivery::new(self.fresh.random.uuid_v7(self.now()), webhook.id, event, self.now())
    }

    pub(super) fn a_replay(&self, webhook: &Webhook, until: i64, only_failed: bool) -> Replay {
        Replay {
            id: self.fresh.random.uuid_v7(self.now()),
            webhook: webhook.id,
            from: Timestamp::from_millis(0),
            to: self.now().plus(Duration::from_secs(1)),
            types: Vec::new(),
            only_failed,
            after: 0,
            until,
            last: None,
        }
    }

    /// Switches a webhook on or off.
    pub(super) async fn switch(&self, webhook: &Webhook, enabled: bool) {
        let (operation, now) = (operation(&self.fresh.random), self.now());
        let change = WebhookChange { enabled: Some(enabled), ..WebhookChange::default() };
        let judge = move |webhook: &mut Webhook| webhook.change(&change, &Basis::default(), now);
        let changed = self.store.change_webhook(webhook.id, &operation, now, told, judge);
        changed.await.unwrap();
    }
}

#[tokio::test]
async fn create_webhook_keeps_it_once_and_begins_with_the_next_event() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        bench.append(&[3]).await;
        let (webhook, once) = (bench.a_webhook(), operation(&bench.fresh.random));
        let first = bench.store.create_webhook(webhook.clone(), &once, told).await.unwrap();
        let again = bench.store.create_webhook(bench.a_webhook(), &once, told).await.unwrap();
        assert_eq!((first.answer, again.replayed), (again.answer, true));
        assert_eq!(bench.progress(&webhook).await, Progress::new(webhook.id.uuid(), 3));
        for _ in 1..50 {
            bench.webhook().await;
        }
        let operation = operation(&bench.fresh.random);
        let more = bench.store.create_webhook(bench.a_webhook(), &operation, told).await;
        assert_eq!(more.unwrap_err().code(), Code::LimitReached);
    })
    .await;
}

#[tokio::test]
async fn webhooks_and_webhook_show_each_with_its_progress() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        assert!(bench.store.webhooks().await.unwrap().is_empty());
        let (one, two) = (bench.webhook().await, bench.webhook().await);
        let all = bench.store.webhooks().await.unwrap();
        assert!(all.iter().map(|(webhook, _)| webhook.id).eq([one.id, two.id]));
        assert!(all.iter().all(|(webhook, progress)| webhook.id.uuid() == progress.consumer));
        let found = bench.store.webhook(two.id).await.unwrap().unwrap();
        assert_eq!((found.0.url, found.1.consumer), (two.url, two.id.uuid()));
        let unknown = bench.a_webhook().id;
        assert!(bench.store.webhook(unknown).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn change_webhook_wakes_whoever_delivers_and_gives_five_days_anew() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let webhook = bench.webhook().await;
        bench.fail(&webhook).await;
        assert!(bench.progress(&webhook).await.failing_since.is_some());
        bench.switch(&webhook, false).await;
        assert!(bench.progress(&webhook).await.failing_since.is_some());
        bench.switch(&webhook, true).await;
        let progress = bench.progress(&webhook).await;
        assert_eq!((progress.failing_since, progress.wake), (None, 2));
        let (operation, unknown) = (operation(&bench.fresh.random), bench.a_webhook().id);
        let judge = |_: &mut Webhook| Ok(());
        let none = bench.store.change_webhook(unknown, &operation, bench.now(), told, judge).await;
        assert_eq!(none.unwrap_err().code(), Code::NotFound);
        let (webhook, _) = bench.store.webhook(webhook.id).await.unwrap().unwrap();
        assert_eq!(webhook.version, Version(3));
    })
    .await;
}

#[tokio::test]
async fn fit_consumers_and_audit_consumers_agree() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        bench.append(&[3]).await;
        let (ahead, lost) = (bench.webhook().await, bench.a_webhook());
        let progress = Progress::new(ahead.id.uuid(), 9);
        let orphan = Progress::new(bench.a_webhook().id.uuid(), 1);
        bench.hand_out(&ahead, 6).await;
        bench.store.db.load(vec![lost.clone()]).await.unwrap();
        bench.store.db.load(vec![orphan.clone()]).await.unwrap();
        bench.store.begin_consumer(ConsumerName::Broker.id(), 2).await.unwrap();
        bench.replay(bench.a_replay(&ahead, 8, false)).await.unwrap();
        assert_eq!(bench.progress(&ahead).await.after, progress.after);
        let findings = bench.store.audit_consumers().await.unwrap();
        assert_eq!(findings.len(), 2, "{findings:?}");
        bench.store.fit_consumers().await.unwrap();
        assert!(bench.store.audit_consumers().await.unwrap().is_empty());
        assert_eq!(bench.progress(&ahead).await.after, 3);
        assert_eq!(bench.progress(&lost).await, Progress::new(lost.id.uuid(), 3));
        assert_eq!(
            bench.store.begin_consumer(ConsumerName::Broker.id(), 7).await.unwrap().after,
            2
        );
        assert_eq!(bench.store.next_replay(ahead.id).await.unwrap().unwrap().until, 3);
        let anew = bench.store.begin_consumer(orphan.consumer, 5).await.unwrap();
        assert_eq!(anew.after, 5, "the orphan is gone");
    })
    .await;
}

#[tokio::test]
async fn delete_webhook_takes_replays_along_and_sweep_deliveries_the_rest() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let (webhook, other) = (bench.webhook().await, bench.webhook().await);
        bench.hand_out(&webhook, 250).await;
        bench.hand_out(&other, 2).await;
        bench.replay(bench.a_replay(&webhook, 5, false)).await.unwrap();
        let once = operation(&bench.fresh.random);
        bench.store.delete_webhook(webhook.id, &once, bench.now(), |_| Ok(())).await.unwrap();
        let again =
            bench.store.delete_webhook(webhook.id, &once, bench.now(), |_| Ok(())).await.unwrap();
        assert!(again.replayed && bench.store.webhook(webhook.id).await.unwrap().is_none());
        let more = operation(&bench.fresh.random);
        let gone = bench.store.delete_webhook(webhook.id, &more, bench.now(), |_| Ok(())).await;
        assert_eq!(gone.unwrap_err().code(), Code::NotFound);
        assert!(bench.store.next_replay(webhook.id).await.unwrap().is_none());
        bench.store.sweep_deliveries(webhook.id).await.unwrap();
        assert!(bench.store.due(webhook.id, false, 1).await.unwrap().is_empty());
        assert_eq!(bench.store.due(other.id, false, 9).await.unwrap().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn begin_replay_notes_ten_at_most_and_none_of_what_is_disabled() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let webhook = bench.webhook().await;
        for _ in 0..10 {
            bench.replay(bench.a_replay(&webhook, 5, false)).await.unwrap();
        }
        assert_eq!(bench.progress(&webhook).await.wake, 10);
        let refused = bench.replay(bench.a_replay(&webhook, 5, false)).await.unwrap_err();
        assert_eq!(refused.code(), Code::LimitReached);
        let off = bench.webhook().await;
        bench.switch(&off, false).await;
        let refused = bench.replay(bench.a_replay(&off, 5, false)).await.unwrap_err();
        assert_eq!(refused.code(), Code::WebhookDisabled);
        let unknown = bench.replay(bench.a_replay(&bench.a_webhook(), 5, false)).await;
        assert_eq!(unknown.unwrap_err().code(), Code::NotFound);
    })
    .await;
}

/// Six processes that try at once; says which of them became the holder.
async fn race(bench: &Arc<Bench>, seen: &Progress) -> Vec<Uuid> {
    let take = |number| {
        let (bench, seen, process) = (Arc::clone(bench), seen.clone(), Uuid::from_u128(number));
        tokio::spawn(async move { (process, bench.store.take_lease(&seen, process).await) })
    };
    let calls: Vec<_> = (1..=6).map(take).collect();
    let mut winners = Vec::new();
    for call in calls {
        let (process, has_won) = call.await.unwrap();
        winners.extend(has_won.unwrap().then_some(process));
    }
    winners
}

#[tokio::test(flavor = "multi_thread")]
async fn take_lease_has_one_winner() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        let webhook = bench.webhook().await;
        for round in 1..=3 {
            let seen = bench.progress(&webhook).await;
            let winners = race(&bench, &seen).await;
            let after = bench.progress(&webhook).await;
            assert_eq!((after.holder, after.turn), (winners.first().copied(), round));
            assert_eq!(winners.len(), 1);
        }
    })
    .await;
}

#[tokio::test]
async fn begin_consumer_begins_once_and_consumer_says_how_far_it_is() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        assert_eq!(bench.store.consumer(ConsumerName::Broker.id()).await.unwrap(), None);
        let begun = bench.store.begin_consumer(ConsumerName::Broker.id(), 7).await.unwrap();
        assert_eq!(begun, Progress::new(ConsumerName::Broker.id(), 7));
        let again = bench.store.begin_consumer(ConsumerName::Broker.id(), 9).await.unwrap();
        assert_eq!(again.after, 7, "it goes on");
        assert_eq!(bench.store.consumer(ConsumerName::Broker.id()).await.unwrap(), Some(again));
        let webhook = bench.webhook().await;
        let all = bench.store.webhooks().await.unwrap();
        assert!(all.iter().map(|(one, _)| one.id).eq([webhook.id]), "the broker is no webhook");
    })
    .await;
}

#[tokio::test]
async fn renew_leases_is_a_sign_of_life_of_the_holder_alone() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let (ours, theirs) = (bench.webhook().await, bench.webhook().await);
        let (us, them) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert!(bench.store.take_lease(&bench.progress(&ours).await, us).await.unwrap());
        assert!(bench.store.take_lease(&bench.progress(&theirs).await, them).await.unwrap());
        let all = [&ours, &theirs, &bench.a_webhook()].map(|webhook| webhook.id.uuid()).to_vec();
        assert_eq!(bench.store.renew_leases(us, all).await.unwrap(), [ours.id.uuid()]);
        assert_eq!(bench.progress(&ours).await.turn, 2);
        assert_eq!(bench.progress(&theirs).await.turn, 1);
    })
    .await;
}

#[tokio::test]
async fn drop_leases_frees_what_is_the_processs_own() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let (ours, theirs) = (bench.webhook().await, bench.webhook().await);
        let (us, them) = (Uuid::from_u128(1), Uuid::from_u128(2));
        bench.store.take_lease(&bench.progress(&ours).await, us).await.unwrap();
        bench.store.take_lease(&bench.progress(&theirs).await, them).await.unwrap();
        bench.store.drop_leases(us, vec![ours.id.uuid(), theirs.id.uuid()]).await.unwrap();
        assert_eq!(bench.progress(&ours).await.holder, None);
        assert_eq!(bench.progress(&theirs).await.holder, Some(them));
    })
    .await;
}

#[tokio::test]
async fn position_before_finds_where_a_time_begins_and_forget_answers_what_is_old() {
    on_every_engine(|fresh: Fresh| async {
        let bench = Bench::new(fresh).await;
        assert_eq!(bench.store.position_before(bench.now()).await.unwrap(), 0);
        bench.append(&[3]).await;
        bench.fresh.clock.advance(Duration::from_secs(60));
        let later = bench.now();
        bench.append(&[2]).await;
        assert_eq!(bench.store.position_before(later).await.unwrap(), 3);
        assert_eq!(bench.store.position_before(Timestamp::from_millis(0)).await.unwrap(), 0);
        let after = later.plus(Duration::from_secs(1));
        assert_eq!(bench.store.position_before(after).await.unwrap(), 5);
        let once = operation(&bench.fresh.random);
        bench.store.create_webhook(bench.a_webhook(), &once, told).await.unwrap();
        bench.store.forget_answers(after).await.unwrap();
        let again = bench.store.create_webhook(bench.a_webhook(), &once, told).await.unwrap();
        assert!(!again.replayed, "the answer is forgotten");
    })
    .await;
}
