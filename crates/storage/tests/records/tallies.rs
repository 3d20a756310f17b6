//! Tallies are right whoever adds to them at once, and however large they grow.

use holdfast_storage::{Database, Shards, record::Fault};
use holdfast_testkit::on_every_engine;
use holdfast_types::{Random, Result, Tally};

use super::*;

async fn add(db: &Database, shards: &Shards, tallies: Vec<Tally>) -> Result<()> {
    let shards = shards.clone();
    let count = move |tx: Tx| {
        let (shards, tallies) = (shards.clone(), tallies.clone());
        async move { tx.count(&shards, tallies).await }
    };
    db.transact(count).await
}

fn tally(hour: i64, name: &str, amount: i128) -> Tally {
    Tally { hour, name: name.to_owned(), events: 1, units: 3, amount }
}

#[tokio::test(flavor = "multi_thread")]
async fn count_loses_nothing_to_who_counts_at_the_same_time() {
    on_every_engine(|fresh| async move {
        let fresh = &fresh;
        let db = Arc::new(fresh.database.clone());
        db.define_tallies().await.unwrap();
        let large = i128::from(i64::MAX) / 4;
        let calls: Vec<_> = (0..24)
            .map(|at| {
                let (db, shards) = (Arc::clone(&db), Shards::new(&Random::seeded(at % 3)));
                tokio::spawn(async move {
                    let two = vec![tally(7, "orders/b", large), tally(7, "orders/b", 1)];
                    add(&db, &shards, two).await.unwrap();
                    add(&db, &shards, vec![tally(-2, "orders/a", 5)]).await.unwrap();
                })
            })
            .collect();
        for call in calls {
            call.await.unwrap();
        }
        add(&db, &Shards::new(&Random::seeded(9)), vec![tally(7, "other/b", 1)]).await.unwrap();
        let found = db.tallies("orders/", -10..8).await.unwrap();
        let first = Tally { events: 24, units: 72, ..tally(-2, "orders/a", 120) };
        let second = Tally { events: 48, units: 144, ..tally(7, "orders/b", 24 * (large + 1)) };
        assert_eq!(found, [first, second.clone()]);
        assert_eq!(db.tallies("orders/", -1..8).await.unwrap(), [second]);
        assert_eq!(db.tallies("orders/", -2..7).await.unwrap().len(), 1);
        assert_eq!(db.tallies("other", i64::MIN..i64::MAX).await.unwrap().len(), 1);
    })
    .await;
}

/// What is counted stands with what it counts, or not at all.
#[tokio::test]
async fn count_is_part_of_its_transaction() {
    on_every_engine(|fresh| async move {
        let fresh = &fresh;
        fresh.database.define_tallies().await.unwrap();
        let shards = Shards::new(&Random::seeded(1));
        let fail = move |tx: Tx| {
            let shards = shards.clone();
            async move {
                tx.count(&shards, [tally(1, "orders/a", 1)]).await?;
                Err::<(), _>(Fault::from(Error::not_found("order")))
            }
        };
        assert_eq!(fresh.database.transact(fail).await.unwrap_err().code(), Code::NotFound);
        assert_eq!(fresh.database.tallies("", 0..9).await.unwrap(), []);
    })
    .await;
}
