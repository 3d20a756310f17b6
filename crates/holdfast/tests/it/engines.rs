//! Databases on servers: they are killed under load, their clients are stopped inside transactions, and every service
//! may have its own.

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use holdfast_drill::{
    load::{Outcome, Repeat, place_all},
    verdict::{Before, judge},
};
use holdfast_testkit::{Engine, Home, MongoServer, PostgresServer};
use mongodb::bson::doc;
use serde_json::json;
use tokio::{task::JoinHandle, time::Instant};

use crate::{
    crash::{ACCOUNTS, PLENTY, assert_check_is_clean, behaviour, purchases, stocked},
    shop::{Shop, items},
};

/// A process that is stopped inside a transaction holds others up for no longer than this, and a little for the machine.
const HELD: Duration = Duration::from_millis(3500);

/// Times that transactions are broken off, 20 ms apart.
const ROUNDS: usize = 500;

/// Orders under load while somebody does something to the database.
struct Ordering {
    stop: Arc<AtomicBool>,
    accounts: Vec<holdfast_drill::accounts::Account>,
    before: Before,
    load: JoinHandle<Outcome>,
}

impl Ordering {
    async fn begin(shop: &Shop) -> Self {
        let (products, accounts) = stocked(shop).await;
        assert_eq!(accounts.len(), ACCOUNTS);
        let before = Before::look(&shop.url, &accounts).await.unwrap();
        let (buyers, behaviour) = (accounts.clone(), behaviour(shop, Repeat::SameKey));
        let stop = Arc::clone(&behaviour.stop);
        let purchases = purchases(&products, PLENTY);
        let load = tokio::spawn(async move { place_all(purchases, &buyers, &behaviour).await });
        Self { stop, accounts, before, load }
    }

    /// Lets the clients finish what they have begun, and holds the ledger against the shop.
    #[expect(clippy::print_stdout, reason = "figures for whoever reads the output of a test")]
    async fn end(self, shop: &Shop) -> Outcome {
        self.stop.store(true, Relaxed);
        let outcome = self.load.await.unwrap();
        println!("{}", outcome.to_text());
        assert!(outcome.ledger.unexpected.is_empty(), "{:?}", outcome.ledger.unexpected);
        let verdict =
            judge(&shop.url, &self.accounts, &self.before, &outcome.ledger).await.unwrap();
        assert!(verdict.is_clean(), "{}", verdict.to_text());
        assert_check_is_clean(shop);
        outcome
    }
}

