//! A record type that changes.

use holdfast_storage::record::{Column, Index, Kind, Record, Table, Taken, Tx, Value};
use holdfast_testkit::on_every_engine;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Note, id, note};

/// What notes became: every word of a title is looked at, and no two may begin alike.
#[derive(Debug, Serialize, Deserialize)]
struct LaterNote {
    id: Uuid,
    title: String,
    #[serde(default)]
    color: String,
}

impl Record for LaterNote {
    const TABLE: Table = Table {
        columns: &[
            Column { name: "board", kind: Kind::Text },
            Column { name: "title", kind: Kind::Text },
            Column { name: "ending", kind: Kind::Text },
        ],
        indexes: &[
            Index { name: "title", columns: &["title"], unique: true },
            Index { name: "ending", columns: &["ending"], unique: true },
        ],
        layout: 2,
        ..Note::TABLE
    };

    fn key(&self) -> Value {
        self.id.into()
    }

    fn columns(&self) -> Vec<Option<Value>> {
        let ending = self.title.rsplit(' ').next().unwrap_or_default();
        vec![Some("a".into()), Some(self.title.as_str().into()), Some(ending.into())]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn define_brings_earlier_rows_up_to_date() {
    on_every_engine(|fresh| async move {
        let fresh = &fresh;
        let db = &fresh.database;
        db.define::<Note>().await.unwrap();
        let fill = |tx: Tx| async move {
            let notes: Vec<Note> = (1..=130).map(note).collect();
            tx.insert_all(&notes).await.map(|done| done.unwrap())
        };
        db.transact(fill).await.unwrap();
        db.define::<LaterNote>().await.unwrap();
        db.define::<LaterNote>().await.unwrap();
        let found: LaterNote = db.find("ending", ["111".into()]).await.unwrap().unwrap();
        assert_eq!((found.id, found.color.as_str()), (id(111), ""));
        let twin = LaterNote { id: id(900), title: "other 111".to_owned(), color: String::new() };
        let insert = db.transact(move |tx| {
            let twin = LaterNote { title: twin.title.clone(), color: String::new(), ..twin };
            async move { tx.insert(&twin).await }
        });
        assert_eq!(insert.await.unwrap(), Err(Taken::Index("ending")));
    })
    .await;
}
