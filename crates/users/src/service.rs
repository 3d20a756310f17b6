//! What the users service does, apart from HTTP and storage.

mod accounts;
mod guesses;
mod keys;
mod mailing;
mod mfa;
mod roles;
mod sessions;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use holdfast_storage::{Database, EventSource};
use holdfast_types::{
    Clock, PageRequest, Random, Result, Role, Secret, Sources, Timestamp, UserId,
};
use holdfast_web::{
    Lists,
    auth::{PublicKey, Revocations, Verifier},
    rate::{Quota, RateLimit},
};

use tokio::sync::Semaphore;

use crate::{
    model::{NewUser, Password, Username},
    passwords::Passwords,
    store::{UserFilter, UserStore},
    tokens::{Signer, SigningKey},
};

pub(crate) use accounts::Registration;
pub(crate) use guesses::Guess;
pub use guesses::GuessQuotas;
use guesses::Guesses;
pub(crate) use mfa::{RenderUser, SecondFactor};
pub(crate) use sessions::{Login, SignedIn};

/// How long after a change a token that does not know of it may be alive: its life, and the polls around it.
const REVOCATION_TIME: Duration = Duration::from_secs(16 * 60);
/// How long kept answers are kept.
const ANSWER_TIME: Duration = Duration::from_secs(48 * 60 * 60);

/// Requests for a new password by letter that are under way.
const RESETS: usize = 64;

/// The source of what an operator asks for.
const OPERATOR: &str = "operator";

/// What the users service can be told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Issuer and audience of the tokens.
    pub issuer: String,
    /// Roles that permit nothing to who signs in without a second factor.
    pub mfa_roles: Vec<Role>,
    /// Failed logins, and other guesses at passwords.
    pub guesses: GuessQuotas,
    /// Registrations per address; `None` for no limit.
    pub registrations_per_address: Option<Quota>,
    /// Guests per address; `None` for no limit.
    pub guests_per_address: Option<Quota>,
    /// Letters that somebody can ask for, per address and per account; `None` for no limit.
    pub letters: Option<Quota>,
}

/// The users service. Clones share it.
#[derive(Clone)]
pub struct Users(Arc<Inner>);

struct Inner {
    store: UserStore,
    issuer: String,
    mfa_roles: Vec<Role>,
    secret: Secret,
    passwords: Passwords,
    signer: Signer,
    verifier: Arc<Verifier>,
    clock: Clock,
    random: Random,
    guesses: Guesses,
    registrations: Option<RateLimit>,
    guests: Option<RateLimit>,
    letters: Option<RateLimit>,
    /// Turns of those who have asked for a new password by letter.
    resets: Arc<Semaphore>,
    refreshed: Refreshed,
    lists: Lists,
}

/// How often the verifier was asked to be, and was, brought up to date.
#[derive(Default)]
struct Refreshed {
    asked: AtomicU64,
    done: tokio::sync::Mutex<u64>,
}

impl std::fmt::Debug for Users {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Users").finish_non_exhaustive()
    }
}

/// The administrator of an empty shop.
#[derive(Debug)]
pub struct FirstAdministrator {
    /// The name to sign in with.
    pub username: &'static str,
    /// The password, when we made it up.
    pub made_up_password: Option<String>,
}

impl Users {
    /// Opens the service on its database: tables, secret and signing key come about here.
    pub async fn open(
        database: &Database,
        settings: &Settings,
        verifier: Arc<Verifier>,
        sources: Sources,
    ) -> Result<Self> {
        let Sources { clock, random } = sources;
        let (store, secret) = UserStore::open(database, &random).await?;
        let keys = store.signing_keys(SigningKey::generate(&random, clock.now())?).await?;
        let newest = keys.first().expect("a key was just made if there was none");
        let users = Self(Arc::new(Inner {
            signer: Signer::new(&settings.issuer, newest, random.clone()),
            passwords: Passwords::new(random.clone()),
            guesses: Guesses::new(settings.guesses, secret.clone(), random.clone()),
            registrations: settings.registrations_per_address.map(RateLimit::new),
            guests: settings.guests_per_address.map(RateLimit::new),
            letters: settings.letters.map(RateLimit::new),
            resets: Arc::new(Semaphore::new(RESETS)),
            issuer: settings.issuer.clone(),
            mfa_roles: settings.mfa_roles.clone(),
            refreshed: Refreshed::default(),
            lists: Lists::default(),
            store,
            secret,
            verifier,
            clock,
            random,
        }));
        users.0.verifier.set_keys(&users.public_keys().await?)?;
        users.refresh_revocations().await?;
        let roles = users.store().roles().await?;
        for role in settings.mfa_roles.iter().filter(|role| roles.require(role).is_err()) {
            tracing::warn!(%role, "a second factor is wanted of a role that there is not");
        }
        Ok(users)
    }

