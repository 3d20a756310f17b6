//! Processes die while events are delivered to an endpoint that fails at random.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use holdfast_drill::load::{Repeat, place_all};
use holdfast_testkit::ordinary_or_long;
use serde_json::{Value, json};

use super::{
    endpoint::{Endpoint, Heard, Reply},
    shop_for,
};
use crate::{
    cluster::{signal, slots_of},
    crash::{assert_check_is_clean, behaviour, purchases, stocked},
    shop::{Shop, wait_for},
};

/// Every seventh request or so fails, in one way or another.
fn at_random(state: &AtomicU64) -> Reply {
    let drawn = state.fetch_add(0x9e37_79b9_7f4a_7c15, Relaxed);
    let drawn = (drawn ^ (drawn >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40;
    match drawn % 21 {
        0 => Reply::status(500),
        1 => Reply::status(503),
        2 => Reply { after: Duration::from_millis(300), ..Reply::status(504) },
        _ => Reply::status(200),
    }
}

async fn endpoint() -> Endpoint {
    let state = AtomicU64::new(1);
    Endpoint::answering(move |_, _| at_random(&state)).await
}

/// Kills whoever delivers, again and again, until `done`.
async fn kill(shop: &mut Shop, done: impl Fn() -> bool) -> usize {
    let mut kills = 0;
    while !done() {
        tokio::time::sleep(Duration::from_secs(10)).await;
        match slots_of(shop, "events").first() {
            Some(slot) => signal("-9", slot),
            None => shop.kill_and_restart(),
        }
        kills += 1;
    }
    kills
}

/// The ids of an endpoint's webhook that it has taken.
fn ids(taken: &[Heard]) -> HashSet<String> {
    taken.iter().map(|heard| heard.id.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_no_delivery_and_keep_the_order() {
    let count = ordinary_or_long(800, 10_000);
    let (any, ordered) = (endpoint().await, endpoint().await);
    // Nothing is given up: it would take ten failures in a row.
    let mut shop = shop_for(&[&any, &ordered], 10);
    let mut admin = shop.admin().await;
    for (endpoint, is_ordered) in [(&any, false), (&ordered, true)] {
        admin.webhook(&endpoint.url(), &["order.*"], is_ordered).await;
    }
    let (products, accounts) = stocked(&shop).await;
    let behaviour = behaviour(&shop, Repeat::SameKey);
    let load =
        tokio::spawn(
            async move { place_all(purchases(&products, count), &accounts, &behaviour).await },
        );
    let enough = || ids(&any.taken()).len() >= count / 2;
    let kills = kill(&mut shop, enough).await;
    assert!(kills > 0);
    let placed = load.await.unwrap().ledger.acknowledged;
    assert_eq!(placed.len(), count);
    let mut admin = shop.admin().await;
    let told: Vec<Value> = admin.events("&types=order.placed", count).await;
    let all: HashSet<String> =
        told.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect();
    for endpoint in [&any, &ordered] {
        wait_for(Duration::from_secs(600), "everything is delivered", async || {
            all.is_subset(&ids(&endpoint.taken())).then_some(())
        })
        .await;
    }
    assert!(any.heard().len() > any.taken().len(), "nothing failed");
    // Of what an ordered endpoint takes for the first time, each comes after the one before.
    let mut seen = HashSet::new();
    let first = ordered.taken().into_iter().filter(|heard| seen.insert(heard.id.clone()));
    let positions: Vec<i64> = first.map(|heard| heard.position()).collect();
    assert!(positions.is_sorted(), "{positions:?}");
    let webhooks = admin.get("/api/webhooks").await.json();
    assert!(webhooks["items"].as_array().unwrap().iter().all(|one| one["enabled"] == json!(true)));
    println!("{kills} kills, {} of {} taken", any.taken().len(), any.heard().len());
    assert_check_is_clean(&shop);
}
