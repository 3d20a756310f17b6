//! What orders are found by, beside the indexes that SQLite keeps: ids, by their second half, and the addresses of buyers.

use holdfast_storage::sqlite::{Fault, IdIndex, Sqlite, place, swapped};
use holdfast_types::{OrderId, Result};
use rusqlite::Connection;

use crate::model::{Number, Order};

/// Orders of one number that are looked for.
const SAME_NUMBER: usize = 8;

#[derive(Clone, Debug)]
pub(super) struct Indexes {
    ids: IdIndex,
    /// Orders with an address, the newest of each first.
    pub(super) emails: IdIndex,
}

impl Indexes {
    pub(super) async fn open(db: &Sqlite) -> Result<Self> {
        let (ids, emails) =
            (db.id_index("orders_numbers").await?, db.id_index("orders_emails").await?);
        Ok(Self { ids, emails })
    }

    /// The row of the order with that id.
    pub(super) fn find(&self, db: &Connection, id: OrderId) -> Result<Option<i64>, Fault> {
        self.ids.find(db, &swapped(id.bytes()))
    }

    /// The rows of the orders with that number.
    pub(super) fn numbered(&self, db: &Connection, number: Number) -> Result<Vec<i64>, Fault> {
        let mut rows = Vec::new();
        // The four bits before a number are 8 to 11 in every UUID (RFC 9562 §4.1).
        for variant in 8..12_u128 {
            let first = variant << 124 | u128::from(number.bits()) << 64;
            let last = first | u128::from(u64::MAX);
            let (first, last) = (first.to_be_bytes(), last.to_be_bytes());
            let found = self.ids.range(db, &first, &last, SAME_NUMBER)?;
            rows.extend(found.into_iter().map(|(_, row)| row));
        }
        Ok(rows)
    }

    /// Takes the order of the row that was just inserted, under an id that was not found in this transaction.
    pub(super) fn add(&self, db: &Connection, order: &Order) -> Result<(), Fault> {
        self.add_tombstone(db, order.id)?;
        match order.buyer.email_key() {
            Some(email) => {
                let (at, row) = (order.created_at.as_millis(), db.last_insert_rowid());
                self.emails.add(db, &place(&email, at, row))
            }
            None => {
                self.emails.pass(db);
                Ok(())
            }
        }
    }

    /// The same for an attempt that was undone.
    pub(super) fn add_tombstone(&self, db: &Connection, id: OrderId) -> Result<(), Fault> {
        self.ids.add(db, &swapped(id.bytes()))
    }

    /// Forgets where the orders of an address are: those of one row and moment.
    pub(super) fn forget(
        &self,
        db: &Connection,
        (email, at, row): (&str, i64, i64),
    ) -> Result<(), Fault> {
        self.emails.remove(db, &place(email, at, row))
    }
}
