//! One process of a shop: any of its parts, and the way to the others.

use std::sync::Arc;

use axum::Router;
use holdfast_gateway::{Gateway, RateLimits, Upstream, Upstreams};
use holdfast_orders::{Orders, Stock};
use holdfast_products::Products;
use holdfast_storage::Database;
use holdfast_types::{Clock, Code, Error, Random, Result};
use holdfast_users::Users;
use holdfast_web::{InternalTls, Peer, auth::Verifier, with_fallbacks};

use super::{
    LocalStock, Opener,
    chores::{self, UsersAt},
    document,
    remote::RemoteStock,
};
use crate::{
    config::{Config, Part, Parts},
    system,
};

/// The parts of the shop that this process serves.
#[derive(Debug)]
pub(crate) struct Node {
    parts: Parts,
    pub(crate) users: Option<Users>,
    products: Option<Products>,
    orders: Option<Orders>,
    peers: Peers,
    /// Each database once.
    pub(crate) databases: Vec<Database>,
    pub(crate) verifier: Arc<Verifier>,
}

/// Services in other processes.
#[derive(Debug)]
struct Peers {
    users: Option<Peer>,
    products: Option<Peer>,
    orders: Option<Peer>,
}

impl Peers {
    /// A peer for every service that this process needs and does not serve.
    fn new(
        config: &Config,
        parts: &Parts,
        tls: Option<&InternalTls>,
        random: &Random,
    ) -> Result<Self> {
        let gateway = parts.has(Part::Gateway);
        let everything = [Part::Users, Part::Products, Part::Orders];
        if gateway
            && everything.iter().all(|part| parts.has(*part))
            && everything.iter().any(|part| !config.targets(*part).is_empty())
        {
            let why = "this process serves everything itself: --users, --products and --orders say where other processes are";
            return Err(Error::new(Code::InvalidParameter, why));
        }
        let peer = |part: Part, needed: bool| {
            if parts.has(part) || !needed {
                return Ok(None);
            }
            let targets = config.targets(part).to_vec();
            let secret = config.cluster_secret.clone();
            match (targets.is_empty(), secret) {
                (false, Some(secret)) => {
                    let tls = tls.cloned();
                    Ok(Some(Peer::new(part.name(), targets, secret, tls, random.clone())))
                }
                (true, _) => {
                    Err(missing(&format!("where {0} is: --{0} http://HOST:PORT", part.name())))
                }
                (false, None) => Err(missing("HOLDFAST_CLUSTER_SECRET, the same in every process")),
            }
        };
        Ok(Self {
            users: peer(Part::Users, true)?,
            products: peer(Part::Products, gateway || parts.has(Part::Orders))?,
            orders: peer(Part::Orders, gateway)?,
        })
    }
}

fn missing(what: &str) -> Error {
    Error::new(
        Code::InvalidParameter,
        format!("a process with only some of the parts needs {what}"),
    )
}

impl Node {
    /// Opens what this process serves.
    pub(crate) async fn open(
        config: &Config,
        parts: &Parts,
        tls: Option<&InternalTls>,
    ) -> Result<Self> {
        let mut opener = Opener::new(config);
        let peers = Peers::new(config, parts, tls, &opener.random)?;
        let users = if parts.has(Part::Users) { Some(opener.users().await?) } else { None };
        let products =
            if parts.has(Part::Products) { Some(opener.products().await?) } else { None };
        let stock: Option<Arc<dyn Stock>> = match (&products, &peers.products) {
            (Some(products), _) => Some(Arc::new(LocalStock(products.clone()))),
            (None, Some(peer)) => Some(Arc::new(RemoteStock(peer.clone()))),
            (None, None) => None,
        };
        let orders = match stock {
            Some(stock) if parts.has(Part::Orders) => Some(opener.orders(stock).await?),
            _ => None,
        };
        let verifier = Arc::clone(&opener.verifier);
        let databases = opener.databases();
        for database in &databases {
            database.refuse_half().await?;
        }
        Ok(Self { parts: parts.clone(), users, products, orders, peers, databases, verifier })
    }

    /// The router, with what is served here behind it and the way to what is not.
    pub(crate) fn gateway(&self, config: &Config, health: system::Health) -> Gateway {
        let upstream = |local: Option<Router>, remote: &Option<Peer>| match (local, remote) {
            (Some(routes), _) => Upstream::Local(with_fallbacks(routes)),
            (None, Some(peer)) => Upstream::Remote(peer.clone()),
            (None, None) => unreachable!("a gateway has a peer for what is not served here"),
        };
        let upstreams = Upstreams {
            users: upstream(self.users.clone().map(holdfast_users::routes), &self.peers.users),
            products: upstream(
                self.products.clone().map(holdfast_products::routes),
                &self.peers.products,
            ),
            orders: upstream(self.orders.clone().map(holdfast_orders::routes), &self.peers.orders),
        };
        let settings = holdfast_gateway::Settings {
            limits: RateLimits { reads: config.limits.reads, writes: config.limits.writes },
            cors_origins: config.cors_origins.clone(),
        };
        let system = system::routes(health, &document());
        Gateway::new(upstreams, system, &settings, Arc::clone(&self.verifier))
    }

    /// What is served here, for other processes of the shop.
    pub(crate) fn services(&self, health: system::Health) -> Router {
        let mut routes = system::routes(health.clone(), &document())
            .merge(system::internal_routes(health, self.parts.clone()));
        if let Some(users) = &self.users {
            routes = routes
                .merge(holdfast_users::routes(users.clone()))
                .merge(holdfast_users::internal_routes(users.clone()));
        }
        if let Some(products) = &self.products {
            routes = routes
                .merge(holdfast_products::routes(products.clone()))
                .merge(holdfast_products::internal_routes(products.clone()));
        }
        if let Some(orders) = &self.orders {
            routes = routes.merge(holdfast_orders::routes(orders.clone()));
        }
        with_fallbacks(routes)
    }

    /// Services in other processes.
    pub(crate) fn peers(&self) -> Vec<Peer> {
        let Peers { users, products, orders } = &self.peers;
        [users, products, orders].into_iter().flatten().cloned().collect()
    }

    /// What goes on beside requests, until the process ends.
    pub(crate) fn begin_chores(&self) {
        if let Some(orders) = self.orders.clone() {
            let users = self.users.clone().map(UsersAt::Here);
            let users = users.or_else(|| self.peers.users.clone().map(UsersAt::There));
            if let Some(users) = users {
                chores::erase_buyers(orders.clone(), users, Clock::system());
            }
            tokio::spawn(async move { orders.sweep().await });
        }
        match (&self.users, &self.peers.users) {
            (Some(users), _) => chores::refresh_revocations(users.clone()),
            (None, Some(peer)) => chores::poll_trusted(peer.clone(), Arc::clone(&self.verifier)),
            (None, None) => {}
        }
        chores::forget(self.users.clone(), self.products.clone());
    }
}
