//! One process of a shop: any of its parts, and the way to the others.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::Router;
use clap::ValueEnum;
use holdfast_gateway::{Gateway, RateLimits, Upstream, Upstreams};
use holdfast_mail::Mail;
use holdfast_storage::Database;
use holdfast_types::{Clock, Code, Error, Random, Result};
use holdfast_users::Users;
use holdfast_web::{
    ClusterSecret, InternalTls, Load, Peer, Service, auth::Verifier, with_fallbacks,
};

use super::{Opener, chores, document, outboxes, services::Services, users_at::UsersAt};
use crate::{
    config::Config,
    parts::{Part, Parts},
    system::{self, Health, Metrics, Process},
};

/// How long the end of a process may wait for its database.
const FLUSH_TIME: Duration = Duration::from_secs(2);

/// The parts of the shop that this process serves.
#[derive(Debug)]
pub(crate) struct Node {
    /// Tells this run of the process from all others.
    id: u64,
    parts: Parts,
    services: Services,
    /// Services in other processes that this one asks.
    peers: BTreeMap<Part, Peer>,
    /// All gateways, for one of them.
    gateways: Option<Peer>,
    /// Each database once.
    databases: Vec<Database>,
    verifier: Arc<Verifier>,
}

/// A peer for every service that this process asks and does not serve.
fn find_peers(
    config: &Config,
    parts: &Parts,
    tls: Option<&InternalTls>,
    random: &Random,
) -> Result<BTreeMap<Part, Peer>> {
    let missing: Vec<Part> =
        Part::SERVICES.into_iter().filter(|part| !parts.has(*part) && parts.ask(*part)).collect();
    if parts.has(Part::Gateway)
        && missing.is_empty()
        && Part::SERVICES.iter().any(|part| !config.targets(*part).is_empty())
    {
        let flags: Vec<String> = Part::value_variants()
            .iter()
            .filter(|part| part.service().is_some())
            .map(|part| format!("--{}", part.name()))
            .collect();
        let flags = flags.join(", ");
        let why =
            format!("this process serves everything itself: {flags} say where other processes are");
        return Err(Error::new(Code::InvalidParameter, why));
    }
    let mut peers = BTreeMap::new();
    for part in missing {
        let targets = config.targets(part.place(config)).to_vec();
        if targets.is_empty() {
            return Err(needs(&format!("where {0} is: --{0} http://HOST:PORT", part.name())));
        }
        let peer =
            Peer::new(part.name(), targets, secret_of(config)?, tls.cloned(), random.clone());
        peers.insert(part, peer);
    }
    Ok(peers)
}

/// The way to all gateways, for one of several.
fn find_gateways(
    config: &Config,
    parts: &Parts,
    tls: Option<&InternalTls>,
    random: &Random,
) -> Result<Option<Peer>> {
    let targets = config.targets(Part::Gateway).to_vec();
    if targets.is_empty() || !parts.has(Part::Gateway) {
        return Ok(None);
    }
    let (name, secret) = (Part::Gateway.name(), secret_of(config)?);
    Ok(Some(Peer::new(name, targets, secret, tls.cloned(), random.clone())))
}

fn secret_of(config: &Config) -> Result<ClusterSecret> {
    let secret = config.cluster_secret.clone();
    secret.ok_or_else(|| needs("HOLDFAST_CLUSTER_SECRET, the same in every process"))
}

