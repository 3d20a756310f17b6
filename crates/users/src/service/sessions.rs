//! Signing in, staying signed in, signing out.

use std::{net::IpAddr, time::Duration};

use holdfast_types::{Code, Error, Result, SessionId, fold};
use holdfast_web::rate::RateLimit;
use tokio::time::Instant;

use super::Users;
use crate::{
    model::User,
    store::Exchanged,
    tokens::{RefreshToken, SESSION_TIME},
};

/// Longer passwords cannot be set, so they are not worth hashing.
const PASSWORD_CHARACTERS: usize = 256;

/// A session, begun or renewed.
#[derive(Debug)]
pub(crate) struct SignedIn {
    pub(crate) user: User,
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
}

impl Users {
    /// Begins a session. Refuses with `invalid-credentials`, whichever of the two is wrong and in the same time,
    /// or `rate-limited` after too many failures.
    pub(crate) async fn log_in(
        &self,
        username: &str,
        password: &str,
        client: IpAddr,
    ) -> Result<SignedIn> {
        let (folded, address) = (fold(username), client.to_string());
        let limits = [
            (&self.0.failures_by_username, folded.as_str()),
            (&self.0.failures_by_address, address.as_str()),
        ];
        // Each attempt counts until it has succeeded, so that many at once do not pass together.
        for (limit, key) in &limits {
            count(limit.as_ref(), key)?;
        }
        let sane = password.chars().count() <= PASSWORD_CHARACTERS;
        let user = self.store().find(&folded).await?.filter(|_| sane);
        let matches = match sane {
            true => {
                self.0
                    .passwords
                    .verify(password, user.as_ref().map(|user| user.password_hash.as_str()))
                    .await?
            }
            false => self.0.passwords.verify("", None).await?,
        };
        let wrong = || Error::new(Code::InvalidCredentials, "username or password is wrong");
        let user = user.filter(|user| matches && user.is_active()).ok_or_else(wrong)?;
        let session = self.begin_session(user).await?.ok_or_else(wrong)?;
        for (limit, key) in limits {
            if let Some(limit) = limit {
                limit.give_back(key);
            }
        }
        Ok(session)
    }

    /// `None` when the user's standing has changed since the password was verified.
    async fn begin_session(&self, user: User) -> Result<Option<SignedIn>> {
        let now = self.now();
        let session = SessionId::new(self.0.random.uuid_v7(now));
        let token = RefreshToken::first(session, &self.0.random);
        if !self.store().begin_session(&user, token, now.plus(SESSION_TIME)).await? {
            return Ok(None);
        }
        let access_token = self.0.signer.sign(&user, session, now)?;
        Ok(Some(SignedIn { user, access_token, refresh_token: token.to_wire() }))
    }

    /// Exchanges a refresh token for its successor. A repeat before the successor is used gets the same one;
    /// later it is theft, and the session ends.
    pub(crate) async fn refresh(&self, token: &str) -> Result<SignedIn> {
        let foreign = || Error::new(Code::InvalidToken, "the refresh token is not one of ours");
        let over = |why: &'static str| Error::new(Code::TokenRevoked, why);
        let token = RefreshToken::from_wire(token).ok_or_else(foreign)?;
        let now = self.now();
        match self.store().exchange(token, now, now.plus(SESSION_TIME)).await? {
            Exchanged::Renewed(user) => {
                let access_token = self.0.signer.sign(&user, token.session, now)?;
                Ok(SignedIn {
                    user,
                    access_token,
                    refresh_token: token.successor(self.secret()).to_wire(),
                })
            }
            Exchanged::Over => Err(over("the session is over: sign in again")),
            Exchanged::Foreign => Err(foreign()),
            Exchanged::Theft => {
                tracing::warn!(session = %token.session, "an old refresh token came back: the session was ended");
                self.refresh_revocations().await?;
                Err(over("the refresh token was used before: the session was ended"))
            }
        }
    }

    /// Ends the session of a refresh token, if it is one.
    pub(crate) async fn log_out(&self, token: &str) -> Result<()> {
        if let Some(token) = RefreshToken::from_wire(token) {
            self.store().end_session(token, self.now()).await?;
            self.refresh_revocations().await?;
        }
        Ok(())
    }

    /// Counts a registration against its address.
    pub(crate) fn admit_registration(&self, client: IpAddr) -> Result<()> {
        let Some(limit) = &self.0.registrations else { return Ok(()) };
        let standing = limit.take(&client.to_string(), Instant::now());
        if standing.allowed { Ok(()) } else { Err(too_many("registrations", standing.wait)) }
    }
}

fn count(limit: Option<&RateLimit>, key: &str) -> Result<()> {
    match limit.map(|limit| limit.take(key, Instant::now())) {
        Some(standing) if !standing.allowed => Err(too_many("failed logins", standing.wait)),
        _ => Ok(()),
    }
}

fn too_many(what: &str, wait: Duration) -> Error {
    let seconds = wait.as_millis().div_ceil(1000).max(1);
    let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
    Error::new(Code::RateLimited, format!("too many {what}: wait {seconds} s"))
        .with("retryAfter", seconds)
}
