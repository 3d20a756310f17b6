//! What the products service offers to the rest of the program.

mod audit;
mod categories;
mod holds;
mod pictures;
mod portable;
mod stock_place;

use std::{sync::Arc, time::Duration};

use holdfast_media::Media;
use holdfast_storage::{
    Database, EventSource, Generation,
    record::{Fault, Tx},
};
use holdfast_types::{
    BatchId, Clock, Kept, OrderId, ProductId, Random, ReserveBatch, ReserveCommand, Reserved,
    Result, Secret, Sources, StockAction, Timestamp, Unconfirmed, UserId,
};
use holdfast_web::{FairQueue, Key, ListPlace, Lists, Reply, ReplyCache, auth::Verifier};
use tokio::sync::OnceCell;

use self::categories::{Categories, Counts};
pub use self::{audit::Audit, portable::Portable, stock_place::StockPlace};
use crate::{model::Change, store::ProductStore};

/// How long kept answers are kept.
const ANSWER_TIME: Duration = Duration::from_secs(48 * 60 * 60);

/// What the products service can be told.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long a hold lasts.
    pub hold_time: Duration,
}

/// What the catalogue is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Question {
    /// For one product.
    Product(ProductId),
    /// For a page of products: the query of the request.
    Page(String),
}

impl Key for Question {
    fn bytes(&self) -> usize {
        match self {
            Self::Product(_) => 16,
            Self::Page(query) => query.len(),
        }
    }
}

/// The products service. Clones share it.
#[derive(Clone)]
pub struct Products(Arc<Inner>);

struct Inner {
    store: ProductStore,
    settings: Settings,
    media: Media,
    picture_turns: FairQueue,
    secret: Secret,
    verifier: Arc<Verifier>,
    clock: Clock,
    random: Random,
    lists: Lists,
    categories: Categories,
    replies: ReplyCache<Question, Generation>,
    /// Whether this process has put a mark into the database.
    marked: OnceCell<()>,
}

impl std::fmt::Debug for Products {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Products").finish_non_exhaustive()
    }
}

impl Products {
    /// Opens the service on its database: tables and secret come about here.
    pub async fn open(
        database: &Database,
        settings: Settings,
        media: Media,
        verifier: Arc<Verifier>,
        sources: Sources,
    ) -> Result<Self> {
        let Sources { clock, random } = sources;
        let (store, secret) = ProductStore::open(database, &random).await?;
        Ok(Self(Arc::new(Inner {
            store,
            settings,
            media,
            picture_turns: pictures::turns(),
            secret,
            verifier,
            clock,
            random,
            lists: Lists::default(),
            categories: Categories::default(),
            replies: ReplyCache::default(),
            marked: OnceCell::new(),
        })))
    }

    /// Takes stock for each command or refuses it; see `orders::Stock`.
    pub async fn reserve(&self, batch: ReserveBatch) -> Result<Vec<Result<Reserved>>> {
        self.0.store.reserve(batch, self.now()).await
    }

    /// The same in a transaction that records the orders as well, in the database of this service: there is nothing to confirm
    /// then.
    pub async fn reserve_in(
        &self,
        tx: &Tx,
        commands: Arc<Vec<ReserveCommand>>,
    ) -> Result<Vec<Result<Reserved>>, Fault> {
        self.0.store.reserve_in(tx, commands, self.now()).await
    }

    /// Releases or ships reservations. Late and repeated calls are harmless.
    pub async fn apply_stock_actions(&self, actions: &[(OrderId, StockAction)]) -> Result<()> {
        self.0.store.apply_stock_actions(actions, self.now()).await
    }

    /// Takes back what goes beyond the units of these orders that stand. Late and repeated calls are harmless.
    pub async fn give_back(&self, kept: &[(OrderId, Kept)]) -> Result<()> {
        self.0.store.give_back(kept, self.now()).await
    }

    /// Notes that the orders of these batches are recorded.
    pub async fn confirm(&self, batches: &[BatchId]) -> Result<()> {
        self.0.store.confirm(batches).await
    }

    /// Batches that nobody has confirmed for `age`, oldest first.
    pub async fn unconfirmed(&self, age: Duration) -> Result<Vec<Unconfirmed>> {
        self.0.store.unconfirmed(self.0.clock.before(age)).await
    }

    /// Where the stock is kept. The first to ask a process has it put a mark there, in the place of one that a copy has as
    /// well.
    pub(crate) async fn stock_place(&self) -> Result<Option<StockPlace>> {
        let database = self.0.store.database();
        self.0.marked.get_or_try_init(|| database.put_mark(&self.0.random)).await?;
        StockPlace::of(database).await
    }

    /// Forgets what nobody can need any more.
    pub async fn forget(&self) -> Result<()> {
        self.0.store.forget(self.0.clock.before(ANSWER_TIME)).await
    }

    /// The first 10,000 categories of products on offer, with how many there are of each.
    pub(crate) async fn categories(&self) -> Result<Counts> {
        self.0.categories.count(&self.0.store).await
    }

    /// The answer to a question about the catalogue, as it was made before, unless something was committed since.
    pub(crate) async fn kept(
        &self,
        question: Question,
        make: impl Future<Output = Reply> + Send,
    ) -> Reply {
        self.0.replies.reply(question, self.0.store.generation(), make).await
    }

    /// The same for a page, which is made once for all who ask for it at a time.
    pub(crate) async fn kept_list(
        &self,
        question: Question,
        place: &ListPlace,
        make: impl Future<Output = Reply> + Send,
    ) -> Reply {
        self.0.replies.list(question, || self.0.store.generation(), place, make).await
    }

    /// What products tell the world.
    #[must_use]
    pub fn outbox(&self) -> Arc<dyn EventSource> {
        Arc::new(self.0.store.outbox().clone())
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// A change that `user` makes now.
    pub(crate) fn change_by(&self, user: UserId) -> Change {
        Change { by: user, at: self.now() }
    }

    pub(crate) fn new_id(&self) -> ProductId {
        ProductId::new(self.0.random.uuid_v7(self.now()))
    }

    pub(crate) fn media(&self) -> &Media {
        &self.0.media
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

    pub(crate) fn store(&self) -> &ProductStore {
        &self.0.store
    }
}
