//! Guests: they come, get a name, and go with their session.

use super::*;
use crate::model::Claim;

impl Bench {
    async fn guest(&self) -> (UserId, RefreshToken) {
        let id = UserId::new(self.fresh.random.uuid_v7(self.now()));
        let session = SessionId::new(self.fresh.random.uuid_v7(self.now()));
        let token = RefreshToken::first(session, &self.fresh.random);
        let guest = User::guest(id, None, None, self.now());
        self.store.begin_guest(&guest, token, self.later()).await.unwrap();
        (id, token)
    }

    fn claim(user: UserId, name: &str) -> Claim {
        Claim {
            user,
            username: Username::parse(name).unwrap(),
            password_hash: "hash".to_owned(),
            email: None,
            name: None,
        }
    }
}

#[tokio::test]
async fn begin_guest_keeps_guests_apart_and_forget_sessions_ends_them() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let ((first, token), (second, _)) = (bench.guest().await, bench.guest().await);
        assert!(bench.store.find("").await.unwrap().is_none());
        bench.fresh.clock.advance(Duration::from_secs(1800));
        assert!(
            matches!(bench.exchange(token).await, Exchanged::Renewed(user) if user.id == first)
        );
        let named = bench.store.create(&bench.new_user("ada")).await.unwrap().0;
        bench.session(named.id).await;
        // The second one's session has expired by then, the first one's has been renewed.
        bench.store.forget(bench.now().plus(Duration::from_secs(2700))).await.unwrap();
        assert!(bench.store.get(second).await.unwrap().is_none());
        assert!(bench.store.get(first).await.unwrap().is_some());
        bench.store.forget_sessions(bench.later().plus(Duration::from_secs(1))).await.unwrap();
        assert!(bench.store.get(first).await.unwrap().is_none());
        assert!(bench.store.get(named.id).await.unwrap().is_some(), "who has a name stays");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claim_gives_one_name_to_one_guest() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        let (id, token) = bench.guest().await;
        let claims: Vec<_> = (0..6)
            .map(|at| {
                let (bench, now) = (Arc::clone(&bench), bench.now());
                let (operation, claim) = (bench.operation(), Bench::claim(id, &format!("ada{at}")));
                tokio::spawn(
                    async move { bench.store.claim(&claim, &operation, now, render).await },
                )
            })
            .collect();
        let mut won = 0;
        for claim in claims {
            match claim.await.unwrap() {
                Ok(_) => won += 1,
                Err(error) => assert_eq!(error.code(), Code::Forbidden),
            }
        }
        assert_eq!(won, 1);
        assert!(matches!(bench.exchange(token).await, Exchanged::Over));
        let user = bench.store.get(id).await.unwrap().unwrap();
        assert_eq!(bench.store.find(&user.username).await.unwrap().unwrap().id, id);

        // A name that is taken leaves the guest as they are; a repeat is given the same answer.
        let (other, token) = bench.guest().await;
        let (taken, free) = (Bench::claim(other, &user.username), Bench::claim(other, "eve"));
        let (operation, now) = (bench.operation(), bench.now());
        let refused = bench.store.claim(&taken, &bench.operation(), now, render).await;
        assert_eq!(refused.unwrap_err().code(), Code::UsernameTaken);
        assert!(matches!(bench.exchange(token).await, Exchanged::Renewed(user) if user.guest));
        let first = bench.store.claim(&free, &operation, now, render).await.unwrap();
        let again = bench.store.claim(&free, &operation, now, render).await.unwrap();
        assert!(!first.replayed && again.replayed && first.answer == again.answer);
    })
    .await;
}
