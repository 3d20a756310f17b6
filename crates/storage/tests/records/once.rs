//! One effect and one answer per operation, also where nobody knows whether a COMMIT happened.

use std::time::Duration;

use holdfast_storage::{
    Database, EventSource, Location, Migrations, Outbox, OutboxRow, OutboxTable,
    mongo::doc,
    record::{Stored, Table, Tx},
};
use holdfast_testkit::{MongoServer, PostgresServer, audited, on_every_engine};
use holdfast_types::{
    Answer, Code, Fingerprint, IdempotentAnswer, Operation, Random, Result, Timestamp,
};

use super::{Note, add, id, note, refused};

struct Notes;

impl OutboxTable for Notes {
    const SERVICE: &'static str = "notes";
    const TABLE: Table = Table::of("notes_outbox", "batch of messages");
}

/// A database with one note.
async fn prepare(db: &Database) {
    db.define::<Note>().await.unwrap();
    db.define::<OutboxRow<Notes>>().await.unwrap();
    db.prepare(Notes::SERVICE, &Migrations::NONE).await.unwrap();
    add(db, note(1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn once_has_one_effect_and_one_answer() {
    on_every_engine(|fresh| async move {
        let fresh = &fresh;
        let db = fresh.database.clone();
        prepare(&db).await;
        let outbox = Outbox::<Notes>::new(&db, &fresh.random);
        let operation = audited(&fresh.random);
        let now = fresh.clock.now();
        let calls: Vec<_> = (0..8)
            .map(|_| {
                let (outbox, operation) = (outbox.clone(), operation.clone());
                tokio::spawn(async move { count_once(&outbox, &operation, now).await.unwrap() })
            })
            .collect();
        let (mut fresh_ones, mut bodies) = (0, Vec::new());
        for call in calls {
            let given = call.await.unwrap();
            fresh_ones += usize::from(!given.replayed);
            bodies.push(given.answer.body);
        }
        assert_eq!(fresh_ones, 1);
        assert!(bodies.iter().all(|body| body == b"1"), "{bodies:?}");
        assert_eq!(db.get::<Note>(id(1)).await.unwrap().unwrap().count, 1);
        let other = Operation { fingerprint: Fingerprint([9; 16]), ..operation.clone() };
        let reused = count_once(&outbox, &other, now).await.unwrap_err();
        assert_eq!(reused.code(), Code::IdempotencyKeyReused);
        // A refusal keeps nothing.
        let fails = Operation { id: id(77), ..operation };
        let refusal = outbox.once(&fails, now, |tx| async move {
            tx.insert(&note(5)).await?.unwrap();
            Err(refused())
        });
        assert_eq!(refusal.await.unwrap_err().code(), Code::Forbidden);
        assert_eq!(db.get::<Note>(id(5)).await.unwrap(), None);
        let told = outbox.take(10).await.unwrap();
        let [batch] = &told[..] else { panic!("{told:?}") };
        let [message] = &batch.messages[..] else { panic!("{batch:?}") };
        assert_eq!(message.kind, "audit.make_thing");
        assert!(!count_once(&outbox, &fails, now).await.unwrap().replayed);
    })
    .await;
}

async fn count_once(
    outbox: &Outbox<Notes>,
    operation: &Operation,
    now: Timestamp,
) -> Result<IdempotentAnswer> {
    let count = |tx: Tx| async move {
        let mut note: Stored<Note> = tx.get(id(1)).await?.unwrap();
        note.count += 1;
        tx.put(&note).await?.unwrap();
        Ok(Answer { status: 200, etag: None, body: note.count.to_string().into_bytes() })
    };
    outbox.once(operation, now, count).await
}

/// A client that repeats what it heard nothing of, under the same operation.
async fn insist(outbox: &Outbox<Notes>, operation: &Operation, now: Timestamp) {
    for _ in 0..20 {
        match count_once(outbox, operation, now).await {
            Ok(_) => return,
            Err(error) => assert_eq!(error.code(), Code::Unavailable, "{error:?}"),
        }
    }
    panic!("the database does not come back");
}

/// A connection that breaks during COMMIT leaves it open whether that happened.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_commit_has_one_effect_on_postgres() {
    let Some(server) = PostgresServer::start() else { return };
    let location = Location::of(Some(&server.url()), "".as_ref()).unwrap();
    let db = Database::open(&location).await.unwrap();
    prepare(&db).await;
    let Database::Postgres(breaker) = Database::open(&location).await.unwrap() else { panic!() };
    let breaking = tokio::spawn(async move {
        let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                   WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() AND query NOT LIKE 'SELECT count(pg_%'";
        let mut broken = 0;
        loop {
            if let Ok(rows) = breaker.query(sql, &[]).await {
                broken += rows[0].get::<_, i64>(0);
            }
            if broken >= 30 {
                return broken;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let (random, now) = (Random::seeded(1), Timestamp::from_millis(1));
    let outbox = Outbox::<Notes>::new(&db, &random);
    let mut count = 0;
    while !breaking.is_finished() || count < 30 {
        insist(&outbox, &audited(&random), now).await;
        count += 1;
    }
    assert_eq!(db.get::<Note>(id(1)).await.unwrap().unwrap().count, count);
}

/// The same where the server says nothing, or that it does not know.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_commit_has_one_effect_on_mongo() {
    let Some(server) = MongoServer::start() else { return };
    let location = Location::of(Some(&server.url()), "".as_ref()).unwrap();
    let db = Database::open(&location).await.unwrap();
    prepare(&db).await;
    let admin = server.client().await.database("admin");
    let (random, now) = (Random::seeded(1), Timestamp::from_millis(1));
    let outbox = Outbox::<Notes>::new(&db, &random);
    let faults = [
        doc! {"failCommands": ["commitTransaction"], "closeConnection": true},
        doc! {"failCommands": ["commitTransaction"], "errorCode": 91, "errorLabels": ["UnknownTransactionCommitResult"]},
        doc! {"failCommands": ["commitTransaction"], "errorCode": 251, "errorLabels": ["TransientTransactionError"]},
        doc! {"failCommands": ["commitTransaction"], "writeConcernError": {"code": 91, "errmsg": "shutting down"}},
    ];
    for (fault, count) in faults.into_iter().zip(1..) {
        let mode = doc! {"times": 3};
        let point = doc! {"configureFailPoint": "failCommand", "mode": mode, "data": fault};
        admin.run_command(point).await.unwrap();
        insist(&outbox, &audited(&random), now).await;
        assert_eq!(db.get::<Note>(id(1)).await.unwrap().unwrap().count, count);
    }
    assert_eq!(outbox.take(10).await.unwrap().len(), 4);
}
