//! Taking stock: alone, or in the transaction that records the orders as well.

use std::{collections::BTreeSet, sync::Arc};

use holdfast_storage::record::{Fault, Tx};
use holdfast_types::{
    BatchId, HoldId, Kept, Message, OrderId, Reservation, ReserveBatch, ReserveCommand, Reserved,
    Result, StockAction, Timestamp, Unconfirmed,
};

use super::ProductStore;
use crate::model::{
    Applied, Claim, Counter, Decided, Demand, Hold, NumbersById, Reservations, apply_all,
    give_back_all,
};

/// Commands of one transaction.
pub(crate) type Commands = Arc<Vec<ReserveCommand>>;

/// Decides what becomes of reservations.
pub(crate) type Decide = Arc<dyn Fn(Reservations, &NumbersById) -> Result<Applied> + Send + Sync>;

/// What taking stock leads to.
#[derive(Debug)]
pub(crate) enum Taking {
    /// It is decided and written.
    Done(TakenStock),
    /// Nothing is: these must be known first.
    Wants(BTreeSet<Counter>),
}

/// What became of commands.
#[derive(Debug)]
pub(crate) struct TakenStock {
    /// In the order of the commands.
    pub(crate) results: Vec<Result<Reserved>>,
    /// The orders that stock was taken for just now, by id.
    pub(crate) orders: Vec<OrderId>,
    /// What counts against limits now.
    pub(crate) claims: Vec<Claim>,
    /// Holds that were made; they are over at once.
    pub(crate) holds: Vec<Hold>,
    /// Holds that gave way, and to which orders.
    pub(crate) ended: Vec<(HoldId, OrderId)>,
    /// What there is to tell of it.
    pub(crate) messages: Vec<Message>,
}

impl TakenStock {
    /// What was decided, once it is written.
    pub(super) fn of(
        decided: Decided,
        demand: &Demand,
        reservations: &[Reservation],
        now: Timestamp,
    ) -> Self {
        let ended = decided.ended.iter().filter_map(|(id, _)| demand.holds.get(id));
        let ended = ended.flat_map(Hold::no_claims);
        Self {
            orders: reservations.iter().map(|reservation| reservation.id).collect(),
            claims: ended.chain(reservations.iter().flat_map(Claim::all_of)).collect(),
            holds: reservations.iter().filter_map(|made| Hold::of(made, made.at).ok()?).collect(),
            messages: decided.messages(now),
            ended: decided.ended,
            results: decided.results,
        }
    }
}

/// What became of reservations that moved.
#[derive(Debug)]
pub(crate) struct MovedStock {
    /// What they count against limits now.
    pub(crate) claims: Vec<Claim>,
    /// Holds that there must be.
    pub(crate) holds: Vec<Hold>,
    /// What there is to tell of it.
    pub(crate) messages: Vec<Message>,
}

/// How often it is asked what a batch must know: products with a limit may turn up that were held by others before.
const ATTEMPTS: usize = 4;

impl ProductStore {
    /// Takes stock for each command, or refuses it, and confirms what rides along: all in one transaction. The results stand
    /// in the order of the commands. Until the batch is confirmed, the sweep asks about its orders.
    pub(crate) async fn reserve(
        &self,
        batch: ReserveBatch,
        now: Timestamp,
    ) -> Result<Vec<Result<Reserved>>> {
        let ReserveBatch { id, commands, confirmed, .. } = batch;
        let (store, commands) = (self.clone(), Arc::new(commands));
        let (confirmed, batch) = (Arc::new(confirmed), id);
        let reserve = move |tx: Tx| {
            let store = store.clone();
            let (commands, confirmed) = (Arc::clone(&commands), Arc::clone(&confirmed));
            async move {
                store.strike_unconfirmed(&tx, &confirmed).await?;
                let taken = store.take_and_tell(&tx, commands, now).await?;
                let TakenStock { results, orders, .. } = taken;
                if !orders.is_empty() {
                    store.note_unconfirmed(&tx, Unconfirmed { batch, orders }, now).await?;
                }
                Ok(results)
            }
        };
        self.db.transact(reserve).await
    }

