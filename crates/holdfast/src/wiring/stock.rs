//! Where orders finds stock: in this process, in others, or, where others keep it in the database of the orders, there.

use std::{
    sync::{Arc, PoisonError, RwLock, Weak},
    time::Duration,
};

use async_trait::async_trait;
use holdfast_orders::{Stock, StockTogether};
use holdfast_products::Products;
use holdfast_storage::{
    Database,
    record::{Fault, Tx},
};
use holdfast_types::{
    BatchId, OrderId, ReserveBatch, ReserveCommand, Reserved, Result, Sources, StockAction,
    Unconfirmed,
};
use holdfast_web::{Peer, auth::Verifier};

use super::remote::{self, RemoteStock};

/// Between two questions about where stock is kept, as long as nobody has answered, and afterwards.
const URGENT: Duration = Duration::from_millis(100);
const CALM: Duration = Duration::from_secs(5);

/// Products in this process: a call is a function call.
#[derive(Clone)]
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
pub(super) struct StockElsewhere {
    peer: Peer,
    remote: RemoteStock,
    here: RwLock<Option<Arc<LocalStock>>>,
}

impl StockElsewhere {
    /// Finds out where the stock is kept for as long as anybody holds this.
    pub(super) fn of(
        peer: Peer,
        orders: Database,
        verifier: Arc<Verifier>,
        sources: Sources,
    ) -> Arc<Self> {
        let stock = Self { remote: RemoteStock(peer.clone()), peer, here: RwLock::default() };
        let stock = Arc::new(stock);
        tokio::spawn(look_again(Arc::downgrade(&stock), orders, verifier, sources));
        stock
    }

    fn here(&self) -> Option<Arc<LocalStock>> {
        self.here.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn now(&self) -> Arc<dyn Stock> {
        match self.here() {
            Some(here) => here,
            None => Arc::new(self.remote.clone()),
        }
    }

    /// Compares the two databases. An error changes nothing.
    async fn look(
        &self,
        orders: &Database,
        verifier: &Arc<Verifier>,
        sources: &Sources,
    ) -> Result<()> {
        let theirs = remote::mark_of_products(&self.peer).await?;
        let is_ours = theirs.is_some() && theirs == orders.mark().await?;
        let here = match self.here() {
            here if here.is_some() == is_ours => return Ok(()),
            Some(_) => None,
            None => {
                let products = Products::open(orders, Arc::clone(verifier), sources.clone());
                Some(Arc::new(LocalStock { products: products.await?, is_together: true }))
            }
        };
        tracing::info!(together = is_ours, "found where stock is kept");
        *self.here.write().unwrap_or_else(PoisonError::into_inner) = here;
        Ok(())
    }
}

async fn look_again(
    stock: Weak<StockElsewhere>,
    orders: Database,
    verifier: Arc<Verifier>,
    sources: Sources,
) {
    let mut is_marked = false;
    while let Some(held) = stock.upgrade() {
        let found = async {
            if !is_marked {
                orders.put_mark(&sources.random).await?;
                is_marked = true;
            }
            held.look(&orders, &verifier, &sources).await
        };
        let found = found.await;
        drop(held);
        let pause = if found.is_ok() { CALM } else { URGENT };
        if let Err(error) = found {
            tracing::debug!(%error, "cannot tell where stock is kept");
        }
        tokio::time::sleep(pause).await;
    }
}

#[async_trait]
impl Stock for StockElsewhere {
    async fn reserve(&self, batch: ReserveBatch) -> Result<Vec<Result<Reserved>>> {
        self.now().reserve(batch).await
    }

    fn together(&self) -> Option<Arc<dyn StockTogether>> {
        self.here()?.together()
    }

    async fn apply(&self, actions: &[(OrderId, StockAction)]) -> Result<()> {
        self.now().apply(actions).await
    }

    async fn confirm(&self, batches: &[BatchId]) -> Result<()> {
        self.now().confirm(batches).await
    }

    async fn unconfirmed(&self, age: Duration) -> Result<Vec<Unconfirmed>> {
        self.now().unconfirmed(age).await
    }
}
