//! What every process asks of users: whose tokens are good.

use std::net::IpAddr;

use axum::{
    Router,
    extract::State,
    routing::{get, post},
};
use holdfast_types::{AccountQuestion, Timestamp};
use holdfast_web::{
    FromPeer, Input, NoQuery, Query, Reply,
    auth::{KeyProof, PublicKey, Revocations},
    json_reply, parse,
};
use serde::{Deserialize, Serialize};

use crate::Users;

/// What a verifier needs to know, brought up to date once a second.
#[derive(Debug, Serialize, Deserialize)]
pub struct Trusted {
    /// Keys that sign access tokens.
    pub keys: Vec<PublicKey>,
    /// What was revoked.
    pub revocations: Revocations,
}

/// Routes that only processes of the same cluster may call.
pub fn internal_routes(users: Users) -> Router {
    Router::new()
        .route("/internal/users/trusted", get(trusted))
        .route("/internal/users/deleted", get(deleted))
        .route("/internal/users/keys/exchange", post(exchange_key))
        .route("/internal/users/letter", post(tell_letter))
        .with_state(users)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Since {
    /// Milliseconds since the Unix epoch.
    since: i64,
}

async fn deleted(
    State(users): State<Users>,
    _: FromPeer,
    Query(Since { since }): Query<Since>,
) -> Reply {
    json_reply(200, &users.deleted(Timestamp::from_millis(since)).await?)
}

async fn exchange_key(State(users): State<Users>, _: FromPeer, mut input: Input) -> Reply {
    let (proof, client): (KeyProof, Option<IpAddr>) = parse(&input.body().await?)?;
    json_reply(200, &users.exchange_key(&proof, client).await?)
}

async fn tell_letter(State(users): State<Users>, _: FromPeer, mut input: Input) -> Reply {
    let question: AccountQuestion = parse(&input.body().await?)?;
    json_reply(200, &users.letter(&question).await?)
}

async fn trusted(State(users): State<Users>, _: FromPeer, _: NoQuery) -> Reply {
    let trusted =
        Trusted { keys: users.public_keys().await?, revocations: users.revocations().await? };
    json_reply(200, &trusted)
}
