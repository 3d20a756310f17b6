//! Products, their journal, their lists, and the audit.

use super::*;
use holdfast_storage::mongo::doc;

#[tokio::test]
async fn create() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let new = bench.new_product("A", 5);
        assert!(!bench.store.create(&new, None).await.unwrap().1);
        assert!(bench.store.create(&new, None).await.unwrap().1, "the second call finds the first");
        let taken = bench.store.create(&bench.new_product("A", 1), None).await.unwrap_err();
        assert_eq!(taken.code(), holdfast_types::Code::SkuTaken);
        bench.assert_sound().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn edit_lets_one_of_two_editors_win() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        let product = bench.product("A", 10).await;
        let editors: Vec<_> = ["Ada", "Bob"]
            .into_iter()
            .map(|name| {
                let bench = Arc::clone(&bench);
                tokio::spawn(async move { bench.rename(product, name).await })
            })
            .collect();
        let mut wins = 0;
        for editor in editors {
            match editor.await.unwrap() {
                Ok(_) => wins += 1,
                Err(error) => assert_eq!(error.code(), holdfast_types::Code::VersionConflict),
            }
        }
        assert_eq!(wins, 1);
        assert_eq!(bench.store.get(product).await.unwrap().unwrap().version, Version(2));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn edit_happens_once_per_key() {
    on_every_engine(|fresh| async {
        let bench = Arc::new(Bench::new(fresh).await);
        let product = bench.product("A", 10).await;
        let operation = bench.operation();
        let calls: Vec<_> = (0..40)
            .map(|_| {
                let (bench, operation) = (Arc::clone(&bench), operation.clone());
                tokio::spawn(async move { bench.adjust(product, 5, &operation).await.unwrap() })
            })
            .collect();
        let mut first = 0;
        for call in calls {
            let given = call.await.unwrap();
            assert_eq!(given.answer.body, b"15");
            first += u32::from(!given.replayed);
        }
        assert_eq!((first, bench.numbers(product).await), (1, (15, 0)));
        let other = Operation { fingerprint: Fingerprint([9; 16]), ..operation };
        let reused = bench.adjust(product, 6, &other).await.unwrap_err();
        assert_eq!(reused.code(), holdfast_types::Code::IdempotencyKeyReused);
        bench.assert_sound().await;
    })
    .await;
}

#[tokio::test]
async fn edit_to_archived_hides_and_keeps() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let product = bench.product("A", 10).await;
        for _ in 0..2 {
            bench.archive(product).await.unwrap();
        }
        let request = PageRequest { limit: 10, after: None };
        assert!(bench.list(&ProductFilter::default(), &request).await.items.is_empty());
        assert!(bench.store.get(product).await.unwrap().is_some());
        let refused = bench.reserve(&bench.command(&[(product, 1)])).await.unwrap_err();
        assert_eq!(refused.code(), holdfast_types::Code::UnknownProduct);
    })
    .await;
}

#[tokio::test]
async fn movements_number_every_change_without_gaps() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let product = bench.product("A", 10).await;
        let order = bench.command(&[(product, 2)]);
        let reserved = bench.reserve(&order).await.unwrap();
        assert_eq!(reserved.lines[0].stock_sequence, 2);
        bench.adjust(product, 5, &bench.operation()).await.unwrap();
        bench
            .store
            .apply_stock_actions(&[(order.id, StockAction::Release)], bench.now())
            .await
            .unwrap();
        let request = PageRequest { limit: 3, after: None };
        let page = bench.store.movements(product, &request).await.unwrap();
        let rest = bench
            .store
            .movements(product, &PageRequest { limit: 3, after: page.next })
            .await
            .unwrap();
        let found: Vec<_> = page
            .items
            .iter()
            .chain(&rest.items)
            .map(|movement| (movement.sequence, movement.kind))
            .collect();
        let expected = [
            MovementKind::Creation,
            MovementKind::Reservation,
            MovementKind::Adjustment,
            MovementKind::Release,
        ];
        assert_eq!(found, (1..).zip(expected).collect::<Vec<_>>());
        assert!(rest.next.is_none());
        bench.assert_sound().await;
    })
    .await;
}

