//! Crashes: the program is killed under load again and again, and the ledger is held against the shop.

use std::{
    io::{self, BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;

use holdfast_drill::ledger::Lines;
use holdfast_drill::{
    accounts::{Account, sign_in_pool},
    load::{Behaviour, Purchase, Repeat, place_all},
    replay::Report,
    verdict::{Before, Verdict, judge},
};

use holdfast_testkit::Engine;

use hyper::Method;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::shop::{Shop, engine, items};

pub(crate) const ACCOUNTS: usize = 4;
const PRODUCTS: usize = 5;
/// More than any drill gets to: the clients stop when they are told.
pub(crate) const PLENTY: usize = 400_000;

pub(crate) fn behaviour(shop: &Shop, repeat: Repeat) -> Behaviour {
    Behaviour {
        url: shop.url.clone(),
        clients: 16,
        run: "crash".to_owned(),
        repeat,
        stop: Arc::default(),
        is_quiet: true,
    }
}

pub(crate) async fn stocked(shop: &Shop) -> (Vec<String>, Vec<Account>) {
    let mut admin = shop.admin().await;
    let mut products = Vec::new();
    for number in 0..PRODUCTS {
        let product = admin.product(&format!("Product {number}"), 1_000_000).await;
        products.push(product["id"].as_str().unwrap().to_owned());
    }
    (products, sign_in_pool(&shop.url, ACCOUNTS).await.unwrap())
}

pub(crate) fn purchases(products: &[String], count: usize) -> Vec<Purchase> {
    let purchase = |number: usize| Purchase {
        name: number.to_string(),
        account: number,
        lines: Lines::from([
            (products[number % PRODUCTS].clone(), 1),
            (products[(number / PRODUCTS + 1) % PRODUCTS].clone(), 2),
        ]),
    };
    (0..count).map(purchase).collect()
}

/// Kills the shop `kills` times while orders are placed, and judges.
async fn drill(shop: &mut Shop, kills: usize, repeat: Repeat) -> (Report, usize) {
    let (products, accounts) = stocked(shop).await;
    let before = Before::look(&shop.url, &accounts).await.unwrap();
    let behaviour = behaviour(shop, repeat);
    let stop = Arc::clone(&behaviour.stop);
    // Judging comes after the last kill: it asks a shop that is up.
    let load = {
        let accounts = accounts.clone();
        let purchases = purchases(&products, PLENTY);
        tokio::spawn(async move { place_all(purchases, &accounts, &behaviour).await })
    };
    let mut done = 0;
    while done < kills && !load.is_finished() {
        // Uneven pauses, so that the kills meet different moments.
        tokio::time::sleep(Duration::from_millis(40 + 37 * u64::try_from(done % 7).unwrap())).await;
        shop.kill_and_restart();
        done += 1;
    }
    stop.store(true, Relaxed);
    let outcome = load.await.unwrap();
    let verdict = judge(&shop.url, &accounts, &before, &outcome.ledger).await.unwrap();
    (Report { outcome, verdict }, done)
}

pub(crate) fn assert_check_is_clean(shop: &Shop) {
    let check = shop.run(&["check"]);
    assert_eq!(check.code, 0, "{check:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_kills_lose_nothing_and_double_nothing() {
    let mut shop = Shop::start();
    let (report, kills) = drill(&mut shop, 50, Repeat::SameKey).await;
    println!("{kills} kills, {}", report.outcome.to_text());
    assert!(kills >= 50, "only {kills} kills: the load ended too early");
    assert!(report.outcome.repeats > 0, "the kills met no request");
    assert!(report.verdict.is_clean(), "{}", report.verdict.to_text());
    assert_check_is_clean(&shop);
}

/// A way to the shop that loses every `nth` answer, with its connection. Returns its address.
async fn losing_answers(shop: &str, nth: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shop = shop.strip_prefix("http://").unwrap().to_owned();
    let answers = Arc::new(AtomicUsize::new(0));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (shop, answers) = (shop.clone(), Arc::clone(&answers));
            tokio::spawn(async move { pass_on(client, &shop, &answers, nth).await });
        }
    });
    format!("http://{address}")
}

async fn pass_on(
    mut client: TcpStream,
    shop: &str,
    answers: &AtomicUsize,
    nth: usize,
) -> io::Result<()> {
    let mut shop = TcpStream::connect(shop).await?;
    let (mut asked, mut answered) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        tokio::select! {
            count = client.read(&mut asked) => match count? {
                0 => return Ok(()),
                count => shop.write_all(&asked[..count]).await?,
            },
            count = shop.read(&mut answered) => {
                let count = count?;
                if count == 0 || answers.fetch_add(1, Relaxed) % nth == nth - 1 {
                    return Ok(());
                }
                client.write_all(&answered[..count]).await?;
            }
        }
    }
}

