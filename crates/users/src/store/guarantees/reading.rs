//! What is found, listed and forgotten.

use holdfast_types::{Cursor, IdempotentAnswer, Page, PageRequest};

use super::*;
use crate::tokens::SigningKey;

impl Bench {
    async fn user(&self, name: &str, role: Role) -> User {
        self.fresh.clock.advance(Duration::from_millis(1));
        self.store.create(&NewUser { role, ..self.new_user(name) }).await.unwrap().0
    }

    async fn list(&self, filter: &UserFilter, limit: usize, after: Option<Cursor>) -> Page<User> {
        let page = self.store.list(filter, &PageRequest { limit, after }).await.unwrap();
        assert!(page.items.len() <= limit);
        page
    }

    /// The names on all pages.
    async fn names(&self, filter: &UserFilter, limit: usize) -> Vec<String> {
        let (mut names, mut after) = (Vec::new(), None);
        loop {
            let page = self.list(filter, limit, after).await;
            names.extend(page.items.into_iter().map(|user| user.username));
            after = page.next;
            if after.is_none() {
                return names;
            }
        }
    }

    async fn rename(&self, user: UserId, operation: Operation) -> Result<IdempotentAnswer> {
        let judge = |user: &mut User| {
            let name = UserChange::Profile { email: None, name: Some(Some("Ada".to_owned())) };
            let basis = Basis { if_match: None, version: Some(user.version) };
            user.change(&name, &basis)
        };
        self.store.change(user, &operation, self.now(), render, judge).await
    }
}

#[tokio::test]
async fn open_keeps_the_secret_and_what_is_kept() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let ada = bench.user("ada", Role::customer()).await;
        let again = UserStore::open(&bench.fresh.database, &bench.fresh.random).await.unwrap();
        let same = |secret: &Secret| secret.hash(b"content");
        assert_eq!(same(&again.1), same(&bench.secret));
        assert_eq!(again.0.get(ada.id).await.unwrap(), Some(ada));
    })
    .await;
}

#[tokio::test]
async fn find_knows_folded_names_and_get_knows_the_deleted() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let ada = bench.user("Ada", Role::customer()).await;
        assert_eq!(bench.store.find("ada").await.unwrap(), Some(ada.clone()));
        assert_eq!(bench.store.find("Ada").await.unwrap(), None, "names are folded before");
        bench.store.delete(ada.id, &bench.operation(), bench.now()).await.unwrap();
        assert_eq!(bench.store.find("ada").await.unwrap(), None);
        assert!(bench.store.get(ada.id).await.unwrap().unwrap().deleted);
        let nobody = UserId::from_bytes([9; 16]);
        assert_eq!(bench.store.get(nobody).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn list_shows_the_newest_first_in_whole_pages() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let mut ids = Vec::new();
        for number in 0..7 {
            ids.push(bench.user(&format!("user{number}"), Role::customer()).await.id);
        }
        bench.store.delete(ids.remove(3), &bench.operation(), bench.now()).await.unwrap();
        ids.reverse();
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = bench.list(&UserFilter::default(), 2, after).await;
            seen.extend(page.items.into_iter().map(|user| user.id));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, ids);
    })
    .await;
}

#[tokio::test]
async fn list_finds_by_role_and_by_who_is_shut_out() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        for (name, role) in
            [("ada", Role::admin()), ("sam", Role::seller()), ("eve", Role::seller())]
        {
            bench.user(name, role).await;
        }
        for number in 0..7 {
            bench.user(&format!("user{number}"), Role::customer()).await;
        }
        let eve = bench.store.find("eve").await.unwrap().unwrap();
        let shut_out = |user: &mut User, _: &Roles| {
            let basis = Basis { if_match: None, version: Some(user.version) };
            user.change(&UserChange::Access { role: None, disabled: Some(true) }, &basis)
        };
        let operation = bench.operation();
        bench.store.change_access(eve.id, &operation, bench.now(), render, shut_out).await.unwrap();
        let none = UserFilter::default();
        for limit in [1, 3, 100] {
            let of = async |role, disabled| {
                bench.names(&UserFilter { role, disabled, ..none.clone() }, limit).await
            };
            assert_eq!(of(Some(Role::seller()), None).await, ["eve", "sam"]);
            assert_eq!(of(Some(Role::seller()), Some(false)).await, ["sam"]);
            assert_eq!(of(None, Some(true)).await, ["eve"]);
            assert_eq!(of(Some(Role::customer()), Some(true)).await, [""; 0]);
            assert_eq!(of(None, Some(false)).await.len(), 9);
        }
    })
    .await;
}

