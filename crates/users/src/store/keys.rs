//! API keys.

use std::{collections::BTreeSet, sync::Arc};

use holdfast_storage::record::{Fault, Scan, Stored, Tx};
use holdfast_types::{
    Answer, Authority, Code, Error, IdempotentAnswer, KeyId, Operation, Page, PageRequest, Result,
    SessionId, Timestamp, UserId,
};
use uuid::Uuid;

use super::{UserStore, accounts, ending, no_content, records::Subject, roles::read_roles};
use crate::model::{ApiKey, KeyAct, KeyStanding, Standing, User};

/// API keys of a shop.
pub(super) const KEYS: usize = 200;
/// Names the list in its cursors.
const LIST: &str = "keys";
/// Stands for all keys: whoever adds one locks it.
const ALL: Uuid = Uuid::nil();

/// An API key that was shown, and who stands behind it.
#[derive(Debug)]
pub(crate) struct KeyHolder {
    pub(crate) key: ApiKey,
    pub(crate) admitted: KeyStanding,
    pub(crate) user: User,
    pub(crate) standing: Standing,
}

impl UserStore {
    /// Keeps an API key, once per operation. Refuses with `limit-reached` when there are 200.
    pub(crate) async fn create_key(
        &self,
        key: ApiKey,
        operation: &Operation,
        render: impl Fn(&ApiKey) -> Result<Answer> + Send + Sync + 'static,
    ) -> Result<IdempotentAnswer> {
        let (now, render) = (key.created_at, Arc::new(render));
        let create = move |tx: Tx| {
            let (key, render) = (key.clone(), Arc::clone(&render));
            async move {
                // Who is deleted meanwhile has no keys left.
                let user = accounts::lock(&tx, key.user).await?;
                if !user.is_active() {
                    return Err(Error::not_found("user").into());
                }
                tx.lock::<ApiKey>([ALL.into()]).await?;
                if tx.scan::<ApiKey>(Scan::of_keys(KEYS)).await?.len() >= KEYS {
                    let why = format!("a shop has {KEYS} API keys at most");
                    return Err(Error::new(Code::LimitReached, why).into());
                }
                tx.insert(&key).await??;
                Ok(render(&key)?)
            }
        };
        self.outbox.once(operation, now, create).await
    }

    /// The API key with that id.
    pub(crate) async fn key(&self, id: KeyId) -> Result<Option<ApiKey>> {
        self.db.get(id).await
    }

    /// API keys, the newest first.
    pub(crate) async fn list_keys(&self, request: &PageRequest) -> Result<Page<ApiKey>> {
        self.db.page(Scan::of("creation", 0).descending(), LIST, request).await
    }

    /// An API key with the user in whose name it acts, and what that user may do. What `admit` refuses is refused before those are
    /// read.
    pub(crate) async fn key_holder(
        &self,
        id: KeyId,
        admit: impl Fn(&ApiKey) -> Result<KeyStanding> + Send + Sync + 'static,
    ) -> Result<Option<KeyHolder>> {
        let admit = Arc::new(admit);
        let read = move |tx: Tx| {
            let admit = Arc::clone(&admit);
            async move {
                let Some(key) = tx.get::<ApiKey>(id).await? else { return Ok(None) };
                let admitted = admit(&key)?;
                let Some(user) = tx.get::<User>(key.user).await? else { return Ok(None) };
                let standing = read_roles(&tx).await?.standing(&user.role);
                let (key, user) = (key.into_inner(), user.into_inner());
                Ok(Some(KeyHolder { key, admitted, user, standing }))
            }
        };
        self.db.read(read).await
    }

    /// Changes an API key as `judge` says, who is told what its user may do; once per operation. Tokens that were given for what it was are refused. Refuses with
    /// `not-found`.
    pub(crate) async fn change_key(
        &self,
        id: KeyId,
        operation: &Operation,
        now: Timestamp,
        render: impl Fn(&ApiKey) -> Result<Answer> + Send + Sync + 'static,
        judge: impl Fn(&mut ApiKey, &KeyAct) -> Result<()> + Send + Sync + 'static,
    ) -> Result<IdempotentAnswer> {
        let (judge, render) = (Arc::new(judge), Arc::new(render));
        let change = move |tx: Tx| {
            let (judge, render) = (Arc::clone(&judge), Arc::clone(&render));
            async move {
                let (mut key, act) = find(&tx, id).await?;
                let before: BTreeSet<SessionId> = key.sessions().collect();
                judge(&mut key, &act)?;
                tx.put(&key).await??;
                let after: BTreeSet<SessionId> = key.sessions().collect();
                for session in before.difference(&after) {
                    ending::revoke(&tx, Subject::Session(*session), key.last_issue(now)).await?;
                }
                Ok(render(&key)?)
            }
        };
        self.outbox.once(operation, now, change).await
    }

    /// Notes that an API key is used, at most once a minute.
    pub(crate) async fn note_key_use(&self, id: KeyId, now: Timestamp) -> Result<()> {
        let note = move |tx: Tx| async move {
            if let Some(mut key) = tx.get::<ApiKey>(id).await?
                && key.note_use(now)
            {
                tx.put(&key).await??;
            }
            Ok(())
        };
        self.db.transact(note).await
    }

    /// Deletes an API key as `judge` permits; once per operation: its tokens are refused from now on. Refuses with `not-found`.
    pub(crate) async fn delete_key(
        &self,
        id: KeyId,
        operation: &Operation,
        now: Timestamp,
        judge: impl Fn(&ApiKey, &KeyAct) -> Result<()> + Send + Sync + 'static,
    ) -> Result<IdempotentAnswer> {
        let judge = Arc::new(judge);
        let delete = move |tx: Tx| {
            let judge = Arc::clone(&judge);
            async move {
                let (key, act) = find(&tx, id).await?;
                judge(&key, &act)?;
                remove(&tx, vec![key], now).await?;
                Ok(no_content())
            }
        };
        self.outbox.once(operation, now, delete).await
    }
}

/// The key, which nobody changes meanwhile, and what its user may do.
async fn find(tx: &Tx, id: KeyId) -> Result<(Stored<ApiKey>, KeyAct), Fault> {
    tx.lock::<ApiKey>([id.into()]).await?;
    let key = tx.get::<ApiKey>(id).await?.ok_or_else(|| Error::not_found("API key"))?;
    let holder = match tx.get::<User>(key.user).await? {
        Some(user) => read_roles(tx).await?.standing(&user.role).authority,
        None => Authority::NONE,
    };
    let before = Some(ApiKey::clone(&key));
    Ok((key, KeyAct { holder, before }))
}

/// Deletes all API keys of a user.
pub(super) async fn remove_keys_of(tx: &Tx, user: UserId, now: Timestamp) -> Result<(), Fault> {
    let keys = tx.scan::<ApiKey>(Scan::of("user", KEYS).equal(user)).await?;
    remove(tx, keys, now).await
}

async fn remove(tx: &Tx, keys: Vec<Stored<ApiKey>>, now: Timestamp) -> Result<(), Fault> {
    let ended: Vec<(SessionId, Timestamp)> = keys
        .iter()
        .flat_map(|key| key.sessions().map(|session| (session, key.last_issue(now))))
        .collect();
    tx.delete_all(keys).await?;
    for (session, at) in ended {
        ending::revoke(tx, Subject::Session(session), at).await?;
    }
    Ok(())
}
