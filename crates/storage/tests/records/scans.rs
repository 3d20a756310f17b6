//! Pages in both directions.

use std::ops::Bound;

use holdfast_storage::{
    Database,
    record::{Scan, Tx, Value},
};
use holdfast_testkit::on_every_engine;
use uuid::Uuid;

use super::{Note, add, note};

#[tokio::test(flavor = "multi_thread")]
async fn scan_goes_in_pages_both_ways() {
    on_every_engine(|fresh| async move {
        let fresh = &fresh;
        let db = &fresh.database;
        db.define::<Note>().await.unwrap();
        let notes: Vec<Note> = (1..=40_u128)
            .map(|number| Note {
                board: if number % 5 == 0 { "b" } else { "a" }.to_owned(),
                count: i64::try_from(number % 4).unwrap() - 2,
                slot: (number % 2 == 0).then_some(i64::try_from(number).unwrap()),
                ..note(number * 0x1_0000_0000_0000_0001)
            })
            .collect();
        for note in notes.iter().rev() {
            add(db, note.clone()).await.unwrap();
        }
        let mut expected: Vec<&Note> = notes.iter().filter(|note| note.board == "a").collect();
        expected.sort_by_key(|note| (note.count, note.id));
        let scan = Scan::of("counts", 7).equal("a");
        assert_eq!(pages(db, scan.clone(), Some("counts")).await, ids(&expected));
        expected.reverse();
        assert_eq!(pages(db, scan.descending(), Some("counts")).await, ids(&expected));
        // The whole index, and the part of it between two values.
        expected = notes.iter().collect();
        expected.sort_by_key(|note| (note.board.clone(), note.count, note.id));
        assert_eq!(pages(db, Scan::of("counts", 7), Some("counts")).await, ids(&expected));
        let from = Bound::Excluded(Value::Integer(-2));
        let some = Scan::of("counts", 7).equal("a").range(from, Bound::Included(0.into()));
        expected.retain(|note| note.board == "a" && (-1..=0).contains(&note.count));
        assert_eq!(pages(db, some, Some("counts")).await, ids(&expected));
        // Who has no slot is not in the index of slots.
        expected = notes.iter().filter(|note| note.slot.is_some()).collect();
        expected.sort_by_key(|note| (note.board.clone(), note.slot));
        assert_eq!(pages(db, Scan::of("slot", 7), Some("slot")).await, ids(&expected));
        expected.reverse();
        assert_eq!(pages(db, Scan::of("slot", 7).descending(), Some("slot")).await, ids(&expected));
        // By key.
        expected = notes.iter().collect();
        assert_eq!(pages(db, Scan::of_keys(7), None).await, ids(&expected));
        expected.retain(|note| note.id < notes[20].id);
        expected.reverse();
        let before = Bound::Excluded(notes[20].id.into());
        let some = Scan::of_keys(7).range(Bound::Unbounded, before).descending();
        assert_eq!(pages(db, some, None).await, ids(&expected));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn find_all_finds_what_has_one_of_many_values() {
    on_every_engine(|fresh| async move {
        let fresh = &fresh;
        let db = &fresh.database;
        db.define::<Note>().await.unwrap();
        let board = |number: u128| format!("board {}", number % 300);
        let notes: Vec<Note> =
            (1..=600_u128).map(|number| Note { board: board(number), ..note(number) }).collect();
        for note in &notes {
            add(db, note.clone()).await.unwrap();
        }
        // One, some, a full statement, and more than one of them.
        for count in [1_u128, 3, 128, 200] {
            // Each of them twice, and both far apart.
            let values = (0..count).chain(0..count);
            let values = values.map(|number| Value::Text(board(number))).collect();
            let expected = notes.iter().zip(1_u128..).filter(|(_, number)| number % 300 < count);
            let expected: Vec<Uuid> = expected.map(|(note, _)| note.id).collect();
            assert_eq!(found(db, Some("counts"), values).await, expected, "{count}");
            let some = &notes[..usize::try_from(count).unwrap()];
            let keys = some.iter().map(|note| note.id.into()).collect();
            assert_eq!(found(db, None, keys).await, some.iter().map(|n| n.id).collect::<Vec<_>>());
        }
        assert!(found(db, Some("counts"), vec!["nowhere".into()]).await.is_empty());
        assert!(found(db, Some("counts"), Vec::new()).await.is_empty());
    })
    .await;
}

/// What is found of these values, by id.
async fn found(db: &Database, index: Option<&'static str>, values: Vec<Value>) -> Vec<Uuid> {
    let read = move |tx: Tx| {
        let values = values.clone();
        async move { tx.find_all::<Note>(index, &values).await }
    };
    let mut found: Vec<Uuid> = db.read(read).await.unwrap().iter().map(|note| note.id).collect();
    found.sort_unstable();
    found
}

fn ids(notes: &[&Note]) -> Vec<Uuid> {
    notes.iter().map(|note| note.id).collect()
}

/// Page after page.
async fn pages(db: &Database, scan: Scan, index: Option<&'static str>) -> Vec<Uuid> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let scan = scan.clone().after(after.take());
        let read = move |tx: Tx| {
            let scan = scan.clone();
            async move { tx.scan::<Note>(scan).await }
        };
        let page = db.read(read).await.unwrap();
        found.extend(page.iter().map(|note| note.id));
        match page.last() {
            Some(last) => after = Some(last.position(index)),
            None => return found,
        }
    }
}
