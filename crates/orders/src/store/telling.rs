//! What orders have told and nobody has collected yet.

use std::collections::HashMap;

use holdfast_storage::Outbox;
use holdfast_types::{Message, OrderId, Result};
use uuid::Uuid;

use super::{OrderStore, OrdersOutbox};
use crate::model::Order;

impl OrderStore {
    /// What orders have told and nobody has collected.
    pub(crate) const fn outbox(&self) -> &Outbox<OrdersOutbox> {
        &self.outbox
    }

    /// The orders that messages are about, by id.
    pub(crate) async fn subjects(&self, messages: &[Message]) -> Result<HashMap<Uuid, Order>> {
        let mut ids: Vec<OrderId> =
            messages.iter().map(|message| OrderId::new(message.subject)).collect();
        ids.sort_unstable();
        ids.dedup();
        let orders = self.get_all(ids).await?;
        Ok(orders.into_iter().map(|order| (order.id.uuid(), order)).collect())
    }
}
