//! A shop, and who we are to it.

use std::time::Duration;

use bytes::Bytes;
use holdfast_types::{Code, Error, Random, Result};
use hyper::{Method, header};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{Answer, Connection, Items, Session};

/// How long a request is repeated while nobody answers, or while the shop is busy.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same for a shop that has never answered: it may be starting, or its address may be wrong.
const FIRST_PATIENCE: Duration = Duration::from_secs(5);
/// The pause before the first repeat; each further one is twice as long, up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// No session is taken for good for longer.
const LONGEST_SESSION: Duration = Duration::from_secs(86_400);
const LOGIN: &str = "/api/users/login";
const REFRESH: &str = "/api/users/refresh";
/// A token is renewed so long before it expires.
const EARLY: Duration = Duration::from_secs(10);

/// What an account signs in with.
#[derive(Clone)]
pub struct Credentials {
    /// Its name.
    pub username: String,
    /// Its password.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// A shop. Changes carry a key and are repeated under it, so that each has one effect; reads are repeated too; a session that
/// ends is begun anew.
pub struct Shop {
    connection: Connection,
    credentials: Option<Credentials>,
    session: Option<(Session, Instant)>,
    /// An API key, in a session's place.
    key: Option<String>,
    random: Random,
    was_heard: bool,
}

impl std::fmt::Debug for Shop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shop").field("credentials", &self.credentials).finish_non_exhaustive()
    }
}

impl Shop {
    /// The shop at `url`, for whoever we may be.
    #[must_use]
    pub fn anybody(url: &str) -> Self {
        let connection = Connection::new(url);
        Self {
            connection,
            credentials: None,
            session: None,
            key: None,
            random: Random::system(),
            was_heard: false,
        }
    }

    /// Signs in. Fails with the shop's own code, such as `invalid-credentials`.
    pub async fn sign_in(url: &str, credentials: Credentials) -> Result<Self> {
        let mut shop = Self { credentials: Some(credentials), ..Self::anybody(url) };
        shop.begin_session(shop.patience()).await?;
        Ok(shop)
    }

    /// Shows an API key with each request. Fails with the shop's own code, such as `invalid-token`.
    pub async fn with_key(url: &str, key: &str) -> Result<Self> {
        let mut shop = Self { key: Some(key.to_owned()), ..Self::anybody(url) };
        shop.get::<crate::User>("/api/users/me").await?;
        Ok(shop)
    }

    /// Who is signed in.
    #[must_use]
    pub fn session(&self) -> Option<&Session> {
        self.session.as_ref().map(|(session, _)| session)
    }

    /// Reads what is at `path`.
    pub async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T> {
        read(&self.send(Method::GET, path, None, Bytes::new()).await?)
    }