/// Whoever reads while orders come in sees a part of the journal, but no hole in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn movements_have_no_hole_while_orders_come_in() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let product = bench.product("A", 1_000_000).await;
        let batch = |_| ReserveBatch {
            id: BatchId::new(bench.fresh.random.uuid_v7(bench.now())),
            commands: (0..100).map(|_| bench.command(&[(product, 1)])).collect(),
            confirmed: Vec::new(),
            trace: None,
        };
        let batches: Vec<_> = (0..60).map(batch).collect();
        let (store, now) = (bench.store.clone(), bench.now());
        let orders = tokio::spawn(async move {
            for batch in batches {
                store.reserve(batch, now).await.unwrap();
            }
        });
        let (mut before, mut after, mut looks) = (0, None, 0);
        loop {
            let request = PageRequest { limit: 100, after: after.clone() };
            let page = bench.store.movements(product, &request).await.unwrap();
            let numbers: Vec<_> = page.items.iter().map(|movement| movement.sequence).collect();
            let count = i64::try_from(numbers.len()).unwrap();
            assert_eq!(numbers, (before + 1..=before + count).collect::<Vec<_>>());
            looks += 1;
            match page.next {
                Some(next) => (before, after) = (before + count, Some(next)),
                None if before + count == 6_001 => break,
                None => {}
            }
        }
        orders.await.unwrap();
        assert!(looks > 61, "the control: some looks came in between ({looks})");
    })
    .await;
}

#[tokio::test]
async fn audit_sees_what_was_tampered_with() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let product = bench.product("A", 10).await;
        bench.reserve(&bench.command(&[(product, 2)])).await.unwrap();
        bench.assert_sound().await;
        tamper(&bench.fresh.database, 1).await.unwrap();
        assert_eq!(bench.findings().await.len(), 2, "the reservation, and the journal");
        let oversold = tamper(&bench.fresh.database, 11).await;
        assert!(oversold.is_err(), "the database itself refuses to oversell");
    })
    .await;
}

#[tokio::test]
async fn dump_tells_everything_in_order() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let (tea, cups) = (bench.product("TEA", 300).await, bench.product("CUPS", 300).await);
        for _ in 0..150 {
            bench.reserve(&bench.command(&[(tea, 1), (cups, 1)])).await.unwrap();
        }
        let records: Vec<Record> = bench.dump().await.into_iter().map(Result::unwrap).collect();
        let (mut batches, mut orders, mut journals) = (0, Vec::new(), Vec::new());
        for record in records {
            match record {
                Record::Unconfirmed { .. } => {
                    assert!(orders.is_empty());
                    batches += 1;
                }
                Record::Reservation(held) => {
                    assert!(journals.is_empty());
                    orders.push(held.id);
                }
                Record::Product(product) => journals.push((product.id, 0)),
                Record::Movement(of, movement) => {
                    let (product, lines) = journals.last_mut().unwrap();
                    *lines += 1;
                    assert_eq!((of, movement.sequence), (*product, *lines));
                }
            }
        }
        assert_eq!((batches, orders.len()), (150, 150));
        assert!(orders.is_sorted());
        journals.sort_unstable();
        let mut expected = vec![(tea, 151), (cups, 151)];
        expected.sort_unstable();
        assert_eq!(journals, expected);
    })
    .await;
}

#[tokio::test]
async fn dump_names_what_cannot_be_read() {
    on_every_engine(|fresh| async {
        let bench = Bench::new(fresh).await;
        let product = bench.product("A", 10).await;
        let order = bench.command(&[(product, 2)]);
        bench.reserve(&order).await.unwrap();
        damage(&bench.fresh.database, "reservations", "lines").await;
        damage(&bench.fresh.database, "products", "metadata").await;
        let damages: Vec<String> = bench
            .dump()
            .await
            .into_iter()
            .filter_map(Result::err)
            .map(|damage| damage.to_string())
            .collect();
        assert!(
            damages[0].starts_with(&format!("reservation {} cannot be read: ", order.id)),
            "{damages:?}"
        );
        assert!(
            damages[1].starts_with(&format!("product {product} cannot be read: ")),
            "{damages:?}"
        );
        assert_eq!(damages.len(), 2, "{damages:?}");
    })
    .await;
}

/// Changes what is reserved behind the shop's back.
async fn tamper(database: &Database, reserved: i64) -> Result<()> {
    match database {
        Database::Sqlite(db) => {
            let sql = "UPDATE stock SET reserved = ?1";
            db.write(move |db| Ok(db.execute(sql, [reserved]).map(|_| ())?)).await
        }
        Database::Postgres(db) => {
            db.query("UPDATE stock SET reserved = $1", &[&reserved]).await.map(|_| ())
        }
        Database::Mongo(db) => {
            let change = doc! {"$set": {"reserved": reserved}};
            db.transaction(|tx| {
                let change = change.clone();
                async move { tx.update_all("products", doc! {}, change).await.map(|_| ()) }
            })
            .await
        }
    }
}
