//! What is asked for by mail.

use holdfast_types::named_id;
use uuid::Uuid;

use super::*;
use crate::store::{ResetAsked, ResetGrant, ResetRequest};

impl Bench {
    async fn user_with_address(&self, name: &str) -> User {
        let new = NewUser { email: Some("Ada@Example.com".to_owned()), ..self.new_user(name) };
        self.store.create(&new).await.unwrap().0
    }

    async fn ask(&self, asked: ResetAsked, operation: &Operation) -> bool {
        // Half an hour is enough.
        let request = ResetRequest { asked, enough: self.now().plus(Duration::from_secs(1800)) };
        let (of, expires_at) = (operation.id, self.later());
        let grant = move |user: UserId| {
            let id = reset_of(of, user);
            (id, ResetGrant { user, token_hash: hash_of(id), expires_at })
        };
        self.store.request_reset(&request, operation, self.now(), grant).await.unwrap().replayed
    }

    async fn told(&self, kind: &str) -> usize {
        let batches = holdfast_storage::EventSource::take(self.store.outbox(), 1000).await.unwrap();
        let kinds = batches.iter().flat_map(|batch| &batch.messages);
        kinds.filter(|message| message.kind.ends_with(kind)).count()
    }
}

fn reset_of(operation: Uuid, user: UserId) -> Uuid {
    named_id("reset", &format!("{operation} {user}"))
}

fn hash_of(reset: Uuid) -> [u8; 32] {
    let mut hash = [0; 32];
    hash[..16].copy_from_slice(reset.as_bytes());
    hash
}

fn by_name(name: &str) -> ResetAsked {
    ResetAsked::Username(name.to_owned())
}

#[tokio::test]
async fn request_reset_gives_one_permission_to_each_who_can_have_a_letter() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        let (ada, ida) =
            (bench.user_with_address("ada").await, bench.user_with_address("ida").await);
        bench.store.create(&bench.new_user("bare")).await.unwrap();
        let operations: Vec<Operation> = (0..6).map(|_| bench.operation()).collect();
        let calls: Vec<_> = operations
            .iter()
            .cloned()
            .map(|operation| {
                let bench = Arc::clone(&bench);
                tokio::spawn(async move { bench.ask(by_name("ada"), &operation).await })
            })
            .collect();
        for call in calls {
            call.await.unwrap();
        }
        assert_eq!(
            bench.told("reset_requested").await,
            1,
            "of those who ask at once, one brings a letter"
        );
        let mut open = 0;
        for operation in &operations {
            let found = bench.store.open_reset(reset_of(operation.id, ada.id), bench.now()).await;
            open += usize::from(found.unwrap().is_some());
        }
        assert_eq!(open, 1);
        for nobody in ["nobody", "bare", "ada"] {
            bench.ask(by_name(nobody), &bench.operation()).await;
        }
        assert_eq!(bench.told("reset_requested").await, 1);
        // Both who have that address; the first has her letter already.
        let operation = bench.operation();
        bench.ask(ResetAsked::Email("ada@example.com".to_owned()), &operation).await;
        assert_eq!(bench.told("reset_requested").await, 2);
        let reset = reset_of(operation.id, ida.id);
        assert!(bench.store.find_reset(&hash_of(reset), bench.now()).await.unwrap().is_some());
        // Another address: what was sent to the one of before is good for nothing.
        let basis = Basis { if_match: None, version: Some(Version(1)) };
        let other = UserChange::Profile { email: Some(None), name: None };
        let change = move |user: &mut User| user.change(&other, &basis);
        let (now, moves) = (bench.now(), bench.operation());
        bench.store.change(ida.id, &moves, now, render, change).await.unwrap();
        assert!(bench.store.find_reset(&hash_of(reset), bench.now()).await.unwrap().is_none());
        assert_eq!(bench.store.open_reset(reset, bench.later()).await.unwrap(), None, "it is over");
    })
    .await;
}

#[tokio::test]
async fn open_reset_says_for_whom_a_permission_is_as_long_as_it_is_one() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let ada = bench.user_with_address("ada").await;
        let first = bench.operation();
        bench.ask(by_name("ada"), &first).await;
        let reset = reset_of(first.id, ada.id);
        let found = bench.store.open_reset(reset, bench.now()).await.unwrap();
        assert_eq!(found.map(|(user, until)| (user.id, until)), Some((ada.id, bench.later())));
        // Later, another letter leaves; the first is still good.
        bench.fresh.clock.advance(Duration::from_secs(1900));
        let second = bench.operation();
        bench.ask(by_name("ada"), &second).await;
        assert_eq!(bench.told("reset_requested").await, 2);
        assert!(bench.store.open_reset(reset, bench.now()).await.unwrap().is_some());
        let (reset, operation) = (reset_of(second.id, ada.id), bench.operation());
        let hash = hash_of(reset);
        bench.store.reset_password(&hash, "new", &operation, bench.now()).await.unwrap();
        assert_eq!(bench.store.open_reset(reset, bench.now()).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn request_verification_tells_once_and_only_of_what_is_not_known() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let ada = bench.user_with_address("ada").await;
        let bare = bench.store.create(&bench.new_user("bare")).await.unwrap().0;
        let operation = bench.operation();
        let ask = async |id, operation: &Operation| {
            bench.store.request_verification(id, operation, bench.now()).await.unwrap();
        };
        ask(ada.id, &operation).await;
        ask(bare.id, &bench.operation()).await;
        assert_eq!(bench.told("verification_requested").await, 2, "one at registration");
        let verify = |user: &mut User| {
            user.verify_email();
            Ok(())
        };
        let (now, operation) = (bench.now(), bench.operation());
        bench.store.change(ada.id, &operation, now, render, verify).await.unwrap();
        ask(ada.id, &bench.operation()).await;
        assert_eq!(bench.told("verification_requested").await, 2);
        // Another address is not known again.
        let basis = Basis { if_match: None, version: Some(Version(2)) };
        let other = UserChange::Profile { email: Some(Some("b@example.com".into())), name: None };
        let change = move |user: &mut User| user.change(&other, &basis);
        let operation = bench.operation();
        bench.store.change(ada.id, &operation, now, render, change).await.unwrap();
        assert_eq!(bench.told("verification_requested").await, 3);
        assert!(!bench.store.get(ada.id).await.unwrap().unwrap().has_verified_email());
    })
    .await;
}
