//! Which process delivers for which webhook. One does at a time, so that an endpoint never sees more than its share; when it
//! is silent for six seconds by another's watch, that one goes on.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
    time::Duration,
};

use holdfast_types::{Result, Seldom};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout},
};
use uuid::Uuid;

use super::{
    Events, Inner,
    deliverer::Deliverer,
    lease::{LEASE, RENEWAL, Seen},
};
use crate::model::{ConsumerName, Webhook, WebhookId};

/// Between two looks at the webhooks.
const PAUSE: Duration = Duration::from_millis(500);
/// Between two lines in the log about webhooks that cannot be read.
const FAILURES_PAUSE: Duration = Duration::from_secs(60);

/// What a deliverer has to know, as of the last look.
#[derive(Clone, Debug)]
pub(super) struct News {
    pub(super) webhook: Arc<Webhook>,
    /// Moves when there is something to look at.
    pub(super) wake: i64,
    /// Until when it may deliver.
    pub(super) until: Instant,
}

impl News {
    /// Says whether there is something to look at.
    fn learn(&mut self, news: Self, is_renewed: bool) -> bool {
        let until = if is_renewed { news.until } else { self.until };
        let before = std::mem::replace(self, Self { until, ..news });
        (before.wake, before.webhook.version) != (self.wake, self.webhook.version)
    }
}

/// A task that delivers for one webhook; it ends with this.
pub(super) struct Delivering {
    task: JoinHandle<()>,
    news: watch::Sender<News>,
}

impl Drop for Delivering {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Events {
    /// Delivers to webhooks until the process ends.
    pub fn deliver(&self) {
        let events = self.clone();
        tokio::spawn(async move { events.0.dispatch().await });
    }

    /// Delivers no more, and lets another process do so at once.
    pub async fn flush(&self) -> Result<()> {
        let mut ended = self.0.end_all();
        ended.extend(ConsumerName::ALL.map(ConsumerName::id));
        self.0.store.drop_leases(self.0.process, ended).await
    }
}

impl Inner {
    async fn dispatch(self: &Arc<Self>) {
        let (mut seen, mut failures) = (Seen::default(), Seldom::new(FAILURES_PAUSE));
        let mut renewed = Instant::now();
        loop {
            if let Err(error) = self.look(&mut seen, &mut renewed).await
                && let Some(times) = failures.happened(Instant::now().into_std())
            {
                tracing::warn!(%error, times, "cannot see to webhooks");
            }
            let _ = timeout(PAUSE, self.nudge.notified()).await;
        }
    }

    /// Takes what is free, tells those who deliver what is new, and ends what is not this process's any more.
    async fn look(self: &Arc<Self>, seen: &mut Seen, renewed: &mut Instant) -> Result<()> {
        let now = Instant::now();
        if self.is_over() {
            return Ok(());
        }
        let mut held = Vec::new();
        let mut wanted: BTreeMap<WebhookId, News> = BTreeMap::new();
        for (webhook, progress) in self.store.webhooks().await? {
            let id = webhook.id;
            let mut is_ours = progress.holder == Some(self.process);
            if webhook.disabled.is_some() {
                if is_ours {
                    held.push(id.uuid());
                }
                continue;
            }
            if !is_ours && seen.is_free(&progress, now) {
                is_ours = self.store.take_lease(&progress, self.process).await?;
            }
            if is_ours {
                let (webhook, until) = (Arc::new(webhook), now + LEASE);
                wanted.insert(id, News { webhook, wake: progress.wake, until });
            }
        }
        if !held.is_empty() {
            self.store.drop_leases(self.process, held).await?;
        }
        let ours = wanted.keys().map(|id| id.uuid()).collect();
        if now.duration_since(*renewed) >= RENEWAL || wanted.len() > self.count() {
            let ids = wanted.keys().map(|id| id.uuid()).collect();
            let kept = self.store.renew_leases(self.process, ids).await?;
            wanted.retain(|id, _| kept.contains(&id.uuid()));
            *renewed = now;
            self.tell(wanted, true);
        } else {
            self.tell(wanted, false);
        }
        match self.is_over() {
            // What was taken at the last moment.
            true => self.store.drop_leases(self.process, ours).await,
            false => Ok(()),
        }
    }

    /// Begins, tells and ends those who deliver. What they may is longer only where a sign of life was shown.
    fn tell(self: &Arc<Self>, wanted: BTreeMap<WebhookId, News>, is_renewed: bool) {
        let mut delivering = self.delivering.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(delivering) = delivering.as_mut() else { return };
        delivering.retain(|id, one| wanted.contains_key(id) && !one.task.is_finished());
        for (id, news) in wanted {
            match delivering.get(&id) {
                Some(one) => {
                    one.news.send_if_modified(|known| known.learn(news, is_renewed));
                }
                None if is_renewed => {
                    let (news, told) = watch::channel(news);
                    let task = tokio::spawn(Deliverer::new(Arc::clone(self), told).run());
                    delivering.insert(id, Delivering { task, news });
                }
                // It begins with the next sign of life.
                None => self.nudge.notify_one(),
            }
        }
    }

    fn count(&self) -> usize {
        let delivering = self.delivering.lock().unwrap_or_else(PoisonError::into_inner);
        delivering
            .as_ref()
            .map_or(0, |all| all.values().filter(|one| !one.task.is_finished()).count())
    }

    pub(super) fn is_over(&self) -> bool {
        self.delivering.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Ends all who deliver, for good; says for which webhooks they did.
    fn end_all(&self) -> Vec<Uuid> {
        let mut delivering = self.delivering.lock().unwrap_or_else(PoisonError::into_inner);
        delivering.take().map(|all| all.keys().map(|id| id.uuid()).collect()).unwrap_or_default()
    }
}