fn needs(what: &str) -> Error {
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
        let peers = find_peers(config, parts, tls, &opener.sources.random)?;
        let gateways = find_gateways(config, parts, tls, &opener.sources.random)?;
        let id = u64::from_be_bytes(opener.sources.random.bytes());
        let services = Services::open(&mut opener, parts, &peers).await?;
        let verifier = Arc::clone(&opener.verifier);
        let databases = opener.databases();
        for database in &databases {
            database.refuse_half().await?;
        }
        Ok(Self { id, parts: parts.clone(), services, peers, gateways, databases, verifier })
    }

    /// Users, if they are served here.
    pub(crate) const fn users(&self) -> Option<&Users> {
        self.services.users.as_ref()
    }

    /// What readiness is judged by.
    pub(crate) fn health(&self, metrics: Metrics, load: Arc<Load>) -> Health {
        let process = Process {
            id: self.id,
            parts: self.parts.clone(),
            databases: self.databases.clone(),
            peers: self.peers.values().cloned().collect(),
            gateways: self.gateways.clone(),
        };
        Health::new(process, Arc::clone(&self.verifier), metrics, load)
    }

    /// The router, with what is served here behind it and the way to what is not.
    pub(crate) fn gateway(&self, config: &Config, health: Health) -> Gateway {
        let served = self.services.all();
        let upstream = |part: Part| -> Option<(&'static Service, Upstream)> {
            let upstream = match (served.get(&part), self.peers.get(&part)) {
                (Some(service), _) => Upstream::Local(with_fallbacks(service.routes())),
                (None, peer) => Upstream::Remote(peer?.clone()),
            };
            Some((part.service()?, upstream))
        };
        let upstreams: Upstreams = Part::SERVICES.into_iter().filter_map(upstream).collect();
        let settings = holdfast_gateway::Settings {
            limits: RateLimits { reads: config.limits.reads, writes: config.limits.writes },
            cors_origins: config.cors_origins.clone(),
        };
        let system = system::routes(health, &document()).merge(holdfast_console::routes());
        let users = self.users_at().expect("a gateway serves users itself or asks them elsewhere");
        Gateway::new(upstreams, system, &settings, Arc::new(users), Arc::clone(&self.verifier))
    }

    /// Users, here or elsewhere.
    fn users_at(&self) -> Option<UsersAt> {
        let elsewhere = || self.peers.get(&Part::Users).cloned().map(UsersAt::There);
        self.users().cloned().map(UsersAt::Here).or_else(elsewhere)
    }

    /// What is served here, for other processes of the shop.
    pub(crate) fn services(&self, health: Health) -> Router {
        let routes =
            system::routes(health.clone(), &document()).merge(system::internal_routes(health));
        let served = self.services.all().into_iter();
        with_fallbacks(served.fold(routes, |routes, (part, service)| {
            let told = service.outbox().map(|outbox| outboxes::routes(part, outbox));
            let inside = service.internal_routes().merge(told.unwrap_or_default());
            routes.merge(service.routes()).merge(inside)
        }))
    }

    /// Writes down what is only in memory: for the end of the process.
    pub(crate) async fn flush(&self) {
        for (part, service) in self.services.all() {
            let flushed = tokio::time::timeout(FLUSH_TIME, service.flush()).await;
            if !matches!(flushed, Ok(Ok(()))) {
                tracing::warn!(part = part.name(), "what is only in memory is not kept");
            }
        }
    }

    /// What goes on beside requests, until the process ends.
    pub(crate) fn begin_chores(&self) {
        let Services { users, products, orders, payments, mail, events, stock_elsewhere, .. } =
            &self.services;
        let users_elsewhere = self.peers.get(&Part::Users);
        if let Some(orders) = orders.clone() {
            if let Some(users) = self.users_at() {
                chores::erase_buyers(orders.clone(), users, Clock::system());
            }
            tokio::spawn(async move { orders.sweep().await });
        }
        if let Some(products) = products.clone() {
            tokio::spawn(async move { products.sweep().await });
        }
        if let Some(payments) = payments.clone() {
            tokio::spawn(async move { payments.sweep().await });
        }
        if let Some(events) = events {
            events.collect();
            events.deliver();
            events.publish();
            if let Some(consumer) = mail.as_ref().and_then(Mail::consumer) {
                events.follow(consumer);
            }
        }
        if let Some(mail) = mail.clone() {
            tokio::spawn(async move { mail.send().await });
        }
        if let Some(stock) = stock_elsewhere.clone() {
            tokio::spawn(async move { stock.keep_looking().await });
        }
        match (users, users_elsewhere) {
            (Some(users), _) => chores::refresh_revocations(users.clone()),
            (None, Some(peer)) => chores::poll_trusted(peer.clone(), Arc::clone(&self.verifier)),
            (None, None) => {}
        }
        chores::forget(self.services.all());
    }
}
