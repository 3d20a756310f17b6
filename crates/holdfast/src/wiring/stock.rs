//! Where orders finds stock: in this process, in others, or, where others keep it in the database of the orders, there.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use holdfast_media::Media;
use holdfast_orders::{Stock, StockTogether};
use holdfast_products::{Products, Settings, StockPlace};
use holdfast_storage::{
    Database,
    record::{Fault, Tx},
};
use holdfast_types::{
    BatchId, Kept, OrderId, ReserveBatch, ReserveCommand, Reserved, Result, Seldom, Sources,
    StockAction, Unconfirmed,
};
use holdfast_web::{Peer, auth::Verifier};
use tokio::time::Instant;

use super::remote::RemoteStock;

/// Between two questions about where stock is kept while nobody answers, and else.
const URGENT: Duration = Duration::from_millis(100);
const CALM: Duration = Duration::from_secs(5);
/// Between two lines in the log about why that cannot be told.
const FAILURES_PAUSE: Duration = Duration::from_secs(60);

/// Products in this process: a call is a function call.
#[derive(Clone, Debug)]
pub(super) struct LocalStock {
    pub(super) products: Products,
    /// Whether they share the database of the orders.
    pub(super) is_together: bool,
}

#[async_trait]
impl Stock for LocalStock {
    async fn reserve(&self, batch: ReserveBatch) -> Result<Vec<Result<Reserved>>> {
        self.products.reserve(batch).await
    }

    async fn apply(&self, actions: &[(OrderId, StockAction)]) -> Result<()> {
        self.products.apply_stock_actions(actions).await
    }

    async fn give_back(&self, kept: &[(OrderId, Kept)]) -> Result<()> {
        self.products.give_back(kept).await
    }

    async fn confirm(&self, batches: &[BatchId]) -> Result<()> {
        self.products.confirm(batches).await
    }

    async fn unconfirmed(&self, age: Duration) -> Result<Vec<Unconfirmed>> {
        self.products.unconfirmed(age).await
    }

    fn together(&self) -> Option<Arc<dyn StockTogether>> {
        self.is_together.then(|| Arc::new(self.clone()) as Arc<dyn StockTogether>)
    }
}

#[async_trait]
impl StockTogether for LocalStock {
    async fn reserve_in(
        &self,
        tx: &Tx,
        commands: Arc<Vec<ReserveCommand>>,
    ) -> Result<Vec<Result<Reserved>>, Fault> {
        self.products.reserve_in(tx, commands).await
    }
}

/// Products in other processes. As soon as they say that their database is that of the orders, stock is taken there, in the
/// transaction that records the orders.
#[derive(Debug)]
pub(super) struct StockElsewhere {
    remote: RemoteStock,
    open: OpenProducts,
    here: RwLock<Option<LocalStock>>,
}

/// What it takes to open products on the database of the orders.
#[derive(Debug)]
pub(super) struct OpenProducts {
    pub(super) database: Database,
    pub(super) settings: Settings,
    pub(super) media: Media,
    pub(super) verifier: Arc<Verifier>,
    pub(super) sources: Sources,
}

impl StockElsewhere {
    /// Products at `peer`, and how they are opened on the database of the orders.
    pub(super) fn new(peer: Peer, open: OpenProducts) -> Self {
        Self { remote: RemoteStock(peer), open, here: RwLock::default() }
    }

    fn here(&self) -> Option<LocalStock> {
        self.here.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn found(&self) -> Box<dyn Stock> {
        match self.here() {
            Some(here) => Box::new(here),
            None => Box::new(self.remote.clone()),
        }
    }

    /// Finds out where the stock is kept, again and again, until the process ends.
    pub(super) async fn keep_looking(&self) {
        let (mut is_marked, mut said) = (false, None);
        let mut failures = Seldom::new(FAILURES_PAUSE);
        loop {
            let pause = match self.look(&mut is_marked).await {
                Ok(None) => URGENT,
                Ok(Some(together)) => {
                    if said.replace(together) != Some(together) {
                        tracing::info!(together, "found where stock is kept");
                    }
                    CALM
                }
                Err(error) => {
                    if let Some(times) = failures.happened(Instant::now().into_std()) {
                        tracing::warn!(%error, times, "cannot tell where stock is kept");
                    }
                    CALM
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Whether stock is kept in the database of the orders; `None` when no process of products answers. That and an error
    /// change nothing.
    async fn look(&self, is_marked: &mut bool) -> Result<Option<bool>> {
        if !*is_marked {
            self.open.database.put_mark(&self.open.sources.random).await?;
            *is_marked = true;
        }
        let ours = StockPlace::of(&self.open.database).await?;
        let theirs = match self.remote.place().await {
            Ok(place) => place,
            Err(error) if error.is_transient() => return Ok(None),
            Err(error) => return Err(error),
        };
        if ours != StockPlace::of(&self.open.database).await? {
            // Somebody has put another mark meanwhile.
            return Ok(None);
        }
        let is_together = ours == theirs;
        if self.here().is_some() != is_together {
            let here = if is_together { Some(self.open().await?) } else { None };
            *self.here.write().unwrap_or_else(PoisonError::into_inner) = here;
        }
        Ok(Some(is_together))
    }

    async fn open(&self) -> Result<LocalStock> {
        let OpenProducts { database, settings, media, verifier, sources } = &self.open;
        let (media, verifier) = (media.clone(), Arc::clone(verifier));
        let products =
            Products::open(database, *settings, media, verifier, sources.clone()).await?;
        Ok(LocalStock { products, is_together: true })
    }
}

#[async_trait]
impl Stock for StockElsewhere {
    async fn reserve(&self, batch: ReserveBatch) -> Result<Vec<Result<Reserved>>> {
        self.found().reserve(batch).await
    }

    fn together(&self) -> Option<Arc<dyn StockTogether>> {
        self.here()?.together()
    }

    async fn apply(&self, actions: &[(OrderId, StockAction)]) -> Result<()> {
        self.found().apply(actions).await
    }

    async fn give_back(&self, kept: &[(OrderId, Kept)]) -> Result<()> {
        self.found().give_back(kept).await
    }

    async fn confirm(&self, batches: &[BatchId]) -> Result<()> {
        self.found().confirm(batches).await
    }

    async fn unconfirmed(&self, age: Duration) -> Result<Vec<Unconfirmed>> {
        self.found().unconfirmed(age).await
    }
}
