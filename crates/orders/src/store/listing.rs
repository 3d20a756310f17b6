//! Which orders a list shows, and in which order.

use holdfast_types::{Cursor, OrderId, Page, PageRequest, Result, Timestamp, UserId};

use super::OrderStore;
use crate::model::{Number, Order, Status};

/// Which orders a list shows: those that have all of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct OrderFilter {
    pub(crate) user: Option<UserId>,
    pub(crate) status: Option<Status>,
    pub(crate) number: Option<Number>,
    /// In the form in which addresses are compared.
    pub(crate) email: Option<String>,
    /// This moment and later.
    pub(crate) created_after: Option<Timestamp>,
    /// Earlier than this moment.
    pub(crate) created_before: Option<Timestamp>,
}

/// After every id.
const LAST_ID: OrderId = OrderId::from_bytes([0xff; 16]);

impl OrderFilter {
    /// The place before the requested page: only orders before it in time, or of its time and a lower id, are on the page. Refuses
    /// with `invalid-cursor`.
    pub(crate) fn after(&self, request: &PageRequest) -> Result<(i64, OrderId)> {
        let first = self
            .created_before
            .map_or((i64::MAX, LAST_ID), |before| (before.as_millis().saturating_sub(1), LAST_ID));
        request.after.as_ref().map_or(Ok(first), |cursor| cursor.position(&self.text()))
    }

    /// The earliest moment that is shown.
    pub(crate) fn earliest(&self) -> i64 {
        self.created_after.map_or(i64::MIN, Timestamp::as_millis)
    }

    /// The cursor after an order.
    pub(crate) fn position(&self, order: &Order) -> Cursor {
        Cursor::new(&self.text(), &(order.created_at.as_millis(), order.id))
    }

    /// The cursor before all orders of a moment.
    pub(crate) fn position_before(&self, moment: i64) -> Cursor {
        Cursor::new(&self.text(), &(moment, LAST_ID))
    }

    /// Whether the list shows an order, wherever the page begins.
    pub(crate) fn passes(&self, order: &Order) -> bool {
        let created_at = order.created_at.as_millis();
        self.user.is_none_or(|user| user == order.user)
            && self.status.is_none_or(|status| status == order.status)
            && self.number.is_none_or(|number| number == Number::of(order.id))
            && (self.email.is_none() || self.email == order.buyer.email_key())
            && self.earliest() <= created_at
            && self.created_before.is_none_or(|before| created_at < before.as_millis())
    }

    fn text(&self) -> String {
        format!("orders {self:?}")
    }
}

impl OrderStore {
    /// A page of the orders that pass the filter, newest first.
    pub(crate) async fn list(
        &self,
        filter: &OrderFilter,
        request: &PageRequest,
    ) -> Result<Page<Order>> {
        let Some(number) = filter.number else {
            return self.statements.list(filter, request).await;
        };
        let after = filter.after(request)?;
        let place = |order: &Order| (order.created_at.as_millis(), order.id);
        let mut found = self.statements.numbered(number).await?;
        found.retain(|order| filter.passes(order) && place(order) < after);
        found.sort_unstable_by_key(|order| std::cmp::Reverse(place(order)));
        Ok(Page::cut(found, request.limit, |order| filter.position(order)))
    }
}
