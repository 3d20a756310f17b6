//! What the payments service keeps. Each method is one atomic operation; its doc comment is its guarantee.

mod audit;
mod claiming;
mod figures;
mod following;
#[cfg(test)]
mod guarantees;
mod opening;
mod records;
mod settling;

use std::sync::Arc;

use holdfast_storage::{
    Database, Migrations, Outbox, Shards,
    record::{Scan, Tx},
};
use holdfast_types::{
    Answer, Operation, OrderId, Page, PageRequest, Random, Result, Secret, Timestamp, UserId,
};

use self::records::PaymentsOutbox;
pub use self::records::RECORDS;
pub(crate) use self::settling::Claimed;
use crate::{
    OrderBook,
    model::{Ledger, Payment, PaymentId, REFUNDS_OF_PAYMENT, Refund, RefundId, Status},
};

/// Names the service in what it keeps.
const SERVICE: &str = crate::SERVICE.name;

/// Payments that an order has at most.
pub(crate) const PAYMENTS_OF_ORDER: usize = 50;
/// Refunds of a payment that are read at once: all of them, with what the shop owed by itself.
const REFUNDS: usize = 2 * REFUNDS_OF_PAYMENT;

/// Payments and refunds, in the database of their orders. Clones share it.
#[derive(Clone)]
pub(crate) struct PaymentStore {
    db: Database,
    book: Arc<dyn OrderBook>,
    outbox: Outbox<PaymentsOutbox>,
    shards: Shards,
}

/// Which payments.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PaymentFilter {
    pub(crate) order: Option<OrderId>,
    pub(crate) user: Option<UserId>,
    pub(crate) status: Option<Status>,
}

impl PaymentStore {
    /// Brings the tables up to date.
    pub(crate) async fn open(
        database: &Database,
        book: Arc<dyn OrderBook>,
        random: &Random,
    ) -> Result<(Self, Secret)> {
        let none = &Migrations::NONE;
        let (db, secret) = database.of_service(SERVICE, none, RECORDS, random).await?;
        let (outbox, shards) = (Outbox::new(&db, random), Shards::new(random));
        let store = Self { db, book, outbox, shards };
        store.count_earlier().await?;
        Ok((store, secret))
    }

    /// What the service has told and nobody has collected.
    pub(crate) const fn outbox(&self) -> &Outbox<PaymentsOutbox> {
        &self.outbox
    }

    /// The payment with that id.
    pub(crate) async fn get(&self, id: PaymentId) -> Result<Option<Payment>> {
        self.db.get(id).await
    }

    /// The payment that the provider calls so.
    pub(crate) async fn of_intent(&self, intent: &str) -> Result<Option<Payment>> {
        self.db.find("intent", [intent.into()]).await
    }

    /// The open payment of an order, if it has one.
    pub(crate) async fn open_of(&self, order: OrderId) -> Result<Option<Payment>> {
        self.db.find("open", [order.into()]).await
    }

    /// A payment with its refunds that are pending, in one snapshot.
    pub(crate) async fn ledger(&self, id: PaymentId) -> Result<Option<Ledger>> {
        let read = move |tx: Tx| async move { settling::ledger(&tx, id).await };
        Ok(self.db.read(read).await?.map(|(payment, refunds)| {
            let refunds = refunds.into_iter().map(|refund| refund.into_inner());
            Ledger::new(payment.into_inner(), refunds.collect())
        }))
    }

    /// The refund with that id.
    pub(crate) async fn refund(&self, id: RefundId) -> Result<Option<Refund>> {
        self.db.get(id).await
    }

    /// All refunds of a payment, the first first.
    pub(crate) async fn refunds_of(&self, payment: PaymentId) -> Result<Vec<Refund>> {
        self.db.read(move |tx: Tx| async move { claiming::refunds(&tx, payment).await }).await
    }

    /// A page of the payments that pass the filter, newest first.
    pub(crate) async fn list(
        &self,
        filter: &PaymentFilter,
        request: &PageRequest,
    ) -> Result<Page<Payment>> {
        let PaymentFilter { order, user, status } = *filter;
        let keep = move |payment: &Payment| {
            order.is_none_or(|order| payment.order == order)
                && user.is_none_or(|user| payment.user == user)
                && status.is_none_or(|status| payment.status == status)
        };
        let scan = match (order, user, status) {
            (Some(order), ..) => Scan::of("order", 0).equal(order),
            (None, Some(user), _) => Scan::of("user", 0).equal(user),
            (None, None, Some(status)) => Scan::of("status", 0).equal(status.as_str()),
            (None, None, None) => Scan::of("age", 0),
        };
        let list = format!("payments {order:?} {user:?} {status:?}");
        self.db.page_where(scan.descending(), &list, request, keep).await
    }

    /// Payments that are to be looked at by `now`, the longest waiting first, and puts off the next look at each until `until`: of
    /// processes that ask at once, one gets a payment.
    pub(crate) async fn take_due(
        &self,
        now: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<PaymentId>> {
        let put_off = move |payment: &mut Payment| payment.next_look = Some(until);
        let taken = self.db.take_due("due", now, limit, put_off).await?;
        Ok(taken.into_iter().map(|payment| payment.id).collect())
    }

    /// Whether an operation was answered before. Refuses with `idempotency-key-reused`.
    pub(crate) async fn replayed(&self, operation: &Operation) -> Result<Option<Answer>> {
        self.db.replay(operation).await
    }

    /// Forgets answers given before `before`.
    pub(crate) async fn forget_answers(&self, before: Timestamp) -> Result<()> {
        self.db.forget_answers(before).await
    }
}
