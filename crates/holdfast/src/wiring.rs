//! Where services meet: the only place that knows all of them.

mod chores;
mod node;
mod remote;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use holdfast_orders::{Orders, Stock};
use holdfast_products::Products;
use holdfast_storage::{Database, Location};
use holdfast_types::{
    BatchId, Clock, OrderId, Random, ReserveBatch, Reserved, Result, StockAction, Unconfirmed,
};
use holdfast_users::Users;
use holdfast_web::auth::Verifier;
use serde_json::Value;

use crate::{config::Config, system};

pub(crate) use node::Node;

/// The services of a whole shop in one process.
#[derive(Debug)]
pub(crate) struct Shop {
    pub(crate) users: Users,
    pub(crate) products: Products,
    pub(crate) orders: Orders,
    /// Of users, products and orders.
    pub(crate) databases: [Database; 3],
}

/// Products in this process: a call is a function call.
struct LocalStock(Products);

#[async_trait]
impl Stock for LocalStock {
    async fn reserve(&self, batch: ReserveBatch) -> Result<Vec<Result<Reserved>>> {
        self.0.reserve(batch).await
    }

    async fn apply(&self, actions: &[(OrderId, StockAction)]) -> Result<()> {
        self.0.apply_stock_actions(actions).await
    }

    async fn confirm(&self, batches: &[BatchId]) -> Result<()> {
        self.0.confirm(batches).await
    }

    async fn unconfirmed(&self, age: Duration) -> Result<Vec<Unconfirmed>> {
        self.0.unconfirmed(age).await
    }
}

impl Shop {
    /// Opens the databases and the services on them. Refuses half a shop.
    pub(crate) async fn open(config: &Config) -> Result<Self> {
        let shop = Self::open_for_restore(config).await?;
        for database in &shop.databases {
            database.refuse_half().await?;
        }
        Ok(shop)
    }

    /// The same where a restore may have been cut short.
    pub(crate) async fn open_for_restore(config: &Config) -> Result<Self> {
        let mut opener = Opener::new(config);
        let users = opener.users().await?;
        let products = opener.products().await?;
        let orders = opener.orders(Arc::new(LocalStock(products.clone()))).await?;
        let names = &config.databases;
        let databases = [
            opener.database(names.users.as_deref()).await?,
            opener.database(names.products.as_deref()).await?,
            opener.database(names.orders.as_deref()).await?,
        ];
        Ok(Self { users, products, orders, databases })
    }
}

/// Opens services, each database once.
struct Opener<'a> {
    config: &'a Config,
    opened: Vec<(Location, Database)>,
    verifier: Arc<Verifier>,
    clock: Clock,
    random: Random,
}

impl<'a> Opener<'a> {
    fn new(config: &'a Config) -> Self {
        let clock = Clock::system();
        let verifier = Arc::new(Verifier::new(&config.issuer, clock.clone()));
        Self { config, opened: Vec::new(), verifier, clock, random: Random::system() }
    }

    fn databases(self) -> Vec<Database> {
        self.opened.into_iter().map(|(_, database)| database).collect()
    }

    async fn database(&mut self, url: Option<&str>) -> Result<Database> {
        let location = Location::of(url, &self.config.data_dir)?;
        if let Some((_, database)) = self.opened.iter().find(|(other, _)| *other == location) {
            return Ok(database.clone());
        }
        let database = Database::open(&location).await?;
        self.opened.push((location, database.clone()));
        Ok(database)
    }

    async fn users(&mut self) -> Result<Users> {
        let database = self.database(self.config.databases.users.as_deref()).await?;
        let limits = &self.config.limits;
        let settings = holdfast_users::Settings {
            issuer: self.config.issuer.clone(),
            guesses: holdfast_users::GuessQuotas {
                per_address: limits.login_failures_address,
                per_username: limits.login_failures_user,
                everywhere: limits.login_failures_spread,
            },
            registrations_per_address: limits.registrations,
        };
        let verifier = Arc::clone(&self.verifier);
        Users::open(&database, &settings, verifier, self.clock.clone(), self.random.clone()).await
    }

    async fn products(&mut self) -> Result<Products> {
        let database = self.database(self.config.databases.products.as_deref()).await?;
        let verifier = Arc::clone(&self.verifier);
        Products::open(&database, verifier, self.clock.clone(), self.random.clone()).await
    }

    async fn orders(&mut self, stock: Arc<dyn Stock>) -> Result<Orders> {
        let database = self.database(self.config.databases.orders.as_deref()).await?;
        let settings = holdfast_orders::Settings { payment_window: self.config.payment_window };
        let (verifier, timing) =
            (Arc::clone(&self.verifier), (self.clock.clone(), self.random.clone()));
        Orders::open(&database, stock, settings, verifier, timing).await
    }
}

/// The OpenAPI document of everything, without opening any of it.
pub(crate) fn document() -> Value {
    let services =
        [holdfast_users::document(), holdfast_products::document(), holdfast_orders::document()];
    system::describe(services)
}