    /// The same in `tx`, which records the orders as well: nothing is left to confirm.
    pub(crate) async fn reserve_in(
        &self,
        tx: &Tx,
        commands: Commands,
        now: Timestamp,
    ) -> Result<Vec<Result<Reserved>>, Fault> {
        Ok(self.take_and_tell(tx, commands, now).await?.results)
    }

    async fn take_and_tell(
        &self,
        tx: &Tx,
        commands: Commands,
        now: Timestamp,
    ) -> Result<TakenStock, Fault> {
        let holds = self.holds_for(tx, &commands).await?;
        let known = holds.iter().map(|hold| (hold.id, (**hold).clone())).collect();
        let demand = Demand { commands, holds: known, ..Demand::default() };
        let taken = self.take_known(tx, demand, now).await?;
        self.give_way(tx, holds, &taken.ended, now).await?;
        Ok(taken)
    }

    /// Takes stock, finding out what customers have where that matters, and tells.
    pub(super) async fn take_known(
        &self,
        tx: &Tx,
        mut demand: Demand,
        now: Timestamp,
    ) -> Result<TakenStock, Fault> {
        for _ in 0..ATTEMPTS {
            match self.take_stock(tx, demand.clone(), now).await? {
                Taking::Done(mut taken) => {
                    self.change_claims(tx, &taken.claims).await?;
                    self.outbox.put(tx, std::mem::take(&mut taken.messages)).await?;
                    return Ok(taken);
                }
                Taking::Wants(counters) => {
                    demand.claims.extend(self.count_claims(tx, counters).await?);
                }
            }
        }
        Err(Fault::Stale)
    }

    /// Releases or ships reservations, in one transaction. Only held ones move, so late and repeated calls are harmless.
    pub(crate) async fn apply_stock_actions(
        &self,
        actions: &[(OrderId, StockAction)],
        now: Timestamp,
    ) -> Result<()> {
        let (orders, actions) = (actions.iter().map(|(id, _)| *id).collect(), actions.to_vec());
        let decide: Decide =
            Arc::new(move |reservations, numbers| apply_all(&actions, reservations, numbers, now));
        self.move_and_tell(orders, decide, now).await
    }

    /// Takes back what goes beyond the units of these orders that stand, in one transaction: late and repeated calls are harmless.
    pub(crate) async fn give_back(&self, kept: &[(OrderId, Kept)], now: Timestamp) -> Result<()> {
        let (orders, kept) = (kept.iter().map(|(id, _)| *id).collect(), kept.to_vec());
        let decide: Decide =
            Arc::new(move |reservations, numbers| give_back_all(&kept, reservations, numbers, now));
        self.move_and_tell(orders, decide, now).await
    }

    async fn move_and_tell(
        &self,
        orders: Vec<OrderId>,
        decide: Decide,
        now: Timestamp,
    ) -> Result<()> {
        let store = self.clone();
        let apply = move |tx: Tx| {
            let (store, orders, decide) = (store.clone(), orders.clone(), Arc::clone(&decide));
            async move { store.move_and_tell_in(&tx, orders, decide, now).await }
        };
        self.db.transact(apply).await
    }

    pub(super) async fn move_and_tell_in(
        &self,
        tx: &Tx,
        orders: Vec<OrderId>,
        decide: Decide,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let MovedStock { claims, messages, .. } = self.move_stock(tx, orders, decide, now).await?;
        self.change_claims(tx, &claims).await?;
        self.outbox.put(tx, messages).await
    }

    /// Notes that the orders of these batches are recorded: the sweep need not ask about them.
    pub(crate) async fn confirm(&self, batches: &[BatchId]) -> Result<()> {
        let (store, batches) = (self.clone(), Arc::new(batches.to_vec()));
        let confirm = move |tx: Tx| {
            let (store, batches) = (store.clone(), Arc::clone(&batches));
            async move { store.strike_unconfirmed(&tx, &batches).await }
        };
        self.db.transact(confirm).await
    }
}
