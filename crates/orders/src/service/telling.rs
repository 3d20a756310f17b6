//! What orders tell the world.

use async_trait::async_trait;
use holdfast_storage::{EventSource, OutboxBatch};
use holdfast_types::{Error, Message, Result};
use serde_json::Value;
use uuid::Uuid;

use super::Orders;
use crate::model::Status;

#[async_trait]
impl EventSource for Orders {
    async fn take(&self, limit: usize) -> Result<Vec<OutboxBatch>> {
        self.store().outbox().take(limit).await
    }

    async fn settle(&self, batches: &[Uuid]) -> Result<()> {
        self.store().outbox().settle(batches).await
    }

    /// An order says itself what it was when it became what a message tells.
    async fn describe(&self, messages: &[Message]) -> Result<Vec<Value>> {
        let orders = self.store().subjects(messages).await?;
        let describe = |message: &Message| {
            let status = Status::of_event_type(&message.kind);
            match (orders.get(&message.subject), status) {
                (Some(order), Some(status)) => {
                    serde_json::to_value(order.data(status)).map_err(Error::internal)
                }
                // Told by a newer version of the program, or of an order that an export has left out.
                _ => Ok(serde_json::json!({ "orderId": message.subject })),
            }
        };
        messages.iter().map(describe).collect()
    }
}