    /// A list, page by page. `path` may have filters.
    pub fn list<T: DeserializeOwned>(&mut self, path: &str) -> Items<'_, T> {
        Items::new(self, path)
    }

    /// Posts `body` under a key of its own.
    pub async fn post<T: DeserializeOwned>(
        &mut self,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<T> {
        let key = self.fresh_key();
        self.post_under(&key, path, body).await
    }

    /// Posts `body` under `key`, which names this request for good: whoever posts it again, later and elsewhere, changes
    /// nothing and is given the same answer.
    pub async fn post_under<T: DeserializeOwned>(
        &mut self,
        key: &str,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<T> {
        let body = serde_json::to_vec(body).map_err(Error::internal)?.into();
        read(&self.send(Method::POST, path, Some(key), body).await?)
    }

    /// Changes what is at `path`; `body` names the version that the change is based on.
    pub async fn patch<T: DeserializeOwned>(
        &mut self,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<T> {
        let (key, body) = (self.fresh_key(), serde_json::to_vec(body).map_err(Error::internal)?);
        read(&self.send(Method::PATCH, path, Some(&key), body.into()).await?)
    }

    fn fresh_key(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.random.bytes()))
    }

    /// Sends a request as somebody who is signed in, if we are, until it is answered for good.
    async fn send(
        &mut self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Bytes,
    ) -> Result<Answer> {
        let until = self.patience();
        let is_old = |(_, good): &(Session, Instant)| *good <= Instant::now() + EARLY;
        if self.session.as_ref().is_some_and(is_old) {
            self.renew_session(until).await?;
        }
        let request = Request { method, path, key, body };
        let answer = self.repeat(&request, until).await?;
        if answer.status == 401 && self.key.is_some() {
            // A key that was changed a moment ago: not every process has heard of its new token.
            return self.repeat(&request, until).await;
        }
        if answer.status != 401 || self.session.is_none() {
            return Ok(answer);
        }
        // Its clock may be another, or the session was ended.
        self.renew_session(until).await?;
        self.repeat(&request, until).await
    }

    /// Until when a call is repeated, with all that it takes.
    fn patience(&self) -> Instant {
        Instant::now() + if self.was_heard { PATIENCE } else { FIRST_PATIENCE }
    }

    /// Sends a request again while its fate is unknown, or while the shop asks to wait.
    async fn repeat(&mut self, request: &Request<'_>, until: Instant) -> Result<Answer> {
        let Request { method, path, key, body } = request;
        // Who renews a session shows what renews it, and no token.
        let token = self.session.as_ref().filter(|_| ![LOGIN, REFRESH].contains(path));
        let token = token.map(|(session, _)| session.access_token.as_str());
        let authorization = token.or(self.key.as_deref()).map(|token| format!("Bearer {token}"));
        let mut headers: Vec<(&str, &str)> = Vec::new();
        headers.extend(authorization.iter().map(|value| ("authorization", value.as_str())));
        headers.extend(key.map(|key| ("idempotency-key", key)));
        let mut pause = FIRST_PAUSE;
        loop {
            let answer = self.connection.send(method.clone(), path, &headers, body.clone()).await;
            self.was_heard |= answer.is_ok();
            let asked = match &answer {
                Ok(answer) if matches!(answer.status.as_u16(), 429 | 503 | 504) => {
                    retry_after(answer)
                }
                Ok(_) => return answer,
                Err(error) if error.code() == Code::InvalidParameter => return answer,
                Err(_) => None,
            };
            let wait = asked.unwrap_or_else(|| self.random_part_of(pause));
            if Instant::now() + wait > until {
                return answer;
            }
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Full jitter, so that clients who were refused together do not come back together.
    fn random_part_of(&self, pause: Duration) -> Duration {
        let [byte] = self.random.bytes();
        pause * (u32::from(byte) + 1) / 256
    }

    async fn renew_session(&mut self, until: Instant) -> Result<()> {
        let Some((session, _)) = &self.session else { return Ok(()) };
        let body = json!({"refreshToken": session.refresh_token});
        let answer = self.repeat(&Request::for_session(REFRESH, &body), until).await?;
        match answer.status.as_u16() {
            401 if self.credentials.is_some() => self.begin_session(until).await,
            _ => self.begin(read(&answer)?),
        }
    }

    async fn begin_session(&mut self, until: Instant) -> Result<()> {
        let Some(Credentials { username, password }) = &self.credentials else {
            return Err(Error::new(Code::Unauthenticated, "nobody is signed in"));
        };
        let body = json!({"username": username, "password": password});
        let answer = self.repeat(&Request::for_session(LOGIN, &body), until).await?;
        self.begin(read(&answer)?)
    }

    fn begin(&mut self, session: Session) -> Result<()> {
        let good = Duration::from_secs(session.expires_in).min(LONGEST_SESSION);
        self.session = Some((session, Instant::now() + good));
        Ok(())
    }
}

/// What is sent, as often as it takes.
struct Request<'a> {
    method: Method,
    path: &'a str,
    key: Option<&'a str>,
    body: Bytes,
}

impl Request<'static> {
    fn for_session(path: &'static str, body: &Value) -> Self {
        Self { method: Method::POST, path, key: None, body: body.to_string().into() }
    }
}

fn retry_after(answer: &Answer) -> Option<Duration> {
    let seconds: u64 = answer.headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    // Longer than anybody's patience is as good as any.
    Some(Duration::from_secs(seconds.min(3600)))
}

fn read<T: DeserializeOwned>(answer: &Answer) -> Result<T> {
    if !answer.status.is_success() {
        return Err(answer.problem());
    }
    // Nothing is an answer too.
    let body: &[u8] = if answer.body.is_empty() { b"null" } else { &answer.body };
    serde_json::from_slice(body).map_err(|error| {
        let why = format!("the shop answered {} with something else: {error}", answer.status);
        Error::new(Code::Unavailable, why)
    })
}
