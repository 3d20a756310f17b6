//! Users, wherever they are served.

use std::net::IpAddr;

use async_trait::async_trait;
use holdfast_gateway::KeyExchange;
use holdfast_types::{Result, Timestamp, UserId};
use holdfast_users::Users;
use holdfast_web::{
    Peer,
    auth::{KeyGrant, KeyProof},
};

use super::remote;

/// Where users are asked.
pub(super) enum UsersAt {
    Here(Users),
    There(Peer),
}

impl UsersAt {
    /// Users who were deleted at `since` or later.
    pub(super) async fn deleted(&self, since: Timestamp) -> Result<Vec<(Timestamp, UserId)>> {
        match self {
            Self::Here(users) => users.deleted(since).await,
            Self::There(peer) => remote::deleted(peer, since).await,
        }
    }
}

#[async_trait]
impl KeyExchange for UsersAt {
    async fn exchange(&self, proof: &KeyProof, client: Option<IpAddr>) -> Result<KeyGrant> {
        match self {
            Self::Here(users) => users.exchange_key(proof, client).await,
            Self::There(peer) => remote::exchange_key(peer, proof, client).await,
        }
    }
}
