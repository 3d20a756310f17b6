//! Where services meet: the only place that knows all of them.

mod chores;
mod facts;
mod money;
mod node;
mod outboxes;
mod remote;
mod services;
mod stock;
mod users_at;

use std::{collections::BTreeMap, sync::Arc};

use holdfast_events::{EventSources, Events};
use holdfast_mail::Mail;
use holdfast_media::Media;
use holdfast_orders::{Orders, Stock};
use holdfast_payments::Payments;
use holdfast_products::Products;
use holdfast_storage::{Database, Location};
use holdfast_types::{Result, Sources};
use holdfast_users::Users;
use holdfast_web::{Peer, auth::Verifier};

use crate::{config::Config, parts::Part};

use facts::{FactsAt, OrdersAt};
pub(crate) use node::Node;
use services::Services;
pub(crate) use services::{document, records_of};
use stock::{LocalStock, OpenProducts, StockElsewhere};
use users_at::UsersAt;

/// The services of a whole shop in one process.
#[derive(Debug)]
pub(crate) struct Shop {
    pub(crate) users: Users,
    pub(crate) products: Products,
    pub(crate) orders: Orders,
    pub(crate) payments: Payments,
    pub(crate) mail: Mail,
    pub(crate) events: Events,
    /// Of each service.
    pub(crate) databases: BTreeMap<Part, Database>,
    /// Each of them once.
    pub(crate) each_database: Vec<Database>,
}

impl Shop {
    /// Opens the databases and the services on them. Refuses half a shop.
    pub(crate) async fn open(config: &Config) -> Result<Self> {
        let shop = Self::open_for_restore(config).await?;
        for database in &shop.each_database {
            database.refuse_half().await?;
        }
        Ok(shop)
    }

    /// The same where a restore may have been cut short.
    pub(crate) async fn open_for_restore(config: &Config) -> Result<Self> {
        let mut opener = Opener::new(config);
        let users = opener.users().await?;
        let products = opener.products().await?;
        let orders = opener.orders(opener.local_stock(&products)?).await?;
        let payments = opener.payments(&orders).await?;
        let facts =
            FactsAt { orders: OrdersAt::Here(orders.clone()), users: UsersAt::Here(users.clone()) };
        // A command sends nothing, and needs neither templates nor a server.
        let silent = holdfast_mail::Settings { server: None, ..config.mail.clone() };
        let mail = opener.mail(facts, &silent).await?;
        let served = Services {
            mail: Some(mail.clone()),
            payments: Some(payments.clone()),
            users: Some(users.clone()),
            products: Some(products.clone()),
            orders: Some(orders.clone()),
            ..Services::default()
        };
        let events = opener.events(served.outboxes(&BTreeMap::new())).await?;
        let mut databases = BTreeMap::new();
        for part in Part::SERVICES {
            databases.insert(part, opener.database(part).await?);
        }
        let each_database = opener.databases();
        Ok(Self { users, products, orders, payments, mail, events, databases, each_database })
    }
}

/// Opens services, each database once.
struct Opener<'a> {
    config: &'a Config,
    opened: Vec<(Location, Database)>,
    verifier: Arc<Verifier>,
    sources: Sources,
}

impl<'a> Opener<'a> {
    fn new(config: &'a Config) -> Self {
        let sources = Sources::system();
        let verifier = Arc::new(Verifier::new(&config.issuer, sources.clock.clone()));
        Self { config, opened: Vec::new(), verifier, sources }
    }

    fn databases(self) -> Vec<Database> {
        self.opened.into_iter().map(|(_, database)| database).collect()
    }

    async fn database(&mut self, part: Part) -> Result<Database> {
        let location = self.config.location(part)?;
        if let Some((_, database)) = self.opened.iter().find(|(other, _)| *other == location) {
            return Ok(database.clone());
        }
        let database = Database::open(&location).await?;
        self.opened.push((location, database.clone()));
        Ok(database)
    }

    async fn users(&mut self) -> Result<Users> {
        let database = self.database(Part::Users).await?;
        let limits = &self.config.limits;
        let settings = holdfast_users::Settings {
            issuer: self.config.issuer.clone(),
            mfa_roles: self.config.mfa_roles.clone(),
            guesses: holdfast_users::GuessQuotas {
                per_address: limits.login_failures_address,
                per_username: limits.login_failures_user,
                everywhere: limits.login_failures_spread,
            },
            registrations_per_address: limits.registrations,
            guests_per_address: limits.guests,
            letters: limits.letters,
        };
        let verifier = Arc::clone(&self.verifier);
        Users::open(&database, &settings, verifier, self.sources.clone()).await
    }

    async fn products(&mut self) -> Result<Products> {
        let database = self.database(Part::Products).await?;
        let (media, verifier) = (self.media()?, Arc::clone(&self.verifier));
        let settings = self.config.products;
        Products::open(&database, settings, media, verifier, self.sources.clone()).await
    }

    fn media(&self) -> Result<Media> {
        Media::open(&self.config.media, self.config.media_limit as u64)
    }

    fn local_stock(&self, products: &Products) -> Result<Arc<dyn Stock>> {
        let (stock, orders) =
            (self.config.location(Part::Products)?, self.config.location(Part::Orders)?);
        Ok(Arc::new(LocalStock { products: products.clone(), is_together: stock == orders }))
    }

    /// Stock of the products at `peer`, who may keep it in the database of the orders.
    async fn stock_elsewhere(&mut self, peer: Peer) -> Result<StockElsewhere> {
        let database = self.database(Part::Orders).await?;
        let (media, verifier) = (self.media()?, Arc::clone(&self.verifier));
        let open = OpenProducts {
            database,
            settings: self.config.products,
            media,
            verifier,
            sources: self.sources.clone(),
        };
        Ok(StockElsewhere::new(peer, open))
    }

    async fn events(&mut self, sources: EventSources) -> Result<Events> {
        let database = self.database(Part::Events).await?;
        let (settings, verifier) = (self.config.events.clone(), Arc::clone(&self.verifier));
        Events::open(&database, sources, settings, verifier, self.sources.clone()).await
    }

    async fn mail(&mut self, facts: FactsAt, settings: &holdfast_mail::Settings) -> Result<Mail> {
        let database = self.database(Part::Mail).await?;
        let verifier = Arc::clone(&self.verifier);
        Mail::open(&database, Arc::new(facts), settings, verifier, self.sources.clone()).await
    }

    /// Payments of these orders, which follow them from now on.
    async fn payments(&mut self, orders: &Orders) -> Result<Payments> {
        let database = self.database(Part::Payments).await?;
        let (settings, verifier) = (self.config.payments.clone(), Arc::clone(&self.verifier));
        let book = Arc::new(money::Book(orders.clone()));
        let payments =
            Payments::open(&database, book, settings, verifier, self.sources.clone()).await?;
        money::introduce(&payments, orders);
        Ok(payments)
    }

    async fn orders(&mut self, stock: Arc<dyn Stock>) -> Result<Orders> {
        let database = self.database(Part::Orders).await?;
        let settings = holdfast_orders::Settings { payment_window: self.config.payment_window };
        let verifier = Arc::clone(&self.verifier);
        Orders::open(&database, stock, settings, verifier, self.sources.clone()).await
    }
}
