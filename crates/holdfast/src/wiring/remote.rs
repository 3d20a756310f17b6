//! Services in other processes.

use std::time::Duration;

use async_trait::async_trait;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use bytes::Bytes;
use holdfast_orders::Catalog;
use holdfast_types::{
    BatchId, Code, Error, OrderId, ReserveBatch, Reserved, Result, Settlement, Timestamp,
    Unconfirmed, UserId,
};
use holdfast_users::Trusted;
use holdfast_web::{Call, Peer, Told};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;

/// How long a batch may take: shorter than its orders' clients wait.
const CATALOG_TIME: Duration = Duration::from_secs(20);
/// How long asking for keys may take.
const TRUST_TIME: Duration = Duration::from_secs(2);

/// Products in other processes: a whole batch is one call.
pub(super) struct RemoteCatalog(pub(super) Peer);

#[async_trait]
impl Catalog for RemoteCatalog {
    async fn reserve(&self, batch: ReserveBatch) -> Result<Vec<Result<Reserved>>> {
        read(&post(&self.0, "/internal/products/reserve", &batch).await?)
    }

    async fn settle(&self, settlements: &[(OrderId, Settlement)]) -> Result<()> {
        post(&self.0, "/internal/products/settle", &settlements).await.map(|_| ())
    }

    async fn confirm(&self, batches: &[BatchId]) -> Result<()> {
        post(&self.0, "/internal/products/confirm", &batches).await.map(|_| ())
    }

    async fn unconfirmed(&self, age: Duration) -> Result<Vec<Unconfirmed>> {
        let path = format!("/internal/products/unconfirmed?age={}", age.as_millis());
        read(&call(&self.0, Method::GET, &path, Bytes::new(), CATALOG_TIME).await?)
    }
}

/// Asks users whose tokens are good.
pub(super) async fn trusted(users: &Peer) -> Result<Trusted> {
    read(&call(users, Method::GET, "/internal/users/trusted", Bytes::new(), TRUST_TIME).await?)
}

/// Asks users who was deleted at `since` or later.
pub(super) async fn deleted(users: &Peer, since: Timestamp) -> Result<Vec<(Timestamp, UserId)>> {
    let path = format!("/internal/users/deleted?since={}", since.as_millis());
    read(&call(users, Method::GET, &path, Bytes::new(), TRUST_TIME).await?)
}

async fn post(peer: &Peer, path: &str, body: &impl Serialize) -> Result<Bytes> {
    let body = serde_json::to_vec(body).map_err(Error::internal)?;
    call(peer, Method::POST, path, body.into(), CATALOG_TIME).await
}

async fn call(
    peer: &Peer,
    method: Method,
    path: &str,
    body: Bytes,
    limit: Duration,
) -> Result<Bytes> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let uri = path.parse().map_err(Error::internal)?;
    let call = Call { method, uri, headers, body, told: Told::default() };
    let answer = peer.call(&call, Instant::now() + limit).await?;
    match answer.status().is_success() {
        true => Ok(answer.into_body()),
        false => Err(passed_on(answer.status().as_u16(), answer.body())),
    }
}

/// The refusal that the other process raised, as far as it can be read.
fn passed_on(status: u16, body: &[u8]) -> Error {
    let problem: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let code: Option<Code> = serde_json::from_value(problem["code"].clone()).ok();
    let detail = problem["detail"].as_str().unwrap_or("a service failed").to_owned();
    match code {
        Some(Code::Internal) | None => {
            Error::internal(format!("a service answered {status}: {detail}"))
        }
        Some(code) => Error::new(code, detail),
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(Error::internal)
}
