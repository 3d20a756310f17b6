//! What letters say about orders, and how whoever has one sees how its order stands.

use holdfast_types::{Error, OrderId, OrderLetter, Result, Signed};

use super::Orders;
use crate::model::{Number, Order};

/// What tokens in letters are good for.
const STATUS: &[u8] = b"order status";

impl Orders {
    /// What a letter about an order says; nothing of one that is not there.
    pub async fn letter(&self, id: OrderId) -> Result<Option<OrderLetter>> {
        let order = self.store().get(id).await?;
        Ok(order.map(|order| {
            let returned = order.returned_items();
            let Order { user, buyer, lines, total, created_at, progress, .. } = order;
            OrderLetter {
                number: Number::of(id).to_string(),
                user,
                email: buyer.email,
                name: buyer.shipping_address.map(|address| address.name),
                items: lines,
                total,
                returned,
                created_at,
                carrier: progress.carrier,
                tracking_number: progress.tracking_number,
                status_token: Signed::new(*id.bytes(), STATUS, self.secret()).text(),
            }
        }))
    }

    /// The order that the token of a letter shows. Refuses with `not-found` what is no token of ours.
    pub(crate) async fn shown_by(&self, token: &str) -> Result<Order> {
        let unknown = || Error::not_found("order");
        let token = Signed::read(token).filter(|token| token.is_for(STATUS, self.secret()));
        let id = OrderId::from_bytes(token.ok_or_else(unknown)?.content);
        self.store().get(id).await?.ok_or_else(unknown)
    }
}
