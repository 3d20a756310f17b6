//! Where services meet: the only place that knows all of them.

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::Router;
use holdfast_gateway::{Gateway, RateLimits, Upstream, Upstreams};
use holdfast_orders::{Catalog, Orders};
use holdfast_products::Products;
use holdfast_storage::Database;
use holdfast_types::{
    BatchId, Clock, OrderId, Random, ReserveBatch, Reserved, Result, Settlement, Unconfirmed,
};
use holdfast_users::Users;
use holdfast_web::{auth::Verifier, with_fallbacks};
use utoipa::openapi::OpenApi;

use crate::{config::Config, system};

/// Between two looks at what was revoked.
const REVOCATION_POLL: Duration = Duration::from_secs(1);
/// Between two rounds of forgetting.
const FORGETTING: Duration = Duration::from_secs(600);

/// The services of a whole shop in one process.
#[derive(Debug)]
pub(crate) struct Shop {
    pub(crate) users: Users,
    pub(crate) products: Products,
    pub(crate) orders: Orders,
    /// Each database once.
    pub(crate) databases: Vec<Database>,
    verifier: Arc<Verifier>,
    clock: Clock,
}

/// Products in this process: a call is a function call.
struct LocalCatalog(Products);

#[async_trait]
impl Catalog for LocalCatalog {
    async fn reserve(&self, batch: ReserveBatch) -> Result<Vec<Result<Reserved>>> {
        self.0.reserve(batch).await
    }

    async fn settle(&self, settlements: &[(OrderId, Settlement)]) -> Result<()> {
        self.0.settle(settlements).await
    }

    async fn confirm(&self, batches: &[BatchId]) -> Result<()> {
        self.0.confirm(batches).await
    }

    async fn unconfirmed(&self, age: Duration) -> Result<Vec<Unconfirmed>> {
        self.0.unconfirmed(age).await
    }
}

impl Shop {
    /// Opens the databases and the services on them.
    pub(crate) async fn open(config: &Config) -> Result<Self> {
        let (clock, random) = (Clock::System, Random::system());
        let names = &config.databases;
        let mut opened: Vec<(PathBuf, Database)> = Vec::new();
        let mut open = |url: &Option<String>| {
            let path = holdfast_storage::resolve(url.as_deref(), &config.data_dir)?;
            if let Some((_, database)) = opened.iter().find(|(other, _)| *other == path) {
                return Ok(database.clone());
            }
            let database = holdfast_storage::open(url.as_deref(), &config.data_dir)?;
            opened.push((path, database.clone()));
            Ok::<_, holdfast_types::Error>(database)
        };
        let (users_db, products_db, orders_db) =
            (open(&names.users)?, open(&names.products)?, open(&names.orders)?);
        let verifier = Arc::new(Verifier::new(&config.issuer, clock.clone()));
        let users_settings = holdfast_users::Settings {
            issuer: config.issuer.clone(),
            login_failures_per_address: config.limits.login_failures_address,
            login_failures_per_username: config.limits.login_failures_user,
            registrations_per_address: config.limits.registrations,
        };
        let users = Users::open(
            &users_db,
            &users_settings,
            Arc::clone(&verifier),
            clock.clone(),
            random.clone(),
        )
        .await?;
        let products =
            Products::open(&products_db, Arc::clone(&verifier), clock.clone(), random.clone())
                .await?;
        let catalog = Arc::new(LocalCatalog(products.clone()));
        let settings = holdfast_orders::Settings { payment_window: config.payment_window };
        let timing = (clock.clone(), random);
        let orders =
            Orders::open(&orders_db, catalog, settings, Arc::clone(&verifier), timing).await?;
        let databases = opened.into_iter().map(|(_, database)| database).collect();
        Ok(Self { users, products, orders, databases, verifier, clock })
    }

    /// The router, and all services behind it.
    pub(crate) fn gateway(&self, config: &Config, health: system::Health) -> Gateway {
        let local = |routes: Router| Upstream::Local(with_fallbacks(routes));
        let upstreams = Upstreams {
            users: local(holdfast_users::routes(self.users.clone())),
            products: local(holdfast_products::routes(self.products.clone())),
            orders: local(holdfast_orders::routes(self.orders.clone())),
        };
        let system = system::routes(health, Arc::clone(&self.verifier), &document());
        let settings = holdfast_gateway::Settings {
            limits: RateLimits { reads: config.limits.reads, writes: config.limits.writes },
            cors_origins: config.cors_origins.clone(),
        };
        Gateway::new(upstreams, system, &settings, Arc::clone(&self.verifier), self.clock.clone())
    }

    /// What goes on beside requests, until the process ends.
    pub(crate) fn begin_chores(&self) {
        let orders = self.orders.clone();
        tokio::spawn(async move { orders.sweep().await });
        let users = self.users.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(REVOCATION_POLL).await;
                if let Err(error) = users.refresh_revocations().await {
                    tracing::warn!(%error, "cannot read what was revoked");
                }
            }
        });
        let (users, products) = (self.users.clone(), self.products.clone());
        tokio::spawn(async move {
            loop {
                let forgotten = users.forget().await.and(products.forget().await);
                if let Err(error) = forgotten {
                    tracing::warn!(%error, "cannot forget old answers");
                }
                tokio::time::sleep(FORGETTING).await;
            }
        });
    }
}

/// The OpenAPI document of everything, without opening any of it.
pub(crate) fn document() -> OpenApi {
    let services =
        [holdfast_users::document(), holdfast_products::document(), holdfast_orders::document()];
    system::describe(services)
}
