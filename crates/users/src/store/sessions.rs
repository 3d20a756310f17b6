//! Sessions, what was revoked, permissions to reset a password, and the keys that sign.

use std::{ops::Bound, sync::Arc};

use holdfast_storage::record::{Fault, Scan, Stored, Tx, Value};
use holdfast_types::{IdempotentAnswer, Operation, Result, Timestamp, UserId};
use holdfast_web::auth::{PublicKey, Revocations};

use super::{
    Exchanged, ResetGrant, UserStore,
    accounts::{lock, set_password},
    ending::{end, end_resets, remove},
    no_content,
    records::{PasswordReset, Revocation, Subject},
    roles, unknown_reset,
};
use crate::{
    model::{Roles, User},
    tokens::{Exchange, RefreshToken, Session, SigningKey},
};

/// Revocations and keys that are read at a time.
const PAGE: usize = 500;
/// Sessions that one transaction forgets, and guests with them.
const FORGET: usize = 50;

impl UserStore {
    /// Begins a session of a user whose password is still the one that was verified, who may still sign in, and of whom no second
    /// factor is wanted; says whether it did.
    pub(crate) async fn begin_session(
        &self,
        user: &User,
        token: RefreshToken,
        expires_at: Timestamp,
    ) -> Result<bool> {
        let (id, password_hash) = (user.id, user.password_hash.clone());
        let session = self.first_session(id, token, expires_at);
        let begin = move |tx: Tx| {
            let password_hash = password_hash.clone();
            async move {
                let current = lock(&tx, id).await?;
                let is_same = current.is_active() && current.password_hash == password_hash;
                let is_same = is_same && !current.has_mfa();
                if is_same {
                    tx.insert(&session).await??;
                }
                Ok(is_same)
            }
        };
        self.db.transact(begin).await
    }

    /// Begins a session of a user who shows a code, when `judge` takes it, and returns the user; what `judge` says of a wrong code is
    /// kept too. Of two who come with one code, one is refused.
    pub(crate) async fn begin_session_with_code(
        &self,
        id: UserId,
        token: RefreshToken,
        expires_at: Timestamp,
        judge: impl Fn(&mut User) -> Result<()> + Send + Sync + 'static,
    ) -> Result<User> {
        let (judge, session) = (Arc::new(judge), self.first_session(id, token, expires_at));
        let begin = move |tx: Tx| {
            let judge = Arc::clone(&judge);
            async move {
                let mut user = lock(&tx, id).await?;
                // A transaction whose outcome was not known is run again.
                if tx.get::<Session>(session.id).await?.is_some() {
                    return Ok(Ok(user.into_inner()));
                }
                let judged = judge(&mut user);
                tx.put(&user).await??;
                if let Err(refusal) = judged {
                    return Ok(Err(refusal));
                }
                tx.insert(&session).await??;
                Ok(Ok(user.into_inner()))
            }
        };
        self.db.transact(begin).await?
    }

    /// Keeps somebody who buys without a name, and their session.
    pub(crate) async fn begin_guest(
        &self,
        guest: &User,
        token: RefreshToken,
        expires_at: Timestamp,
    ) -> Result<()> {
        let (guest, session) = (guest.clone(), self.first_session(guest.id, token, expires_at));
        let begin = move |tx: Tx| {
            let guest = guest.clone();
            async move {
                // A transaction whose outcome was not known is run again.
                if tx.get::<User>(guest.id).await?.is_none() {
                    tx.insert(&guest).await??;
                    tx.insert(&session).await??;
                }
                Ok(())
            }
        };
        self.db.transact(begin).await
    }

    fn first_session(&self, user: UserId, token: RefreshToken, expires_at: Timestamp) -> Session {
        Session {
            id: token.session,
            user,
            newest: token.stored_hash(&self.secret),
            generation: 0,
            expires_at,
        }
    }

