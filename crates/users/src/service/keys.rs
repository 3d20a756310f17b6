//! API keys: made, changed, changed for tokens.

use std::{net::IpAddr, time::Duration};

use holdfast_types::{
    Answer, Basis, Code, Error, IdempotentAnswer, KeyId, Operation, Result, SessionId, Version,
};
use holdfast_web::auth::{ApiKeyText, Caller, KeyGrant, KeyProof};

use super::Users;
use crate::{
    model::{ApiKey, KeyAct, KeyChange, KeySecret, NewKey, unknown_key},
    reveal::Nonce,
    store::KeyHolder,
};

/// Shapes the answer about a key, so that it can be kept with the change.
type RenderKey = fn(&ApiKey) -> Result<Answer>;

impl Users {
    /// The text of the key `id` whose secret follows from `nonce`.
    pub(crate) fn key_text(&self, id: KeyId, nonce: &Nonce) -> ApiKeyText {
        ApiKeyText::new(id, &nonce.derive(self.secret(), "API key"))
    }

    fn fresh_session(&self) -> SessionId {
        SessionId::new(self.0.random.uuid_v7(self.now()))
    }

    /// A secret for the key `id`, and what it follows from.
    fn mint(&self, id: KeyId) -> (KeySecret, Nonce) {
        let nonce = Nonce::new(&self.0.random);
        let hash = self.key_text(id, &nonce).hash();
        (KeySecret { hash, session: self.fresh_session() }, nonce)
    }

    /// The key that a caller shows, whose limits bind what they do with keys.
    async fn own_key(&self, caller: &Caller) -> Result<Option<ApiKey>> {
        match caller.key {
            Some(id) => Ok(Some(self.store().key(id).await?.ok_or_else(unknown_key)?)),
            None => Ok(None),
        }
    }

    /// Keeps a key in the name of the caller, once per operation. Refuses with `forbidden` and `limit-reached`.
    pub(crate) async fn create_key(
        &self,
        caller: &Caller,
        new: NewKey,
        operation: &Operation,
        render: RenderKey,
    ) -> Result<IdempotentAnswer> {
        if let Some(given) = self.given(operation).await? {
            return Ok(given);
        }
        let now = self.now();
        let id = KeyId::new(self.0.random.uuid_v7(now));
        let (secret, nonce) = self.mint(id);
        let key = ApiKey {
            id,
            user: caller.user,
            name: new.name,
            permissions: new.permissions,
            addresses: new.addresses,
            expires_at: new.expires_at,
            secret,
            previous: None,
            last_used_at: None,
            version: Version::FIRST,
            created_at: now,
        };
        let maker = self.own_key(caller).await?;
        let key = key.made_by(&caller.authority, maker.as_ref(), now)?;
        let kept = move |key: &ApiKey| nonce.keep(render(key)?);
        self.store().create_key(key, &operation.about(id.uuid()), kept).await
    }

    /// Changes a key, once per operation. It acts within 5 s everywhere.
    pub(crate) async fn change_key(
        &self,
        caller: &Caller,
        id: KeyId,
        operation: &Operation,
        render: RenderKey,
        edit: impl Fn(&ApiKey) -> Result<(KeyChange, Basis)> + Send + Sync + 'static,
    ) -> Result<IdempotentAnswer> {
        if let Some(given) = self.given(operation).await? {
            return Ok(given);
        }
        let (now, session, holder) = (self.now(), self.fresh_session(), caller.authority);
        let own = self.own_key(caller).await?;
        let judge = move |key: &mut ApiKey, act: &KeyAct| {
            act.require_cover(&holder, key)?;
            let (change, basis) = edit(key)?;
            key.change(&change, &basis, now)?;
            act.require_cover(&holder, key)?;
            own.as_ref().map_or(Ok(()), |own| key.require_within(own))?;
            key.renew_if_changed(act, session);
            Ok(())
        };
        let given = self.store().change_key(id, operation, now, render, judge).await?;
        self.refresh_revocations().await?;
        Ok(given)
    }

    /// Gives a key of the caller another secret; the one before is good for `overlap` as well; once per operation.
    pub(crate) async fn rotate_key(
        &self,
        caller: &Caller,
        id: KeyId,
        overlap: Duration,
        operation: &Operation,
        render: RenderKey,
    ) -> Result<IdempotentAnswer> {
        if let Some(given) = self.given(operation).await? {
            return Ok(given);
        }
        let ((secret, nonce), now) = (self.mint(id), self.now());
        let (meanwhile, caller) = (self.fresh_session(), *caller);
        let own = self.own_key(&caller).await?;
        let rotate = move |key: &mut ApiKey, act: &KeyAct| {
            act.require_cover(&caller.authority, key)?;
            if key.user != caller.user {
                let why = "a key of somebody else: whoever has its secret passes for them";
                return Err(Error::new(Code::Forbidden, why));
            }
            own.as_ref().map_or(Ok(()), |own| key.require_within(own))?;
            key.rotate(secret, meanwhile, overlap, now);
            Ok(())
        };
        let kept = move |key: &ApiKey| nonce.keep(render(key)?);
        let given = self.store().change_key(id, operation, now, kept, rotate).await?;
        self.refresh_revocations().await?;
        Ok(given)
    }

    /// Deletes a key; once per operation.
    pub(crate) async fn delete_key(
        &self,
        caller: &Caller,
        id: KeyId,
        basis: Basis,
        operation: &Operation,
    ) -> Result<IdempotentAnswer> {
        let holder = caller.authority;
        let judge = move |key: &ApiKey, act: &KeyAct| {
            act.require_cover(&holder, key)?;
            basis.check_tag(&key.etag())
        };
        let given = self.store().delete_key(id, operation, self.now(), judge).await?;
        self.refresh_revocations().await?;
        Ok(given)
    }

    /// Changes a key that is shown from `client` for a token of what it permits. Refuses with `invalid-token`, `token-expired` or
    /// `token-revoked`, and with `forbidden` where it may not be used.
    pub async fn exchange_key(&self, proof: &KeyProof, client: Option<IpAddr>) -> Result<KeyGrant> {
        let (now, hash) = (self.now(), proof.hash);
        // Whoever only knows the id is refused before anything else is read.
        let admit = move |key: &ApiKey| key.admit(&hash, now);
        let found = self.store().key_holder(proof.id, admit).await?;
        let KeyHolder { mut key, admitted, user, standing } = found.ok_or_else(unknown_key)?;
        if !user.is_active() {
            let why = "the user whose API key it is may not sign in any more";
            return Err(Error::new(Code::TokenRevoked, why));
        }
        let standing = self.standing_of(&user, standing);
        let token = self.0.signer.sign_for_key(&user, standing, &key, admitted, now)?;
        let grant = KeyGrant { token, addresses: key.addresses.clone() };
        grant.check_address(client)?;
        if key.note_use(now)
            && let Err(error) = self.store().note_key_use(key.id, now).await
        {
            tracing::warn!(%error, "cannot note that an API key is used");
        }
        Ok(grant)
    }
}
