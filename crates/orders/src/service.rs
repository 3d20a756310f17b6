//! What the orders service does, apart from HTTP and storage.

mod audit;
mod batch;
mod booking;
mod checkout;
mod mailing;
mod portable;
mod statistics;
mod sweep;
mod telling;

use std::{sync::Arc, time::Duration};

use holdfast_storage::Database;
use holdfast_types::{
    Clock, IdempotentAnswer, Operation, OrderId, Random, Result, Secret, Sources, StockAction,
    Timestamp, UserId,
};
use holdfast_web::{Lists, auth::Verifier};

use crate::{
    Stock,
    model::{Action, Placement},
    store::{OrderStore, Render, Step},
};

pub use audit::Audit;
pub(crate) use batch::Placed;
use checkout::Checkout;
pub use portable::Portable;
use statistics::Refusals;
use sweep::Confirmations;

/// How long kept answers are kept.
const ANSWER_TIME: Duration = Duration::from_secs(48 * 60 * 60);

/// What the orders service can be told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// How long an order may stay unpaid; `None` for as long as it likes.
    pub payment_window: Option<Duration>,
}

/// The orders service. Clones share it.
#[derive(Clone)]
pub struct Orders(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    checkout: Checkout,
    secret: Secret,
    verifier: Arc<Verifier>,
    lists: Lists,
}

/// What the workers and the sweep share with the handlers.
struct Shared {
    store: OrderStore,
    stock: Arc<dyn Stock>,
    confirmations: Confirmations,
    refusals: Refusals,
    clock: Clock,
    random: Random,
    settings: Settings,
}

impl std::fmt::Debug for Orders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Orders").finish_non_exhaustive()
    }
}

impl Orders {
    /// Opens the service on its database: tables and secret come about here, and the workers begin.
    pub async fn open(
        database: &Database,
        stock: Arc<dyn Stock>,
        settings: Settings,
        verifier: Arc<Verifier>,
        sources: Sources,
    ) -> Result<Self> {
        let Sources { clock, random } = sources;
        let (store, secret) = OrderStore::open(database, &random).await?;
        let shared = Arc::new(Shared {
            store,
            stock,
            confirmations: Confirmations::default(),
            refusals: Refusals::default(),
            clock,
            random,
            settings,
        });
        let checkout = Checkout::begin(&shared, database.batches_in_flight());
        Ok(Self(Arc::new(Inner { shared, checkout, secret, verifier, lists: Lists::default() })))
    }

    /// Places an order: takes stock for all of it or none, then records it.
    pub(crate) async fn place(&self, placement: Placement) -> Result<Placed> {
        let placed = self.0.checkout.place(placement).await;
        placed.inspect_err(|error| self.0.shared.note_refusal(error))
    }

    /// Takes a step of the lifecycle, once per operation, and makes the stock follow.
    /// What cannot be told to products now, the sweep tells.
    pub(crate) async fn take(
        &self,
        id: OrderId,
        by: UserId,
        operation: &Operation,
        render: Render,
        action: Result<Action>,
    ) -> Result<IdempotentAnswer> {
        if let (Ok(Action::Ship { .. }), Some(payments)) = (&action, self.store().payments()) {
            payments.capture_to_ship(id).await?;
        }
        let step = Step { order: id, by: Some(by), at: self.now() };
        let given = self.store().transition(step, operation, render, action).await?;
        if let Err(error) = self.0.shared.reconcile(id).await {
            tracing::warn!(%error, order = %id, "stock will follow later");
        }
        Ok(given)
    }

    /// Reconciles stock, expires orders and looks for half-made ones, until the process ends.
    pub async fn sweep(&self) {
        self.0.shared.sweep().await;
    }

    /// Forgets what nobody can need any more.
    pub async fn forget(&self) -> Result<()> {
        let shared = &self.0.shared;
        shared.store.forget(shared.clock.before(ANSWER_TIME)).await
    }

    /// Erases what orders say about users who are gone.
    pub async fn erase_buyers(&self, users: &[UserId]) -> Result<()> {
        self.store().erase_buyers(users).await
    }

    /// Says what must become of reservations that nobody knows an order of, and makes sure that none comes later.
    pub async fn resolve(&self, ids: &[OrderId]) -> Result<Vec<(OrderId, StockAction)>> {
        self.store().resolve(ids, self.now()).await
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.shared.clock.now()
    }

    pub(crate) fn verifier(&self) -> Arc<Verifier> {
        Arc::clone(&self.0.verifier)
    }

    pub(crate) fn lists(&self) -> Lists {
        self.0.lists.clone()
    }

    pub(crate) fn secret(&self) -> &Secret {
        &self.0.secret
    }

    pub(crate) fn store(&self) -> &OrderStore {
        &self.0.shared.store
    }
}
