//! A cluster in which processes are killed, stopped and restarted while orders are placed by clients that never repeat.
//! Each promise has a control that shows that the test would see it broken.

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use holdfast_cluster::SlotState;
use holdfast_drill::{
    accounts::{Account, sign_in_pool},
    ledger::Lines,
    load::{Behaviour, Outcome, Purchase, Repeat, place_all},
    verdict::{Before, Verdict, judge},
};
use holdfast_testkit::ordinary_or_long;
use serde_json::Value;
use tokio::{task::JoinHandle, time::Instant};

use crate::shop::{Client, Shop, problem, wait_for, wait_until};

const CLIENTS: usize = 16;
const PRODUCTS: usize = 8;
pub(crate) const SERVICES: [&str; 3] = ["users", "products", "orders"];

pub(crate) async fn cluster() -> Shop {
    cluster_of(&["cluster", "--gateways", "2", "--users", "1", "--products", "2", "--orders", "2"])
        .await
}

async fn cluster_of(arguments: &[&str]) -> Shop {
    cluster_of_with(arguments, &[("HOLDFAST_RATE_LIMITS", "off")]).await
}

/// A cluster of which every process is up.
pub(crate) async fn cluster_of_with(arguments: &[&str], settings: &[(&str, &str)]) -> Shop {
    let shop = Shop::start_as(arguments, settings);
    all_are_up(&shop).await;
    shop
}

async fn all_are_up(shop: &Shop) {
    let limit = Duration::from_secs(20);
    wait_until(limit, "all are up", || async { shop.run(&["status"]).code == 0 }).await;
}

pub(crate) fn signal(signal: &str, slot: &SlotState) {
    let sent = Command::new("kill").args([signal, &slot.pid.to_string()]).status().unwrap();
    assert!(sent.success(), "no process {}", slot.pid);
}

pub(crate) fn slots_of(shop: &Shop, part: &str) -> Vec<SlotState> {
    shop.slots().into_iter().filter(|slot| slot.name.starts_with(part)).collect()
}

/// Orders that are being placed.
pub(crate) struct Load {
    accounts: Vec<Account>,
    before: Before,
    pub(crate) stop: Arc<AtomicBool>,
    placing: JoinHandle<Outcome>,
}

impl Load {
    /// Begins to place orders at `url`.
    pub(crate) async fn begin(shop: &Shop, url: &str, repeat: Repeat) -> Self {
        let mut admin = shop.admin().await;
        let mut products = Vec::new();
        for number in 0..PRODUCTS {
            let product = admin.product(&format!("Product {number}"), 100_000_000).await;
            products.push(product["id"].as_str().unwrap().to_owned());
        }
        let accounts = sign_in_pool(&shop.url, 4).await.unwrap();
        let before = Before::look(&shop.url, &accounts).await.unwrap();
        let purchase = |number: usize| Purchase {
            name: number.to_string(),
            account: number,
            lines: Lines::from([(products[number % PRODUCTS].clone(), 1)]),
        };
        let purchases: Vec<Purchase> = (0..400_000).map(purchase).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let behaviour = Behaviour {
            url: url.to_owned(),
            clients: CLIENTS,
            run: format!("cluster-{}", before.orders.len()),
            repeat,
            stop: Arc::clone(&stop),
            is_quiet: true,
        };
        let placing = {
            let accounts = accounts.clone();
            tokio::spawn(async move { place_all(purchases, &accounts, &behaviour).await })
        };
        Self { accounts, before, stop, placing }
    }

    /// Lets the clients finish what they have begun, and judges.
    #[expect(clippy::print_stdout, reason = "figures for whoever reads the output of a test")]
    pub(crate) async fn end(self, shop: &Shop) -> (Outcome, Verdict) {
        self.stop.store(true, Relaxed);
        let outcome = self.placing.await.unwrap();
        println!("{}", outcome.to_text());
        let verdict = judge(&shop.url, &self.accounts, &self.before, &outcome.ledger).await;
        (outcome, verdict.unwrap())
    }
}

