//! The services, as a process serves and tends them. A new service is opened here, and has its row in `parts.rs`; router, peers,
//! settings, cluster, metrics and the OpenAPI document follow.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use axum::Router;
use holdfast_events::{EventSources, Events};
use holdfast_mail::Mail;
use holdfast_orders::{Orders, Stock};
use holdfast_payments::Payments;
use holdfast_products::Products;
use holdfast_storage::{EventSource, record::RecordType};
use holdfast_types::Result;
use holdfast_users::Users;
use holdfast_web::Peer;
use serde_json::Value;
use utoipa::openapi::OpenApi;

use super::{
    Opener,
    facts::{FactsAt, OrdersAt},
    outboxes::OutboxElsewhere,
    stock::StockElsewhere,
    users_at::UsersAt,
};
use crate::{
    parts::{Part, Parts},
    system,
};

/// What a process does with each service that it serves.
#[async_trait]
pub(super) trait Served: Send + Sync {
    /// What clients ask.
    fn routes(&self) -> Router;

    /// What other processes of the shop ask.
    fn internal_routes(&self) -> Router {
        Router::new()
    }

    /// What it tells the world.
    fn outbox(&self) -> Option<Arc<dyn EventSource>> {
        None
    }

    /// Forgets what nobody can need any more.
    async fn forget(&self) -> Result<()>;

    /// Writes down what is only in memory, before the process ends.
    async fn flush(&self) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl Served for Users {
    fn routes(&self) -> Router {
        holdfast_users::routes(self.clone())
    }

    fn internal_routes(&self) -> Router {
        holdfast_users::internal_routes(self.clone())
    }

    fn outbox(&self) -> Option<Arc<dyn EventSource>> {
        Some(self.outbox())
    }

    async fn forget(&self) -> Result<()> {
        self.forget().await
    }
}

#[async_trait]
impl Served for Products {
    fn routes(&self) -> Router {
        holdfast_products::routes(self.clone())
    }

    fn internal_routes(&self) -> Router {
        holdfast_products::internal_routes(self.clone())
    }

    fn outbox(&self) -> Option<Arc<dyn EventSource>> {
        Some(self.outbox())
    }

    async fn forget(&self) -> Result<()> {
        self.forget().await
    }
}

#[async_trait]
impl Served for Orders {
    fn routes(&self) -> Router {
        holdfast_orders::routes(self.clone())
    }

    fn internal_routes(&self) -> Router {
        holdfast_orders::internal_routes(self.clone())
    }

    fn outbox(&self) -> Option<Arc<dyn EventSource>> {
        Some(Arc::new(self.clone()))
    }

    async fn flush(&self) -> Result<()> {
        self.flush().await
    }

    async fn forget(&self) -> Result<()> {
        self.forget().await
    }
}

#[async_trait]
impl Served for Payments {
    fn routes(&self) -> Router {
        holdfast_payments::routes(self.clone())
    }

    fn outbox(&self) -> Option<Arc<dyn EventSource>> {
        Some(self.outbox())
    }

    async fn forget(&self) -> Result<()> {
        self.forget().await
    }
}

#[async_trait]
impl Served for Mail {
    fn routes(&self) -> Router {
        holdfast_mail::routes(self.clone())
    }

    fn outbox(&self) -> Option<Arc<dyn EventSource>> {
        Some(self.outbox())
    }

    async fn forget(&self) -> Result<()> {
        self.forget().await
    }
}

#[async_trait]
impl Served for Events {
    fn routes(&self) -> Router {
        holdfast_events::routes(self.clone())
    }

    async fn flush(&self) -> Result<()> {
        self.flush().await
    }

    async fn forget(&self) -> Result<()> {
        self.forget().await
    }
}

/// The services that a process serves.
#[derive(Debug, Default)]
pub(super) struct Services {
    pub(super) users: Option<Users>,
    pub(super) products: Option<Products>,
    pub(super) orders: Option<Orders>,
    pub(super) payments: Option<Payments>,
    pub(super) mail: Option<Mail>,
    pub(super) events: Option<Events>,
    /// Where orders finds stock, if products are served by others.
    pub(super) stock_elsewhere: Option<Arc<StockElsewhere>>,
}

impl Services {
    /// Opens those of `parts`. What they ask and is not here is among `peers`.
    pub(super) async fn open(
        opener: &mut Opener<'_>,
        parts: &Parts,
        peers: &BTreeMap<Part, Peer>,
    ) -> Result<Self> {
        let mut services = Self::default();
        if parts.has(Part::Users) {
            services.users = Some(opener.users().await?);
        }
        if parts.has(Part::Products) {
            services.products = Some(opener.products().await?);
        }
        if parts.has(Part::Orders)
            && let Some(stock) = services.stock(opener, peers).await?
        {
            let orders = opener.orders(stock).await?;
            services.payments = Some(opener.payments(&orders).await?);
            services.orders = Some(orders);
        }
        if parts.has(Part::Mail)
            && let Some(facts) = services.facts(peers)
        {
            let settings = &opener.config.mail;
            services.mail = Some(opener.mail(facts, settings).await?);
        }
        if parts.has(Part::Events) {
            services.events = Some(opener.events(services.outboxes(peers)).await?);
        }
        Ok(services)
    }

