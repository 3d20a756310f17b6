//! What is kept of webhooks, and what it is found by.

use holdfast_storage::{
    OutboxTable,
    record::{Column, Index, Kind, Record, Table, Value},
};

use crate::model::{Delivery, DeliveryStatus, Progress, Replay, Webhook};

/// Where the service itself tells what has happened.
#[derive(Debug)]
pub(crate) struct EventsOutbox;

impl OutboxTable for EventsOutbox {
    const SERVICE: &'static str = crate::SERVICE.name;
    const TABLE: Table = Table::of("events_outbox", "batch of messages");
}

impl Record for Webhook {
    const TABLE: Table = Table::of("webhooks", "webhook");

    fn key(&self) -> Value {
        self.id.into()
    }

    fn columns(&self) -> Vec<Option<Value>> {
        Vec::new()
    }
}

/// Apart from a webhook, so that what processes note is no change of what its owner sees.
impl Record for Progress {
    const TABLE: Table = Table::of("event_consumers", "consumer of events");

    fn key(&self) -> Value {
        self.consumer.into()
    }

    fn columns(&self) -> Vec<Option<Value>> {
        Vec::new()
    }
}

impl Record for Delivery {
    const TABLE: Table = Table {
        columns: &[
            Column::of("webhook", Kind::Id),
            Column::of("status", Kind::Text),
            Column::of("pending_of", Kind::Id),
            Column::of("due", Kind::Integer),
            Column::of("position", Kind::Integer),
            Column::of("created_at", Kind::Integer),
        ],
        indexes: &[
            Index::of("webhook", &["webhook"]),
            Index::of("status", &["webhook", "status"]),
            Index::of("due", &["pending_of", "due"]),
            Index::of("order", &["pending_of", "position"]),
            Index::of("age", &["created_at"]),
        ],
        ..Table::of("webhook_deliveries", "delivery")
    };

    fn key(&self) -> Value {
        self.id.into()
    }

    fn columns(&self) -> Vec<Option<Value>> {
        let is_pending = self.status == DeliveryStatus::Pending;
        vec![
            Some(self.webhook.into()),
            Some(self.status.as_str().into()),
            is_pending.then(|| self.webhook.into()),
            is_pending.then(|| self.due.into()),
            Some(self.event.position.into()),
            Some(self.created_at.into()),
        ]
    }
}

impl Record for Replay {
    const TABLE: Table = Table {
        columns: &[Column::of("webhook", Kind::Id)],
        indexes: &[Index::of("webhook", &["webhook"])],
        ..Table::of("webhook_replays", "replay")
    };

    fn key(&self) -> Value {
        self.id.into()
    }

    fn columns(&self) -> Vec<Option<Value>> {
        vec![Some(self.webhook.into())]
    }
}
