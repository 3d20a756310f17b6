//! Holds: stock that is kept for somebody for a while, before they order. A hold is a reservation with another owner, and an end.

use std::{collections::HashMap, time::Duration};

use holdfast_types::{
    Code, Error, HoldId, Money, OrderId, OrderLines, ProductId, Reservation, Result, Timestamp,
    UserId,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Claim;

/// How long a hold lasts at most, however often it is extended.
const LIFETIME: Duration = Duration::from_secs(60 * 60);
/// Holds that a customer has open at most.
pub(crate) const HOLDS: usize = 20;

/// Holds by id.
pub(crate) type Holds = HashMap<HoldId, Hold>;

/// Stock that is kept for somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Hold {
    pub(crate) id: HoldId,
    pub(crate) customer: UserId,
    pub(crate) lines: OrderLines,
    pub(crate) total: Money,
    /// The products that had a limit when their stock was taken.
    pub(crate) limited: Vec<ProductId>,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    /// How it ended, if it was ended.
    pub(crate) end: Option<HoldEnd>,
}

/// How a hold ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HoldEnd {
    pub(crate) outcome: HoldStatus,
    /// The order that it gave way to.
    pub(crate) order: Option<OrderId>,
    pub(crate) at: Timestamp,
}

/// Where a hold stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum HoldStatus {
    /// The units are kept.
    Open,
    /// It gave way to an order.
    Ordered,
    /// It was let go of.
    Released,
    /// Its time is over.
    Expired,
}

/// No order takes what is not held any more, or is somebody else's.
pub(crate) fn expired() -> Error {
    Error::new(Code::HoldExpired, "there is no such hold any more")
}

impl Hold {
    /// The hold that a reservation is for; what is not known of it any more is over at once.
    pub(crate) fn of(reservation: &Reservation, expires_at: Timestamp) -> Result<Option<Self>> {
        let Some(claimed) = reservation.claimed.as_ref().filter(|claimed| claimed.is_hold) else {
            return Ok(None);
        };
        Ok(Some(Self {
            id: HoldId::new(reservation.id.uuid()),
            customer: claimed.customer,
            lines: reservation.lines.clone(),
            total: super::reserve::total_of(&reservation.lines)?,
            limited: claimed.products.clone(),
            created_at: reservation.at,
            expires_at,
            end: None,
        }))
    }

    /// Its reservation.
    pub(crate) const fn reservation(&self) -> OrderId {
        OrderId::new(self.id.uuid())
    }

    /// What it counts against limits once it has ended.
    pub(crate) fn no_claims(&self) -> Vec<Claim> {
        let (order, customer) = (self.reservation(), self.customer);
        let claim = |product: &ProductId| Claim { order, product: *product, customer, units: 0 };
        self.limited.iter().map(claim).collect()
    }

    /// Where it stands, to the millisecond, whether anybody has tidied up or not.
    pub(crate) fn status(&self, now: Timestamp) -> HoldStatus {
        match self.end {
            Some(end) => end.outcome,
            None if self.expires_at <= now => HoldStatus::Expired,
            None => HoldStatus::Open,
        }
    }

    /// When it was ended, before its time was over.
    pub(crate) fn ended_at(&self) -> Option<Timestamp> {
        self.end.filter(|end| end.outcome != HoldStatus::Expired).map(|end| end.at)
    }

    pub(crate) fn is_open(&self, now: Timestamp) -> bool {
        self.status(now) == HoldStatus::Open
    }

    /// Units of a product that it holds.
    pub(super) fn units(&self, product: ProductId) -> i64 {
        let line = self.lines.iter().find(|line| line.product_id == product);
        line.map_or(0, |line| line.quantity)
    }

    /// Holds on for `time` from now. Refuses with `hold-expired` what is over, and with `limit-reached` what has lasted an hour.
    pub(crate) fn extend(&mut self, time: Duration, now: Timestamp) -> Result<()> {
        if !self.is_open(now) {
            return Err(expired());
        }
        let last = self.created_at.plus(LIFETIME.max(time));
        if self.expires_at >= last {
            return Err(Error::new(Code::LimitReached, "a hold lasts an hour at most"));
        }
        self.expires_at = self.expires_at.max(now.plus(time)).min(last);
        Ok(())
    }

    /// Ends an open one; false when it was ended before.
    pub(crate) fn end(
        &mut self,
        outcome: HoldStatus,
        order: Option<OrderId>,
        at: Timestamp,
    ) -> bool {
        let was_open = self.end.is_none();
        if was_open {
            self.end = Some(HoldEnd { outcome, order, at });
        }
        was_open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn hold() -> Hold {
        Hold {
            id: HoldId::from_bytes([1; 16]),
            customer: UserId::from_bytes([2; 16]),
            lines: OrderLines::new(Vec::new()).unwrap(),
            total: Money { amount: 0, currency: "USD".parse().unwrap() },
            limited: Vec::new(),
            created_at: at(0),
            expires_at: at(300),
            end: None,
        }
    }

    #[test]
    fn a_hold_is_over_at_its_last_millisecond_whoever_tidies_up() {
        let mut hold = hold();
        let last = Timestamp::from_millis(at(300).as_millis() - 1);
        assert_eq!(
            (hold.status(last), hold.status(at(300))),
            (HoldStatus::Open, HoldStatus::Expired)
        );
        hold.extend(Duration::from_secs(300), at(300)).unwrap_err();
        assert!(hold.end(HoldStatus::Released, None, at(299)));
        assert!(!hold.end(HoldStatus::Expired, None, at(301)), "it ends once");
        assert_eq!(hold.status(at(0)), HoldStatus::Released);
    }

    #[test]
    fn a_hold_is_extended_for_an_hour_at_most() {
        let (mut hold, time) = (hold(), Duration::from_secs(300));
        hold.extend(time, at(100)).unwrap();
        assert_eq!(hold.expires_at, at(400));
        hold.extend(Duration::from_secs(10), at(200)).unwrap();
        assert_eq!(hold.expires_at, at(400), "never less");
        for now in (300..3600).step_by(200) {
            let before = hold.expires_at;
            match hold.extend(time, at(now)) {
                Ok(()) => assert!(hold.expires_at >= before),
                Err(error) => assert_eq!(error.code(), Code::LimitReached),
            }
        }
        assert_eq!(hold.expires_at, at(3600));
        assert_eq!(hold.extend(time, at(3599)).unwrap_err().code(), Code::LimitReached);
    }
}
