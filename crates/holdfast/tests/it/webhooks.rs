//! Webhooks: events are delivered to whoever asks for them, signed, at least once, and to nobody behind the shop.

mod addresses;
mod endpoint;
mod kills;

use std::{collections::HashSet, time::Duration};

use serde_json::{Value, json};

use crate::{
    crash::assert_check_is_clean,
    shop::{Client, Shop, header, problem, wait_for},
};
use endpoint::Heard;
pub(crate) use endpoint::{Endpoint, Reply};

/// How long a delivery may take.
const SOON: Duration = Duration::from_secs(15);

/// A shop that may deliver there, and makes so many attempts, each 100 ms after the one before.
fn shop_for(endpoints: &[&Endpoint], attempts: usize) -> Shop {
    let places: Vec<&str> = endpoints.iter().map(|endpoint| endpoint.place.as_str()).collect();
    Shop::start_with(&[
        ("HOLDFAST_RATE_LIMITS", "off"),
        ("HOLDFAST_WEBHOOKS_ALLOWED_HOSTS", &places.join(",")),
        ("HOLDFAST_WEBHOOKS_SCHEDULE", &format!("0s{}", ", 100ms".repeat(attempts - 1))),
    ])
}

impl Client {
    pub(crate) async fn webhook(&mut self, url: &str, types: &[&str], ordered: bool) -> Value {
        let body = json!({"url": url, "types": types, "ordered": ordered});
        self.post("/api/webhooks", &body).await.expect(201).unwrap()
    }

    async fn deliveries(&mut self, webhook: &Value, query: &str) -> Vec<Value> {
        let path = format!("{}/deliveries?limit=100{query}", path_of(webhook));
        let page = self.get(&path).await.expect(200).unwrap();
        page["items"].as_array().unwrap().clone()
    }

    /// As soon as so many deliveries are as `status` says.
    async fn settled(&mut self, webhook: &Value, status: &str, count: usize) -> Vec<Value> {
        let query = format!("&status={status}");
        wait_for(SOON, "deliveries are over", async || {
            let found = self.deliveries(webhook, &query).await;
            (found.len() >= count).then_some(found)
        })
        .await
    }
}

/// Waits until the first delivery of a webhook has been tried.
pub(crate) async fn tried(admin: &mut Client, webhook: &Value) {
    wait_for(SOON, "it is tried", async || {
        let deliveries = admin.deliveries(webhook, "").await;
        deliveries.iter().any(|delivery| delivery["attemptCount"] == 1).then_some(())
    })
    .await;
}

fn path_of(webhook: &Value) -> String {
    format!("/api/webhooks/{}", webhook["id"].as_str().unwrap())
}

/// What the endpoint has taken, as soon as it is so much.
async fn taken(endpoint: &Endpoint, count: usize) -> Vec<Heard> {
    wait_for(SOON, "all is delivered", async || {
        let taken = endpoint.taken();
        (taken.len() >= count).then_some(taken)
    })
    .await
}

#[tokio::test]
async fn events_are_delivered_as_the_feed_tells_them_and_signed() {
    let endpoint = Endpoint::start().await;
    let shop = shop_for(&[&endpoint], 4);
    let mut admin = shop.admin().await;
    let tea = admin.product("Tea", 5).await;
    admin.events("&types=product.created", 1).await;
    let webhook = admin.webhook(&endpoint.url(), &["order.*"], false).await;
    let secret = webhook["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_") && secret.len() == 50, "{secret}");
    let order = admin.order(&tea, 1).await.expect(201).unwrap();
    let path = format!("/api/orders/{}/pay", order["id"].as_str().unwrap());
    admin.post(&path, &json!({})).await.expect(200).unwrap();

    let mut heard = taken(&endpoint, 2).await;
    heard.sort_by_key(Heard::position);
    let told = admin.events("&types=order.*", 2).await;
    for (heard, event) in heard.iter().zip(&told) {
        assert_eq!(heard.event(), *event);
        assert_eq!(heard.id, event["id"].as_str().unwrap());
        assert!(heard.is_signed_by(secret), "{heard:?}");
    }
    let delivered = admin.settled(&webhook, "delivered", 2).await;
    assert_eq!(delivered[0]["event"]["type"], "order.paid", "newest first");
    let path = format!("{}/deliveries/{}", path_of(&webhook), delivered[0]["id"].as_str().unwrap());
    let delivery = admin.get(&path).await.expect(200).unwrap();
    assert_eq!(delivery["attempts"][0]["status"], 204);
    assert!(delivery["nextAttemptAt"].is_null());

    // What is known is shown; the secret was shown once.
    let shown = admin.get(&path_of(&webhook)).await;
    assert_eq!(header(&shown, "etag"), "\"1\"");
    let shown = shown.json();
    assert!(shown["secret"].is_null() && shown["enabled"] == true, "{shown}");
    let list = admin.get("/api/webhooks").await.expect(200).unwrap();
    assert_eq!((list["items"].as_array().unwrap().len(), &list["nextCursor"]), (1, &Value::Null));
    assert_check_is_clean(&shop);
}