/// The control: clients that do not hear the answer and repeat under fresh keys double orders, and the verdict sees it; under
/// the same key none is.
#[tokio::test(flavor = "multi_thread")]
async fn control_fresh_keys_double_orders() {
    let shop = Shop::start();
    let (products, accounts) = stocked(&shop).await;
    let lossy = losing_answers(&shop.url, 10).await;
    for repeat in [Repeat::SameKey, Repeat::FreshKey] {
        let before = Before::look(&shop.url, &accounts).await.unwrap();
        let behaviour = Behaviour { url: lossy.clone(), ..behaviour(&shop, repeat) };
        let outcome = place_all(purchases(&products, 200), &accounts, &behaviour).await;
        assert!(outcome.repeats > 0, "no answer was lost");
        let verdict = judge(&shop.url, &accounts, &before, &outcome.ledger).await.unwrap();
        let is_as_meant = verdict.doubled.is_empty() == matches!(repeat, Repeat::SameKey);
        assert!(is_as_meant, "{}", verdict.to_text());
    }
}

/// The control: an order that is deleted behind the shop's back is missed, by the verdict and by `check`.
#[tokio::test(flavor = "multi_thread")]
async fn control_a_deleted_order_is_lost() {
    if engine() != Engine::Sqlite {
        // The verdict is the same whoever keeps the rows.
        return;
    }
    let mut shop = Shop::start();
    let (products, accounts) = stocked(&shop).await;
    let before = Before::look(&shop.url, &accounts).await.unwrap();
    let outcome =
        place_all(purchases(&products, 50), &accounts, &behaviour(&shop, Repeat::SameKey)).await;
    let clean: Verdict = judge(&shop.url, &accounts, &before, &outcome.ledger).await.unwrap();
    assert!(clean.is_clean(), "{}", clean.to_text());
    // Confirmations follow within a quarter of a second.
    tokio::time::sleep(Duration::from_secs(1)).await;
    shop.kill();
    let database = rusqlite::Connection::open(shop.data().join("holdfast.db")).unwrap();
    assert_eq!(
        database
            .execute("DELETE FROM orders WHERE seq = (SELECT max(seq) FROM orders)", [])
            .unwrap(),
        1
    );
    drop(database);
    shop.kill_and_restart();
    let verdict = judge(&shop.url, &accounts, &before, &outcome.ledger).await.unwrap();
    assert_eq!(verdict.lost.len(), 1, "{}", verdict.to_text());
    let check = shop.run(&["check"]);
    assert!(check.code == 1 && check.out.contains("is lost"), "{check:?}");
}

/// What a shop writes with: to its files, and to a database's server or a client.
const WRITES: &str = "pwrite64,fsync,fdatasync,sendto,sendmsg,write,writev";
/// More than an order needs on any engine.
const POINTS: usize = 60;

/// Kills the shop as it makes its `point`-th write from now on; `None` where that cannot be done.
fn kill_at(shop: &Shop, point: usize) -> Option<Child> {
    let pid = shop.child.as_ref()?.id().to_string();
    let inject = format!("inject={WRITES}:signal=KILL:when={point}");
    let trace = format!("trace={WRITES}");
    let arguments = ["-f", "-e", &trace, "-e", &inject, "-o", "/dev/null", "-p", &pid];
    let mut strace = Command::new("strace").args(arguments).stderr(Stdio::piped()).spawn().ok()?;
    // It names what it holds, and goes on to do so.
    let (mut said, mut stderr) = (String::new(), BufReader::new(strace.stderr.take()?));
    stderr.read_line(&mut said).ok()?;
    assert!(said.contains("attached"), "{said}");
    std::thread::spawn(move || stderr.lines().count());
    Some(strace)
}

/// One order, killed at its first write, at its second, and so on until it is through: it is there once, whenever that was.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_killed_at_any_write_is_placed_once() {
    let mut shop = Shop::start();
    let mut admin = shop.admin().await;
    let product = admin.product("Tea", 1000).await;
    let body = items(&[(&product, 1)]);
    let authorization = format!("Bearer {}", admin.token.clone().unwrap());
    let mut survived = None;
    for point in 1..POINTS {
        let Some(mut strace) = kill_at(&shop, point) else {
            assert!(std::env::var_os("CI").is_none(), "there is no strace");
            return;
        };
        let key = format!("killed-at-{point}");
        let headers =
            [("idempotency-key", key.as_str()), ("authorization", authorization.as_str())];
        let text = Bytes::from(body.to_string());
        let answer = admin.connection.send(Method::POST, "/api/orders", &headers, text).await;
        let is_through = answer.is_ok_and(|answer| answer.status == 201);
        shop.kill();
        strace.wait().unwrap();
        shop.start_again();
        admin.connection = holdfast_client::Connection::new(&shop.url);
        let again = admin.post_under(&key, "/api/orders", &body).await;
        assert_eq!(again.status, 201, "killed at {point}: {again:?}");
        assert_eq!(admin.stock(&product).await, (1000, i64::try_from(point).unwrap()));
        if is_through {
            survived = Some(point);
            break;
        }
    }
    let points = survived.expect("an order makes that many writes at most");
    assert!(points > 3, "the control: {points} is less than one transaction writes");
    assert_check_is_clean(&shop);
}
