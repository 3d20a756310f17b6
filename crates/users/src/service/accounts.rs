//! Registering, changing passwords, leaving.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use holdfast_types::{
    Authority, Code, Error, IdempotentAnswer, Operation, Result, Role, SessionId, Timestamp, UserId,
};
use holdfast_web::Origin;
use uuid::Uuid;

use super::{Guess, Users, sessions::PASSWORD_CHARACTERS};
use crate::{
    model::{Claim, NewUser, Password, Roles, User, Username},
    store::{PasswordChange, Render, ResetGrant, unknown_reset, username_taken},
};

/// How long a permission to reset a password lives.
pub(super) const RESET_TIME: Duration = Duration::from_secs(60 * 60);

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
        origin: &Origin,
    ) -> Result<(User, bool)> {
        let (id, source) = (UserId::new(operation.id), origin.source());
        if let Some(earlier) = self.store().get(id).await? {
            let name = registration.username.folded();
            let repeat = self.repeat(registration, earlier, operation, &source);
            return self.guess_at(&name, &source, repeat).await;
        }
        self.require_free(&registration.username).await?;
        let new = NewUser {
            id,
            password_hash: self.0.passwords.hash(&source, registration.password.reveal()).await?,
            username: registration.username.clone(),
            role: Role::customer(),
            email: registration.email.clone(),
            name: registration.name.clone(),
            fingerprint: operation.fingerprint,
            created_at: self.now(),
        };
        let (user, existed) = self.store().create(&new).await?;
        if existed {
            let name = registration.username.folded();
            let repeat = self.repeat(registration, user, operation, &source);
            return self.guess_at(&name, &source, repeat).await;
        }
        origin.note("user_created", &user.id);
        Ok((user, false))
    }

    /// Whether it is somebody without a name.
    pub(crate) async fn is_guest(&self, id: UserId) -> Result<bool> {
        Ok(self.store().get(id).await?.is_some_and(|user| user.guest))
    }

    /// Makes a guest's account a registered one, once per operation: their orders stay theirs.
    /// Refuses with `username-taken` or `idempotency-key-reused`.
    pub(crate) async fn claim(
        &self,
        guest: UserId,
        registration: Registration,
        operation: Operation,
        render: Render,
        origin: &Origin,
    ) -> Result<IdempotentAnswer> {
        let password = registration.password.reveal();
        let said = [&registration.email, &registration.name].map(|it| it.as_deref().unwrap_or(""));
        let secrets = [registration.username.as_str(), password, said[0], said[1]];
        let operation = match self.replay(operation, &secrets, origin).await? {
            Ok(given) => return Ok(given),
            Err(fresh) => fresh,
        };
        self.require_free(&registration.username).await?;
        let claim = Claim {
            user: guest,
            password_hash: self.0.passwords.hash(&origin.source(), password).await?,
            username: registration.username,
            email: registration.email,
            name: registration.name,
        };
        let given = self.store().claim(&claim, &operation, self.now(), render).await?;
        origin.note("user_created", &guest);
        self.refresh_revocations().await?;
        Ok(given)
    }

    /// Refuses a name that somebody has, or that looks like one of the staff's (Unicode Technical Standard #39, confusable
    /// detection).
    async fn require_free(&self, username: &Username) -> Result<()> {
        if self.store().find(&username.folded()).await?.is_some()
            || username.looks_like_any(&self.store().staff().await?)
        {
            return Err(username_taken());
        }
        Ok(())
    }

    /// A repeat with another password is a guess at the first. Fingerprints leave passwords out, so the password itself is compared, as long as it is still the first one.
    /// The answer is rebuilt from the request: the user may have changed since.
    async fn repeat(
        &self,
        registration: Registration,
        earlier: User,
        operation: &Operation,
        source: &str,
    ) -> Result<(User, bool)> {
        let same = earlier.fingerprint == operation.fingerprint
            && (earlier.password_changed
                || self
                    .0
                    .passwords
                    .verify(source, registration.password.reveal(), Some(&earlier.password_hash))
                    .await?);
        if !same {
            return Err(holdfast_types::reused());
        }
        let first = NewUser {
            id: earlier.id,
            username: registration.username,
            password_hash: String::new(),
            role: Role::customer(),
            email: registration.email,
            name: registration.name,
            fingerprint: earlier.fingerprint,
            created_at: earlier.created_at,
        };
        Ok((User::new(&first), true))
    }

    /// Runs what rests on a password of `user` that somebody tries, within the limits on guessing.
    pub(crate) async fn guess<T>(
        &self,
        user: UserId,
        origin: &Origin,
        effect: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        // No username has a blank in it: who tries to sign in under the id counts elsewhere.
        self.guess_at(&format!("user {user}"), &origin.source(), effect).await
    }

    /// The same for whoever guesses are counted as.
    pub(super) async fn guess_at<T>(
        &self,
        username: &str,
        source: &str,
        effect: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let guess = Guess { username, password: "", source, device_token: None, work: None };
        self.0.guesses.admit(&guess, self.now())?.judged(effect.await)
    }

    /// Whether `password` is the user's.
    pub(crate) async fn is_password(
        &self,
        user: &User,
        password: &str,
        origin: &Origin,
    ) -> Result<bool> {
        if password.chars().count() > PASSWORD_CHARACTERS {
            return Ok(false);
        }
        self.0.passwords.verify(&origin.source(), password, Some(&user.password_hash)).await
    }

    /// Whether an operation of that id was answered before, whatever its content: cheap, for before a fingerprint that
    /// is not.
    pub(crate) async fn is_repeat(&self, operation: &Operation) -> Result<bool> {
        match self.store().replay(operation).await {
            Ok(answer) => Ok(answer.is_some()),
            Err(error) if error.code() == Code::IdempotencyKeyReused => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// The answer that the operation was given before, and else the operation, with `passwords` in its fingerprint: a
    /// repeat with others is another request. What goes in is a hash that is as slow to try out as the stored one; a quick
    /// keyed hash would fall with the secret beside it. Without a key nobody can repeat it with others, so nothing goes in.
    pub(crate) async fn replay(
        &self,
        operation: Operation,
        passwords: &[&str],
        origin: &Origin,
    ) -> Result<Result<IdempotentAnswer, Operation>> {
        let operation = if operation.has_key() {
            let (source, salt) = (origin.source(), *operation.id.as_bytes());
            let text = serde_json::to_string(passwords).map_err(Error::internal)?;
            let hash = self.0.passwords.hash_under(&source, salt, &text).await?;
            Operation { fingerprint: self.secret().fingerprint(hash.as_bytes()), ..operation }
        } else {
            operation
        };
        Ok(self.given(&operation).await?.ok_or(operation))
    }

    /// The answer that the operation was given before, if any.
    pub(super) async fn given(&self, operation: &Operation) -> Result<Option<IdempotentAnswer>> {
        let answer = self.store().replay(operation).await?;
        Ok(answer.map(|answer| IdempotentAnswer { answer, replayed: true }))
    }

    /// Sets a new password and ends all sessions but `keep`.
    pub(crate) async fn change_password(
        &self,
        user: &User,
        new: &Password,
        keep: SessionId,
        operation: &Operation,
        origin: &Origin,
    ) -> Result<IdempotentAnswer> {
        let to = self.0.passwords.hash(&origin.source(), new.reveal()).await?;
        let change = PasswordChange {
            user: user.id,
            from: user.password_hash.clone(),
            to,
            keep: Some(keep),
        };
        let given = self.store().change_password(&change, operation, self.now()).await?;
        origin.note("authn_password_change", &user.id);
        self.refresh_revocations().await?;
        Ok(given)
    }

    /// Erases an account.
    pub(crate) async fn delete(
        &self,
        user: UserId,
        operation: &Operation,
        origin: &Origin,
    ) -> Result<IdempotentAnswer> {
        let given = self.store().delete(user, operation, self.now()).await?;
        origin.note("user_deleted", &user);
        self.refresh_revocations().await?;
        Ok(given)
    }

    /// Permits to reset the password of `user`, who may do no more than `holder`. The token is derived from the operation, so a repeat gets the same.
    pub(crate) async fn grant_reset(
        &self,
        user: UserId,
        holder: Authority,
        operation: &Operation,
    ) -> Result<(String, Timestamp, bool)> {
        let token = self.reset_token(operation.id);
        let grant = ResetGrant {
            user,
            token_hash: self.reset_hash(&token),
            expires_at: self.now().plus(RESET_TIME),
        };
        let judge = move |user: &User, roles: &Roles| user.may_be_changed_by(&holder, None, roles);
        let granted = self.store().grant_reset(&grant, operation, self.now(), judge);
        let (expires_at, repeat) = granted.await?;
        Ok((BASE64_URL_SAFE_NO_PAD.encode(token), expires_at, repeat))
    }

    /// Sets a new password with a permission.
    pub(crate) async fn reset_password(
        &self,
        token: &str,
        new_password: &str,
        operation: Operation,
        origin: &Origin,
    ) -> Result<IdempotentAnswer> {
        let attempt = self.0.guesses.admit_nameless(&origin.source())?;
        attempt.judged(self.use_reset(token, new_password, operation, origin).await)
    }

    /// Whoever has no permission is refused before anything costs more than a lookup.
    async fn use_reset(
        &self,
        token: &str,
        new_password: &str,
        operation: Operation,
        origin: &Origin,
    ) -> Result<IdempotentAnswer> {
        let token_hash =
            BASE64_URL_SAFE_NO_PAD.decode(token).ok().map(|token| self.reset_hash(&token));
        let token_hash = token_hash.ok_or_else(unknown_reset)?;
        let user = self.store().find_reset(&token_hash, self.now()).await?;
        if user.is_none() && !self.is_repeat(&operation).await? {
            origin.note("authn_password_change_fail", &"an unknown reset token");
            return Err(unknown_reset());
        }
        let username = user.as_ref().map_or("", |user| user.username.as_str());
        let password = Password::parse(new_password, username)
            .map_err(|why| Error::invalid("#/newPassword", why))?;
        let operation = match self.replay(operation, &[new_password], origin).await? {
            Ok(given) => return Ok(given),
            Err(fresh) => fresh,
        };
        let user = user.ok_or_else(unknown_reset)?;
        let hash = self.0.passwords.hash(&origin.source(), password.reveal()).await?;
        let given = self.store().reset_password(&token_hash, &hash, &operation, self.now()).await?;
        origin.note("authn_password_change", &user.id);
        self.refresh_revocations().await?;
        Ok(given)
    }

    /// The token of the permission with that id: who only has the id cannot tell.
    pub(super) fn reset_token(&self, id: Uuid) -> [u8; 32] {
        self.secret().hash(&[b"reset".as_slice(), id.as_bytes()].concat())
    }

    pub(super) fn reset_hash(&self, token: &[u8]) -> [u8; 32] {
        self.secret().hash(&[b"reset-hash".as_slice(), token].concat())
    }
}
