//! Keys and unique values, and records that come back as they were.

use holdfast_storage::record::{Stored, Taken, Tx};
use holdfast_testkit::on_every_engine;

use super::{Note, add, edit, id, note};

#[tokio::test(flavor = "multi_thread")]
async fn insert_gives_a_key_and_unique_values_once() {
    on_every_engine(|fresh| async move {
        let fresh = &fresh;
        let db = fresh.database.clone();
        db.define::<Note>().await.unwrap();
        db.define::<Note>().await.unwrap();
        let calls: Vec<_> = (1..=12)
            .map(|number| {
                let db = db.clone();
                let same = Note { title: "same".to_owned(), ..note(number) };
                tokio::spawn(async move { add(&db, same).await })
            })
            .collect();
        let mut kept = 0;
        for call in calls {
            match call.await.unwrap() {
                Ok(()) => kept += 1,
                Err(taken) => assert_eq!(taken, Taken::Index("title")),
            }
        }
        assert_eq!(kept, 1);
        let found: Note = db.find("title", ["same".into()]).await.unwrap().unwrap();
        let again = Note { title: "other".to_owned(), ..found.clone() };
        assert_eq!(add(&db, again).await, Err(Taken::Key));
        assert_eq!(db.get::<Note>(found.id).await.unwrap(), Some(found));
        assert_eq!(db.find::<Note>("title", ["other".into()]).await.unwrap(), None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_changes_nothing() {
    on_every_engine(|fresh| async move {
        let fresh = &fresh;
        let db = &fresh.database;
        db.define::<Note>().await.unwrap();
        add(db, Note { slot: Some(1), ..note(1) }).await.unwrap();
        add(db, note(2)).await.unwrap();
        add(db, note(3)).await.unwrap();
        // Its title is free, its slot is not: the title stays free, and the transaction may go on.
        let done = db.transact(|tx| async move {
            let third = Note { slot: Some(1), ..note(4) };
            let taken = tx.insert(&third).await?;
            tx.insert(&Note { board: "b".to_owned(), ..third }).await?.unwrap();
            Ok(taken)
        });
        assert_eq!(done.await.unwrap(), Err(Taken::Index("slot")));
        assert_eq!(db.get::<Note>(id(4)).await.unwrap().unwrap().board, "b");
        // Many are all or none.
        let many = db.transact(|tx| async move {
            let twins = [Note { slot: Some(7), ..note(8) }, Note { slot: Some(7), ..note(9) }];
            tx.insert_all(&twins).await
        });
        assert_eq!(many.await.unwrap(), Err(Taken::Index("slot")));
        assert_eq!(db.get::<Note>(id(8)).await.unwrap(), None);
        let taken = edit(db, 2, |note| (note.title, note.slot) = ("new".to_owned(), Some(1))).await;
        assert_eq!(taken, Err(Taken::Index("slot")));
        assert_eq!(db.get::<Note>(id(2)).await.unwrap(), Some(note(2)));
        // Nothing of it is claimed: another may have both.
        edit(db, 3, |note| (note.title, note.slot) = ("new".to_owned(), Some(2))).await.unwrap();
        // What is let go is free again: by a change, and by a deletion.
        edit(db, 2, |note| note.title = "title 3".to_owned()).await.unwrap();
        let delete = |tx: Tx| async move {
            let note: Stored<Note> = tx.get(id(1)).await?.unwrap();
            tx.delete(note).await
        };
        db.transact(delete).await.unwrap();
        assert_eq!(db.get::<Note>(id(1)).await.unwrap(), None);
        edit(db, 2, |note| note.slot = Some(1)).await.unwrap();
        edit(db, 2, |note| note.slot = None).await.unwrap();
        add(db, Note { slot: Some(1), ..note(1) }).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_come_back_as_they_were() {
    on_every_engine(|fresh| async move {
        let fresh = &fresh;
        let db = &fresh.database;
        db.define::<Note>().await.unwrap();
        let more = serde_json::json!({
            "$date": {"$oid": "5"}, "a.b": [1, -1.5, null, true, {}], "": "ä\u{1F980}", "big": i64::MAX,
            "small": 1e-9, "one": 1.0,
        });
        let more = serde_json::from_value(more).unwrap();
        let odd = Note { more, title: "ä' \" $ % \\".to_owned(), ..note(u128::MAX) };
        add(db, odd.clone()).await.unwrap();
        assert_eq!(db.get::<Note>(odd.id).await.unwrap(), Some(odd.clone()));
        edit(db, u128::MAX, |note| note.count = i64::MIN).await.unwrap();
        let changed = Note { count: i64::MIN, ..odd.clone() };
        assert_eq!(db.find("title", [odd.title.as_str().into()]).await.unwrap(), Some(changed));
    })
    .await;
}
