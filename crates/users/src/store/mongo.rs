//! Users on MongoDB.

mod accounts;
mod portable;
mod sessions;

use async_trait::async_trait;
use holdfast_storage::{
    Entry, Flow,
    mongo::{Mongo, operations},
};
use holdfast_types::{
    Answer, Basis, Error, Given, Operation, Page, PageRequest, Random, Result, Secret, Timestamp,
    UserId,
};
use holdfast_web::auth::{PublicKey, Revocations};

use super::{
    ANSWERS, Exchanged, PasswordChange, Render, ResetGrant, UserStore, no_content,
    portable::Record, unknown_reset,
};
use crate::{
    model::{NewUser, User, UserChange},
    tokens::{RefreshToken, SigningKey},
};

const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/mongo-0001.json"),
    include_str!("../../migrations/mongo-0002.json"),
];

#[derive(Debug)]
pub(super) struct MongoUsers {
    db: Mongo,
    secret: Secret,
}

impl MongoUsers {
    pub(super) async fn open(db: Mongo, random: &Random) -> Result<(Self, Secret)> {
        db.migrate("users", MIGRATIONS).await?;
        let secret = db.secret("users", random).await?;
        Ok((Self { db, secret: secret.clone() }, secret))
    }
}

#[async_trait]
impl UserStore for MongoUsers {
    async fn create(&self, new: &NewUser) -> Result<(User, bool)> {
        self.db.transaction(|tx| async move { accounts::create(&tx, new).await }).await
    }

    async fn create_first(&self, new: &NewUser) -> Result<bool> {
        self.db.transaction(|tx| async move { accounts::create_first(&tx, new).await }).await
    }

    async fn get(&self, id: UserId) -> Result<Option<User>> {
        accounts::get(&self.db, id).await
    }

    async fn find(&self, folded: &str) -> Result<Option<User>> {
        accounts::by_name(&self.db, folded).await
    }

    async fn staff(&self) -> Result<Vec<String>> {
        accounts::staff(&self.db).await
    }

    async fn list(&self, request: &PageRequest) -> Result<Page<User>> {
        accounts::list(&self.db, request).await
    }

    async fn replay(&self, operation: &Operation) -> Result<Option<Answer>> {
        operations::replay(&self.db, ANSWERS, operation).await
    }

    async fn change(
        &self,
        id: UserId,
        change: (&UserChange, &Basis),
        (operation, render): (&Operation, Render),
        now: Timestamp,
    ) -> Result<Given> {
        self.db
            .transaction(|tx| async move {
                let effect = async { Ok(render(&accounts::change(&tx, id, change, now).await?)?) };
                operations::once(&tx, ANSWERS, operation, now, effect).await
            })
            .await
    }

    async fn change_password(
        &self,
        change: &PasswordChange,
        operation: &Operation,
        now: Timestamp,
    ) -> Result<Given> {
        self.db
            .transaction(|tx| async move {
                let effect = async {
                    let user = accounts::find(&tx, change.user).await?;
                    let user = user.filter(|user| user.password_hash == change.from);
                    let wrong = || Error::invalid("#/currentPassword", "the password is wrong");
                    let user = user.ok_or_else(wrong)?;
                    accounts::set_password(&tx, user.id, &change.to).await?;
                    sessions::end_all(&tx, user.id, change.keep, now).await?;
                    sessions::end_resets(&tx, user.id).await?;
                    Ok(no_content())
                };
                operations::once(&tx, ANSWERS, operation, now, effect).await
            })
            .await
    }

    async fn delete(&self, id: UserId, operation: &Operation, now: Timestamp) -> Result<Given> {
        self.db
            .transaction(|tx| async move {
                let effect = async {
                    accounts::erase(&tx, id, now).await?;
                    sessions::revoke_user(&tx, id, i64::MAX, now).await?;
                    sessions::end_all(&tx, id, None, now).await?;
                    sessions::end_resets(&tx, id).await?;
                    Ok(no_content())
                };
                operations::once(&tx, ANSWERS, operation, now, effect).await
            })
            .await
    }

    async fn deleted(&self, since: Timestamp) -> Result<Vec<(Timestamp, UserId)>> {
        accounts::deleted(&self.db, since).await
    }

    async fn grant_reset(
        &self,
        grant: &ResetGrant,
        operation: &Operation,
    ) -> Result<(Timestamp, bool)> {
        self.db
            .transaction(|tx| async move { sessions::grant_reset(&tx, grant, operation).await })
            .await
    }

    async fn find_reset(&self, token_hash: &[u8; 32], now: Timestamp) -> Result<Option<User>> {
        match sessions::find_reset(&self.db, token_hash, now).await? {
            Some(id) => accounts::get(&self.db, id).await,
            None => Ok(None),
        }
    }

    async fn reset_password(
        &self,
        token_hash: &[u8; 32],
        hash: &str,
        operation: &Operation,
        now: Timestamp,
    ) -> Result<Given> {
        self.db
            .transaction(|tx| async move {
                let effect = async {
                    let user = sessions::open_for(&tx, token_hash, now).await?;
                    let user = user.ok_or_else(unknown_reset)?;
                    accounts::set_password(&tx, user, hash).await?;
                    sessions::end_resets(&tx, user).await?;
                    sessions::end_all(&tx, user, None, now).await?;
                    Ok(no_content())
                };
                operations::once(&tx, ANSWERS, operation, now, effect).await
            })
            .await
    }

    async fn begin_session(
        &self,
        user: &User,
        token: RefreshToken,
        expires_at: Timestamp,
    ) -> Result<bool> {
        let hash = &token.stored_hash(&self.secret);
        self.db
            .transaction(|tx| async move {
                sessions::begin(&tx, user, (token.session, hash), expires_at).await
            })
            .await
    }

    async fn exchange(
        &self,
        token: RefreshToken,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<Exchanged> {
        let (secret, times) = (&self.secret, (now, expires_at));
        self.db
            .transaction(|tx| async move { sessions::exchange(&tx, token, secret, times).await })
            .await
    }

    async fn end_session(&self, token: RefreshToken, now: Timestamp) -> Result<()> {
        let secret = &self.secret;
        self.db
            .transaction(|tx| async move { sessions::end_of_token(&tx, token, secret, now).await })
            .await
    }

    async fn signing_keys(&self, fresh: SigningKey, now: Timestamp) -> Result<Vec<SigningKey>> {
        let fresh = &fresh;
        self.db.transaction(|tx| async move { sessions::signing_keys(&tx, fresh, now).await }).await
    }

    async fn public_keys(&self) -> Result<Vec<PublicKey>> {
        sessions::known_keys(&self.db).await?.iter().map(SigningKey::public).collect()
    }

    async fn revocations(&self, since: Timestamp) -> Result<Revocations> {
        sessions::revocations(&self.db, since).await
    }

    async fn forget(&self, before: Timestamp) -> Result<()> {
        operations::forget(&self.db, ANSWERS, before).await?;
        sessions::forget(&self.db, before).await
    }

    async fn dump(&self) -> Result<Flow<Entry<Record>>> {
        self.db.flow(|tx, sink| Box::pin(portable::dump(tx, sink))).await
    }

    async fn load(&self, records: Vec<Record>) -> Result<()> {
        let records = &records;
        self.db.transaction(|tx| portable::load(tx, records)).await
    }
}