pub(crate) fn assert_nothing_failed(shop: &Shop, outcome: &Outcome, verdict: &Verdict) {
    assert!(outcome.ledger.acknowledged.len() > 100, "{}", outcome.to_text());
    assert!(verdict.is_clean(), "{}", verdict.to_text());
    let check = shop.run(&["check"]);
    assert_eq!(check.code, 0, "{check:?}");
}

/// Kills a service process every second, each in turn, for `time`; says how many.
async fn kill_services(shop: &Shop, time: Duration) -> usize {
    let until = Instant::now() + time;
    let mut kills = 0;
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let services: Vec<SlotState> =
            SERVICES.iter().flat_map(|part| slots_of(shop, part)).collect();
        // Odd steps through an uneven number: an order that no slot can get used to.
        signal("-9", &services[kills * 3 % services.len()]);
        kills += 1;
    }
    kills
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_a_service_every_second_fails_no_request() {
    let time = ordinary_or_long(Duration::from_secs(25), Duration::from_secs(60));
    let shop = cluster().await;
    let load = Load::begin(&shop, &shop.url, Repeat::Never).await;
    let kills = kill_services(&shop, time).await;
    let (outcome, verdict) = load.end(&shop).await;
    println!("{kills} kills");
    assert!(kills >= ordinary_or_long(20, 50));
    assert_nothing_failed(&shop, &outcome, &verdict);
}

