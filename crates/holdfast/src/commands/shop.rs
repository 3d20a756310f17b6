//! A running shop, as its own client.

use axum::http::{Method, StatusCode};
use bytes::Bytes;
use holdfast_types::{Code, Error, Result};
use holdfast_web::{Client, Exchange};
use serde_json::{Value, json};

use super::read_password;
use crate::cli::ShopFlags;

/// Times that a request is repeated when nobody answers or the shop is busy.
const ATTEMPTS: u32 = 5;
/// Before the first repeat; doubled for each further one.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(200);

/// Signs in when it must and repeats what may be repeated.
pub(super) struct ShopClient {
    client: Client,
    username: String,
    password: String,
    token: String,
}

impl ShopClient {
    /// Signs in.
    pub(super) async fn sign_in(flags: &ShopFlags) -> Result<Self> {
        let password = match &flags.password {
            Some(password) => password.clone(),
            None => read_password(&format!("Password of {}: ", flags.user))?,
        };
        let mut shop = Self {
            client: Client::new(&flags.url),
            username: flags.user.clone(),
            password,
            token: String::new(),
        };
        shop.renew_token().await?;
        Ok(shop)
    }

    /// Waits a little for a shop that is only starting.
    async fn renew_token(&mut self) -> Result<()> {
        let body =
            Bytes::from(json!({"username": self.username, "password": self.password}).to_string());
        let mut pause = PAUSE;
        let mut answer =
            self.client.send(Method::POST, "/api/users/login", &[], body.clone()).await;
        for _ in 1..ATTEMPTS {
            if answer.is_ok() {
                break;
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
            answer = self.client.send(Method::POST, "/api/users/login", &[], body.clone()).await;
        }
        let value = expect(&answer?, StatusCode::OK)?;
        self.token = value["accessToken"].as_str().unwrap_or_default().to_owned();
        Ok(())
    }

    /// Posts a body under a key, as often as it takes; the key makes repeats harmless.
    pub(super) async fn post(&mut self, path: &str, key: &str, body: &Value) -> Result<Value> {
        let bytes = Bytes::from(body.to_string());
        let mut pause = PAUSE;
        for attempt in 1.. {
            let authorization = format!("Bearer {}", self.token);
            let headers = [("authorization", authorization.as_str()), ("idempotency-key", key)];
            let answer = self.client.send(Method::POST, path, &headers, bytes.clone()).await;
            let again = match &answer {
                Ok(answer) => matches!(answer.status.as_u16(), 401 | 429 | 503 | 504),
                Err(_) => true,
            };
            if !again || attempt == ATTEMPTS {
                return expect(&answer?, StatusCode::OK);
            }
            if answer.is_ok_and(|answer| answer.status == StatusCode::UNAUTHORIZED) {
                self.renew_token().await?;
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Err(Error::internal("the attempts are endless and still ended"))
    }
}

/// The body of an answer with that status; anything else is an error in the shop's own words.
pub(super) fn expect(answer: &Exchange, status: StatusCode) -> Result<Value> {
    let value: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if answer.status == status {
        return Ok(value);
    }
    let detail = value["detail"].as_str().unwrap_or("no explanation");
    Err(Error::new(Code::Unavailable, format!("the shop answered {}: {detail}", answer.status)))
}
