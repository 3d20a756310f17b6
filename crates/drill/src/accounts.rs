//! Accounts of buyers: a pool, since hashing a password for each buyer would measure nothing but that.

use bytes::Bytes;
use holdfast_client::Connection;
use hyper::Method;
use serde_json::{Value, json};

use crate::Result;

/// The password of all drill accounts; they exist only in shops that are drilled.
const PASSWORD: &str = "drill-account-passphrase";

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub struct Account {
    /// The user's id.
    pub id: String,
    /// The access token.
    pub token: String,
}

/// Signs `count` accounts in, registering those that are not there yet.
pub async fn sign_in_pool(url: &str, count: usize) -> Result<Vec<Account>> {
    let mut connection = Connection::new(url);
    let mut accounts = Vec::with_capacity(count);
    for number in 0..count {
        let username = format!("drill-{number}");
        let account = match sign_in(&mut connection, &username, PASSWORD).await {
            Ok(account) => account,
            Err(_) => {
                let body = json!({"username": username, "password": PASSWORD}).to_string();
                let answer = connection
                    .send(Method::POST, "/api/users/register", &[], Bytes::from(body))
                    .await?;
                answer.expect(201)?;
                sign_in(&mut connection, &username, PASSWORD).await?
            }
        };
        accounts.push(account);
    }
    Ok(accounts)
}

/// Signs an account of the pool in again, whose token the shop does not take any more.
pub async fn sign_in_again(connection: &mut Connection, number: usize) -> Result<Account> {
    sign_in(connection, &format!("drill-{number}"), PASSWORD).await
}

/// The account in whose name an API key acts; its token is the key.
pub async fn with_key(connection: &mut Connection, key: &str) -> Result<Account> {
    let authorization = format!("Bearer {key}");
    let headers = [("authorization", authorization.as_str())];
    let me = connection.send(Method::GET, "/api/users/me", &headers, Bytes::new()).await?;
    let id = me.expect(200)?["id"].as_str().unwrap_or_default().to_owned();
    Ok(Account { id, token: key.to_owned() })
}

/// Signs one account in.
pub async fn sign_in(
    connection: &mut Connection,
    username: &str,
    password: &str,
) -> Result<Account> {
    let body = json!({"username": username, "password": password}).to_string();
    let answer = connection
        .send(Method::POST, "/api/users/login", &[], Bytes::from(body))
        .await?
        .expect(200)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(Account { id: text(&answer["user"]["id"]), token: text(&answer["accessToken"]) })
}
