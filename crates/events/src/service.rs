//! What the events service offers to the rest of the program.

mod attempt;
mod broker;
mod collecting;
mod deliverer;
mod dispatch;
mod following;
mod lease;
mod log;
mod webhooks;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use holdfast_outbound::{Outbound, Policy};
use holdfast_storage::{Database, EventSource};
use holdfast_types::{Clock, Code, Error, Random, Result, Secret, Sources, Timestamp};
use holdfast_web::{Lists, auth::Verifier};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use uuid::Uuid;

use crate::{
    model::{Filter, Schedule, WebhookId},
    store::EventStore,
};
pub use broker::NatsServer;
use dispatch::Delivering;
pub use following::Consumer;
pub use log::Event;
use log::Log;
pub(crate) use log::Part;
pub(crate) use webhooks::ReplayOrder;

/// How long answers are kept for repeats.
const ANSWER_TIME: Duration = Duration::from_secs(48 * 60 * 60);

/// How long events are kept.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How long the audit log is kept.
const AUDIT_KEPT: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// Listeners that one process has at a time.
const LISTENERS: usize = 256;

/// The outboxes that are collected, by the name of their service.
pub type EventSources = BTreeMap<&'static str, Arc<dyn EventSource>>;

/// The events service. Clones share it.
#[derive(Clone)]
pub struct Events(Arc<Inner>);

/// How webhooks are delivered.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// To which addresses.
    pub policy: Policy,
    /// When.
    pub schedule: Schedule,
}

/// What the service is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How webhooks are delivered.
    pub webhooks: WebhookSettings,
    /// Where NATS is, if events are published there.
    pub nats: Option<NatsServer>,
}

#[cfg(test)]
impl Settings {
    /// To the world, when it is usual, and to no broker.
    pub(crate) fn usual() -> Self {
        let webhooks = WebhookSettings { policy: Policy::default(), schedule: Schedule::usual() };
        Self { webhooks, nats: None }
    }
}

struct Inner {
    store: EventStore,
    secret: Secret,
    log: Log,
    sources: Arc<EventSources>,
    /// The position of the last event, as far as this process knows.
    end: watch::Sender<i64>,
    listeners: Arc<Semaphore>,
    verifier: Arc<Verifier>,
    lists: Lists,
    clock: Clock,
    random: Random,
    webhooks: WebhookSettings,
    nats: Option<NatsServer>,
    outbound: Outbound,
    /// Names this run of the process among those that deliver.
    process: Uuid,
    /// Wakes whoever sees to webhooks.
    nudge: Notify,
    /// Who delivers for which webhook; nothing once the process is about to end.
    delivering: Mutex<Option<BTreeMap<WebhookId, Delivering>>>,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

impl Events {
    /// Opens the service on its database: tables come about here.
    pub async fn open(
        database: &Database,
        mut sources: EventSources,
        settings: Settings,
        verifier: Arc<Verifier>,
        from: Sources,
    ) -> Result<Self> {
        let Sources { clock, random } = from;
        let (store, secret) = EventStore::open(database, &random).await?;
        // What becomes of webhooks is told like everything else.
        sources.insert(crate::SERVICE.name, Arc::new(store.outbox().clone()));
        let sources = Arc::new(sources);
        Ok(Self(Arc::new(Inner {
            log: Log::new(store.clone(), Arc::clone(&sources)),
            store,
            sources,
            end: watch::Sender::new(0),
            listeners: Arc::new(Semaphore::new(LISTENERS)),
            verifier,
            lists: Lists::default(),
            process: random.uuid_v7(clock.now()),
            clock,
            random,
            webhooks: settings.webhooks,
            nats: settings.nats,
            outbound: Outbound::new(attempt::ATTEMPT_TIME),
            nudge: Notify::new(),
            delivering: Mutex::new(Some(BTreeMap::new())),
            secret,
        })))
    }

    /// Part of the log. Refuses with `events-expired` what is too old.
    pub(crate) async fn read(
        &self,
        after: Option<i64>,
        filter: &Filter,
        limit: usize,
    ) -> Result<Part> {
        self.0.log.read(after, filter, limit).await
    }

    /// The event at a position.
    pub(crate) async fn get(&self, position: i64) -> Result<Option<Event>> {
        self.0.log.get(position).await
    }

    /// The position of the oldest event that is kept, or that will come.
    pub(crate) async fn oldest(&self) -> Result<i64> {
        self.0.oldest().await
    }

    /// The position of the last event.
    pub(crate) async fn end(&self) -> Result<i64> {
        self.0.store.end().await
    }

    /// Tells of each event that comes.
    pub(crate) fn watch(&self) -> watch::Receiver<i64> {
        self.0.end.subscribe()
    }

    /// A place among those who listen. Refuses with `overloaded`.
    pub(crate) fn seat(&self) -> Result<OwnedSemaphorePermit> {
        Arc::clone(&self.0.listeners).try_acquire_owned().map_err(|_| {
            let why = "too many listen to events already: repeat a little later";
            Error::new(Code::Overloaded, why)
        })
    }

    /// Forgets events and deliveries that are older than thirty days, entries of the audit log that are older than a year, and answers that nobody asks for any more.
    pub async fn forget(&self) -> Result<()> {
        self.0.store.forget_answers(self.0.clock.before(ANSWER_TIME)).await?;
        self.0.store.forget(self.0.clock.before(KEPT)).await?;
        self.0.store.forget_audit_log(self.0.clock.before(AUDIT_KEPT)).await
    }

    /// How many events there are, and what is wrong with them, a sentence each.
    pub async fn audit(&self) -> Result<(u64, Vec<String>)> {
        let (count, mut findings) = self.0.store.audit().await?;
        findings.extend(self.0.store.audit_consumers().await?);
        Ok((count, findings))
    }

    /// Makes a log that came from another database go on: what it has is not collected again.
    pub async fn restore(&self) -> Result<()> {
        self.0.store.end_with_segments().await?;
        self.0.store.fit_consumers().await?;
        for (source, rows) in self.0.store.collected_rows().await? {
            if let Some(source) = self.0.sources.get(source.as_str()) {
                source.settle(&rows).await?;
            }
        }
        Ok(())
    }

    pub(crate) fn store(&self) -> &EventStore {
        &self.0.store
    }

    pub(crate) fn secret(&self) -> &Secret {
        &self.0.secret
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    pub(crate) fn verifier(&self) -> Arc<Verifier> {
        Arc::clone(&self.0.verifier)
    }

    pub(crate) fn lists(&self) -> Lists {
        self.0.lists.clone()
    }
}

impl Inner {
    /// The position of the oldest event that is kept, or that will come.
    async fn oldest(&self) -> Result<i64> {
        match self.store.segments_from(1, 1).await?.first() {
            Some(segment) => Ok(segment.first),
            None => Ok(self.store.end().await? + 1),
        }
    }
}