/// The control of a killed server: somebody had to wait for it.
fn assert_somebody_waited(outcome: &Outcome) {
    let longest = Duration::from_micros(outcome.latencies.last().copied().unwrap_or(0));
    assert!(longest > Duration::from_millis(200), "nobody waited: the control ({longest:?})");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_postgres_loses_nothing_and_the_shop_goes_on_by_itself() {
    let Some(Home::Postgres(mut server)) = Home::of(Engine::Postgres) else { return };
    let shop = Shop::start_at(&server.url());
    let ordering = Ordering::begin(&shop).await;
    let mut kills = 0;
    while kills < 10 && !ordering.load.is_finished() {
        tokio::time::sleep(Duration::from_millis(400 + 90 * kills)).await;
        match kills % 2 {
            0 => server.kill(),
            _ => server.stop_immediately(),
        }
        server.resume();
        kills += 1;
    }
    println!("{kills} kills");
    assert!(kills >= 5, "only {kills} kills: the load ended too early");
    assert_somebody_waited(&ordering.end(&shop).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_primary_loses_nothing_and_the_shop_goes_on_by_itself() {
    let Some(Home::Mongo(one)) = Home::of(Engine::Mongo) else { return };
    drop(one);
    let mut server = MongoServer::start_members(3).unwrap();
    let shop = Shop::start_at(&server.url());
    let ordering = Ordering::begin(&shop).await;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let primary = server.wait_for_primary();
        server.kill(primary);
        server.wait_for_primary();
        tokio::time::sleep(Duration::from_secs(1)).await;
        server.resume(primary);
    }
    assert_somebody_waited(&ordering.end(&shop).await);
}

/// An order that takes longer has waited for a process that was stopped.
const NOTICED: Duration = Duration::from_millis(700);
/// Stops of a process at most.
const STOPS: u64 = 40;

/// Stops one of two processes on one database again and again while it sells a product, and asks the other for the same
/// product meanwhile. Says how long the longest order there took.
async fn longest_beside_a_stopped_process(url: &str) -> Duration {
    let (stopped, beside) = (Shop::start_at(url), Shop::start_at(url));
    let product = stopped.admin().await.product("Hot", 1_000_000).await;
    let clients: Vec<JoinHandle<()>> = {
        let mut clients = Vec::new();
        for _ in 0..8 {
            let (mut client, product) = (stopped.admin().await, product.clone());
            clients.push(tokio::spawn(async move {
                loop {
                    client.order(&product, 1).await;
                }
            }));
        }
        clients
    };
    let mut buyer = beside.admin().await;
    let mut longest = Duration::ZERO;
    let pid = stopped.child.as_ref().unwrap().id().to_string();
    for round in 0..STOPS {
        tokio::time::sleep(Duration::from_millis(150 + 13 * (round % 8))).await;
        // Not every stop meets a transaction: as many as it takes, and a death in the end.
        let is_last = round + 1 == STOPS || (round >= 7 && longest > NOTICED);
        let signal = if is_last { "-KILL" } else { "-STOP" };
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        let begun = Instant::now();
        buyer.order(&product, 1).await.expect(201).unwrap();
        longest = longest.max(begun.elapsed());
        if is_last {
            break;
        }
        let _ = Command::new("kill").args(["-CONT", &pid]).status();
    }
    clients.iter().for_each(JoinHandle::abort);
    assert_check_is_clean(&beside);
    longest
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_process_does_not_hold_rows() {
    for engine in [Engine::Postgres, Engine::Mongo] {
        let Some(home) = Home::of(engine) else { continue };
        let longest = longest_beside_a_stopped_process(&home.url()).await;
        println!("{}: the longest order took {longest:?}", engine.name());
        assert!(longest < HELD, "{}: {longest:?}", engine.name());
        // The control: at least one stop met a transaction.
        assert!(longest > NOTICED, "{}: {longest:?}", engine.name());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_service_may_have_its_own_engine() {
    let (Some(products), Some(orders)) = (Home::of(Engine::Postgres), Home::of(Engine::Mongo))
    else {
        return;
    };
    let settings = [
        ("HOLDFAST_RATE_LIMITS", "off"),
        ("HOLDFAST_USERS_DB", "sqlite:users.db"),
        ("HOLDFAST_PRODUCTS_DB", &products.url()),
        ("HOLDFAST_ORDERS_DB", &orders.url()),
    ];
    let mut shop = Shop::start_with(&settings);
    let teapot = shop.admin().await.product("Teapot", 5).await;
    let mut ada = shop.customer("ada").await;
    let order = ada.order(&teapot, 2).await.expect(201).unwrap();
    let path = format!("/api/orders/{}/cancel", order["id"].as_str().unwrap());
    ada.post(&path, &json!({})).await.expect(200).unwrap();
    ada.post_under("k", "/api/orders", &items(&[(&teapot, 3)])).await.expect(201).unwrap();
    shop.kill_and_restart();
    let again = ada.post_under("k", "/api/orders", &items(&[(&teapot, 3)])).await;
    again.expect(201).unwrap();
    assert_eq!(ada.stock(&teapot).await, (5, 3));
    assert_check_is_clean(&shop);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_processes_may_meet_an_empty_database_at_once() {
    for engine in Engine::ALL {
        let Some(home) = Home::of(engine) else { continue };
        let settings = [("DB_CONNECTION_STRING".to_owned(), home.url())];
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            let run = || crate::shop::run(folder.path(), &["migrate"], &settings);
            let processes: Vec<_> = (0..10).map(|_| scope.spawn(run)).collect();
            for process in processes {
                let ran = process.join().unwrap();
                assert_eq!(ran.code, 0, "{}: {ran:?}", engine.name());
                assert!(ran.out.contains("up to date"), "{ran:?}");
            }
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mongodb_without_transactions_is_refused() {
    let Some(server) = MongoServer::start_alone() else { return };
    let settings = [("DB_CONNECTION_STRING".to_owned(), server.url())];
    let folder = tempfile::tempdir().unwrap();
    let ran = crate::shop::run(folder.path(), &["migrate"], &settings);
    assert!(ran.code != 0 && ran.err.contains("--replSet"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_of_unknown_outcome_are_told_by_their_operation() {
    let Some(server) = MongoServer::start() else { return };
    let shop = Shop::start_at(&server.url());
    let teapot = shop.admin().await.product("Teapot", 100).await;
    let mut ada = shop.customer("ada").await;
    let admin = server.client().await.database("admin");
    let faults = [
        doc! {"failCommands": ["commitTransaction"], "closeConnection": true},
        doc! {"failCommands": ["commitTransaction"], "errorCode": 91, "errorLabels": ["UnknownTransactionCommitResult"]},
        doc! {"failCommands": ["commitTransaction"], "errorCode": 251, "errorLabels": ["TransientTransactionError"]},
        doc! {"failCommands": ["insert"], "errorCode": 112, "errorLabels": ["TransientTransactionError"]},
        doc! {"failCommands": ["commitTransaction"], "writeConcernError": {"code": 91, "errmsg": "shutting down"}},
    ];
    for (number, fault) in faults.into_iter().enumerate() {
        let mode = doc! {"times": 3};
        let point = doc! {"configureFailPoint": "failCommand", "mode": mode, "data": fault};
        admin.run_command(point).await.unwrap();
        let sold = i64::try_from(number).unwrap() + 1;
        let order = ada.order(&teapot, 1).await;
        assert_eq!(order.status, 201, "fault {number}: {}", order.json());
        assert_eq!(ada.stock(&teapot).await, (100, sold), "fault {number}");
    }
    assert_check_is_clean(&shop);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_break_inside_a_transaction_are_not_missed() {
    let Some(server) = PostgresServer::start() else { return };
    let shop = Shop::start_at(&server.url());
    let ordering = Ordering::begin(&shop).await;
    let psql = holdfast_testkit::postgres_program("psql").unwrap();
    let mut broken = 0;
    for _ in 0..ROUNDS {
        // Only what is inside a transaction: between BEGIN and the answer to COMMIT.
        let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                   WHERE application_name = 'holdfast' AND xact_start IS NOT NULL";
        let ran = Command::new(&psql).args(["-qAt", "-c", sql, &server.url()]).output().unwrap();
        broken += String::from_utf8_lossy(&ran.stdout).trim().parse::<u32>().unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("{broken} transactions broken");
    assert!(broken > 10, "only {broken} transactions were met");
    ordering.end(&shop).await;
}

/// Somebody's own session holds the row of one product: orders of others go on after the first time-out.
#[tokio::test(flavor = "multi_thread")]
async fn a_product_that_somebody_holds_holds_up_no_other() {
    let Some(Home::Postgres(server)) = Home::of(Engine::Postgres) else { return };
    let shop = Shop::start_at(&server.url());
    let mut admin = shop.admin().await;
    let (held, other) = (admin.product("Held", 1000).await, admin.product("Other", 1000).await);
    let holds = {
        let (url, id) = (server.url(), held["id"].as_str().unwrap().to_owned());
        tokio::spawn(async move {
            let session = holdfast_storage::Postgres::open(&url).unwrap();
            let sql = format!(
                "SELECT pg_sleep(4) FROM (SELECT FROM stock WHERE product_id = '{id}' FOR UPDATE) AS s"
            );
            for _ in 0..3 {
                session.query(&sql, &[]).await.unwrap();
            }
        })
    };
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (mut longest, mut placed) = (Duration::ZERO, 0);
    while !holds.is_finished() {
        let (mut buyer, wanted) = (shop.anybody(), held.clone());
        buyer.token = admin.token.clone();
        tokio::spawn(async move { buyer.order(&wanted, 1).await });
        let begun = Instant::now();
        admin.order(&other, 1).await.expect(201).unwrap();
        longest = longest.max(begun.elapsed());
        placed += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("{placed} orders of another product, the longest took {longest:?}");
    assert!(longest > Duration::from_secs(1), "nobody was held up: the control ({longest:?})");
    assert!(longest < Duration::from_secs(5), "{longest:?}");
    assert!(placed > 50, "{placed}");
    admin.order(&held, 1).await.expect(201).unwrap();
    assert_check_is_clean(&shop);
}

/// A gateway is as ready as the databases behind it.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_is_not_ready_without_its_databases() {
    let Some(Home::Postgres(mut server)) = Home::of(Engine::Postgres) else { return };
    let url = server.url();
    let settings = [("DB_CONNECTION_STRING", url.as_str())];
    let shop = crate::cluster::cluster_of_with(&["cluster"], &settings).await;
    let mut anybody = shop.anybody();
    // A gateway hears of the others a moment after they are up.
    let mut is_ready = false;
    for _ in 0..100 {
        is_ready = anybody.get("/readyz").await.status == 200;
        if is_ready {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(is_ready);
    server.kill();
    let told = anybody.get("/readyz").await.expect(503).unwrap();
    assert!(told["problems"].to_string().contains("database"), "{told}");
    server.resume();
    crate::shop::wait_until(Duration::from_secs(20), "it is ready again", || async {
        shop.anybody().get("/readyz").await.status == 200
    })
    .await;
}
