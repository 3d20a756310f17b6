//! Holds: made, extended, let go of, given way to orders, and tidied up when their time is over.

use std::{
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use holdfast_storage::record::{
    Column, Fault, Index, Kind, Position, Record, Scan, Stored, Table, Tx, Value,
};
use holdfast_types::{
    Answer, Code, Error, HoldId, IdempotentAnswer, Operation, OrderId, Page, PageRequest,
    ReserveCommand, Result, StockAction, Timestamp, UserId,
};

use super::{ProductStore, reserving::Decide};
use crate::model::{Demand, HOLDS, Hold, HoldStatus, apply_all, hold_expired};

/// Holds that one transaction tidies up.
const TIDIED: usize = 50;
/// Shapes the answer about a hold.
pub(crate) type RenderHold = fn(&Hold, Timestamp) -> Result<Answer>;

/// The customer whose holds they are; `None` for anybody's.
pub(crate) type Whose = Option<UserId>;

/// A hold to make.
#[derive(Clone, Debug)]
pub(crate) struct NewHold {
    pub(crate) command: ReserveCommand,
    pub(crate) expires_at: Timestamp,
}

impl Record for Hold {
    const TABLE: Table = Table {
        columns: &[
            Column::of("customer", Kind::Id),
            Column::of("created_at", Kind::Integer),
            Column::of("owner", Kind::Id),
            Column::of("due", Kind::Integer),
            Column::of("ended_at", Kind::Integer),
        ],
        indexes: &[
            Index::of("customer", &["customer", "created_at"]),
            Index::of("created", &["created_at"]),
            Index::of("owner", &["owner", "due"]),
            Index::of("due", &["due"]),
            Index::of("ended", &["ended_at"]),
        ],
        ..Table::of("holds", "hold")
    };

    fn key(&self) -> Value {
        self.id.into()
    }

    /// Owner and due are those of holds that nobody has ended.
    fn columns(&self) -> Vec<Option<Value>> {
        let is_open = self.end.is_none();
        vec![
            Some(self.customer.into()),
            Some(self.created_at.into()),
            is_open.then(|| self.customer.into()),
            is_open.then(|| self.expires_at.into()),
            self.end.map(|end| end.at.into()),
        ]
    }
}

impl ProductStore {
    /// Holds stock for all items or none, once per operation. Refuses as orders are refused, and with `limit-reached` who has
    /// twenty open holds.
    pub(crate) async fn hold(
        &self,
        new: NewHold,
        operation: &Operation,
        render: RenderHold,
        now: Timestamp,
    ) -> Result<IdempotentAnswer> {
        let (store, new) = (self.clone(), Arc::new(new));
        let hold = move |tx: Tx| {
            let (store, new) = (store.clone(), Arc::clone(&new));
            async move {
                let hold = store.hold_in(&tx, &new, now).await?;
                tx.insert(&hold).await??;
                Ok(render(&hold, now)?)
            }
        };
        self.outbox.once(operation, now, hold).await
    }

    async fn hold_in(
        &self,
        tx: &Tx,
        NewHold { command, expires_at }: &NewHold,
        now: Timestamp,
    ) -> Result<Hold, Fault> {
        // Before products, as everybody does who makes holds.
        let customer = command.customer;
        tx.lock::<Hold>([customer.into()]).await?;
        let commands = Arc::new(vec![command.clone()]);
        let demand = Demand { commands, is_for_holds: true, ..Demand::default() };
        let mut taken = self.take_known(tx, demand, now).await?;
        let nothing = || Error::internal("stock has not answered");
        taken.results.pop().ok_or_else(nothing)??;
        // It is from so long ago that nothing else is known of it.
        let hold = taken.holds.pop().ok_or_else(hold_expired)?;
        self.make_room(tx, customer, now).await?;
        Ok(Hold { expires_at: *expires_at, ..hold })
    }

    /// Refuses who has as many open holds as one may have. Nobody makes another one meanwhile.
    async fn make_room(&self, tx: &Tx, customer: UserId, now: Timestamp) -> Result<(), Fault> {
        let open = Scan::of("owner", HOLDS).equal(customer);
        let open = open.range(Bound::Excluded(now.into()), Bound::Unbounded);
        if tx.scan::<Hold>(open).await?.len() == HOLDS {
            let why = format!("a customer has {HOLDS} open holds at most");
            return Err(Error::new(Code::LimitReached, why).into());
        }
        Ok(())
    }

    /// The holds that commands name, as far as there are such. Nothing is locked yet: whether one has ended meanwhile, its reservation
    /// says, once the products are.
    pub(super) async fn holds_for(
        &self,
        tx: &Tx,
        commands: &[ReserveCommand],
    ) -> Result<Vec<Stored<Hold>>, Fault> {
        let ids = commands.iter().filter_map(|command| command.hold);
        tx.find_all(None, &ids.map(Value::from).collect::<Vec<_>>()).await
    }

    /// Notes which holds gave way to which orders.
    pub(super) async fn give_way(
        &self,
        tx: &Tx,
        holds: Vec<Stored<Hold>>,
        ended: &[(HoldId, OrderId)],
        now: Timestamp,
    ) -> Result<(), Fault> {
        for mut hold in holds {
            let Some((_, order)) = ended.iter().find(|(id, _)| *id == hold.id) else { continue };
            hold.end(HoldStatus::Ordered, Some(*order), now);
            tx.put(&hold).await??;
        }
        Ok(())
    }

    /// Holds on for `time` from now, once per operation. Refuses with `not-found`, `hold-expired` and `limit-reached`.
    pub(crate) async fn extend_hold(
        &self,
        (id, whose): (HoldId, Whose),
        time: Duration,
        operation: &Operation,
        render: RenderHold,
        now: Timestamp,
    ) -> Result<IdempotentAnswer> {
        let extend = move |tx: Tx| async move {
            let mut hold = find(&tx, id, whose).await?;
            hold.extend(time, now)?;
            tx.put(&hold).await??;
            Ok(render(&hold, now)?)
        };
        self.outbox.once(operation, now, extend).await
    }

    /// Lets go of a hold, once per operation; of one that is over already as well. Says whether that ended it. Refuses with `not-found`.
    pub(crate) async fn release_hold(
        &self,
        (id, whose): (HoldId, Whose),
        operation: &Operation,
        now: Timestamp,
    ) -> Result<(IdempotentAnswer, bool)> {
        let (store, was_open) = (self.clone(), Arc::new(AtomicBool::new(false)));
        let ended = Arc::clone(&was_open);
        let release = move |tx: Tx| {
            let (store, ended) = (store.clone(), Arc::clone(&ended));
            async move {
                let hold = find(&tx, id, whose).await?;
                let is_open = hold.is_open(now);
                let count = store.end_holds(&tx, vec![hold], now).await?;
                ended.store(is_open && count == 1, Ordering::Relaxed);
                Ok(Answer { status: 204, etag: None, body: Vec::new() })
            }
        };
        let answer = self.outbox.once(operation, now, release).await?;
        Ok((answer, was_open.load(Ordering::Relaxed)))
    }

    /// Holds whose time is over and that nobody has ended, the first to end first, some of them; and where the others begin.
    pub(crate) async fn due_holds(
        &self,
        now: Timestamp,
        after: Option<Position>,
    ) -> Result<(Vec<HoldId>, Option<Position>)> {
        let due = Scan::of("due", TIDIED).range(Bound::Unbounded, Bound::Included(now.into()));
        let due = due.after(after);
        let look = move |tx: Tx| {
            let due = due.clone();
            async move { tx.scan::<Hold>(due).await }
        };
        let due = self.db.read(look).await?;
        let last = due.last().map(|hold| hold.position(Some("due")));
        Ok((due.iter().map(|hold| hold.id).collect(), last))
    }

    /// Puts the stock of these holds back, as far as their time is over, in one transaction; says how many that were.
    pub(crate) async fn expire_holds(&self, ids: Vec<HoldId>, now: Timestamp) -> Result<usize> {
        let store = self.clone();
        let ids: Arc<Vec<Value>> = Arc::new(ids.into_iter().map(Value::from).collect());
        let expire = move |tx: Tx| {
            let (store, ids) = (store.clone(), Arc::clone(&ids));
            async move {
                let mut due = tx.find_all::<Hold>(None, &ids).await?;
                due.retain(|hold| !hold.is_open(now));
                store.end_holds(&tx, due, now).await
            }
        };
        self.db.transact(expire).await
    }

    /// Says how many were ended. The stock first, which only moves while it is held; a hold that somebody has changed meanwhile makes all
    /// of it run again. Orders that holds give way to have the same order: nobody waits in a circle.
    async fn end_holds(
        &self,
        tx: &Tx,
        holds: Vec<Stored<Hold>>,
        now: Timestamp,
    ) -> Result<usize, Fault> {
        let open: Vec<Stored<Hold>> = holds.into_iter().filter(|hold| hold.end.is_none()).collect();
        if open.is_empty() {
            return Ok(0);
        }
        let ids: Vec<OrderId> = open.iter().map(|hold| hold.reservation()).collect();
        let actions: Vec<_> = ids.iter().map(|id| (*id, StockAction::Release)).collect();
        let decide: Decide =
            Arc::new(move |reservations, numbers| apply_all(&actions, reservations, numbers, now));
        self.move_and_tell_in(tx, ids, decide, now).await?;
        let count = open.len();
        for mut hold in open {
            // What was over before has expired.
            let is_open = hold.is_open(now);
            let outcome = if is_open { HoldStatus::Released } else { HoldStatus::Expired };
            hold.end(outcome, None, now);
            tx.put(&hold).await??;
        }
        Ok(count)
    }

    /// A hold, of a customer's if one is named. Refuses with `not-found`.
    pub(crate) async fn hold_of(&self, id: HoldId, whose: Whose) -> Result<Hold> {
        theirs(self.db.get::<Hold>(id).await?, whose, |hold| hold.customer)
    }

    /// A page of holds, of a customer's if one is named, newest first.
    pub(crate) async fn holds_of(&self, whose: Whose, request: &PageRequest) -> Result<Page<Hold>> {
        let (scan, list) = match whose {
            Some(customer) => {
                let list = format!("holds of {customer}");
                (Scan::of("customer", request.limit).equal(customer), list)
            }
            None => (Scan::of("created", request.limit), "holds".to_owned()),
        };
        self.db.page(scan.descending(), &list, request).await
    }

    /// Forgets holds that ended before `before`.
    pub(super) async fn forget_holds(&self, before: Timestamp) -> Result<()> {
        self.db.forget::<Hold>("ended", before).await
    }
}

async fn find(tx: &Tx, id: HoldId, whose: Whose) -> Result<Stored<Hold>, Fault> {
    Ok(theirs(tx.get::<Hold>(id).await?, whose, |hold| hold.customer)?)
}

/// What is somebody else's does not exist.
fn theirs<T>(found: Option<T>, whose: Whose, customer: impl Fn(&T) -> UserId) -> Result<T> {
    match found {
        Some(hold) if whose.is_none_or(|whose| whose == customer(&hold)) => Ok(hold),
        Some(_) => Err(Error::hidden("hold")),
        None => Err(Error::not_found("hold")),
    }
}
