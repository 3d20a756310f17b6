//! The queue before the batches. While one batch commits the next one gathers: no timers, no added latency when idle,
//! larger batches exactly when it is busy.

use std::{sync::Arc, time::Duration};

use holdfast_types::{Code, Error, Result};
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    time::Instant,
};

use super::{
    Shared,
    batch::{Pending, Placed},
};
use crate::model::Placement;

/// Orders that may wait: about a quarter of a second's worth.
const QUEUE: usize = 8192;
/// Orders in one batch.
const BATCH_ORDERS: usize = 512;
/// Lines in one batch: bounds its time whatever the orders look like.
const BATCH_LINES: usize = 4096;
/// An order that has waited longer is not decided any more.
const DECISION_TIME: Duration = Duration::from_secs(15);
/// How long a client's request waits for its answer; the order goes on without it.
const ANSWER_TIME: Duration = Duration::from_secs(25);

pub(super) struct Checkout {
    queue: mpsc::Sender<Pending>,
}

/// The far end of the queue; workers take turns at gathering.
struct Gate {
    queue: mpsc::Receiver<Pending>,
    /// The order that did not fit into the last batch.
    left_over: Option<Pending>,
}

impl Checkout {
    /// Begins to carry up to `in_flight` batches at a time. One makes the largest batches.
    pub(super) fn begin(shared: &Arc<Shared>, in_flight: usize) -> Self {
        let (queue, receiver) = mpsc::channel(QUEUE);
        let gate = Arc::new(Mutex::new(Gate { queue: receiver, left_over: None }));
        for _ in 0..in_flight {
            let (gate, shared) = (Arc::clone(&gate), Arc::clone(shared));
            tokio::spawn(async move {
                while let Some(batch) = Gate::gather(&gate).await {
                    shared.carry(batch).await;
                }
            });
        }
        Self { queue }
    }

    /// Queues an order and waits for its answer. Refuses with `overloaded` when too many wait.
    pub(super) async fn place(&self, placement: Placement) -> Result<Placed> {
        let (reply, answer) = oneshot::channel();
        let pending = Pending { placement, deadline: Instant::now() + DECISION_TIME, reply };
        let overloaded = || {
            Error::new(Code::Overloaded, "too many orders are waiting: repeat with the same key")
        };
        self.queue.try_send(pending).map_err(|_| overloaded())?;
        let late =
            || Error::new(Code::Timeout, "the order is still on its way: repeat with the same key");
        let answer = tokio::time::timeout(ANSWER_TIME, answer).await.map_err(|_| late())?;
        answer.map_err(|_| {
            Error::new(
                Code::Unavailable,
                "the order was not carried through: repeat with the same key",
            )
        })?
    }
}

impl Gate {
    /// All orders that wait, up to the limits of a batch; `None` when nobody can send any more.
    async fn gather(gate: &Mutex<Self>) -> Option<Vec<Pending>> {
        let mut gate = gate.lock().await;
        let first = match gate.left_over.take() {
            Some(pending) => pending,
            None => gate.queue.recv().await?,
        };
        let mut lines = first.lines();
        let mut batch = vec![first];
        while batch.len() < BATCH_ORDERS {
            let Ok(pending) = gate.queue.try_recv() else { break };
            lines += pending.lines();
            if lines > BATCH_LINES {
                gate.left_over = Some(pending);
                break;
            }
            batch.push(pending);
        }
        Some(batch)
    }
}
