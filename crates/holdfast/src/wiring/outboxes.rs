//! What services have to tell, in this process or in another.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{
    Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use holdfast_storage::{EventSource, OutboxBatch};
use holdfast_types::{Message, Result};
use holdfast_web::{FromPeer, Input, Peer, Query, Reply, json_reply, no_content, parse};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use uuid::Uuid;

use super::remote::{get as ask_for, post as tell, read};
use crate::parts::Part;

/// Bytes of a question: some hundred messages with what they say, or ids.
const QUESTION_BYTES: usize = 4 << 20;
/// How long it may take to collect.
const TIME: Duration = Duration::from_secs(5);

type Outbox = Arc<dyn EventSource>;

/// Routes by which processes that serve events collect what a service tells.
pub(super) fn routes(part: Part, outbox: Outbox) -> Router {
    let path = path_of(part);
    Router::new()
        .route(&path, get(take))
        .route(&format!("{path}/settled"), post(settle))
        .route(&format!("{path}/descriptions"), post(describe))
        .with_state(outbox)
}

fn path_of(part: Part) -> String {
    format!("/internal/{}/outbox", part.name())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    limit: usize,
}

async fn take(
    State(outbox): State<Outbox>,
    _: FromPeer,
    Query(Limit { limit }): Query<Limit>,
) -> Reply<Response> {
    json_reply(200, &outbox.take(limit).await?)
}

async fn settle(State(outbox): State<Outbox>, _: FromPeer, mut input: Input) -> Reply {
    let batches: Vec<Uuid> = body(&mut input).await?;
    outbox.settle(&batches).await?;
    Ok(no_content())
}

async fn describe(State(outbox): State<Outbox>, _: FromPeer, mut input: Input) -> Reply {
    let messages: Vec<Message> = body(&mut input).await?;
    json_reply(200, &outbox.describe(&messages).await?)
}

async fn body<T: DeserializeOwned>(input: &mut Input) -> Result<T> {
    parse(&input.body_of(QUESTION_BYTES, &["application/json"]).await?)
}

/// The outbox of a service in other processes.
#[derive(Debug)]
pub(super) struct OutboxElsewhere {
    pub(super) part: Part,
    pub(super) peer: Peer,
}

impl OutboxElsewhere {
    fn path(&self, rest: &str) -> String {
        path_of(self.part) + rest
    }
}

#[async_trait]
impl EventSource for OutboxElsewhere {
    async fn take(&self, limit: usize) -> Result<Vec<OutboxBatch>> {
        read(&ask_for(&self.peer, &self.path(&format!("?limit={limit}")), TIME).await?)
    }

    async fn settle(&self, batches: &[Uuid]) -> Result<()> {
        tell(&self.peer, &self.path("/settled"), &batches, None).await.map(|_| ())
    }

    async fn describe(&self, messages: &[Message]) -> Result<Vec<Value>> {
        read(&tell(&self.peer, &self.path("/descriptions"), &messages, None).await?)
    }
}
