//! Users on SQLite.

mod accounts;
mod portable;
mod sessions;

use async_trait::async_trait;
use holdfast_storage::{
    Entry, Flow,
    sqlite::{Sqlite, operations},
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
    include_str!("../../migrations/sqlite-0001.sql"),
    include_str!("../../migrations/sqlite-0002.sql"),
];

#[derive(Debug)]
pub(super) struct SqliteUsers {
    db: Sqlite,
    secret: Secret,
}

impl SqliteUsers {
    pub(super) async fn open(db: Sqlite, random: &Random) -> Result<(Self, Secret)> {
        let db = db.with_own_lists();
        db.migrate("users", MIGRATIONS).await?;
        let secret = db.secret("users", random).await?;
        Ok((Self { db, secret: secret.clone() }, secret))
    }
}

#[async_trait]
impl UserStore for SqliteUsers {
    async fn create(&self, new: &NewUser) -> Result<(User, bool)> {
        let new = new.clone();
        self.db.write(move |db| accounts::create(db, &new)).await
    }

    async fn create_first(&self, new: &NewUser) -> Result<bool> {
        let new = new.clone();
        self.db
            .write(move |db| {
                let empty: bool =
                    db.query_row("SELECT NOT EXISTS (SELECT 1 FROM users)", [], |row| row.get(0))?;
                if empty {
                    accounts::create(db, &new)?;
                }
                Ok(empty)
            })
            .await
    }

    async fn get(&self, id: UserId) -> Result<Option<User>> {
        self.db.get(|db| accounts::get(db, id))
    }

    async fn find(&self, folded: &str) -> Result<Option<User>> {
        self.db.get(|db| accounts::find(db, folded))
    }

    async fn staff(&self) -> Result<Vec<String>> {
        self.db.get(accounts::staff)
    }

    async fn list(&self, request: &PageRequest) -> Result<Page<User>> {
        let request = request.clone();
        self.db.read(move |db| accounts::list(db, &request)).await
    }

    async fn replay(&self, operation: &Operation) -> Result<Option<Answer>> {
        self.db.get(|db| operations::replay(db, ANSWERS, operation))
    }

    async fn change(
        &self,
        id: UserId,
        change: (&UserChange, &Basis),
        operation: (&Operation, Render),
        now: Timestamp,
    ) -> Result<Given> {
        let (change, basis) = (change.0.clone(), change.1.clone());
        let (operation, render) = (*operation.0, operation.1);
        let write = move |db: &rusqlite::Connection| {
            operations::once(db, ANSWERS, &operation, now, |db| {
                let user = accounts::change(db, id, &change, &basis, now)?;
                Ok(render(&user)?)
            })
        };
        self.db.write(write).await
    }

    async fn change_password(
        &self,
        change: &PasswordChange,
        operation: &Operation,
        now: Timestamp,
    ) -> Result<Given> {
        let (change, operation) = (change.clone(), *operation);
        let write = move |db: &rusqlite::Connection| {
            operations::once(db, ANSWERS, &operation, now, |db| {
                let user = accounts::get(db, change.user)?
                    .filter(|user| user.password_hash == change.from);
                let user = user
                    .ok_or_else(|| Error::invalid("#/currentPassword", "the password is wrong"))?;
                accounts::set_password(db, user.id, &change.to)?;
                sessions::end_resets(db, user.id)?;
                sessions::end_all(db, user.id, change.keep, now)?;
                Ok(no_content())
            })
        };
        self.db.write(write).await
    }

    async fn delete(&self, id: UserId, operation: &Operation, now: Timestamp) -> Result<Given> {
        let operation = *operation;
        let write = move |db: &rusqlite::Connection| {
            operations::once(db, ANSWERS, &operation, now, |db| {
                accounts::erase(db, id, now)?;
                sessions::revoke_user(db, id, i64::MAX, now)?;
                sessions::end_all(db, id, None, now)?;
                sessions::end_resets(db, id)?;
                Ok(no_content())
            })
        };
        self.db.write(write).await
    }

    async fn deleted(&self, since: Timestamp) -> Result<Vec<(Timestamp, UserId)>> {
        self.db.get(|db| accounts::deleted(db, since))
    }

    async fn grant_reset(
        &self,
        grant: &ResetGrant,
        operation: &Operation,
    ) -> Result<(Timestamp, bool)> {
        let (grant, operation) = (*grant, *operation);
        self.db.write(move |db| sessions::grant_reset(db, &grant, &operation)).await
    }

    async fn find_reset(&self, token_hash: &[u8; 32], now: Timestamp) -> Result<Option<User>> {
        self.db.get(|db| match sessions::find_reset(db, token_hash, now)? {
            Some(id) => accounts::get(db, id),
            None => Ok(None),
        })
    }

    async fn reset_password(
        &self,
        token_hash: &[u8; 32],
        hash: &str,
        operation: &Operation,
        now: Timestamp,
    ) -> Result<Given> {
        let (token_hash, hash, operation) = (*token_hash, hash.to_owned(), *operation);
        let write = move |db: &rusqlite::Connection| {
            operations::once(db, ANSWERS, &operation, now, |db| {
                let user = sessions::find_reset(db, &token_hash, now)?.ok_or_else(unknown_reset)?;
                accounts::set_password(db, user, &hash)?;
                sessions::end_resets(db, user)?;
                sessions::end_all(db, user, None, now)?;
                Ok(no_content())
            })
        };
        self.db.write(write).await
    }

    async fn begin_session(
        &self,
        user: &User,
        token: RefreshToken,
        expires_at: Timestamp,
    ) -> Result<bool> {
        let (hash, user) = (token.stored_hash(&self.secret), user.clone());
        self.db.write(move |db| sessions::begin(db, &user, token.session, hash, expires_at)).await
    }

    async fn exchange(
        &self,
        token: RefreshToken,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<Exchanged> {
        let secret = self.secret.clone();
        self.db.write(move |db| sessions::exchange(db, token, &secret, now, expires_at)).await
    }

    async fn end_session(&self, token: RefreshToken, now: Timestamp) -> Result<()> {
        let secret = self.secret.clone();
        self.db.write(move |db| sessions::end_of_token(db, token, &secret, now)).await
    }

    async fn signing_keys(&self, fresh: SigningKey, now: Timestamp) -> Result<Vec<SigningKey>> {
        self.db.write(move |db| sessions::signing_keys(db, Some((&fresh, now)))).await
    }

    async fn public_keys(&self) -> Result<Vec<PublicKey>> {
        let keys = self.db.get(|db| sessions::signing_keys(db, None))?;
        keys.iter().map(SigningKey::public).collect()
    }

    async fn revocations(&self, since: Timestamp) -> Result<Revocations> {
        self.db.get(|db| sessions::revocations(db, since))
    }

    async fn forget(&self, before: Timestamp) -> Result<()> {
        operations::forget(&self.db, ANSWERS, before).await?;
        sessions::forget(&self.db, before).await
    }

    async fn dump(&self) -> Result<Flow<Entry<Record>>> {
        self.db.flow(portable::dump).await
    }

    async fn load(&self, records: Vec<Record>) -> Result<()> {
        self.db.write(move |db| portable::load(db, records)).await
    }
}
