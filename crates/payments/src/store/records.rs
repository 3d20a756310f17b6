//! What is kept, and what it is found by.

use holdfast_storage::{
    Counted, OutboxRow, OutboxTable,
    record::{Column, Index, Kind, Record, RecordType, Table, Value},
};

use super::figures::PaymentsCounted;
use crate::{
    model::{Payment, Refund, RefundStatus},
    provider::TestIntent,
};

/// Everything that the service keeps.
pub const RECORDS: &[RecordType] = &[
    RecordType::moving::<Payment>(),
    RecordType::moving::<Refund>(),
    RecordType::moving::<TestIntent>(),
    RecordType::staying::<Counted<PaymentsCounted>>(),
    RecordType::told::<OutboxRow<PaymentsOutbox>>(),
];

/// Where payments tell what has happened to them.
#[derive(Debug)]
pub(crate) struct PaymentsOutbox;

impl OutboxTable for PaymentsOutbox {
    const SERVICE: &'static str = crate::SERVICE.name;
    const TABLE: Table = Table::of("payments_outbox", "batch of messages");
}

impl Record for Payment {
    const TABLE: Table = Table {
        columns: &[
            Column::of("order_id", Kind::Id),
            Column::of("open_order", Kind::Id),
            Column::of("user_id", Kind::Id),
            Column::of("intent", Kind::Text),
            Column::of("status", Kind::Text),
            Column::of("created_at", Kind::Integer),
            Column::of("due", Kind::Integer),
        ],
        indexes: &[
            Index::of("order", &["order_id", "created_at"]),
            // One at a time: an order is never paid twice.
            Index::unique("open", &["open_order"]),
            Index::unique("intent", &["intent"]),
            Index::of("user", &["user_id", "created_at"]),
            Index::of("status", &["status", "created_at"]),
            Index::of("age", &["created_at"]),
            Index::of("due", &["due"]),
        ],
        ..Table::of("payments", "payment")
    };

    fn key(&self) -> Value {
        self.id.into()
    }

    fn columns(&self) -> Vec<Option<Value>> {
        vec![
            Some(self.order.into()),
            self.status.is_open().then(|| self.order.into()),
            Some(self.user.into()),
            self.intent.as_deref().map(Value::from),
            Some(self.status.as_str().into()),
            Some(self.created_at.into()),
            self.next_look.map(Value::from),
        ]
    }
}

impl Record for Refund {
    const TABLE: Table = Table {
        columns: &[
            Column::of("payment", Kind::Id),
            Column::of("pending_of", Kind::Id),
            Column::of("created_at", Kind::Integer),
        ],
        indexes: &[
            Index::of("payment", &["payment", "created_at"]),
            Index::of("pending", &["pending_of", "created_at"]),
        ],
        ..Table::of("refunds", "refund")
    };

    fn key(&self) -> Value {
        self.id.into()
    }

    fn columns(&self) -> Vec<Option<Value>> {
        let is_pending = self.status == RefundStatus::Pending;
        vec![
            Some(self.payment.into()),
            is_pending.then(|| self.payment.into()),
            Some(self.created_at.into()),
        ]
    }
}
