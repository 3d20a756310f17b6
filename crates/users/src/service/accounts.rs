//! Registering, changing passwords, leaving.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use holdfast_types::{Error, Given, Operation, Result, Role, SessionId, Timestamp, UserId};

use super::Users;
use crate::{
    model::{NewUser, Password, User, Username},
    store::{PasswordChange, ResetGrant},
};

/// How long a permission to reset a password lives.
const RESET_TIME: Duration = Duration::from_secs(60 * 60);

/// What somebody registers with.
#[derive(Debug)]
pub(crate) struct Registration {
    pub(crate) username: Username,
    pub(crate) password: Password,
    pub(crate) email: Option<String>,
    pub(crate) name: Option<String>,
}

impl Users {
    /// Registers a customer, once per operation; the flag tells a repeat.
    /// Refuses with `username-taken` or `idempotency-key-reused`.
    pub(crate) async fn register(
        &self,
        registration: Registration,
        operation: &Operation,
    ) -> Result<(User, bool)> {
        let id = UserId::new(operation.id);
        if let Some(earlier) = self.store().get(id).await? {
            return self.repeat(registration, earlier, operation).await;
        }
        let new = NewUser {
            id,
            password_hash: self.0.passwords.hash(registration.password.reveal()).await?,
            username: registration.username.clone(),
            role: Role::Customer,
            email: registration.email.clone(),
            name: registration.name.clone(),
            fingerprint: operation.fingerprint,
            created_at: self.now(),
        };
        let (user, existed) = self.store().create(&new).await?;
        if existed { self.repeat(registration, user, operation).await } else { Ok((user, false)) }
    }

    /// Fingerprints leave passwords out, so the password itself is compared, as long as it is still the first one.
    /// The answer is rebuilt from the request: the user may have changed since.
    async fn repeat(
        &self,
        registration: Registration,
        earlier: User,
        operation: &Operation,
    ) -> Result<(User, bool)> {
        let same = earlier.fingerprint == operation.fingerprint
            && (earlier.password_changed
                || self
                    .0
                    .passwords
                    .verify(registration.password.reveal(), Some(&earlier.password_hash))
                    .await?);
        if !same {
            return Err(holdfast_types::reused());
        }
        let first = NewUser {
            id: earlier.id,
            username: registration.username,
            password_hash: String::new(),
            role: Role::Customer,
            email: registration.email,
            name: registration.name,
            fingerprint: earlier.fingerprint,
            created_at: earlier.created_at,
        };
        Ok((User::new(&first), true))
    }

    /// Whether `password` is the user's.
    pub(crate) async fn is_password(&self, user: &User, password: &str) -> Result<bool> {
        self.0.passwords.verify(password, Some(&user.password_hash)).await
    }

    /// Puts `passwords` into the fingerprint of `operation`: a repeat with others is another request. What goes in is a
    /// hash that is as slow to try out as the stored one; a quick keyed hash would fall with the secret beside it.
    /// Without a key nobody can repeat it with others, so nothing goes in.
    pub(crate) async fn with_passwords(
        &self,
        operation: Operation,
        passwords: &[&str],
    ) -> Result<Operation> {
        if !operation.has_key() {
            return Ok(operation);
        }
        let text = serde_json::to_string(passwords).map_err(Error::internal)?;
        let hash = self.0.passwords.hash_under(*operation.id.as_bytes(), &text).await?;
        Ok(Operation { fingerprint: self.secret().fingerprint(hash.as_bytes()), ..operation })
    }

    /// Sets a new password and ends all sessions but `keep`.
    pub(crate) async fn change_password(
        &self,
        user: &User,
        new: &Password,
        keep: SessionId,
        operation: &Operation,
    ) -> Result<Given> {
        let to = self.0.passwords.hash(new.reveal()).await?;
        let change = PasswordChange {
            user: user.id,
            from: user.password_hash.clone(),
            to,
            keep: Some(keep),
        };
        let given = self.store().change_password(&change, operation, self.now()).await?;
        self.refresh_revocations().await?;
        Ok(given)
    }

    /// Erases an account.
    pub(crate) async fn delete(&self, user: UserId, operation: &Operation) -> Result<Given> {
        let given = self.store().delete(user, operation, self.now()).await?;
        self.refresh_revocations().await?;
        Ok(given)
    }

    /// Permits to reset the password of `user`. The token is derived from the operation, so a repeat gets the same.
    pub(crate) async fn grant_reset(
        &self,
        user: UserId,
        operation: &Operation,
    ) -> Result<(String, Timestamp, bool)> {
        let token = self.secret().hash(&[b"reset".as_slice(), operation.id.as_bytes()].concat());
        let grant = ResetGrant {
            user,
            token_hash: self.reset_hash(&token),
            expires_at: self.now().plus(RESET_TIME),
        };
        let (expires_at, repeat) = self.store().grant_reset(&grant, operation).await?;
        Ok((BASE64_URL_SAFE_NO_PAD.encode(token), expires_at, repeat))
    }

    /// Sets a new password with a permission.
    pub(crate) async fn reset_password(
        &self,
        token: &str,
        new_password: &str,
        operation: &Operation,
    ) -> Result<Given> {
        if let Some(answer) = self.store().replay(operation).await? {
            return Ok(Given { answer, replayed: true });
        }
        let unknown =
            || Error::invalid("#/resetToken", "the token was used, has expired or never was one");
        let token = BASE64_URL_SAFE_NO_PAD.decode(token).map_err(|_| unknown())?;
        let token_hash = self.reset_hash(&token);
        let user = self.store().find_reset(&token_hash, self.now()).await?.ok_or_else(unknown)?;
        let password = Password::parse(new_password, &user.username)
            .map_err(|why| Error::invalid("#/newPassword", why))?;
        let hash = self.0.passwords.hash(password.reveal()).await?;
        let given = self.store().reset_password(&token_hash, &hash, operation, self.now()).await?;
        self.refresh_revocations().await?;
        Ok(given)
    }

    fn reset_hash(&self, token: &[u8]) -> [u8; 32] {
        self.secret().hash(&[b"reset-hash".as_slice(), token].concat())
    }
}
