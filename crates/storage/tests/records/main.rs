//! One test per guarantee of `holdfast_storage::record`, run on every engine, races included.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod course;
mod layouts;
mod once;
mod scans;
mod tallies;
mod transactions;
mod unique;

use std::{collections::BTreeMap, sync::Arc};

use holdfast_storage::{
    Database,
    record::{Column, Fault, Index, Kind, Record, Scan, Stored, Table, Taken, Tx, Value},
};
use holdfast_types::{Code, Error};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A note on a board.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Note {
    id: Uuid,
    board: String,
    title: String,
    /// One per board.
    slot: Option<i64>,
    count: i64,
    #[serde(default)]
    more: BTreeMap<String, serde_json::Value>,
}

impl Record for Note {
    const TABLE: Table = Table {
        columns: &[
            Column::of("board", Kind::Text),
            Column::of("title", Kind::Text),
            Column::of("slot", Kind::Integer),
            Column::of("count", Kind::Integer),
        ],
        indexes: &[
            Index::unique("title", &["title"]),
            Index::unique("slot", &["board", "slot"]),
            Index::of("counts", &["board", "count"]),
        ],
        ..Table::of("notes", "note")
    };

    fn key(&self) -> Value {
        self.id.into()
    }

    fn columns(&self) -> Vec<Option<Value>> {
        vec![
            Some(self.board.as_str().into()),
            Some(self.title.as_str().into()),
            self.slot.map(Value::Integer),
            Some(self.count.into()),
        ]
    }
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn note(number: u128) -> Note {
    Note {
        id: id(number),
        board: "a".to_owned(),
        title: format!("title {number}"),
        slot: None,
        count: 0,
        more: BTreeMap::new(),
    }
}

fn is_sqlite(db: &Database) -> bool {
    matches!(db, Database::Sqlite(_))
}

async fn add(db: &Database, note: Note) -> Result<(), Taken> {
    db.transact(move |tx| {
        let note = note.clone();
        async move { tx.insert(&note).await }
    })
    .await
    .unwrap()
}

/// Reads a note, lets `change` change it, and puts it back.
async fn edit(
    db: &Database,
    number: u128,
    change: impl Fn(&mut Note) + Send + Sync + 'static,
) -> Result<(), Taken> {
    let change = Arc::new(change);
    db.transact(move |tx| {
        let change = Arc::clone(&change);
        async move {
            let mut note: Stored<Note> = tx.get(id(number)).await?.unwrap();
            change(&mut note);
            tx.put(&note).await
        }
    })
    .await
    .unwrap()
}

async fn all(db: &Database, scan: Scan) -> Vec<Note> {
    let read = move |tx: Tx| {
        let scan = scan.clone();
        async move { tx.scan::<Note>(scan).await }
    };
    db.read(read).await.unwrap().into_iter().map(Stored::into_inner).collect()
}

fn refused() -> Fault {
    Error::new(Code::Forbidden, "no").into()
}
