//! One test per guarantee of [`UserStore`], run on every engine, races included.

use std::{sync::Arc, time::Duration};

use holdfast_testkit::{Fresh, on_every_engine, operation};
use holdfast_types::{Basis, Fingerprint, Role, Version};

use super::*;
use crate::{
    model::{NewUser, Roles, UserChange, Username},
    tokens::{RefreshToken, SESSION_TIME},
};

mod guests;
mod keys;
mod mailing;
mod mfa;
mod reading;
mod roles;

struct Bench {
    store: UserStore,
    secret: Secret,
    fresh: Fresh,
}

impl Bench {
    async fn new(fresh: Fresh) -> Self {
        let (store, secret) = UserStore::open(&fresh.database, &fresh.random).await.unwrap();
        Self { store, secret, fresh }
    }

    fn now(&self) -> Timestamp {
        self.fresh.clock.now()
    }

    fn new_user(&self, name: &str) -> NewUser {
        NewUser {
            id: UserId::new(self.fresh.random.uuid_v7(self.now())),
            username: Username::parse(name).unwrap(),
            password_hash: "hash".to_owned(),
            role: Role::customer(),
            email: None,
            name: None,
            fingerprint: Fingerprint([1; 16]),
            created_at: self.now(),
        }
    }

    async fn session(&self, user: UserId) -> RefreshToken {
        let session = SessionId::new(self.fresh.random.uuid_v7(self.now()));
        let token = RefreshToken::first(session, &self.fresh.random);
        let user = self.store.get(user).await.unwrap().unwrap();
        assert!(self.store.begin_session(&user, token, self.later()).await.unwrap());
        token
    }

    fn later(&self) -> Timestamp {
        self.now().plus(Duration::from_secs(3600))
    }

    async fn exchange(&self, token: RefreshToken) -> Exchanged {
        self.store.exchange(token, self.now(), self.later()).await.unwrap()
    }

    fn operation(&self) -> Operation {
        operation(&self.fresh.random)
    }
}

/// Permits everything.
fn anybody(_: &User, _: &Roles) -> Result<()> {
    Ok(())
}

fn render(user: &User) -> Result<Answer> {
    Ok(Answer { status: 200, etag: Some(user.etag()), body: Vec::new() })
}

#[tokio::test(flavor = "multi_thread")]
async fn create_gives_a_name_once_without_regard_to_case() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        let calls: Vec<_> = ["Ada", "ADA", "ada", "aDa"]
            .into_iter()
            .map(|name| {
                let bench = Arc::clone(&bench);
                tokio::spawn(async move { bench.store.create(&bench.new_user(name)).await })
            })
            .collect();
        let mut created = 0;
        for call in calls {
            match call.await.unwrap() {
                Ok((_, existed)) => created += u32::from(!existed),
                Err(error) => assert_eq!(error.code(), Code::UsernameTaken),
            }
        }
        assert_eq!(created, 1);
        assert!(bench.store.find("ada").await.unwrap().is_some());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn create_first_makes_one_administrator() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        let calls: Vec<_> = (0..8)
            .map(|_| {
                let bench = Arc::clone(&bench);
                tokio::spawn(async move {
                    bench.store.create_first(&bench.new_user("admin")).await.unwrap()
                })
            })
            .collect();
        let mut made = 0;
        for call in calls {
            made += u32::from(call.await.unwrap());
        }
        assert_eq!(made, 1);
    })
    .await;
}

#[tokio::test]
async fn change_access_refuses_what_is_stale_and_ends_tokens() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let user = bench.store.create(&bench.new_user("ada")).await.unwrap().0;
        let first = Basis { if_match: None, version: Some(Version(1)) };
        let promote = UserChange::Access { role: Some(Role::seller()), disabled: None };
        let demote = UserChange::Access { role: Some(Role::customer()), disabled: None };
        let change = |change: UserChange, operation: Operation| {
            let (store, first, now) = (bench.store.clone(), first.clone(), bench.now());
            let judge = move |user: &mut User, _: &Roles| user.change(&change, &first);
            async move { store.change_access(user.id, &operation, now, render, judge).await }
        };
        let operation = bench.operation();
        assert!(!change(promote.clone(), operation.clone()).await.unwrap().replayed);
        assert!(
            change(promote, operation).await.unwrap().replayed,
            "a repeat is answered, not refused"
        );
        assert_eq!(
            change(demote, bench.operation()).await.unwrap_err().code(),
            Code::VersionConflict
        );
        let since = bench.now().minus(Duration::from_secs(60));
        assert_eq!(bench.store.revocations(since).await.unwrap().users.get(&user.id), Some(&1));
    })
    .await;
}