#[tokio::test]
async fn a_webhook_is_tried_out_changed_and_deleted() {
    let endpoint = Endpoint::start().await;
    let shop = shop_for(&[&endpoint], 4);
    let mut admin = shop.admin().await;
    let webhook = admin.webhook(&endpoint.url(), &["order.*"], true).await;
    let path = path_of(&webhook);
    let test = admin.post(&format!("{path}/test"), &json!({})).await.expect(201).unwrap();
    assert_eq!(
        (&test["event"]["type"], &test["status"]),
        (&json!("webhook.test"), &json!("pending"))
    );
    let heard = taken(&endpoint, 1).await.remove(0).event();
    assert_eq!((&heard["position"], &heard["subject"]), (&json!(0), &webhook["id"]));

    let body =
        json!({"version": 1, "types": ["user.*"], "description": "Letters", "enabled": false});
    let changed = admin.patch(&path, &body).await.expect(200).unwrap();
    assert_eq!((&changed["enabled"], &changed["version"]), (&json!(false), &json!(2)));
    assert_eq!(changed["disabledReason"], "switched off by hand");
    let stale = admin.patch(&path, &body).await;
    assert_eq!(problem(&stale), (409, "version-conflict".into()));
    assert_eq!(stale.json()["current"]["description"], "Letters");
    for path in [format!("{path}/test"), format!("{path}/replay")] {
        let answer = admin.post(&path, &json!({"from": "2026-01-01T00:00:00Z"})).await;
        let expected = if path.ends_with("test") { 400 } else { 409 };
        assert_eq!(answer.status, expected, "{path}");
    }
    let off = admin.post(&format!("{path}/test"), &json!({})).await;
    assert_eq!(problem(&off), (409, "webhook-disabled".into()));

    // What happens meanwhile is delivered when it is on again.
    shop.customer("ada").await;
    admin.events("&types=user.registered", 2).await;
    let on = json!({"version": 2, "enabled": true, "description": null});
    let on = admin.patch(&path, &on).await.expect(200).unwrap();
    assert!(on["description"].is_null() && on["disabledReason"].is_null(), "{on}");
    assert_eq!(taken(&endpoint, 2).await[1].event()["type"], "user.registered");

    assert_eq!(admin.delete(&path).await.status, 204);
    for path in [path.clone(), format!("{path}/deliveries")] {
        assert_eq!(problem(&admin.get(&path).await), (404, "not-found".into()));
    }
    assert_eq!(problem(&admin.delete(&path).await), (404, "not-found".into()));
    shop.customer("grace").await;
    admin.events("&types=user.registered", 3).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(endpoint.heard().len(), 2, "nothing more comes");
}

#[tokio::test]
async fn only_success_is_success_and_what_was_given_up_can_be_delivered_again() {
    let endpoint = Endpoint::answering(|number, _| match number {
        0 => Reply { header: ("location", "/elsewhere"), ..Reply::status(302) },
        1 => Reply::status(500),
        _ => Reply::status(400),
    })
    .await;
    let shop = shop_for(&[&endpoint], 4);
    let mut admin = shop.admin().await;
    let webhook = admin.webhook(&endpoint.url(), &["product.*"], false).await;
    admin.product("Tea", 5).await;
    let failed = admin.settled(&webhook, "failed", 1).await.remove(0);
    assert_eq!((&failed["attemptCount"], &failed["lastResult"]), (&json!(4), &json!("400")));
    let path = format!("{}/deliveries/{}", path_of(&webhook), failed["id"].as_str().unwrap());
    let whole = admin.get(&path).await.expect(200).unwrap();
    let statuses: Vec<_> =
        whole["attempts"].as_array().unwrap().iter().map(|one| one["status"].as_i64()).collect();
    assert_eq!(statuses, [302, 500, 400, 400].map(Some));
    assert_eq!(whole["attempts"][1]["answer"], "so be it");
    let ids: HashSet<_> = endpoint.heard().into_iter().map(|heard| heard.id).collect();
    assert_eq!(ids.len(), 1, "the same over retries");
    assert!(admin.get(&path_of(&webhook)).await.json()["failingSince"].is_string());

    endpoint.answer(|_, _| Reply::status(200));
    let retried = admin.post(&format!("{path}/retry"), &json!({})).await.expect(200).unwrap();
    assert_eq!(retried["status"], "pending");
    taken(&endpoint, 1).await;
    admin.settled(&webhook, "delivered", 1).await;
    assert!(admin.get(&path_of(&webhook)).await.json()["failingSince"].is_null());

    // An event once more, with the id that it had; and one that is given up, without those that are not.
    let replay = format!("{}/replay", path_of(&webhook));
    let from = json!({"from": "2026-01-01T00:00:00Z"});
    let begun = admin.post(&replay, &from).await.expect(202).unwrap();
    assert_eq!(begun["onlyFailed"], false);
    assert_eq!(taken(&endpoint, 2).await[1].id, taken(&endpoint, 1).await[0].id);
    endpoint.answer(|_, _| Reply::status(500));
    admin.product("Coffee", 5).await;
    admin.settled(&webhook, "failed", 1).await;
    endpoint.answer(|_, _| Reply::status(200));
    let only =
        json!({"from": "2026-01-01T00:00:00Z", "types": ["product.created"], "onlyFailed": true});
    admin.post_under("once", &replay, &only).await.expect(202).unwrap();
    admin.post_under("once", &replay, &only).await.expect(202).unwrap();
    admin.settled(&webhook, "delivered", 3).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(endpoint.taken().len(), 3);
    let backwards = json!({"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"});
    assert_eq!(problem(&admin.post(&replay, &backwards).await), (422, "validation".into()));
}

