//! What is kept, and what it is found by.

use holdfast_storage::{
    OutboxRow, OutboxTable,
    record::{Column, Index, Kind, Record, RecordType, Table, Value},
};

use crate::model::{Letter, LetterStatus};

/// Everything that the service keeps.
pub const RECORDS: &[RecordType] =
    &[RecordType::told::<Letter>(), RecordType::told::<OutboxRow<MailOutbox>>()];

/// Where letters tell what the staff do with them.
#[derive(Debug)]
pub(crate) struct MailOutbox;

impl OutboxTable for MailOutbox {
    const SERVICE: &'static str = crate::SERVICE.name;
    const TABLE: Table = Table::of("mail_outbox", "batch of messages");
}

impl Record for Letter {
    const TABLE: Table = Table {
        columns: &[
            Column::of("order_id", Kind::Id),
            Column::of("status", Kind::Text),
            Column::of("due", Kind::Integer),
            Column::of("created_at", Kind::Integer),
        ],
        indexes: &[
            Index::of("order", &["order_id", "created_at"]),
            Index::of("status", &["status", "created_at"]),
            Index::of("due", &["due"]),
            Index::of("age", &["created_at"]),
        ],
        ..Table::of("letters", "letter")
    };

    fn key(&self) -> Value {
        self.id.into()
    }

    fn columns(&self) -> Vec<Option<Value>> {
        let is_pending = self.status == LetterStatus::Pending;
        vec![
            self.order.map(Value::from),
            Some(self.status.as_str().into()),
            is_pending.then(|| self.due.into()),
            Some(self.created_at.into()),
        ]
    }
}