#[tokio::test]
async fn exchange_repeats_once_and_ends_the_family_on_theft() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let user = bench.store.create(&bench.new_user("ada")).await.unwrap().0;
        let first = bench.session(user.id).await;
        let second = first.successor(&bench.secret);
        assert!(matches!(bench.exchange(first).await, Exchanged::Renewed(_)));
        assert!(
            matches!(bench.exchange(first).await, Exchanged::Renewed(_)),
            "a repeat before the successor is used"
        );
        assert!(matches!(bench.exchange(second).await, Exchanged::Renewed(_)));
        let invented = RefreshToken::first(first.session, &bench.fresh.random);
        assert!(matches!(bench.exchange(invented).await, Exchanged::Foreign));
        assert!(matches!(bench.exchange(first).await, Exchanged::Theft));
        assert!(
            matches!(bench.exchange(second).await, Exchanged::Over),
            "the whole family is revoked"
        );
        let since = bench.now().minus(Duration::from_secs(60));
        assert!(bench.store.revocations(since).await.unwrap().sessions.contains(&first.session));
    })
    .await;
}

#[tokio::test]
async fn change_password_ends_other_sessions_only() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let user = bench.store.create(&bench.new_user("ada")).await.unwrap().0;
        let (mine, other) = (bench.session(user.id).await, bench.session(user.id).await);
        let change = PasswordChange {
            user: user.id,
            from: "hash".to_owned(),
            to: "new hash".to_owned(),
            keep: Some(mine.session),
        };
        bench.store.change_password(&change, &bench.operation(), bench.now()).await.unwrap();
        let stale = bench
            .store
            .change_password(&change, &bench.operation(), bench.now())
            .await
            .unwrap_err();
        assert_eq!(
            stale.code(),
            Code::Validation,
            "the password it is based on is not there any more"
        );
        assert!(matches!(bench.exchange(mine).await, Exchanged::Renewed(_)));
        assert!(matches!(bench.exchange(other).await, Exchanged::Over));
    })
    .await;
}

#[tokio::test]
async fn delete_erases_and_frees_the_name() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let user = bench.store.create(&bench.new_user("ada")).await.unwrap().0;
        let token = bench.session(user.id).await;
        bench.store.delete(user.id, &bench.operation(), bench.now()).await.unwrap();
        let left = bench.store.get(user.id).await.unwrap().unwrap();
        assert!(left.deleted && left.username.is_empty() && left.password_hash.is_empty());
        assert!(matches!(bench.exchange(token).await, Exchanged::Over));
        assert!(bench.store.create(&bench.new_user("ada")).await.is_ok());
        assert_eq!(bench.store.deleted(bench.now()).await.unwrap(), [(bench.now(), user.id)]);
        let later = bench.now().plus(std::time::Duration::from_millis(1));
        assert!(bench.store.deleted(later).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn reset_password_works_once_and_in_time() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let user = bench.store.create(&bench.new_user("ada")).await.unwrap().0;
        let grant = |number: u8| ResetGrant {
            user: user.id,
            token_hash: [number; 32],
            expires_at: bench.later(),
        };
        bench.store.grant_reset(&grant(1), &bench.operation(), bench.now(), anybody).await.unwrap();
        bench.store.grant_reset(&grant(2), &bench.operation(), bench.now(), anybody).await.unwrap();
        let reset = |number: u8| {
            let (store, operation, now) = (bench.store.clone(), bench.operation(), bench.now());
            async move { store.reset_password(&[number; 32], "new hash", &operation, now).await }
        };
        assert_eq!(reset(1).await.unwrap_err().code(), Code::Validation, "replaced");
        reset(2).await.unwrap();
        assert_eq!(reset(2).await.unwrap_err().code(), Code::Validation, "used");
        bench.store.grant_reset(&grant(3), &bench.operation(), bench.now(), anybody).await.unwrap();
        bench.fresh.clock.advance(Duration::from_secs(3600));
        assert_eq!(reset(3).await.unwrap_err().code(), Code::Validation, "too late");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn grant_reset_leaves_one_permission() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        let user = bench.store.create(&bench.new_user("ada")).await.unwrap().0;
        let grant = |number: u8| ResetGrant {
            user: user.id,
            token_hash: [number; 32],
            expires_at: bench.later(),
        };
        let operations: Vec<Operation> = (0..6).map(|_| bench.operation()).collect();
        let calls: Vec<_> = (0..6_u8)
            .map(|number| {
                let (bench, grant) = (Arc::clone(&bench), grant(number));
                let operation = operations[usize::from(number)].clone();
                tokio::spawn(async move {
                    bench.store.grant_reset(&grant, &operation, bench.now(), anybody).await
                })
            })
            .collect();
        for call in calls {
            call.await.unwrap().unwrap();
        }
        for (number, operation) in (0..6).zip(&operations) {
            let again = bench
                .store
                .grant_reset(&grant(number), operation, bench.now(), anybody)
                .await
                .unwrap();
            assert!(again.1, "a repeat revives nothing");
        }
        let mut open = 0;
        for number in 0..6 {
            let found = bench.store.find_reset(&[number; 32], bench.now()).await.unwrap();
            open += u32::from(found.is_some());
        }
        assert_eq!(open, 1);
        let change = PasswordChange {
            user: user.id,
            from: "hash".to_owned(),
            to: "new hash".to_owned(),
            keep: None,
        };
        bench.store.change_password(&change, &bench.operation(), bench.now()).await.unwrap();
        for number in 0..6 {
            let found = bench.store.find_reset(&[number; 32], bench.now()).await.unwrap();
            assert!(found.is_none(), "a change of the password ends them all");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_refuses_the_last_administrator() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        let mut admins = Vec::new();
        for name in ["ada", "grace", "alan"] {
            let new = NewUser { role: Role::admin(), ..bench.new_user(name) };
            admins.push(bench.store.create(&new).await.unwrap().0.id);
        }
        let calls: Vec<_> = admins
            .iter()
            .map(|id| {
                let (bench, id) = (Arc::clone(&bench), *id);
                tokio::spawn(async move {
                    bench.store.delete(id, &bench.operation(), bench.now()).await
                })
            })
            .collect();
        let mut refused = 0;
        for call in calls {
            match call.await.unwrap() {
                Ok(_) => {}
                Err(error) => {
                    assert_eq!(error.code(), Code::Forbidden);
                    refused += 1;
                }
            }
        }
        assert_eq!(refused, 1);
    })
    .await;
}

