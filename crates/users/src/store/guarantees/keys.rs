//! Guarantees about API keys.

use holdfast_types::{Authority, IdempotentAnswer, KeyId, PageRequest, Permission, Permissions};

use super::*;
use crate::model::{ApiKey, KeyAct, KeySecret};

impl Bench {
    fn secret_of(&self, number: u8) -> KeySecret {
        let session = SessionId::new(self.fresh.random.uuid_v7(self.now()));
        KeySecret { hash: [number; 32], session }
    }

    fn new_key(&self, user: UserId) -> ApiKey {
        ApiKey {
            id: KeyId::new(self.fresh.random.uuid_v7(self.now())),
            user,
            name: "Warehouse".to_owned(),
            permissions: Permissions::of(&[Permission::OrdersWrite]),
            addresses: Vec::new(),
            expires_at: None,
            secret: self.secret_of(1),
            previous: None,
            last_used_at: None,
            version: Version::FIRST,
            created_at: self.now(),
        }
    }

    async fn keep(&self, key: &ApiKey) -> Result<IdempotentAnswer> {
        self.store.create_key(key.clone(), &self.operation(), shown).await
    }

    async fn refused(&self) -> std::collections::HashSet<SessionId> {
        let since = self.now().minus(Duration::from_secs(60));
        self.store.revocations(since).await.unwrap().sessions
    }
}

fn shown(key: &ApiKey) -> Result<Answer> {
    Answer::ok(key.etag(), &key.name)
}

#[tokio::test]
async fn create_key_keeps_200_and_key_and_list_keys_and_key_holder_find_them() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let ada = bench.store.create(&bench.new_user("ada")).await.unwrap().0;
        let key = bench.new_key(ada.id);
        let operation = bench.operation();
        for replayed in [false, true] {
            let given = bench.store.create_key(key.clone(), &operation, shown).await.unwrap();
            assert_eq!(given.replayed, replayed);
        }
        assert_eq!(bench.store.key(key.id).await.unwrap(), Some(key.clone()));
        let now = bench.now();
        let admit = move |hash: [u8; 32]| move |key: &ApiKey| key.admit(&hash, now);
        let found = bench.store.key_holder(key.id, admit(key.secret.hash)).await.unwrap().unwrap();
        assert_eq!((&found.key, found.user.id), (&key, ada.id));
        assert_eq!(found.standing.authority, Authority::NONE);
        assert_eq!(found.admitted.session, key.secret.session);
        let refused = bench.store.key_holder(key.id, admit([9; 32])).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidToken);
        for _ in 1..super::super::keys::KEYS {
            bench.keep(&bench.new_key(ada.id)).await.unwrap();
        }
        let one_more = bench.keep(&bench.new_key(ada.id)).await.unwrap_err();
        assert_eq!(one_more.code(), Code::LimitReached);
        let request = PageRequest { limit: 150, after: None };
        let first = bench.store.list_keys(&request).await.unwrap();
        let rest = PageRequest { limit: 150, after: first.next };
        let rest = bench.store.list_keys(&rest).await.unwrap();
        assert_eq!((first.items.len(), rest.items.len()), (150, 50));
        assert!(rest.next.is_none());
    })
    .await;
}

#[tokio::test]
async fn change_key_refuses_tokens_of_secrets_that_it_loses() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let ada = bench.store.create(&bench.new_user("ada")).await.unwrap().0;
        let key = bench.new_key(ada.id);
        bench.keep(&key).await.unwrap();
        let now = bench.now();
        let rotate = |secret: KeySecret, overlap: Duration| {
            let (store, operation, id) = (bench.store.clone(), bench.operation(), key.id);
            let meanwhile = bench.secret_of(0).session;
            let judge = move |key: &mut ApiKey, _: &KeyAct| {
                key.rotate(secret, meanwhile, overlap, now);
                Ok(())
            };
            async move { store.change_key(id, &operation, now, shown, judge).await.unwrap() }
        };
        let second = bench.secret_of(2);
        rotate(second, Duration::from_secs(60)).await;
        assert_eq!(bench.refused().await, [key.secret.session].into());
        let found = bench.store.key(key.id).await.unwrap().unwrap();
        assert!(found.admit(&[1; 32], now).is_ok(), "both are good");
        rotate(bench.secret_of(3), Duration::from_secs(60)).await;
        assert_eq!(bench.refused().await.len(), 3);
        rotate(bench.secret_of(4), Duration::ZERO).await;
        let refused = bench.refused().await;
        assert!(refused.contains(&second.session) && refused.len() == 5);
        let found = bench.store.key(key.id).await.unwrap().unwrap();
        assert!(found.admit(&[4; 32], now).is_ok());
        assert!(found.admit(&[3; 32], now).is_err());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn note_key_use_and_change_key_do_not_undo_each_other() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        let ada = bench.store.create(&bench.new_user("ada")).await.unwrap().0;
        let key = bench.new_key(ada.id);
        bench.keep(&key).await.unwrap();
        let notes: Vec<_> = (0..4)
            .map(|_| {
                let (bench, id) = (Arc::clone(&bench), key.id);
                tokio::spawn(async move { bench.store.note_key_use(id, bench.now()).await })
            })
            .collect();
        let (operation, now) = (bench.operation(), bench.now());
        let name = |key: &mut ApiKey, _: &KeyAct| {
            "Office".clone_into(&mut key.name);
            Ok(())
        };
        bench.store.change_key(key.id, &operation, now, shown, name).await.unwrap();
        for note in notes {
            note.await.unwrap().unwrap();
        }
        let found = bench.store.key(key.id).await.unwrap().unwrap();
        assert_eq!((found.name.as_str(), found.last_used_at), ("Office", Some(now)));
    })
    .await;
}

#[tokio::test]
async fn delete_key_and_delete_refuse_its_tokens() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let ada = bench.store.create(&bench.new_user("ada")).await.unwrap().0;
        let (one, other) = (bench.new_key(ada.id), bench.new_key(ada.id));
        bench.keep(&one).await.unwrap();
        bench.keep(&other).await.unwrap();
        let forbid = |_: &ApiKey, _: &KeyAct| Err(Error::new(Code::Forbidden, "not this one"));
        let kept = bench.store.delete_key(one.id, &bench.operation(), bench.now(), forbid).await;
        assert_eq!(kept.unwrap_err().code(), Code::Forbidden);
        let operation = bench.operation();
        for replayed in [false, true] {
            let deleted =
                bench.store.delete_key(one.id, &operation, bench.now(), |_, _| Ok(())).await;
            assert_eq!(deleted.unwrap().replayed, replayed);
        }
        assert_eq!(bench.store.key(one.id).await.unwrap(), None);
        assert_eq!(bench.refused().await, [one.secret.session].into());
        bench.store.delete(ada.id, &bench.operation(), bench.now()).await.unwrap();
        assert_eq!(bench.store.key(other.id).await.unwrap(), None, "a user's keys go with them");
        assert!(bench.refused().await.contains(&other.secret.session));
        let late = bench.keep(&bench.new_key(ada.id)).await.unwrap_err();
        assert_eq!(late.code(), Code::NotFound, "who is gone gets no key");
    })
    .await;
}
