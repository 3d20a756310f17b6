//! Sending letters whose time has come. Each is taken for a while before it is sent, and noted after: whoever is killed between has
//! it sent again, under the same `Message-ID`.

use std::{collections::HashSet, sync::Arc, time::Duration};

use holdfast_types::{Code, Error, Result, Seldom, fold};
use tokio::{
    task::JoinSet,
    time::{Instant, interval_at, sleep, timeout},
};

use super::{Inner, Mail, writing::Ready};
use crate::{
    model::{Letter, LetterId, Outcome},
    smtp::CONNECTIONS,
};

/// Letters that are sent together.
const ROUND: usize = CONNECTIONS;
/// After so long another process may send one that this one has taken, and shows no sign of; and between two signs.
const LEASE: Duration = Duration::from_secs(30);
const RENEWAL: Duration = Duration::from_secs(10);
/// How long writing a letter may take, with what others are asked.
const WRITING_TIME: Duration = Duration::from_secs(20);
/// Between two looks at what is due.
const TICK: Duration = Duration::from_secs(1);
/// Between two tries while the server is away: each as long again as the one before, up to the last.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(30);
/// Between two lines in the log.
const FAILURES_PAUSE: Duration = Duration::from_secs(60);

impl Mail {
    /// Sends until the process ends.
    pub async fn send(&self) {
        if self.0.post.is_none() {
            return;
        }
        let (mut failures, mut pause) = (Seldom::new(FAILURES_PAUSE), FIRST_PAUSE);
        loop {
            match self.send_due().await {
                Ok(None) => {
                    pause = FIRST_PAUSE;
                    let _ = timeout(TICK, self.0.nudge.notified()).await;
                    continue;
                }
                Ok(Some(why)) => {
                    if let Some(times) = failures.happened(Instant::now().into_std()) {
                        tracing::warn!(why, times, "letters wait");
                    }
                }
                Err(error) => {
                    if let Some(times) = failures.happened(Instant::now().into_std()) {
                        tracing::warn!(%error, times, "letters cannot be sent now");
                    }
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// Sends what is due, until nothing is; says why not all, where the server is away.
    async fn send_due(&self) -> Result<Option<String>> {
        loop {
            let now = self.now();
            let due = self.0.store.take_due(now, now.plus(LEASE), ROUND).await?;
            let is_last = due.len() < ROUND;
            let settled = self.send_all(due).await;
            if let Some(why) = self.settle(settled).await? {
                return Ok(Some(why));
            }
            if is_last {
                return Ok(None);
            }
        }
    }

    /// Sends letters at once; says how it went, of those of which that is known. What takes long stays this process's.
    async fn send_all(&self, due: Vec<Letter>) -> Vec<(LetterId, Outcome)> {
        let (mut sending, mut settled) = (JoinSet::new(), Vec::new());
        let mut open: HashSet<LetterId> = due.iter().map(|letter| letter.id).collect();
        for letter in due {
            let mail = self.clone();
            sending.spawn(async move { (letter.id, mail.0.send_one(&letter).await) });
        }
        let mut renewal = interval_at(Instant::now() + RENEWAL, RENEWAL);
        loop {
            tokio::select! {
                sent = sending.join_next() => match sent {
                    Some(Ok((id, outcome))) => {
                        open.remove(&id);
                        settled.push((id, outcome));
                    }
                    // It is sent again when its time has come.
                    Some(Err(error)) => tracing::error!(%error, "sending a letter broke off"),
                    None => return settled,
                },
                _ = renewal.tick() => self.renew(&open).await,
            }
        }
    }

    async fn renew(&self, open: &HashSet<LetterId>) {
        let (ids, until) = (open.iter().copied().collect(), self.now().plus(LEASE));
        if let Err(error) = self.0.store.renew(ids, until).await {
            tracing::warn!(%error, "letters that are under way may be sent by others too");
        }
    }

    /// Notes how attempts went; says why the server is away, where it is for all of them.
    async fn settle(&self, settled: Vec<(LetterId, Outcome)>) -> Result<Option<String>> {
        let mut away = Vec::new();
        for (_, outcome) in &settled {
            metrics::counter!("letters_total", "result" => outcome.as_str()).increment(1);
            if let Outcome::Away(why) = outcome {
                away.push(why.clone());
            }
        }
        let is_away_for_all = away.len() == settled.len();
        if !settled.is_empty() {
            let jitter = f64::from(u16::from_be_bytes(self.0.random.bytes())) / f64::from(u16::MAX);
            self.0.store.settle(Arc::new(settled), self.now(), jitter).await?;
        }
        Ok(away.pop().filter(|_| is_away_for_all))
    }
}

impl Inner {
    /// Whatever stands in the way of one letter holds up no other.
    async fn send_one(&self, letter: &Letter) -> Outcome {
        if letter.is_stale(self.clock.now()) {
            return Outcome::Refused("it has waited for three days".to_owned());
        }
        let Some(post) = &self.post else { return Outcome::Away("there is no server".to_owned()) };
        let late = |_| Err(Error::new(Code::Unavailable, "it takes too long"));
        let written = timeout(WRITING_TIME, self.write(post, letter)).await;
        let Ready { address, message } = match written.unwrap_or_else(late) {
            Ok(Ok(ready)) => ready,
            Ok(Err(outcome)) => return outcome,
            // A template of the operator's that cannot say this one thing.
            Err(error) if error.code() == Code::InvalidParameter => {
                return Outcome::Deferred(error.message().to_owned());
            }
            Err(error) => return Outcome::Away(format!("it cannot be written: {error}")),
        };
        // Who fills a mailbox with one kind of letters does not keep the others from it.
        let box_of_kind = format!("{} {}", letter.kind.class(), fold(&address));
        if let Some(limit) = &self.per_address
            && !limit.take(&box_of_kind, Instant::now()).allowed
        {
            return Outcome::Crowded;
        }
        let began = Instant::now();
        let outcome = post.smtp.send(&message).await;
        metrics::histogram!("letter_seconds").record(began.elapsed());
        if let (Some(limit), Outcome::Away(_)) = (&self.per_address, &outcome) {
            limit.give_back(&box_of_kind);
        }
        outcome
    }
}