/// A token that was made before the clock was set back is alive when the clock gets there again.
#[tokio::test]
async fn revocations_outlive_the_tokens_that_they_are_about() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let user = bench.store.create(&bench.new_user("ada")).await.unwrap().0;
        let hour = Duration::from_secs(3600);
        let (then, now) = (bench.now(), bench.now().minus(hour));
        let mut tokens = Vec::new();
        for _ in 0..3 {
            let id = SessionId::new(bench.fresh.random.uuid_v7(then));
            let token = RefreshToken::first(id, &bench.fresh.random);
            let expires_at = then.plus(SESSION_TIME);
            assert!(bench.store.begin_session(&user, token, expires_at).await.unwrap());
            tokens.push(token);
        }
        let renewed = bench.store.exchange(tokens[0], now, now.plus(SESSION_TIME)).await.unwrap();
        assert!(matches!(renewed, Exchanged::Renewed(_)));
        bench.store.end_session(tokens[0], now).await.unwrap();
        let since = then.minus(Duration::from_secs(1));
        let revoked = bench.store.revocations(since).await.unwrap();
        assert_eq!(Vec::from_iter(revoked.sessions), [tokens[0].session]);
        bench.store.delete(user.id, &bench.operation(), now).await.unwrap();
        bench.store.forget(since).await.unwrap();
        let revoked = bench.store.revocations(since).await.unwrap();
        assert_eq!((revoked.sessions.len(), revoked.users.get(&user.id)), (3, Some(&i64::MAX)));
        bench.store.forget(then.plus(hour)).await.unwrap();
        let revoked = bench.store.revocations(since).await.unwrap();
        assert!(revoked.sessions.is_empty() && revoked.users.is_empty());
    })
    .await;
}

#[tokio::test]
async fn begin_session_looks_again_at_the_password() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let verified = bench.store.create(&bench.new_user("ada")).await.unwrap().0;
        let change = PasswordChange {
            user: verified.id,
            from: "hash".to_owned(),
            to: "new hash".to_owned(),
            keep: None,
        };
        bench.store.change_password(&change, &bench.operation(), bench.now()).await.unwrap();
        let session = SessionId::new(bench.fresh.random.uuid_v7(bench.now()));
        let token = RefreshToken::first(session, &bench.fresh.random);
        assert!(!bench.store.begin_session(&verified, token, bench.later()).await.unwrap());
    })
    .await;
}
