//! What the mail service does, apart from HTTP and storage.

mod sending;
mod taking;
mod writing;

use std::{path::PathBuf, sync::Arc, time::Duration};

use holdfast_events::Consumer;
use holdfast_storage::{Database, EventSource};
use holdfast_types::{
    Clock, Code, Error, IdempotentAnswer, Operation, Random, Result, Secret, Sources, Timestamp,
};
use holdfast_web::{
    Lists,
    auth::Verifier,
    rate::{Quota, RateLimit},
};
use tokio::sync::Notify;

use crate::{
    Facts, SmtpServer,
    model::LetterId,
    smtp::Smtp,
    store::{LetterStore, Render},
    templates::{Shop, Templates},
};

/// How long letters are kept, as long as the events that they are about.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How long kept answers are kept.
const ANSWER_TIME: Duration = Duration::from_secs(48 * 60 * 60);

/// What the service is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who takes letters; nobody: none is written.
    pub server: Option<SmtpServer>,
    /// A folder whose files replace templates.
    pub templates: Option<PathBuf>,
    /// Where the front of the shop is.
    pub shop_url: String,
    /// Whether somebody has said so, or it is where this process listens.
    pub is_shop_url_said: bool,
    /// Letters that one address gets; `None` for no limit. The others wait.
    pub per_address: Option<Quota>,
}

/// The mail service. Clones share it.
#[derive(Clone)]
pub struct Mail(Arc<Inner>);

struct Inner {
    store: LetterStore,
    post: Option<Post>,
    facts: Arc<dyn Facts>,
    per_address: Option<RateLimit>,
    /// Wakes whoever sends.
    nudge: Notify,
    secret: Secret,
    verifier: Arc<Verifier>,
    lists: Lists,
    clock: Clock,
    random: Random,
}

/// What is needed to send letters.
struct Post {
    server: SmtpServer,
    smtp: Smtp,
    templates: Templates,
    shop: Shop,
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mail").finish_non_exhaustive()
    }
}

impl Post {
    fn open(settings: &Settings) -> Result<Option<Self>> {
        let Some(server) = settings.server.clone() else { return Ok(None) };
        let from = server.from();
        let name = from.name.clone().unwrap_or_else(|| from.email.domain().to_owned());
        let shop = Shop { name, url: settings.shop_url.clone() };
        let templates = Templates::open(settings.templates.as_deref())?;
        if !settings.is_shop_url_said {
            tracing::warn!(
                url = shop.url,
                "HOLDFAST_SHOP_URL is not set: links in letters lead here"
            );
        }
        Ok(Some(Self { smtp: server.open()?, server, templates, shop }))
    }
}

impl Mail {
    /// Opens the service on its database: tables come about here. Refuses templates that are wrong.
    pub async fn open(
        database: &Database,
        facts: Arc<dyn Facts>,
        settings: &Settings,
        verifier: Arc<Verifier>,
        sources: Sources,
    ) -> Result<Self> {
        let Sources { clock, random } = sources;
        let (store, secret) = LetterStore::open(database, &random).await?;
        Ok(Self(Arc::new(Inner {
            store,
            post: Post::open(settings)?,
            facts,
            per_address: settings.per_address.map(RateLimit::new),
            nudge: Notify::new(),
            secret,
            verifier,
            lists: Lists::default(),
            clock,
            random,
        })))
    }

    /// Who takes events out of the log; nobody where no letters are sent.
    #[must_use]
    pub fn consumer(&self) -> Option<Arc<dyn Consumer>> {
        self.0.post.as_ref().map(|_| Arc::new(self.clone()) as Arc<dyn Consumer>)
    }

    /// From whom letters are; nobody where none is sent.
    pub(crate) fn sender(&self) -> Option<String> {
        self.0.post.as_ref().map(|post| post.server.from().to_string())
    }

    /// Sends a letter once more, now, once per operation. Refuses with `not-found`, and with `mail-disabled` where nobody would.
    pub(crate) async fn retry(
        &self,
        id: LetterId,
        operation: &Operation,
        render: Render,
    ) -> Result<IdempotentAnswer> {
        if self.0.post.is_none() {
            let why = "this shop sends no letters: HOLDFAST_SMTP_URL names no server";
            return Err(Error::new(Code::MailDisabled, why));
        }
        let begun = self.0.store.retry(id, operation, self.now(), render).await;
        self.0.nudge.notify_one();
        begun
    }

    /// How many letters there are, and what is wrong with them, a sentence each.
    pub async fn audit(&self) -> Result<(u64, Vec<String>)> {
        self.0.store.audit().await
    }

    /// What the service has told and nobody has collected.
    #[must_use]
    pub fn outbox(&self) -> Arc<dyn EventSource> {
        Arc::new(self.0.store.outbox().clone())
    }

    /// Forgets old letters, and answers that nobody asks for any more.
    pub async fn forget(&self) -> Result<()> {
        self.0.store.forget(self.0.clock.before(KEPT)).await?;
        self.0.store.forget_answers(self.0.clock.before(ANSWER_TIME)).await
    }

    pub(crate) fn store(&self) -> &LetterStore {
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
