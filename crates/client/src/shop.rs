//! A shop, and who we are to it.

use std::{fmt::Write as _, time::Duration};

use bytes::Bytes;
use holdfast_types::{Code, Error, Random, Result};
use hyper::{Method, header};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;
use tokio::time::Instant;

use crate::{Answer, Connection, Items, Session};

/// How long a request is repeated while nobody answers, or while the shop is busy.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same for a shop that has never answered: it may be starting, or its address may be wrong.
const FIRST_PATIENCE: Duration = Duration::from_secs(5);
/// The pause before the first repeat; each further one is twice as long, up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
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
#[derive(Debug)]
pub struct Shop {
    connection: Connection,
    credentials: Option<Credentials>,
    session: Option<(Session, Instant)>,
    random: Random,
    was_heard: bool,
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
            random: Random::system(),
            was_heard: false,
        }
    }

    /// Signs in. Fails with the shop's own code, such as `invalid-credentials`.
    pub async fn sign_in(url: &str, credentials: Credentials) -> Result<Self> {
        let mut shop = Self { credentials: Some(credentials), ..Self::anybody(url) };
        shop.begin_session().await?;
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
        let bytes: [u8; 16] = self.random.bytes();
        bytes.iter().fold(String::new(), |mut text, byte| {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// Sends a request as somebody who is signed in, if we are, until it is answered for good.
    async fn send(
        &mut self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Bytes,
    ) -> Result<Answer> {
        let is_old = |(_, until): &(Session, Instant)| *until <= Instant::now() + EARLY;
        if self.session.as_ref().is_some_and(is_old) {
            self.renew_session().await?;
        }
        let sent = self.session.as_ref().map(|(session, _)| session.access_token.clone());
        let answer = self.repeat(&method, path, key, sent.as_deref(), &body).await?;
        if answer.status != 401 || sent.is_none() {
            return Ok(answer);
        }
        // Its clock may be another, or the session was ended.
        self.renew_session().await?;
        let again = self.session.as_ref().map(|(session, _)| session.access_token.clone());
        self.repeat(&method, path, key, again.as_deref(), &body).await
    }

    /// Sends a request again while its fate is unknown, or while the shop asks to wait.
    async fn repeat(
        &mut self,
        method: &Method,
        path: &str,
        key: Option<&str>,
        token: Option<&str>,
        body: &Bytes,
    ) -> Result<Answer> {
        let authorization = token.map(|token| format!("Bearer {token}"));
        let mut headers: Vec<(&str, &str)> = Vec::new();
        headers.extend(authorization.iter().map(|value| ("authorization", value.as_str())));
        headers.extend(key.map(|key| ("idempotency-key", key)));
        let patience = if self.was_heard { PATIENCE } else { FIRST_PATIENCE };
        let patience = Instant::now() + patience;
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
            if Instant::now() + wait > patience {
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

    async fn renew_session(&mut self) -> Result<()> {
        let Some((session, _)) = &self.session else { return Ok(()) };
        let body = json!({"refreshToken": session.refresh_token}).to_string().into();
        let answer = self.repeat(&Method::POST, "/api/users/refresh", None, None, &body).await?;
        match answer.status.as_u16() {
            200 => self.begin(read(&answer)?),
            _ if self.credentials.is_some() => return self.begin_session().await,
            _ => return Err(answer.problem()),
        }
        Ok(())
    }

    async fn begin_session(&mut self) -> Result<()> {
        let why = "nobody is signed in";
        let Some(Credentials { username, password }) = &self.credentials else {
            return Err(Error::new(Code::Unauthenticated, why));
        };
        let body = json!({"username": username, "password": password}).to_string().into();
        let answer = self.repeat(&Method::POST, "/api/users/login", None, None, &body).await?;
        self.begin(read(&answer)?);
        Ok(())
    }

    fn begin(&mut self, session: Session) {
        let until = Instant::now() + Duration::from_secs(session.expires_in);
        self.session = Some((session, until));
    }
}

fn retry_after(answer: &Answer) -> Option<Duration> {
    let seconds = answer.headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn read<T: DeserializeOwned>(answer: &Answer) -> Result<T> {
    if !answer.status.is_success() {
        return Err(answer.problem());
    }
    serde_json::from_slice(&answer.body).map_err(|error| {
        let why = format!("the shop answered {} with something else: {error}", answer.status);
        Error::new(Code::Unavailable, why)
    })
}
