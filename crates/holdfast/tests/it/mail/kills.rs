//! The same while processes are killed.

use std::collections::{HashMap, HashSet};

use holdfast_testkit::ordinary_or_long;

use super::*;
use crate::cluster::{signal, slots_of};

/// Kills whoever sends.
fn kill(shop: &mut Shop) {
    match slots_of(shop, "events").first() {
        Some(slot) => signal("-9", slot),
        None => shop.kill_and_restart(),
    }
}

#[tokio::test]
async fn kills_lose_no_letter_and_double_none_under_another_id() {
    let server = SmtpDouble::start().await.unwrap();
    let mut shop = shop_with(&server, &[("HOLDFAST_RATE_LIMITS", "off")]);
    let mut admin = shop.admin().await;
    let tea = admin.product("Tea", 100_000).await;
    let mut placed = HashSet::new();
    for round in 0..ordinary_or_long(4, 40) {
        for number in 0..30 {
            let address = format!("buyer-{round}-{number}@example.com");
            let order = admin.order_to(&tea, &address).await;
            placed.insert((address, order["number"].as_str().unwrap().to_owned()));
        }
        kill(&mut shop);
        admin = wait_for(SOON, "the shop is there", async || {
            let mut admin = shop.admin().await;
            let is_there = admin.get("/api/letters?limit=1").await.status == 200;
            is_there.then_some(admin)
        })
        .await;
    }
    // What was taken before a kill is sent when its time has come again.
    let mut ids: HashMap<(String, String), HashSet<String>> = HashMap::new();
    wait_for(Duration::from_secs(240), "every letter has come", async || {
        ids.clear();
        for letter in server.taken() {
            let subject = letter.header("Subject")?;
            let number = subject.strip_prefix("Your order ")?.to_owned();
            let id = letter.header("Message-ID")?;
            ids.entry((letter.to[0].clone(), number)).or_default().insert(id);
        }
        placed.iter().all(|order| ids.contains_key(order)).then_some(())
    })
    .await;
    assert_eq!(ids.len(), placed.len());
    assert!(ids.values().all(|ids| ids.len() == 1), "{ids:?}");
    wait_for(Duration::from_secs(120), "all are noted", async || {
        admin.letters("?status=pending&limit=1").await.is_empty().then_some(())
    })
    .await;
    assert_check_is_clean(&shop);
}