    /// The keys that verify access tokens.
    pub async fn public_keys(&self) -> Result<Vec<PublicKey>> {
        self.0.store.public_keys().await
    }

    /// What verifiers must refuse now.
    pub async fn revocations(&self) -> Result<Revocations> {
        self.0.store.revocations(self.now().minus(REVOCATION_TIME)).await
    }

    /// Brings this process's own verifier up to date. Those who ask at the same time share one reading, which began
    /// after all of them had asked.
    pub async fn refresh_revocations(&self) -> Result<()> {
        let Refreshed { asked, done } = &self.0.refreshed;
        let mine = asked.fetch_add(1, SeqCst) + 1;
        let mut done = done.lock().await;
        if *done < mine {
            let all = asked.load(SeqCst);
            self.0.verifier.set_revocations(self.revocations().await?);
            *done = all;
        }
        Ok(())
    }

    /// Users that were deleted at `since` or later, the earliest first, [`crate::DELETED_PAGE`] at most: other services erase what they
    /// know of them.
    pub async fn deleted(&self, since: Timestamp) -> Result<Vec<(Timestamp, UserId)>> {
        self.0.store.deleted(since).await
    }

    /// What contradicts itself.
    pub async fn audit(&self) -> Result<Vec<String>> {
        self.0.store.audit().await
    }

    /// Forgets what nobody can need any more.
    pub async fn forget(&self) -> Result<()> {
        self.0.store.forget(self.0.clock.before(ANSWER_TIME)).await
    }

    /// Makes the first administrator, called `admin`, when there is no user at all.
    pub async fn ensure_administrator(
        &self,
        password: Option<&str>,
    ) -> Result<Option<FirstAdministrator>> {
        let one = PageRequest { limit: 1, after: None };
        let found = self.0.store.list(&UserFilter::default(), &one).await?;
        if !found.items.is_empty() {
            return Ok(None);
        }
        let made_up = password.is_none().then(|| self.make_up_password());
        let password = password.or(made_up.as_deref()).unwrap_or_default();
        let new = self.new_user("admin", password, Role::admin()).await?;
        let created = self.0.store.create_first(&new).await?;
        Ok(created.then_some(FirstAdministrator { username: "admin", made_up_password: made_up }))
    }

    /// Adds a user of any role, as an operator. Refuses what registration refuses.
    pub async fn add(&self, username: &str, password: &str, role: Role) -> Result<UserId> {
        self.0.store.roles().await?.require(&role)?;
        let new = self.new_user(username, password, role).await?;
        Ok(self.0.store.create(&new).await?.0.id)
    }

    async fn new_user(&self, username: &str, password: &str, role: Role) -> Result<NewUser> {
        let refuse = |pointer, why| holdfast_types::Error::invalid(pointer, why);
        let username = Username::parse(username).map_err(|why: &str| refuse("#/username", why))?;
        let password = Password::parse(password, username.as_str())
            .map_err(|why: &str| refuse("#/password", why))?;
        let now = self.now();
        Ok(NewUser {
            id: UserId::new(self.0.random.uuid_v7(now)),
            username,
            password_hash: self.0.passwords.hash(OPERATOR, password.reveal()).await?,
            role,
            email: None,
            name: None,
            fingerprint: self.0.secret.fingerprint(&[]),
            created_at: now,
        })
    }

    /// Twenty letters and digits that cannot be mistaken for each other: 99 bits.
    fn make_up_password(&self) -> String {
        const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789A";
        self.0
            .random
            .bytes::<20>()
            .iter()
            .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
            .collect()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    pub(crate) fn verifier(&self) -> Arc<Verifier> {
        Arc::clone(&self.0.verifier)
    }

    pub(crate) fn lists(&self) -> Lists {
        self.0.lists.clone()
    }

    pub(crate) fn secret(&self) -> &Secret {
        &self.0.secret
    }

    /// What users tell the world.
    #[must_use]
    pub fn outbox(&self) -> Arc<dyn EventSource> {
        Arc::new(self.store().outbox().clone())
    }

    pub(crate) fn store(&self) -> &UserStore {
        &self.0.store
    }
}
