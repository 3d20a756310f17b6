//! Transactions: all or nothing, run again, without lost updates and write skew.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use holdfast_storage::{
    Database,
    record::{Fault, Scan, Tx},
};
use holdfast_testkit::on_every_engine;
use holdfast_types::{Code, Result};

use super::{Note, add, all, edit, id, is_sqlite, note, refused};

#[tokio::test(flavor = "multi_thread")]
async fn no_update_is_lost() {
    on_every_engine(|fresh| async move {
        let fresh = &fresh;
        let db = fresh.database.clone();
        db.define::<Note>().await.unwrap();
        add(&db, note(1)).await.unwrap();
        let calls: Vec<_> = (0..10)
            .map(|_| {
                let db = db.clone();
                tokio::spawn(async move { edit(&db, 1, |note| note.count += 1).await })
            })
            .collect();
        for call in calls {
            call.await.unwrap().unwrap();
        }
        assert_eq!(db.get::<Note>(id(1)).await.unwrap().unwrap().count, 10);
        // What was read elsewhere before is not put over what has come since.
        let read = |tx: Tx| async move { tx.get::<Note>(id(1)).await };
        let old = db.read(read).await.unwrap().unwrap();
        edit(&db, 1, |note| note.count += 1).await.unwrap();
        let put = db.transact(move |tx| {
            let old = old.clone();
            async move { tx.put(&old).await }
        });
        assert_eq!(put.await.unwrap_err().code(), Code::Unavailable);
        assert_eq!(db.get::<Note>(id(1)).await.unwrap().unwrap().count, 11);
    })
    .await;
}

/// Leaves a board if somebody else stays on it: what a transaction decides by what it only reads.
async fn leave(db: Database, number: u128, locks: bool) {
    let slow = !is_sqlite(&db);
    let leave = move |tx: Tx| async move {
        if locks {
            tx.lock::<Note>([id(1).into(), id(2).into()]).await?;
        }
        let there = tx.scan::<Note>(Scan::of("counts", 9).equal("a")).await?;
        if slow {
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        if there.len() < 2 {
            return Ok(());
        }
        let mut own = there.into_iter().find(|note| note.id == id(number)).unwrap();
        own.board = "nowhere".to_owned();
        tx.put(&own).await.map(|put| put.unwrap())
    };
    db.transact(leave).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn lock_keeps_a_decision_true() {
    on_every_engine(|fresh| async move {
        let fresh = &fresh;
        let db = fresh.database.clone();
        db.define::<Note>().await.unwrap();
        for locks in [false, true] {
            for number in [1, 2] {
                let _ = add(&db, note(number)).await;
                edit(&db, number, |note| note.board = "a".to_owned()).await.unwrap();
            }
            tokio::join!(leave(db.clone(), 1, locks), leave(db.clone(), 2, locks));
            let there = all(&db, Scan::of("counts", 9).equal("a")).await.len();
            // The control: without the lock both go, where two may run at once.
            assert_eq!(there, usize::from(locks || is_sqlite(&db)), "locks: {locks}");
        }
    })
    .await;
}

/// Adds a note if there is none at all; says whether it did.
async fn come_first(tx: Tx, number: u128, slow: bool) -> Result<bool, Fault> {
    tx.lock::<Note>([id(99).into()]).await?;
    let is_first = tx.scan::<Note>(Scan::of_keys(1)).await?.is_empty();
    if slow {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    if is_first {
        tx.insert(&note(number)).await?.unwrap();
    }
    Ok(is_first)
}

#[tokio::test(flavor = "multi_thread")]
async fn lock_holds_keys_that_have_no_record() {
    on_every_engine(|fresh| async move {
        let fresh = &fresh;
        let db = fresh.database.clone();
        db.define::<Note>().await.unwrap();
        let calls: Vec<_> = (1..=6)
            .map(|number| {
                let db = db.clone();
                let slow = !is_sqlite(&db);
                let come = move |tx| come_first(tx, number, slow);
                tokio::spawn(async move { db.transact(come).await.unwrap() })
            })
            .collect();
        let mut first = 0;
        for call in calls {
            first += usize::from(call.await.unwrap());
        }
        assert_eq!((first, all(&db, Scan::of_keys(9)).await.len()), (1, 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transact_is_all_or_nothing_and_may_be_run_again() {
    on_every_engine(|fresh| async move {
        let fresh = &fresh;
        let db = &fresh.database;
        db.define::<Note>().await.unwrap();
        let fill = |from: u128, ends_well: bool| {
            db.transact(move |tx| async move {
                let notes: Vec<Note> = (from..from + 1000).map(note).collect();
                tx.insert_all(&notes).await?.unwrap();
                // It sees what it has done.
                assert!(tx.get::<Note>(id(from + 999)).await?.is_some());
                ends_well.then_some(()).ok_or_else(refused)
            })
        };
        assert_eq!(fill(1, false).await.unwrap_err().code(), Code::Forbidden);
        assert!(all(db, Scan::of_keys(9)).await.is_empty());
        fill(1, true).await.unwrap();
        assert_eq!(all(db, Scan::of_keys(2000)).await.len(), 1000);
        // What is stale is looked at again, with nothing left of the run before.
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&runs);
        let again = db.transact(move |tx| {
            let run = counted.fetch_add(1, Relaxed);
            async move {
                tx.insert(&note(2001)).await?.unwrap();
                (run > 0).then_some(()).ok_or(Fault::Stale)
            }
        });
        // Where one writes at a time, nothing grows stale.
        assert_eq!(again.await.is_ok(), !is_sqlite(db));
        assert_eq!(runs.load(Relaxed), if is_sqlite(db) { 1 } else { 2 });
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn read_changes_nothing_and_sees_one_snapshot() {
    on_every_engine(|fresh| async move {
        let fresh = &fresh;
        let db = &fresh.database;
        db.define::<Note>().await.unwrap();
        add(db, note(1)).await.unwrap();
        let write = db.read(|tx| async move { tx.insert(&note(2)).await.map(|_| ()) });
        assert!(write.await.is_err());
        assert_eq!(db.get::<Note>(id(2)).await.unwrap(), None);
        if is_sqlite(db) {
            return;
        }
        let other = db.clone();
        let counts = db.read(move |tx| {
            let db = other.clone();
            async move {
                let before = tx.get::<Note>(id(1)).await?.unwrap().count;
                edit(&db, 1, |note| note.count += 1).await.unwrap();
                Ok((before, tx.get::<Note>(id(1)).await?.unwrap().count))
            }
        });
        let (before, after) = counts.await.unwrap();
        assert_eq!(before, after);
    })
    .await;
}
