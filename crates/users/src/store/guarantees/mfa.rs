//! Guarantees about second factors, and about changes of a profile.

use totp_rs::Builder;

use super::*;
use crate::model::MfaEnds;

const APP: [u8; 20] = [5; 20];

impl Bench {
    /// What the app shows now, and a while later.
    fn code(&self, later: u64) -> String {
        let totp = Builder::new().with_secret(APP.to_vec()).with_account_name("a").build().unwrap();
        let now = u64::try_from(self.now().as_seconds()).unwrap();
        totp.generate(now + later).to_string()
    }

    async fn sign_in_with(self: Arc<Self>, user: UserId, code: String) -> Result<User> {
        let (secret, now) = (self.secret.clone(), self.now());
        let take = move |user: &mut User| user.take_code(&code, &secret, now);
        let session = SessionId::new(self.fresh.random.uuid_v7(now));
        let token = RefreshToken::first(session, &self.fresh.random);
        self.store.begin_session_with_code(user, token, self.later(), take).await
    }

    async fn change_mfa_by(
        &self,
        user: UserId,
        judge: impl Fn(&mut User, &Roles) -> Result<MfaEnds> + Send + Sync + 'static,
    ) -> Result<holdfast_types::IdempotentAnswer> {
        self.store.change_mfa(user, &self.operation(), self.now(), render, judge).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn change_mfa_ends_other_sessions_and_begin_session_with_code_takes_each_once() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        let ada = bench.store.create(&bench.new_user("ada")).await.unwrap().0.id;
        let (mine, other) = (bench.session(ada).await, bench.session(ada).await);
        bench.change_mfa_by(ada, |user, _| user.begin_mfa(APP)).await.unwrap();
        let (code, secret, now) = (bench.code(0), bench.secret.clone(), bench.now());
        let codes = vec!["abcde-fghjk".to_owned()];
        let confirm = move |user: &mut User, _: &Roles| {
            user.confirm_mfa(&code, &codes, mine.session, &secret, now)
        };
        bench.change_mfa_by(ada, confirm).await.unwrap();
        assert!(matches!(bench.exchange(other).await, Exchanged::Over));
        assert!(matches!(bench.exchange(mine).await, Exchanged::Renewed(_)));
        let user = bench.store.get(ada).await.unwrap().unwrap();
        let token = RefreshToken::first(SessionId::from_bytes([9; 16]), &bench.fresh.random);
        let begun = bench.store.begin_session(&user, token, bench.later()).await.unwrap();
        assert!(!begun, "a password that was verified before does not do any more");
        for code in [bench.code(30), "ABCDE FGHJK".to_owned()] {
            let spend = |_| tokio::spawn(Arc::clone(&bench).sign_in_with(ada, code.clone()));
            let calls: Vec<_> = (0..4).map(spend).collect();
            let mut taken = 0;
            for call in calls {
                taken += u32::from(call.await.unwrap().is_ok());
            }
            assert_eq!(taken, 1, "{code}");
        }
        let epoch = bench.store.get(ada).await.unwrap().unwrap().epoch;
        bench.change_mfa_by(ada, |user, _| Ok(user.lose_mfa())).await.unwrap();
        let since = bench.now().minus(Duration::from_secs(60));
        let revoked = bench.store.revocations(since).await.unwrap();
        assert_eq!(revoked.users.get(&ada), Some(&(epoch + 1)));
        assert!(matches!(bench.exchange(mine).await, Exchanged::Renewed(_)));
    })
    .await;
}

#[tokio::test]
async fn change_refuses_what_is_stale_and_the_deleted() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let ada = bench.store.create(&bench.new_user("ada")).await.unwrap().0.id;
        let rename = async |version: i64| {
            let judge = move |user: &mut User| {
                let basis = Basis { if_match: None, version: Some(Version(version)) };
                let name = Some(Some(format!("Ada {version}")));
                user.change(&UserChange::Profile { email: None, name }, &basis)
            };
            bench.store.change(ada, &bench.operation(), bench.now(), render, judge).await
        };
        rename(1).await.unwrap();
        assert_eq!(rename(1).await.unwrap_err().code(), Code::VersionConflict);
        bench.store.delete(ada, &bench.operation(), bench.now()).await.unwrap();
        assert_eq!(rename(3).await.unwrap_err().code(), Code::NotFound);
    })
    .await;
}