#[tokio::test]
async fn list_searches_names_and_addresses_and_tells_each_user_once() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        for (username, email, name) in [
            ("Ada1", Some("ada@example.com"), Some("Ada Lovelace")),
            ("bob", Some("ADA.bob@example.com"), None),
            ("ada2", None, None),
            ("eve", Some("eve@example.com"), Some("Adam")),
            ("sam", Some("sam@example.com"), Some("Sam")),
        ] {
            let new = NewUser {
                email: email.map(str::to_owned),
                name: name.map(str::to_owned),
                ..bench.new_user(username)
            };
            bench.store.create(&new).await.unwrap();
        }
        let of = |q: &str| UserFilter { q: Some(q.to_owned()), ..UserFilter::default() };
        for limit in [1, 2, 3, 100] {
            assert_eq!(bench.names(&of("ada"), limit).await, ["Ada1", "ada2", "bob", "eve"]);
            assert_eq!(bench.names(&of("ada@"), limit).await, ["Ada1"]);
            assert_eq!(bench.names(&of("zoe"), limit).await, [""; 0]);
        }
        let eve = bench.store.find("eve").await.unwrap().unwrap().id;
        bench.store.delete(eve, &bench.operation(), bench.now()).await.unwrap();
        assert_eq!(bench.names(&of("adam"), 5).await, [""; 0], "who left is found by nothing");
        let forged = Some(Cursor::from_wire("AAAA".to_owned()));
        let request = PageRequest { limit: 5, after: forged };
        let refused = bench.store.list(&of("ada"), &request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidCursor);
    })
    .await;
}

#[tokio::test]
async fn deleted_tells_the_earliest_first() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let (ada, bob) =
            (bench.user("ada", Role::customer()).await, bench.user("bob", Role::customer()).await);
        bench.user("eve", Role::customer()).await;
        let began = bench.now();
        for user in [bob.id, ada.id] {
            bench.fresh.clock.advance(Duration::from_millis(1));
            bench.store.delete(user, &bench.operation(), bench.now()).await.unwrap();
        }
        let first = began.plus(Duration::from_millis(1));
        let all = [(first, bob.id), (bench.now(), ada.id)];
        assert_eq!(bench.store.deleted(began).await.unwrap(), all);
        assert_eq!(bench.store.deleted(bench.now()).await.unwrap(), all[1..]);
    })
    .await;
}

#[tokio::test]
async fn staff_names_sellers_and_administrators() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        for (name, role) in
            [("ada", Role::admin()), ("bob", Role::customer()), ("Sal", Role::seller())]
        {
            bench.user(name, role).await;
        }
        let mut staff = bench.store.staff().await.unwrap();
        staff.sort_unstable();
        assert_eq!(staff, ["Sal", "ada"]);
    })
    .await;
}

#[tokio::test]
async fn end_session_believes_tokens_of_the_session_only() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let ada = bench.user("ada", Role::customer()).await;
        let (token, other) = (bench.session(ada.id).await, bench.session(ada.id).await);
        let invented = RefreshToken::first(token.session, &bench.fresh.random);
        bench.store.end_session(invented, bench.now()).await.unwrap();
        assert!(matches!(bench.exchange(token).await, Exchanged::Renewed(_)));
        bench.store.end_session(token, bench.now()).await.unwrap();
        assert!(matches!(bench.exchange(token).await, Exchanged::Over));
        assert!(matches!(bench.exchange(other).await, Exchanged::Renewed(_)));
        bench.store.end_session(token, bench.now()).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn find_reset_knows_a_permission_until_its_time_is_over() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let ada = bench.user("ada", Role::customer()).await;
        let grant = ResetGrant { user: ada.id, token_hash: [1; 32], expires_at: bench.later() };
        bench.store.grant_reset(&grant, &bench.operation(), bench.now(), anybody).await.unwrap();
        let found = bench.store.find_reset(&[1; 32], bench.now()).await.unwrap();
        assert_eq!(found.map(|user| user.id), Some(ada.id));
        assert_eq!(bench.store.find_reset(&[2; 32], bench.now()).await.unwrap(), None);
        assert_eq!(bench.store.find_reset(&[1; 32], bench.later()).await.unwrap(), None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_keys_keeps_one_first_key_and_public_keys_tells_its_public_part() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        let calls: Vec<_> = (0..8)
            .map(|_| {
                let bench = Arc::clone(&bench);
                let key = SigningKey::generate(&bench.fresh.random, bench.now()).unwrap();
                tokio::spawn(async move { bench.store.signing_keys(key).await.unwrap() })
            })
            .collect();
        let mut kids = std::collections::BTreeSet::new();
        for call in calls {
            kids.extend(call.await.unwrap().into_iter().map(|key| key.kid));
        }
        assert_eq!(kids.len(), 1);
        let public = bench.store.public_keys().await.unwrap();
        assert_eq!(public.into_iter().map(|key| key.kid).collect::<Vec<_>>(), Vec::from_iter(kids));
    })
    .await;
}

#[tokio::test]
async fn replay_answers_as_before_and_forget_ends_it() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let ada = bench.user("ada", Role::customer()).await;
        let operation = bench.operation();
        assert_eq!(bench.store.replay(&operation).await.unwrap(), None);
        let given = bench.rename(ada.id, operation.clone()).await.unwrap();
        assert_eq!(bench.store.replay(&operation).await.unwrap(), Some(given.answer));
        let other = Operation { fingerprint: Fingerprint([9; 16]), ..operation.clone() };
        let reused = bench.store.replay(&other).await.unwrap_err();
        assert_eq!(reused.code(), Code::IdempotencyKeyReused);
        bench.store.forget(bench.now()).await.unwrap();
        assert!(bench.store.replay(&operation).await.unwrap().is_some(), "it is not that old");
        bench.store.forget(bench.now().plus(Duration::from_millis(1))).await.unwrap();
        assert_eq!(bench.store.replay(&operation).await.unwrap(), None);
    })
    .await;
}
