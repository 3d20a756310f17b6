//! Orders and what is paid for them, in one transaction.

use std::sync::Arc;

use holdfast_storage::record::{Fault, Tx};
use holdfast_types::{Code, Error, OrderId, OrderMove, ProductId, Result, Timestamp};

use super::{OrderStore, Step};
use crate::{
    Payments,
    model::{Action, Order, Status},
};

impl OrderStore {
    /// Makes payments known, once.
    pub(crate) fn set_payments(&self, payments: Arc<dyn Payments>) {
        // Whoever was first stays: there is one.
        let _ = self.payments.set(payments);
    }

    pub(crate) fn payments(&self) -> Option<&Arc<dyn Payments>> {
        self.payments.get()
    }

    /// The order with that id; nobody changes it until the transaction has ended.
    pub(crate) async fn hold(&self, tx: &Tx, id: OrderId) -> Result<Option<Order>, Fault> {
        Ok(self.load_for_change(tx, vec![id]).await?.pop())
    }

    /// Notes in `tx` that the money has come under that reference. `false`: the order is over, was paid otherwise, or is not there.
    pub(crate) async fn pay_in(
        &self,
        tx: &Tx,
        id: OrderId,
        reference: &str,
        now: Timestamp,
    ) -> Result<bool, Fault> {
        let Some(mut order) = self.hold(tx, id).await? else { return Ok(false) };
        let action = Action::Pay { reference: Some(reference.to_owned()) };
        let step = Step { order: id, by: None, at: now };
        match self.take(tx, step, &mut order, &action).await {
            Ok(true) => {
                self.outbox.put(tx, [order.message()]).await?;
                Ok(true)
            }
            Ok(false) => Ok(order.progress.reference.as_deref() == Some(reference)),
            Err(Fault::Refused(error)) if error.code() == Code::InvalidTransition => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// Gives the buyer time in `tx`, once for each order: they have begun to pay.
    pub(crate) async fn give_time(
        &self,
        tx: &Tx,
        id: OrderId,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let Some(mut order) = self.hold(tx, id).await? else { return Ok(()) };
        match order.give_time(now) {
            true => self.save(tx, &order).await,
            false => Ok(()),
        }
    }

    /// Notes in `tx` that so many units are back in the stock by now. Refuses with `invalid-transition`.
    pub(crate) async fn give_back(
        &self,
        tx: &Tx,
        id: OrderId,
        units: &[(ProductId, i64)],
        now: Timestamp,
    ) -> Result<(), Fault> {
        let order = self.hold(tx, id).await?;
        let mut order = order.ok_or_else(|| Error::not_found("order"))?;
        match order.give_back(units, now)? {
            true => self.save(tx, &order).await,
            false => Ok(()),
        }
    }

    /// Lets payments follow an order that has gone a step.
    pub(super) async fn tell_payments(
        &self,
        tx: &Tx,
        order: &Order,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let to = match order.status {
            Status::Cancelled => OrderMove::Cancelled,
            Status::Expired => OrderMove::Expired,
            Status::Paid => OrderMove::Paid,
            Status::Placed | Status::Shipped | Status::Delivered => return Ok(()),
        };
        match self.payments() {
            Some(payments) => payments.follow(tx, order.id, to, now).await,
            None => Ok(()),
        }
    }

    /// Whether an order may not expire yet, since a payment of it is open: it is looked at again later.
    pub(super) async fn is_held_up(
        &self,
        tx: &Tx,
        order: &mut Order,
        now: Timestamp,
    ) -> Result<bool, Fault> {
        let Some(payments) = self.payments() else { return Ok(false) };
        let is_due = order.status == Status::Placed && order.expires_at.is_some_and(|at| at <= now);
        if !is_due {
            return Ok(false);
        }
        let Some(until) = payments.hold_up_expiry(tx, order.id, now).await? else {
            return Ok(false);
        };
        order.postpone(until, now);
        self.save(tx, order).await?;
        Ok(true)
    }
}
