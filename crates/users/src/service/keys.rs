//! API keys: made, changed for tokens.

use std::time::Duration;

use holdfast_types::{
    Answer, Authority, Code, Error, IdempotentAnswer, KeyId, Operation, Result, SessionId, UserId,
    Version,
};
use holdfast_web::auth::{ApiKeyText, KeyGrant, KeyProof};

use super::Users;
use crate::model::{ApiKey, KeySecret, NewKey, require_cover, unknown_key};

/// What a new secret is, and what is kept of it.
pub(crate) struct Minted {
    pub(crate) text: ApiKeyText,
    secret: KeySecret,
}

impl Users {
    /// The secret that an operation gives the key `id`. It follows from the operation, so that a repeat gets the same: whoever has
    /// the database can tell it as long as the operation's answer is kept in it, and not after that.
    pub(crate) fn mint(&self, id: KeyId, operation: &Operation) -> Minted {
        let text = ApiKeyText::new(id, &self.derive(b"secret", operation));
        let session = SessionId::from_bytes(half(self.derive(b"session", operation)));
        Minted { secret: KeySecret { hash: text.hash(), session }, text }
    }

    /// The id of the key that an operation makes: not the operation's own, which its secret follows from.
    pub(crate) fn key_id(&self, operation: &Operation) -> KeyId {
        let bytes = half(self.derive(b"id", operation));
        KeyId::new(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    fn derive(&self, what: &[u8], operation: &Operation) -> [u8; 32] {
        self.secret().hash(&[b"API key ", what, operation.id.as_bytes()].concat())
    }

    /// Keeps a key of `user`, who may do what `holder` says; once per operation. Refuses with `forbidden` and `limit-reached`.
    pub(crate) async fn create_key(
        &self,
        user: UserId,
        holder: &Authority,
        new: NewKey,
        operation: &Operation,
        render: fn(&ApiKey) -> Result<Answer>,
    ) -> Result<IdempotentAnswer> {
        let own_products_only = holder.own_products_only;
        require_cover(holder, &Authority { permissions: new.permissions, own_products_only })?;
        let id = self.key_id(operation);
        let now = self.now();
        let is_over = new.expires_at.is_some_and(|end| end <= now);
        if is_over && self.store().replay(operation).await?.is_none() {
            return Err(Error::invalid("#/expiresAt", "expected a time to come"));
        }
        let key = ApiKey {
            id,
            user,
            name: new.name,
            permissions: new.permissions,
            addresses: new.addresses,
            expires_at: new.expires_at,
            secret: self.mint(id, operation).secret,
            previous: None,
            last_used_at: None,
            version: Version::FIRST,
            created_at: now,
        };
        self.store().create_key(key, operation, render).await
    }

    /// Changes a key as `judge` says; once per operation. It acts within 5 s everywhere.
    pub(crate) async fn change_key(
        &self,
        id: KeyId,
        operation: &Operation,
        render: fn(&ApiKey) -> Result<Answer>,
        judge: impl Fn(&mut ApiKey) -> Result<()> + Send + Sync + 'static,
    ) -> Result<IdempotentAnswer> {
        let session = SessionId::from_bytes(half(self.derive(b"session", operation)));
        let renew = move |key: &mut ApiKey| {
            let version = key.version;
            judge(key)?;
            if key.version != version {
                key.renew(session);
            }
            Ok(())
        };
        let given = self.store().change_key(id, operation, self.now(), render, renew).await?;
        self.refresh_revocations().await?;
        Ok(given)
    }

    /// Gives a key another secret; the one before is good for `overlap` as well; once per operation.
    pub(crate) async fn rotate_key(
        &self,
        id: KeyId,
        holder: Authority,
        overlap: Duration,
        operation: &Operation,
        render: fn(&ApiKey) -> Result<Answer>,
    ) -> Result<IdempotentAnswer> {
        let (secret, now) = (self.mint(id, operation).secret, self.now());
        let meanwhile = SessionId::from_bytes(half(self.derive(b"meanwhile", operation)));
        let rotate = move |key: &mut ApiKey| {
            key.require_cover(&holder)?;
            key.rotate(secret, meanwhile, overlap, now);
            Ok(())
        };
        let given = self.store().change_key(id, operation, now, render, rotate).await?;
        self.refresh_revocations().await?;
        Ok(given)
    }

    /// Deletes a key; once per operation.
    pub(crate) async fn delete_key(
        &self,
        id: KeyId,
        holder: Authority,
        operation: &Operation,
    ) -> Result<IdempotentAnswer> {
        let judge = move |key: &ApiKey| key.require_cover(&holder);
        let given = self.store().delete_key(id, operation, self.now(), judge).await?;
        self.refresh_revocations().await?;
        Ok(given)
    }

    /// Changes a key for a token of what it permits. Refuses with `invalid-token`, `token-expired` or `token-revoked`.
    pub async fn exchange_key(&self, proof: &KeyProof) -> Result<KeyGrant> {
        let now = self.now();
        let found = self.store().key_holder(proof.id).await?;
        let (mut key, user, standing) = found.ok_or_else(unknown_key)?;
        let admitted = key.admit(proof, now)?;
        if !user.is_active() {
            let why = "the user whose API key it is may not sign in any more";
            return Err(Error::new(Code::TokenRevoked, why));
        }
        let token = self.0.signer.sign_for_key(&user, standing, &key, admitted, now)?;
        if key.note_use(now)
            && let Err(error) = self.store().note_key_use(key.id, now).await
        {
            tracing::warn!(%error, "cannot note that an API key is used");
        }
        Ok(KeyGrant { token, addresses: key.addresses })
    }
}

fn half(bytes: [u8; 32]) -> [u8; 16] {
    std::array::from_fn(|place| bytes[place])
}