#[tokio::test]
async fn an_endpoint_that_is_gone_is_asked_no_more_and_that_is_told() {
    let endpoint = Endpoint::answering(|_, _| Reply::status(410)).await;
    let shop = shop_for(&[&endpoint], 4);
    let mut admin = shop.admin().await;
    let webhook = admin.webhook(&endpoint.url(), &["*"], false).await;
    admin.product("Tea", 5).await;
    let told = admin.events("&types=webhook.disabled", 1).await.remove(0);
    assert_eq!(told["subject"], webhook["id"]);
    assert_eq!(told["data"]["disabledReason"], "the endpoint answered 410 Gone");
    let shown = admin.get(&path_of(&webhook)).await.json();
    assert_eq!((&shown["enabled"], &shown["version"]), (&json!(false), &json!(2)));
    assert_eq!(shown["disabledReason"], told["data"]["disabledReason"]);
}

#[tokio::test]
async fn a_secret_is_rotated_and_both_sign_for_a_while() {
    let endpoint = Endpoint::start().await;
    let shop = shop_for(&[&endpoint], 4);
    let mut admin = shop.admin().await;
    let webhook = admin.webhook(&endpoint.url(), &["product.*"], false).await;
    let before = webhook["secret"].as_str().unwrap();
    let path = format!("{}/rotate", path_of(&webhook));
    let overlap = json!({"overlapSeconds": 3600});
    let rotated = admin.post_under("once", &path, &overlap).await.expect(200).unwrap();
    let again = admin.post_under("once", &path, &overlap).await.expect(200).unwrap();
    assert_eq!(rotated, again, "once");
    let after = rotated["secret"].as_str().unwrap();
    assert!(after != before && rotated["previousSecretUntil"].is_string());
    admin.product("Tea", 5).await;
    let both = taken(&endpoint, 1).await.remove(0);
    assert!(both.is_signed_by(before) && both.is_signed_by(after), "{both:?}");
    let rotated = admin.post(&path, &json!({})).await.expect(200).unwrap();
    admin.product("Coffee", 5).await;
    let one = taken(&endpoint, 2).await.remove(1);
    assert!(!one.is_signed_by(after) && one.is_signed_by(rotated["secret"].as_str().unwrap()));
    let refused = admin.post(&path, &json!({"overlapSeconds": 86_401})).await;
    assert_eq!(problem(&refused), (422, "validation".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_endpoint_slows_no_other_and_none_has_more_than_its_share() {
    let slow = Endpoint::answering(|_, _| Reply {
        after: Duration::from_millis(700),
        ..Reply::status(200)
    })
    .await;
    let (quick, ordered) = (
        Endpoint::start().await,
        Endpoint::answering(|number, _| match number % 3 {
            0 => Reply::status(503),
            _ => Reply::status(200),
        })
        .await,
    );
    let shop = shop_for(&[&slow, &quick, &ordered], 4);
    let mut admin = shop.admin().await;
    for (endpoint, is_ordered) in [(&slow, false), (&quick, false), (&ordered, true)] {
        admin.webhook(&endpoint.url(), &["order.*"], is_ordered).await;
    }
    let tea = admin.product("Tea", 1000).await;
    for _ in 0..24 {
        admin.order(&tea, 1).await.expect(201).unwrap();
    }
    let quickly = taken(&quick, 24).await;
    assert!(slow.taken().len() < 24, "the quick one had to wait");
    assert_eq!(quickly.iter().map(|heard| &heard.id).collect::<HashSet<_>>().len(), 24);
    let in_order: Vec<_> = taken(&ordered, 24).await.iter().map(Heard::position).collect();
    assert!(in_order.is_sorted(), "{in_order:?}");
    taken(&slow, 24).await;
    assert_eq!((slow.most(), ordered.most()), (8, 1));
}

#[tokio::test]
async fn an_endpoint_that_takes_its_time_is_asked_once() {
    let endpoint =
        Endpoint::answering(|_, _| Reply { after: Duration::from_secs(6), ..Reply::status(200) })
            .await;
    let shop = shop_for(&[&endpoint], 4);
    let mut admin = shop.admin().await;
    let webhook = admin.webhook(&endpoint.url(), &["product.*"], false).await;
    admin.product("Tea", 5).await;
    let delivered = admin.settled(&webhook, "delivered", 1).await;
    assert_eq!(delivered[0]["attemptCount"], 1);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((endpoint.heard().len(), endpoint.most()), (1, 1));
}

#[tokio::test]
async fn an_endpoint_may_ask_for_rest() {
    let endpoint = Endpoint::answering(|number, _| match number {
        0 => Reply { header: ("retry-after", "2"), ..Reply::status(429) },
        _ => Reply::status(200),
    })
    .await;
    let shop = shop_for(&[&endpoint], 4);
    let mut admin = shop.admin().await;
    admin.webhook(&endpoint.url(), &["product.*"], false).await;
    admin.product("Tea", 5).await;
    let asked = wait_for(SOON, "it was asked", async || endpoint.heard().pop()).await;
    admin.product("Coffee", 5).await;
    let taken = taken(&endpoint, 2).await;
    let seconds = |heard: &Heard| heard.timestamp.parse::<i64>().unwrap();
    let waited = taken.iter().map(|one| seconds(one) - seconds(&asked));
    assert!(waited.clone().all(|waited| waited >= 1), "{:?}", waited.collect::<Vec<_>>());
}

#[tokio::test]
async fn webhooks_are_for_administrators_and_there_are_fifty() {
    let shop = Shop::start();
    let (mut admin, mut seller) = (shop.admin().await, shop.seller("seller").await);
    let webhook = admin.webhook("https://example.com/hooks", &["order.*"], false).await;
    let path = path_of(&webhook);
    let paths = [
        ("GET", "/api/webhooks".to_owned()),
        ("POST", "/api/webhooks".to_owned()),
        ("GET", path.clone()),
        ("PATCH", path.clone()),
        ("DELETE", path.clone()),
        ("POST", format!("{path}/rotate")),
        ("POST", format!("{path}/test")),
        ("POST", format!("{path}/replay")),
        ("GET", format!("{path}/deliveries")),
        ("GET", format!("{path}/deliveries/{}", webhook["id"].as_str().unwrap())),
        ("POST", format!("{path}/deliveries/{}/retry", webhook["id"].as_str().unwrap())),
    ];
    for (method, path) in &paths {
        let answer = seller.send(method, path, &[], "").await;
        assert_eq!(problem(&answer), (403, "forbidden".into()), "{method} {path}");
        let answer = shop.anybody().send(method, path, &[], "").await;
        assert_eq!(problem(&answer), (401, "unauthenticated".into()), "{method} {path}");
    }
    for (method, path) in &paths[9..] {
        let answer = admin.send(method, path, &[], "").await;
        assert_eq!(problem(&answer), (404, "not-found".into()), "{method} {path}");
    }
    for _ in 1..50 {
        admin.webhook("https://example.com/hooks", &["order.*"], false).await;
    }
    let body = json!({"url": "https://example.com/hooks", "types": ["*"]});
    let refused = admin.post("/api/webhooks", &body).await;
    assert_eq!(problem(&refused), (409, "limit-reached".into()));
    let (mut all, mut next) = (HashSet::new(), "/api/webhooks?limit=20".to_owned());
    for count in [20, 20, 10] {
        let page = admin.get(&next).await.expect(200).unwrap();
        let items = page["items"].as_array().unwrap();
        assert_eq!(items.len(), count);
        all.extend(items.iter().map(|item| item["id"].to_string()));
        next = format!(
            "/api/webhooks?limit=20&cursor={}",
            page["nextCursor"].as_str().unwrap_or_default()
        );
    }
    assert_eq!(all.len(), 50);
}
