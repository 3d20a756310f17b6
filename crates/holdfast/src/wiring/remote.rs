//! Services in other processes.

use std::{net::IpAddr, time::Duration};

use async_trait::async_trait;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use bytes::Bytes;
use holdfast_orders::Stock;
use holdfast_products::StockPlace;
use holdfast_types::{
    AccountLetter, AccountQuestion, BatchId, Code, Error, Kept, OrderId, OrderLetter, ReserveBatch,
    Reserved, Result, StockAction, Timestamp, Unconfirmed, UserId, read_problem,
};
use holdfast_users::Trusted;
use holdfast_web::{
    Call, CallContext, Peer,
    auth::{KeyGrant, KeyProof},
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;

/// How long a batch may take: shorter than its orders' clients wait.
const STOCK_TIME: Duration = Duration::from_secs(20);
/// How long asking for keys, or for where stock is kept, may take.
const TRUST_TIME: Duration = Duration::from_secs(2);

/// Products in other processes: a whole batch is one call.
#[derive(Clone, Debug)]
pub(super) struct RemoteStock(pub(super) Peer);

#[async_trait]
impl Stock for RemoteStock {
    async fn reserve(&self, batch: ReserveBatch) -> Result<Vec<Result<Reserved>>> {
        let trace = batch.trace.as_deref();
        read(&post(&self.0, "/internal/products/reserve", &batch, trace).await?)
    }

    async fn apply(&self, actions: &[(OrderId, StockAction)]) -> Result<()> {
        post(&self.0, "/internal/products/stock-actions", &actions, None).await.map(|_| ())
    }

    async fn give_back(&self, kept: &[(OrderId, Kept)]) -> Result<()> {
        post(&self.0, "/internal/products/give-back", &kept, None).await.map(|_| ())
    }

    async fn confirm(&self, batches: &[BatchId]) -> Result<()> {
        post(&self.0, "/internal/products/confirm", &batches, None).await.map(|_| ())
    }

    async fn unconfirmed(&self, age: Duration) -> Result<Vec<Unconfirmed>> {
        let path = format!("/internal/products/unconfirmed?age={}", age.as_millis());
        read(&get(&self.0, &path, STOCK_TIME).await?)
    }
}

impl RemoteStock {
    /// Asks where the stock is kept.
    pub(super) async fn place(&self) -> Result<Option<StockPlace>> {
        read(&get(&self.0, "/internal/products/stock-place", TRUST_TIME).await?)
    }
}

/// Asks users whose tokens are good.
pub(super) async fn trusted(users: &Peer) -> Result<Trusted> {
    read(&get(users, "/internal/users/trusted", TRUST_TIME).await?)
}

/// Asks users for a token in an API key's place.
pub(super) async fn exchange_key(
    users: &Peer,
    proof: &KeyProof,
    client: Option<IpAddr>,
) -> Result<KeyGrant> {
    let call = posted("/internal/users/keys/exchange", &(proof, client), None)?;
    read(&ask(users, &call, TRUST_TIME).await?)
}

/// Asks users who was deleted at `since` or later.
pub(super) async fn deleted(users: &Peer, since: Timestamp) -> Result<Vec<(Timestamp, UserId)>> {
    let path = format!("/internal/users/deleted?since={}", since.as_millis());
    read(&get(users, &path, TRUST_TIME).await?)
}

/// Asks orders what a letter about one of them says.
pub(super) async fn order_letter(orders: &Peer, id: OrderId) -> Result<Option<OrderLetter>> {
    let call = posted("/internal/orders/letter", &id, None)?;
    read(&ask(orders, &call, TRUST_TIME).await?)
}

/// Asks users what a letter about an account says.
pub(super) async fn account_letter(
    users: &Peer,
    question: &AccountQuestion,
) -> Result<Option<AccountLetter>> {
    let call = posted("/internal/users/letter", question, None)?;
    read(&ask(users, &call, TRUST_TIME).await?)
}

pub(super) async fn get(peer: &Peer, path: &str, limit: Duration) -> Result<Bytes> {
    ask(peer, &Call::get(path.parse().map_err(Error::internal)?), limit).await
}

pub(super) async fn post(
    peer: &Peer,
    path: &str,
    body: &impl Serialize,
    trace: Option<&str>,
) -> Result<Bytes> {
    ask(peer, &posted(path, body, trace)?, STOCK_TIME).await
}

fn posted(path: &str, body: &impl Serialize, trace: Option<&str>) -> Result<Call> {
    let body = serde_json::to_vec(body).map_err(Error::internal)?.into();
    let (method, mut headers) = (Method::POST, HeaderMap::new());
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(trace) = trace.and_then(|trace| HeaderValue::from_str(trace).ok()) {
        headers.insert("traceparent", trace);
    }
    let uri = path.parse().map_err(Error::internal)?;
    Ok(Call { method, uri, headers, body, told: CallContext::default() })
}

async fn ask(peer: &Peer, call: &Call, limit: Duration) -> Result<Bytes> {
    let answer = peer.call(call, Instant::now() + limit).await?;
    match answer.status().is_success() {
        true => Ok(answer.into_body()),
        // Whole, with its members' errors and its extras.
        false => Err(raised(answer.status().as_u16(), answer.body())),
    }
}

/// The refusal of another process as its own clients would hear it.
fn raised(status: u16, body: &[u8]) -> Error {
    match read_problem(body) {
        Some(error) if error.code() == Code::Internal => {
            Error::internal(format!("a service answered {status}: {}", error.message()))
        }
        Some(error) => error,
        None => Error::internal(format!("a service answered {status} without a problem")),
    }
}

pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(Error::internal)
}
