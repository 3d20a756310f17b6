//! Signing in, staying signed in, signing out.

use holdfast_types::{Authority, Code, Error, Result, SessionId, Timestamp, UserId, fold};
use holdfast_web::{Origin, rate::RateLimit};
use tokio::time::Instant;

use super::{Guess, Users, guesses::too_many};
use crate::{
    model::User,
    store::Exchanged,
    tokens::{RefreshToken, SESSION_TIME},
    work::Work,
};

/// Longer passwords cannot be set, so they are not worth hashing.
pub(super) const PASSWORD_CHARACTERS: usize = 256;

/// A session, begun or renewed.
#[derive(Debug)]
pub(crate) struct SignedIn {
    pub(crate) user: User,
    pub(crate) authority: Authority,
    /// Whether the role permits nothing until there is a second factor.
    pub(crate) owes_mfa: bool,
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    /// After a login.
    pub(crate) device_token: Option<String>,
}

/// What somebody signs in with.
#[derive(Debug)]
pub(crate) struct Login<'a> {
    pub(crate) username: &'a str,
    pub(crate) password: &'a str,
    pub(crate) device_token: Option<&'a str>,
    pub(crate) work: Option<&'a Work>,
}

impl Users {
    /// Begins a session. Refuses with `invalid-credentials`, whichever of the two is wrong and in the same time,
    /// or `rate-limited` after too many failures.
    pub(crate) async fn log_in(&self, login: &Login<'_>, origin: &Origin) -> Result<SignedIn> {
        let (folded, source) = (fold(login.username), origin.source());
        let guess = Guess {
            username: &folded,
            password: login.password,
            source: &source,
            device_token: login.device_token,
            work: login.work,
        };
        let attempt = self.0.guesses.admit(&guess, self.now())?;
        let session = attempt.judged(self.verify_login(&guess, origin).await)?;
        let device_token = self.0.guesses.device_token(login.device_token, &folded);
        Ok(SignedIn { device_token: Some(device_token), ..session })
    }

    async fn verify_login(&self, guess: &Guess<'_>, origin: &Origin) -> Result<SignedIn> {
        let sane = guess.password.chars().count() <= PASSWORD_CHARACTERS;
        let user = self.store().find(guess.username).await?;
        let subject =
            user.as_ref().map_or_else(|| "unknown".to_owned(), |user| user.id.to_string());
        let hash = user.as_ref().filter(|_| sane).map(|user| user.password_hash.as_str());
        let password = if sane { guess.password } else { "" };
        let matches = self.0.passwords.verify(guess.source, password, hash).await?;
        let wrong = || {
            origin.note("authn_login_fail", &subject);
            Error::new(Code::InvalidCredentials, "username or password is wrong")
        };
        let user = user.filter(|user| matches && user.is_active()).ok_or_else(wrong)?;
        if user.has_mfa() {
            return Err(self.ask_for_code(&user));
        }
        self.begin_session(user).await?.ok_or_else(wrong)
    }

    /// `None` when the user's standing has changed since the password was verified.
    async fn begin_session(&self, user: User) -> Result<Option<SignedIn>> {
        let now = self.now();
        let token = self.first_token(now);
        if !self.store().begin_session(&user, token, now.plus(SESSION_TIME)).await? {
            return Ok(None);
        }
        self.signed_in(user, token).await.map(Some)
    }

    /// Begins a session of somebody who has no name.
    pub(crate) async fn begin_guest(
        &self,
        email: Option<String>,
        name: Option<String>,
        origin: &Origin,
    ) -> Result<SignedIn> {
        let now = self.now();
        let guest = User::guest(UserId::new(self.0.random.uuid_v7(now)), email, name, now);
        let token = self.first_token(now);
        self.store().begin_guest(&guest, token, now.plus(SESSION_TIME)).await?;
        origin.note("guest_created", &guest.id);
        self.signed_in(guest, token).await
    }

    pub(super) fn first_token(&self, now: Timestamp) -> RefreshToken {
        let session = SessionId::new(self.0.random.uuid_v7(now));
        RefreshToken::first(session, &self.0.random)
    }

    pub(super) async fn signed_in(&self, user: User, token: RefreshToken) -> Result<SignedIn> {
        let standing = self.standing(&user).await?;
        Ok(SignedIn {
            access_token: self.0.signer.sign(&user, standing, token.session, self.now())?,
            authority: standing.authority,
            owes_mfa: self.owes_mfa(&user),
            refresh_token: token.to_wire(self.secret()),
            device_token: None,
            user,
        })
    }

    /// Exchanges a refresh token for its successor. A repeat before the successor is used gets the same one;
    /// later it is theft, and the session ends.
    pub(crate) async fn refresh(&self, token: &str, origin: &Origin) -> Result<SignedIn> {
        let foreign = || Error::new(Code::InvalidToken, "the refresh token is not one of ours");
        let over = |why: &'static str| Error::new(Code::TokenRevoked, why);
        let token = RefreshToken::from_wire(token).ok_or_else(foreign)?;
        let now = self.now();
        match self.store().exchange(token, now, now.plus(SESSION_TIME)).await? {
            Exchanged::Renewed(user) => self.signed_in(*user, token.successor(self.secret())).await,
            Exchanged::Over => Err(over("the session is over: sign in again")),
            Exchanged::Foreign => Err(foreign()),
            Exchanged::Theft => {
                origin.note("authn_token_reuse", &format_args!("session {}", token.session));
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
    pub(crate) fn admit_registration(&self, origin: &Origin) -> Result<()> {
        admit(self.0.registrations.as_ref(), "registrations", origin)
    }

    /// Counts a guest against their address.
    pub(crate) fn admit_guest(&self, origin: &Origin) -> Result<()> {
        admit(self.0.guests.as_ref(), "guests", origin)
    }
}

fn admit(limit: Option<&RateLimit>, what: &str, origin: &Origin) -> Result<()> {
    let Some(limit) = limit else { return Ok(()) };
    let standing = limit.take(&origin.source(), Instant::now());
    if standing.allowed { Ok(()) } else { Err(too_many(what, standing.wait)) }
}