/// The control: who goes to a service directly, around the gateway, sees the kills.
#[tokio::test(flavor = "multi_thread")]
async fn control_kills_are_seen_without_the_gateway() {
    let shop = cluster().await;
    let direct = format!("http://{}", slots_of(&shop, "orders")[0].address);
    let load = Load::begin(&shop, &direct, Repeat::Never).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    signal("-9", &slots_of(&shop, "orders")[0]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (outcome, verdict) = load.end(&shop).await;
    assert!(!outcome.ledger.unexpected.is_empty() && !verdict.is_clean());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_process_holds_writes_up_for_less_than_three_seconds() {
    let shop = cluster().await;
    let load = Load::begin(&shop, &shop.url, Repeat::Never).await;
    for part in ["products", "orders", "users", "orders", "products"] {
        tokio::time::sleep(Duration::from_secs(1)).await;
        signal("-STOP", &slots_of(&shop, part)[0]);
        tokio::time::sleep(Duration::from_millis(3500)).await;
    }
    let (outcome, verdict) = load.end(&shop).await;
    let longest = Duration::from_micros(*outcome.latencies.last().unwrap());
    println!("the longest order took {longest:?}");
    assert!(longest < Duration::from_millis(2500), "{longest:?}");
    assert_nothing_failed(&shop, &outcome, &verdict);
}

/// The control: without a supervisor, nobody ends the stopped process, and orders wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn control_without_a_supervisor_a_stopped_process_stays() {
    let mut shop = cluster().await;
    shop.kill();
    let stopped = slots_of(&shop, "users")[0].clone();
    signal("-STOP", &stopped);
    let mut anybody = shop.anybody();
    let login = serde_json::json!({"username": "admin", "password": "whatever it is"});
    let answer = anybody.post("/api/users/login", &login);
    assert!(tokio::time::timeout(Duration::from_secs(4), answer).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn rolling_restarts_fail_no_request() {
    let shop = cluster().await;
    let load = Load::begin(&shop, &shop.url, Repeat::Never).await;
    let before = shop.slots();
    for _ in 0..ordinary_or_long(6, 20) {
        let roll = shop.run(&["restart"]);
        assert_eq!(roll.code, 0, "{roll:?}");
    }
    let after = shop.slots();
    assert!(before.iter().zip(&after).all(|(before, after)| before.pid != after.pid));
    let (outcome, verdict) = load.end(&shop).await;
    assert_nothing_failed(&shop, &outcome, &verdict);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_gateway_takes_only_what_is_inside_it() {
    let shop = cluster().await;
    let load = Load::begin(&shop, &shop.url, Repeat::Never).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    // Clients may all have come to one of them.
    for gateway in slots_of(&shop, "gateway") {
        signal("-9", &gateway);
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    let (outcome, _) = load.end(&shop).await;
    let failed = outcome.ledger.unexpected.len();
    println!("{failed} requests were inside the gateways");
    assert!((1..=2 * CLIENTS).contains(&failed), "the control: {failed} failed");

    let load = Load::begin(&shop, &shop.url, Repeat::SameKey).await;
    for number in 0..4 {
        tokio::time::sleep(Duration::from_secs(2)).await;
        signal("-9", &slots_of(&shop, "gateway")[number % 2]);
    }
    let (outcome, verdict) = load.end(&shop).await;
    assert!(outcome.repeats > 0, "the kills met no request");
    assert_nothing_failed(&shop, &outcome, &verdict);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_supervisor_is_not_missed_and_comes_back() {
    let mut shop = cluster().await;
    let load = Load::begin(&shop, &shop.url, Repeat::Never).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    shop.kill();
    let before = shop.slots();
    tokio::time::sleep(Duration::from_secs(2)).await;
    // One that dies while nobody looks stays dead, until somebody looks again: the control.
    signal("-9", &slots_of(&shop, "orders")[0]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(shop.run(&["status"]).code, 1, "one is missing");
    shop.start_again();
    all_are_up(&shop).await;
    let after = shop.slots();
    let same = before.iter().zip(&after).filter(|(before, after)| before.pid == after.pid).count();
    assert_eq!(same, before.len() - 1, "the living were taken over, the dead one was replaced");
    let (outcome, verdict) = load.end(&shop).await;
    assert_nothing_failed(&shop, &outcome, &verdict);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_may_meet_an_empty_database_at_once() {
    let shop = cluster_of(&["cluster", "--users", "4", "--products", "3", "--orders", "3"]).await;
    // Logins spread over all of users; each must accept what any other signed.
    for _ in 0..12 {
        let mut admin = shop.admin().await;
        let users = admin.get("/api/users").await.expect(200).unwrap();
        assert_eq!(users["items"].as_array().unwrap().len(), 1, "one administrator");
    }
    let keys = shop.anybody().get("/.well-known/jwks.json").await.json();
    assert_eq!(keys["keys"].as_array().unwrap().len(), 1, "one signing key");
}

/// By what they serve, with how many are up.
async fn standings(admin: &mut Client) -> Vec<(String, String)> {
    let list = admin.get("/api/processes").await.expect(200).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let standing = |item: &Value| (text(&item["parts"][0]), text(&item["state"]));
    list["items"].as_array().unwrap().iter().map(standing).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn any_gateway_says_how_every_process_is() {
    let shop = cluster().await;
    let mut admin = shop.admin().await;
    let all = ["events", "gateway", "gateway", "orders", "orders", "products", "products", "users"];
    let up = all.map(|part| (part.to_owned(), "up".to_owned()));
    assert_eq!(standings(&mut admin).await, up);
    let [stopped, _] = <[SlotState; 2]>::try_from(slots_of(&shop, "products")).unwrap();
    // The supervisor ends one that is silent for two seconds, and starts another in its place.
    signal("-STOP", &stopped);
    let seen = wait_for(Duration::from_secs(2), "one is silent", async || {
        let found = standings(&mut admin).await;
        found.contains(&("products".to_owned(), "silent".to_owned())).then_some(found)
    });
    assert_eq!(seen.await.len(), all.len());
    let refused = shop.customer("ada").await.get("/api/processes").await;
    assert_eq!(problem(&refused), (403, "forbidden".into()));
    wait_for(Duration::from_secs(10), "all are up again", async || {
        (standings(&mut admin).await == up).then_some(())
    })
    .await;
}
