//! Orders and the stock that they took, side by side, however many there are: both come by id, so they are merged.

use std::collections::HashSet;

use holdfast_orders as orders;
use holdfast_products as products;
use holdfast_storage::{Damage, Entry, Flow};
use holdfast_types::{OrderId, Result};

use crate::wiring::Shop;

/// An order, a reservation, or both, of one id.
pub(super) struct Pair {
    pub(super) id: OrderId,
    pub(super) order: Option<Entry<orders::Portable>>,
    pub(super) reservation: Option<Entry<products::Portable>>,
}

/// The pairs by id. Stock is read first: orders that came after that moment have no reservation here.
pub(super) struct Pairs {
    /// Batches that nobody has confirmed: a few.
    pub(super) batches: Vec<products::Portable>,
    orders: Flow<Entry<orders::Portable>>,
    stock: Flow<Entry<products::Portable>>,
}

impl Pairs {
    pub(super) async fn read(shop: &Shop) -> Result<Self> {
        let mut stock = shop.products.dump().await?;
        let orders = shop.orders.dump().await?;
        let mut batches = Vec::new();
        let is_batch = |entry: &Entry<products::Portable>| {
            entry.as_ref().is_ok_and(|record| record.unconfirmed().is_some())
        };
        while stock.peek().await?.is_some_and(is_batch) {
            batches.extend(stock.next().await?.transpose()?);
        }
        Ok(Self { batches, orders, stock })
    }

    /// Orders whose reservations nobody has confirmed.
    pub(super) fn unconfirmed(&self) -> HashSet<OrderId> {
        let orders = self.batches.iter().filter_map(products::Portable::unconfirmed);
        orders.flatten().copied().collect()
    }

    pub(super) async fn next(&mut self) -> Result<Option<Pair>> {
        let order = self.orders.peek().await?.map(of_order);
        let stock = self.stock.peek().await?.and_then(of_stock);
        let Some(id) = order.into_iter().chain(stock).min() else { return Ok(None) };
        let mut pair = Pair { id, order: None, reservation: None };
        if order == Some(id) {
            pair.order = self.orders.next().await?;
        }
        if stock == Some(id) {
            pair.reservation = self.stock.next().await?;
        }
        Ok(Some(pair))
    }

    /// What follows the reservations: products, each with its journal after it.
    pub(super) fn into_products(self) -> Flow<Entry<products::Portable>> {
        self.stock
    }
}

fn of_order(entry: &Entry<orders::Portable>) -> OrderId {
    match entry {
        Ok(order) => order.id(),
        Err(damage) => OrderId::new(damage.id),
    }
}

/// The order of a reservation; `None` for what is no reservation.
fn of_stock(entry: &Entry<products::Portable>) -> Option<OrderId> {
    match entry {
        Ok(record) => record.order(),
        Err(Damage { kind, id, .. }) => (*kind == "reservation").then(|| OrderId::new(*id)),
    }
}
