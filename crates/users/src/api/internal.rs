//! What every process asks of users: whose tokens are good.

use axum::{Router, extract::State, routing::get};
use holdfast_web::{
    FromPeer, NoQuery, Reply,
    auth::{PublicKey, Revocations},
    json_reply,
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
    Router::new().route("/internal/users/trusted", get(trusted)).with_state(users)
}

async fn trusted(State(users): State<Users>, _: FromPeer, _: NoQuery) -> Reply {
    let trusted =
        Trusted { keys: users.public_keys().await?, revocations: users.revocations().await? };
    json_reply(200, &trusted)
}
