//! The lifecycle: `placed → paid → shipped → delivered`; `cancelled` from placed or paid; `expired` from placed.

use holdfast_types::{Code, Error, Result, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use super::{Order, PendingStock, Progress, Status};

/// A step of the lifecycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Cancel,
    Pay { reference: Option<String> },
    Ship { carrier: Option<String>, tracking_number: Option<String> },
    Deliver,
    Expire,
}

/// Something that happened to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) status: Status,
    pub(crate) version: holdfast_types::Version,
    pub(crate) at: Timestamp,
    /// Nobody: the shop itself.
    pub(crate) by: Option<UserId>,
}

impl Action {
    /// Where it leads.
    pub(crate) const fn target(&self) -> Status {
        match self {
            Self::Cancel => Status::Cancelled,
            Self::Pay { .. } => Status::Paid,
            Self::Ship { .. } => Status::Shipped,
            Self::Deliver => Status::Delivered,
            Self::Expire => Status::Expired,
        }
    }
}

impl Order {
    /// Its history, oldest first.
    pub(crate) fn events(&self) -> impl Iterator<Item = Event> {
        let placed = Event {
            status: Status::Placed,
            version: holdfast_types::Version::FIRST,
            at: self.created_at,
            by: Some(self.user),
        };
        std::iter::once(placed).chain(self.progress.events.iter().copied())
    }

    /// Takes a step, and says whether that changed anything: a step that was passed already does not, and is no error.
    /// Refuses with `invalid-transition` what the state forbids.
    pub(crate) fn take(
        &mut self,
        action: &Action,
        by: Option<UserId>,
        now: Timestamp,
    ) -> Result<bool> {
        let target = action.target();
        if self.has_passed(target) {
            return Ok(false);
        }
        let early = target == Status::Expired && self.expires_at.is_none_or(|at| at > now);
        if early || !self.leads_to(target) {
            let why = format!(
                "an order that is {} cannot become {}",
                self.status.as_str(),
                target.as_str()
            );
            return Err(
                Error::new(Code::InvalidTransition, why).with("orderStatus", self.status.as_str())
            );
        }
        self.status = target;
        self.version = self.version.next();
        self.updated_at = now;
        self.progress.note(action);
        self.progress.events.push(Event { status: target, version: self.version, at: now, by });
        let moves = matches!(target, Status::Cancelled | Status::Expired | Status::Shipped);
        if moves {
            let action = target.stock_action();
            self.pending_stock = Some(PendingStock::with(self.pending_stock, action));
        }
        Ok(true)
    }

    /// Whether the order stands at `target` or, on the way of orders that are fulfilled, beyond it.
    const fn has_passed(&self, target: Status) -> bool {
        matches!(
            (self.status, target),
            (Status::Paid | Status::Shipped | Status::Delivered, Status::Paid)
                | (Status::Shipped | Status::Delivered, Status::Shipped)
                | (Status::Delivered, Status::Delivered)
                | (Status::Cancelled, Status::Cancelled)
                | (Status::Expired, Status::Expired)
        )
    }

    const fn leads_to(&self, target: Status) -> bool {
        matches!(
            (self.status, target),
            (Status::Placed, Status::Paid | Status::Cancelled | Status::Expired)
                | (Status::Paid, Status::Shipped | Status::Cancelled)
                | (Status::Shipped, Status::Delivered)
        )
    }
}

impl Progress {
    /// Keeps what an action says.
    fn note(&mut self, action: &Action) {
        match action {
            Action::Cancel | Action::Expire | Action::Deliver => {}
            Action::Pay { reference } => self.reference.clone_from(reference),
            Action::Ship { carrier, tracking_number } => {
                self.carrier.clone_from(carrier);
                self.tracking_number.clone_from(tracking_number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use holdfast_types::{
        Fingerprint, Money, OrderId, OrderLines, ReserveCommand, Reserved, StockAction,
    };

    use super::{
        super::{Buyer, Placement},
        *,
    };

    fn placed() -> Order {
        let command = ReserveCommand {
            id: OrderId::from_bytes([1; 16]),
            fingerprint: Fingerprint([0; 16]),
            customer: UserId::from_bytes([2; 16]),
            items: Vec::new(),
            expected_total: None,
            hold: None,
        };
        let buyer = Buyer::default();
        let total = Money { amount: 0, currency: "USD".parse().unwrap() };
        let reserved = Reserved {
            lines: OrderLines::new(Vec::new()).unwrap(),
            total,
            at: Timestamp::from_millis(0),
        };
        let placement = Placement { command, buyer, trace: None, audit: None };
        Order::new(&placement, reserved, Some(Duration::from_millis(10)))
    }

    fn actions() -> [Action; 5] {
        let ship = Action::Ship { carrier: None, tracking_number: None };
        [Action::Pay { reference: None }, ship, Action::Deliver, Action::Cancel, Action::Expire]
    }

    /// For each state: what pay, ship, deliver, cancel and expire do there: move, stay, or are refused.
    #[test]
    fn the_table_of_transitions() {
        let [pay, ship, deliver, cancel, expire] = actions();
        let table: [(Vec<&Action>, &str); 6] = [
            (vec![], "mrrmm"),
            (vec![&pay], "smrmr"),
            (vec![&pay, &ship], "ssmrr"),
            (vec![&pay, &ship, &deliver], "sssrr"),
            (vec![&cancel], "rrrsr"),
            (vec![&expire], "rrrrs"),
        ];
        let now = Timestamp::from_millis(20);
        for (path, expected) in table {
            let mut order = placed();
            path.iter().for_each(|action| assert!(order.take(action, None, now).unwrap()));
            for (action, outcome) in actions().iter().zip(expected.chars()) {
                let mut tried = order.clone();
                let result = tried.take(action, None, now);
                let found = match &result {
                    Ok(true) => 'm',
                    Ok(false) => 's',
                    Err(_) => 'r',
                };
                assert_eq!(found, outcome, "{action:?} on {:?}", order.status);
                assert_eq!(tried != order, outcome == 'm', "only a move changes the order");
            }
        }
    }

    #[test]
    fn expiry_waits_for_its_time_and_debts_follow_the_state() {
        let mut order = placed();
        assert!(order.take(&Action::Expire, None, Timestamp::from_millis(9)).is_err());
        order.take(&Action::Pay { reference: None }, None, Timestamp::from_millis(9)).unwrap();
        assert_eq!(order.pending_stock, None, "paying owes nothing");
        order.take(&Action::Cancel, None, Timestamp::from_millis(9)).unwrap();
        assert_eq!(order.pending_stock, Some(StockAction::Release.into()));
        assert_eq!(
            order.clone().into_placed(),
            Order { pending_stock: order.pending_stock, ..placed() }
        );
    }
}