    /// Stock, here or elsewhere.
    async fn stock(
        &mut self,
        opener: &mut Opener<'_>,
        peers: &BTreeMap<Part, Peer>,
    ) -> Result<Option<Arc<dyn Stock>>> {
        match (&self.products, peers.get(&Part::Products)) {
            (Some(products), _) => opener.local_stock(products).map(Some),
            (None, Some(peer)) => {
                let stock = Arc::new(opener.stock_elsewhere(peer.clone()).await?);
                self.stock_elsewhere = Some(Arc::clone(&stock));
                Ok(Some(stock))
            }
            (None, None) => Ok(None),
        }
    }

    /// What letters say, here or elsewhere.
    fn facts(&self, peers: &BTreeMap<Part, Peer>) -> Option<FactsAt> {
        let there = |part| peers.get(&part).cloned();
        let orders = self.orders.clone().map(OrdersAt::Here);
        let users = self.users.clone().map(UsersAt::Here);
        Some(FactsAt {
            orders: orders.or_else(|| there(Part::Orders).map(OrdersAt::There))?,
            users: users.or_else(|| there(Part::Users).map(UsersAt::There))?,
        })
    }

    /// What services tell, here or elsewhere.
    pub(super) fn outboxes(&self, peers: &BTreeMap<Part, Peer>) -> EventSources {
        let served = self.all();
        let outbox = |part: Part| -> Option<(&'static str, Arc<dyn EventSource>)> {
            let here = served.get(&part).and_then(|service| service.outbox());
            let there = || Some(OutboxElsewhere { part, peer: peers.get(&part)?.clone() });
            let outbox = here.or_else(|| Some(Arc::new(there()?)));
            Some((part.name(), outbox?))
        };
        Part::TELLING.into_iter().filter_map(outbox).collect()
    }

    /// Each that is served here.
    pub(super) fn all(&self) -> BTreeMap<Part, Arc<dyn Served>> {
        fn one<S: Served + Clone + 'static>(service: Option<&S>) -> Option<Arc<dyn Served>> {
            service.map(|service| Arc::new(service.clone()) as Arc<dyn Served>)
        }
        let all = [
            (Part::Users, one(self.users.as_ref())),
            (Part::Products, one(self.products.as_ref())),
            (Part::Orders, one(self.orders.as_ref())),
            (Part::Payments, one(self.payments.as_ref())),
            (Part::Mail, one(self.mail.as_ref())),
            (Part::Events, one(self.events.as_ref())),
        ];
        all.into_iter().filter_map(|(part, service)| Some((part, service?))).collect()
    }
}

/// The routes of a service, described without opening it.
fn described(part: Part) -> Option<OpenApi> {
    match part {
        Part::Gateway => None,
        Part::Users => Some(holdfast_users::document()),
        Part::Products => Some(holdfast_products::document()),
        Part::Orders => Some(holdfast_orders::document()),
        Part::Payments => Some(holdfast_payments::document()),
        Part::Mail => Some(holdfast_mail::document()),
        Part::Events => Some(holdfast_events::document()),
    }
}

/// What a service keeps as records: audited, exported and imported alike.
pub(crate) const fn records_of(part: Part) -> &'static [RecordType] {
    match part {
        Part::Gateway => &[],
        Part::Users => holdfast_users::RECORDS,
        Part::Products => holdfast_products::RECORDS,
        Part::Orders => holdfast_orders::RECORDS,
        Part::Payments => holdfast_payments::RECORDS,
        Part::Mail => holdfast_mail::RECORDS,
        Part::Events => holdfast_events::RECORDS,
    }
}

/// The OpenAPI document of everything, without opening any of it.
pub(crate) fn document() -> Value {
    system::describe(Part::SERVICES.into_iter().filter_map(described))
}
