//! A batch of orders: reserve, record, answer. One transaction where products share the database, else one call to products and
//! one transaction here, however many they are.

use std::{collections::HashMap, sync::Arc};

use holdfast_storage::record::Tx;
use holdfast_types::{
    BatchId, Code, Error, ORDER_ITEMS, OrderId, ReserveBatch, ReserveCommand, Reserved, Result,
    reused,
};
use tokio::{sync::oneshot, time::Instant};

use super::Shared;
use crate::{
    StockTogether,
    model::{Order, Placement},
    store::{Audits, Recorded},
};

/// Those of a batch.
type Placements = Arc<Vec<Placement>>;

/// An order that is recorded.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) order: Order,
    /// True when an earlier request placed it.
    pub(crate) replayed: bool,
}

/// A placement that waits for its batch.
pub(super) struct Pending {
    pub(super) placement: Placement,
    /// Past it, nobody decides any more.
    pub(super) deadline: Instant,
    pub(super) reply: oneshot::Sender<Result<Placed>>,
}

impl Pending {
    /// Those of a hold count as well: as many as one may have.
    pub(super) fn lines(&self) -> usize {
        let held = if self.placement.command.hold.is_some() { ORDER_ITEMS } else { 0 };
        self.placement.command.items.len() + held
    }

    /// A client that has gone hears nothing; its order stands all the same.
    fn answer(self, result: Result<Placed>) {
        let _ = self.reply.send(result);
    }
}

/// Requests under one id: the first is carried through, the copies wait for it and are answered as repeats.
struct Group {
    lead: Pending,
    copies: Vec<Pending>,
}

impl Group {
    fn answer(self, result: Result<Placed>) {
        for copy in self.copies {
            let same =
                copy.placement.command.fingerprint == self.lead.placement.command.fingerprint;
            let answer = match &result {
                _ if !same => Err(reused()),
                Ok(placed) => Ok(Placed { replayed: true, ..placed.clone() }),
                Err(error) => Err(error.copy()),
            };
            copy.answer(answer);
        }
        self.lead.answer(result);
    }
}

impl Shared {
    /// Carries a batch to its end and answers everybody in it.
    pub(super) async fn carry(&self, batch: Vec<Pending>) {
        let groups = group(batch);
        if groups.is_empty() {
            return;
        }
        metrics::histogram!("checkout_batch_orders")
            .record(u32::try_from(groups.len()).unwrap_or(u32::MAX));
        let placements: Vec<Placement> =
            groups.iter().map(|group| group.lead.placement.clone()).collect();
        let placements = Arc::new(placements);
        let results = match self.place_together(&placements).await {
            Ok(results) => results,
            Err(error) if placements.len() == 1 || error.is_transient() => {
                placements.iter().map(|_| Err(error.copy())).collect()
            }
            Err(error) => {
                tracing::warn!(%error, orders = placements.len(), "a batch failed: its orders go one by one");
                self.place_apart(&placements).await
            }
        };
        for (group, result) in groups.into_iter().zip(results) {
            group.answer(result);
        }
    }

    /// So that only the culprit is refused.
    async fn place_apart(&self, placements: &[Placement]) -> Vec<Result<Placed>> {
        let mut results = Vec::with_capacity(placements.len());
        for placement in placements {
            let alone = self.place_together(&Arc::new(vec![placement.clone()])).await;
            results.push(alone.and_then(|mut results| {
                results.pop().unwrap_or_else(|| Err(Error::internal("no result")))
            }));
        }
        results
    }

    /// Reserves, and records what products returned. An error says that nothing was recorded by this call; what was
    /// reserved is found again by a repeat, or undone by the sweep.
    async fn place_together(&self, placements: &Placements) -> Result<Vec<Result<Placed>>> {
        let recorded = match self.stock.together() {
            Some(stock) => self.place_in_one_step(placements, stock).await?,
            None => self.place_in_two_steps(placements).await?,
        };
        let outcome = |(placement, recorded)| outcome(placement, recorded?);
        Ok(placements.iter().zip(recorded).map(outcome).collect())
    }

    /// In one transaction.
    async fn place_in_one_step(
        &self,
        placements: &Placements,
        stock: Arc<dyn StockTogether>,
    ) -> Result<Vec<Result<Recorded>>> {
        let commands = Arc::new(commands(placements));
        let reserve = move |tx: Tx| {
            let (stock, commands) = (Arc::clone(&stock), Arc::clone(&commands));
            async move { stock.reserve_in(&tx, commands).await }
        };
        self.store.place(reserve, self.order_of(placements), audits(placements)).await
    }

    /// In a transaction of products and one of orders. Between them the batch is unconfirmed.
    async fn place_in_two_steps(&self, placements: &Placements) -> Result<Vec<Result<Recorded>>> {
        let id = BatchId::new(self.random.uuid_v7(self.clock.now()));
        let (commands, confirmed) = (commands(placements), self.confirmations.take());
        let trace = placements.iter().find_map(|placement| placement.trace.clone());
        let batch = ReserveBatch { id, commands, confirmed: confirmed.clone(), trace };
        let reserved = self.stock.reserve(batch).await;
        let reserved = reserved.inspect_err(|_| self.confirmations.add(&confirmed))?;
        if reserved.len() != placements.len() {
            return Err(Error::internal("products answered another number of commands"));
        }
        let (order, audits) = (self.order_of(placements), audits(placements));
        let recorded = self.store.record_reserved(reserved, order, audits).await?;
        self.confirmations.add(&[id]);
        Ok(recorded)
    }

    /// Makes the order of a placement, by its place, of what was reserved for it.
    fn order_of(
        &self,
        placements: &Placements,
    ) -> impl Fn(usize, Reserved) -> Order + Send + Sync + 'static {
        let (placements, window) = (Arc::clone(placements), self.settings.payment_window);
        move |place, reserved| Order::new(&placements[place], reserved, window)
    }
}

fn commands(placements: &[Placement]) -> Vec<ReserveCommand> {
    placements.iter().map(|placement| placement.command.clone()).collect()
}

fn audits(placements: &[Placement]) -> Audits {
    let audits: Vec<_> = placements.iter().filter_map(|one| one.audit.clone()).collect();
    Arc::new(audits)
}

fn outcome(placement: &Placement, recorded: Recorded) -> Result<Placed> {
    match recorded {
        Recorded::New(order) => Ok(Placed { order, replayed: false }),
        Recorded::Before(order) if order.fingerprint == placement.command.fingerprint => {
            Ok(Placed { order: order.into_placed(), replayed: true })
        }
        Recorded::Before(_) => Err(reused()),
        Recorded::Undone => {
            let why =
                "the attempt under this key was cut and undone: nothing was ordered; use a new key";
            Err(Error::new(Code::IdempotencyKeySpent, why))
        }
    }
}

/// Answers what is too late, and puts requests under one id together, in the order of their first.
fn group(batch: Vec<Pending>) -> Vec<Group> {
    let now = Instant::now();
    let mut groups: Vec<Group> = Vec::with_capacity(batch.len());
    let mut places: HashMap<OrderId, usize> = HashMap::with_capacity(batch.len());
    for pending in batch {
        if pending.deadline < now {
            pending.answer(Err(Error::new(
                Code::Overloaded,
                "the order waited too long and was not begun: repeat with the same key",
            )));
            continue;
        }
        match places.get(&pending.placement.command.id) {
            Some(place) => groups[*place].copies.push(pending),
            None => {
                places.insert(pending.placement.command.id, groups.len());
                groups.push(Group { lead: pending, copies: Vec::new() });
            }
        }
    }
    groups
}