    /// Forgets sessions that expired before `before`, and guests who have none left.
    pub(super) async fn forget_sessions(&self, before: Timestamp) -> Result<()> {
        let until = Bound::Excluded(Value::from(before));
        loop {
            let scan = Scan::of("expiry", FORGET).range(Bound::Unbounded, until.clone());
            let forget = move |tx: Tx| {
                let scan = scan.clone();
                async move {
                    let expired = tx.scan::<Session>(scan).await?;
                    let count = expired.len();
                    remove(&tx, expired).await.map(|()| count)
                }
            };
            if self.db.transact(forget).await? < FORGET {
                return Ok(());
            }
        }
    }

    /// Exchanges a refresh token: the newest moves the session on, a repeat does not, an older one ends it.
    pub(crate) async fn exchange(
        &self,
        token: RefreshToken,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<Exchanged> {
        loop {
            let seen: Option<Session> = self.db.get(token.session).await?;
            let Some(seen) = seen else { return Ok(Exchanged::Over) };
            // A thousand links are hashed here, and not where everybody waits who writes.
            let exchange = seen.exchange(token, &self.secret, now);
            let renew = move |tx: Tx| renew(tx, seen, exchange, now, expires_at);
            if let Some(exchanged) = self.db.transact(renew).await? {
                return Ok(exchanged);
            }
        }
    }

    /// Ends the session that a refresh token belongs to, if it belongs to one: an invented token has no say.
    pub(crate) async fn end_session(&self, token: RefreshToken, now: Timestamp) -> Result<()> {
        let session: Option<Session> = self.db.get(token.session).await?;
        if !session.is_some_and(|session| session.knows(token, &self.secret)) {
            return Ok(());
        }
        let end = move |tx: Tx| async move {
            let session: Option<Stored<Session>> = tx.get(token.session).await?;
            end(&tx, session.into_iter().collect(), now).await
        };
        self.db.transact(end).await
    }

    /// What was revoked while a token was alive that was made after `since`.
    pub(crate) async fn revocations(&self, since: Timestamp) -> Result<Revocations> {
        let read = move |tx: Tx| async move {
            let mut revocations = Revocations::default();
            let mut after = None;
            loop {
                let from = Bound::Excluded(Value::from(since));
                let scan = Scan::of("time", PAGE).range(from, Bound::Unbounded).after(after);
                let page = tx.scan::<Revocation>(scan).await?;
                page.iter().for_each(|revocation| note(&mut revocations, &revocation.subject));
                match page.last() {
                    Some(last) if page.len() == PAGE => after = Some(last.position(Some("time"))),
                    _ => return Ok(revocations),
                }
            }
        };
        self.db.read(read).await
    }

    /// Keeps a permission to reset a password, in the place of earlier ones, where `judge` permits it; once per operation.
    /// Returns when it expires, and whether it was kept before.
    pub(crate) async fn grant_reset(
        &self,
        grant: &ResetGrant,
        operation: &Operation,
        now: Timestamp,
        judge: impl Fn(&User, &Roles) -> Result<()> + Send + Sync + 'static,
    ) -> Result<(Timestamp, bool)> {
        let judge = Arc::new(judge);
        let reset = PasswordReset::open(operation.id, grant);
        let (outbox, audit) = (self.outbox.clone(), operation.audit.clone());
        let keep = move |tx: Tx| {
            let (reset, judge) = (reset.clone(), Arc::clone(&judge));
            let (outbox, audit) = (outbox.clone(), audit.clone());
            async move {
                let user = lock(&tx, reset.user).await?;
                judge(&user, &roles::read_roles(&tx).await?)?;
                if let Some(kept) = tx.get::<PasswordReset>(reset.id).await? {
                    return Ok((kept.expires_at, true));
                }
                end_resets(&tx, reset.user).await?;
                tx.insert(&reset).await??;
                outbox.put(&tx, audit.map(|audit| audit.message(now))).await?;
                Ok((reset.expires_at, false))
            }
        };
        self.db.transact(keep).await
    }

    /// The user whom an unused, unexpired permission is for.
    pub(crate) async fn find_reset(
        &self,
        token_hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<User>> {
        let reset: Option<PasswordReset> = self.db.find("token", [(*token_hash).into()]).await?;
        match reset.filter(|reset| reset.is_open(now)) {
            Some(reset) => self.get(reset.user).await,
            None => Ok(None),
        }
    }

    /// Uses a permission: sets the password and ends all sessions; once per operation.
    /// Refuses with `validation` when the permission was used, was replaced or has expired.
    pub(crate) async fn reset_password(
        &self,
        token_hash: &[u8; 32],
        hash: &str,
        operation: &Operation,
        now: Timestamp,
    ) -> Result<IdempotentAnswer> {
        let (token_hash, hash) = (*token_hash, hash.to_owned());
        let apply = move |tx: Tx| {
            let hash = hash.clone();
            async move {
                let find = async || {
                    let reset = tx.find::<PasswordReset>("token", [token_hash.into()]).await?;
                    let reset = reset.filter(|reset| reset.is_open(now));
                    Ok::<_, Fault>(reset.ok_or_else(unknown_reset)?)
                };
                let user = lock(&tx, find().await?.user).await?;
                // Whoever had the lock before may have used or replaced it.
                find().await?;
                set_password(&tx, user, hash, None, now).await?;
                Ok(no_content())
            }
        };
        self.outbox.once(operation, now, apply).await
    }

    /// The keys that tokens may be signed with, newest first; `fresh` becomes the first when there is none.
    pub(crate) async fn signing_keys(&self, fresh: SigningKey) -> Result<Vec<SigningKey>> {
        let keys = move |tx: Tx| {
            let fresh = fresh.clone();
            async move {
                tx.lock::<SigningKey>(["first".into()]).await?;
                let keys = read_keys(&tx).await?;
                if keys.is_empty() {
                    tx.insert(&fresh).await??;
                    return Ok(vec![fresh]);
                }
                Ok(keys)
            }
        };
        self.db.transact(keys).await
    }

    /// The public parts of all keys.
    pub(crate) async fn public_keys(&self) -> Result<Vec<PublicKey>> {
        let keys = self.db.read(|tx| async move { read_keys(&tx).await }).await?;
        keys.iter().map(SigningKey::public).collect()
    }
}

async fn read_keys(tx: &Tx) -> Result<Vec<SigningKey>, Fault> {
    let keys = tx.scan::<SigningKey>(Scan::of_keys(PAGE)).await?;
    let mut keys: Vec<SigningKey> = keys.into_iter().map(Stored::into_inner).collect();
    keys.sort_by(|one, other| (other.created_at, &one.kid).cmp(&(one.created_at, &other.kid)));
    Ok(keys)
}

/// Moves a session on by an exchange that was judged by what was `seen`; `None` when it has moved since.
async fn renew(
    tx: Tx,
    seen: Session,
    exchange: Exchange,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<Option<Exchanged>, Fault> {
    let (newest, steps) = match exchange {
        Exchange::Over => return Ok(Some(Exchanged::Over)),
        Exchange::Foreign => return Ok(Some(Exchanged::Foreign)),
        Exchange::Successor(newest) => (newest, 1),
        Exchange::Same | Exchange::Theft => (seen.newest, 0),
    };
    let session: Option<Stored<Session>> = tx.get(seen.id).await?;
    let Some(mut session) = session else { return Ok(Some(Exchanged::Over)) };
    if (session.newest, session.generation) != (seen.newest, seen.generation) {
        return Ok(None);
    }
    if exchange == Exchange::Theft {
        end(&tx, vec![session], now).await?;
        return Ok(Some(Exchanged::Theft));
    }
    let user: Option<Stored<User>> = tx.get(session.user).await?;
    let Some(user) = user.filter(|user| user.is_active()) else {
        return Ok(Some(Exchanged::Over));
    };
    session.newest = newest;
    session.generation += steps;
    session.expires_at = session.expires_at.max(expires_at);
    tx.put(&session).await??;
    Ok(Some(Exchanged::Renewed(Box::new(user.into_inner()))))
}

fn note(revocations: &mut Revocations, subject: &Subject) {
    match subject {
        Subject::Session(session) => {
            revocations.sessions.insert(*session);
        }
        Subject::User(user, epoch) => revocations.refuse_before(*user, *epoch),
        Subject::Role(role, version) => revocations.refuse_role_before(role.clone(), *version),
    }
}
