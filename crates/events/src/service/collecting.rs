//! Collecting what services tell. Each event comes into the log once, whichever processes collect and wherever one of them is
//! killed: the log notes which rows it has taken last, in the transaction that takes them, so whoever comes next settles those
//! before it looks at the source, and whoever has looked before somebody else's turn is refused.

use std::time::Duration;

use holdfast_storage::{EventSource, OutboxBatch};
use holdfast_types::{Result, Seldom};
use tokio::time::{Instant, sleep};

use super::{Events, Inner};

/// Between two looks at a source that had nothing to tell, and at the end of the log.
const PAUSE: Duration = Duration::from_millis(100);
/// Transactions that are collected at once.
const BATCHES: usize = 64;
/// Between two lines in the log about a source that cannot be collected.
const FAILURES_PAUSE: Duration = Duration::from_secs(60);

impl Events {
    /// Collects from all sources until the process ends.
    pub fn collect(&self) {
        for source in self.0.sources.keys() {
            let (events, source) = (self.clone(), *source);
            tokio::spawn(async move { events.0.collect_from(source).await });
        }
        let events = self.clone();
        tokio::spawn(async move { events.0.follow_end().await });
    }
}

impl Inner {
    async fn collect_from(&self, name: &'static str) {
        let Some(source) = self.sources.get(name) else { return };
        let (mut settled, mut failures) = (0, Seldom::new(FAILURES_PAUSE));
        loop {
            match self.collect_once(name, &**source, &mut settled).await {
                Ok(BATCHES..) => {}
                Ok(_) => sleep(PAUSE).await,
                Err(error) => {
                    if let Some(times) = failures.happened(Instant::now().into_std()) {
                        tracing::warn!(%error, times, source = name, "cannot collect events");
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Collects what is there; says of how many transactions. `settled` is the turn whose rows are known to be gone.
    async fn collect_once(
        &self,
        name: &str,
        source: &dyn EventSource,
        settled: &mut i64,
    ) -> Result<usize> {
        let before = self.store.collected(name).await?;
        if before.turn != *settled {
            source.settle(&before.rows).await?;
            *settled = before.turn;
        }
        let mut batches = source.take(BATCHES).await?;
        batches.retain(|batch| !before.rows.contains(&batch.id));
        if batches.is_empty() {
            return Ok(0);
        }
        let (count, oldest) = (batches.len(), oldest(&batches));
        if let Some(end) = self.store.append(&before, batches, self.clock.now()).await? {
            self.learn_end(end);
            if let Some(oldest) = oldest {
                let lag = self.clock.now().as_millis().saturating_sub(oldest).max(0);
                let lag = Duration::from_millis(lag.unsigned_abs());
                metrics::histogram!("outbox_lag_seconds", "service" => name.to_owned()).record(lag);
            }
        }
        Ok(count)
    }

    /// Learns of what other processes have appended.
    async fn follow_end(&self) {
        let mut failures = Seldom::new(FAILURES_PAUSE);
        loop {
            match self.store.end().await {
                Ok(end) => self.learn_end(end),
                Err(error) => {
                    if let Some(times) = failures.happened(Instant::now().into_std()) {
                        tracing::warn!(%error, times, "cannot look at the log of events");
                    }
                }
            }
            sleep(PAUSE).await;
        }
    }

    fn learn_end(&self, end: i64) {
        self.end.send_if_modified(|known| {
            let is_news = end > *known;
            *known = end.max(*known);
            is_news
        });
    }
}

/// When the first of what is collected happened, in milliseconds.
fn oldest(batches: &[OutboxBatch]) -> Option<i64> {
    let messages = batches.iter().flat_map(|batch| &batch.messages);
    messages.map(|message| message.at.as_millis()).min()
}
