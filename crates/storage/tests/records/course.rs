//! What services do with records of any type: create, page, dump and load.

use holdfast_storage::record::RecordType;
use holdfast_testkit::{damage, on_every_engine};
use holdfast_types::{Cursor, Page, PageRequest};

use super::*;

const NOTES: RecordType = RecordType::moving::<Note>();

#[tokio::test(flavor = "multi_thread")]
async fn create_makes_one_of_eight_and_says_what_is_taken() {
    on_every_engine(|fresh| async move {
        let fresh = &fresh;
        let db = fresh.database.clone();
        db.define_all(&[NOTES]).await.unwrap();
        let calls: Vec<_> = (0..8)
            .map(|_| {
                let db = db.clone();
                tokio::spawn(async move { db.create(note(1)).await.unwrap().unwrap() })
            })
            .collect();
        let mut made = 0;
        for call in calls {
            let (found, is_repeat) = call.await.unwrap();
            assert_eq!(found, note(1));
            made += usize::from(!is_repeat);
        }
        assert_eq!(made, 1);
        let other = Note { title: note(1).title, ..note(2) };
        assert_eq!(db.create(other).await.unwrap().unwrap_err(), Taken::Index("title"));
    })
    .await;
}

#[tokio::test]
async fn pages_are_whole_and_forged_cursors_are_refused() {
    on_every_engine(|fresh| async move {
        let fresh = &fresh;
        let db = fresh.database.clone();
        db.define_all(&[NOTES]).await.unwrap();
        for number in 0..11 {
            let count = i64::try_from(number % 3).unwrap();
            add(&db, Note { count, ..note(number) }).await.unwrap();
        }
        let scan = || Scan::of("counts", 0).equal("a").descending();
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let request = PageRequest { limit: 4, after };
            let Page { items, next } = db.page::<Note>(scan(), "notes", &request).await.unwrap();
            assert!(items.len() <= 4);
            seen.extend(items.into_iter().map(|note| (note.count, note.id)));
            after = next;
            if after.is_none() {
                break;
            }
        }
        assert!(seen.len() == 11 && seen.is_sorted_by(|one, next| one > next), "{seen:?}");
        let board = Value::from("a");
        let key = Value::from(id(1));
        let forged = [
            Cursor::new("others", &(vec![board.clone(), 1.into()], key.clone())),
            Cursor::new("notes", &"a place"),
            cursor(vec![board.clone()], key.clone()),
            cursor(vec![board.clone(), "one".into()], key),
            cursor(vec![board, 1.into()], "a key".into()),
        ];
        for cursor in forged {
            let request = PageRequest { limit: 4, after: Some(cursor) };
            let refused = db.page::<Note>(scan(), "notes", &request).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidCursor);
        }
    })
    .await;
}

fn cursor(values: Vec<Value>, key: Value) -> Cursor {
    Cursor::new("notes", &holdfast_storage::record::Position { values, key })
}

#[tokio::test]
async fn dump_and_load_any_move_records_and_name_what_cannot_be_read() {
    on_every_engine(|fresh| async move {
        let fresh = &fresh;
        let db = fresh.database.clone();
        db.define_all(&[NOTES]).await.unwrap();
        for number in 0..250 {
            add(&db, note(number)).await.unwrap();
        }
        let mut dump = db.dump(&NOTES).await.unwrap();
        let mut records = Vec::new();
        while let Some(record) = dump.next().await.unwrap() {
            records.push(record.unwrap());
        }
        assert_eq!(records.len(), 250);
        assert_eq!(NOTES.key(&records[7]).unwrap(), id(7).into());
        let clear = |note: &mut Note| note.count = 9;
        edit(&db, 7, clear).await.unwrap();
        db.transact(|tx| async move {
            let some = tx.scan::<Note>(Scan::of_keys(5)).await?;
            tx.delete_all(some).await
        })
        .await
        .unwrap();
        db.load_any(&NOTES, records).await.unwrap();
        assert_eq!(all(&db, Scan::of_keys(1_000)).await.len(), 250);
        let there = db.get::<Note>(id(7)).await.unwrap().unwrap();
        assert_eq!(there.count, 9, "what is there stays");
        damage(&db, "notes", "body").await;
        let mut dump = db.dump(&NOTES).await.unwrap();
        let damaged = dump.next().await.unwrap().unwrap().unwrap_err().to_string();
        assert!(damaged.starts_with(&format!("note {} cannot be read: ", id(0))), "{damaged}");
    })
    .await;
}
