//! The audit log: what staff and programs change, who answers for it, and who may read that.

use std::time::Duration;

use bytes::Bytes;
use holdfast_client::Connection;
use hyper::Method;
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    crash::assert_check_is_clean,
    keys::program,
    shop::{Client, PASSWORD, Shop, header, is_cluster_run, path_of, problem, wait_for},
    webhooks::Endpoint,
};

/// How long an entry may take to be there.
const SOON: Duration = Duration::from_secs(20);

impl Client {
    /// The audit log as it is now, the newest first, page by page.
    pub(crate) async fn audit_log(&mut self, query: &str) -> Vec<Value> {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/api/audit?limit=3{query}{cursor}");
            let page = self.get(&path).await.expect(200).unwrap();
            found.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return found,
            }
        }
    }

    /// The same as soon as it has so many entries, and no more.
    pub(crate) async fn entries(&mut self, query: &str, count: usize) -> Vec<Value> {
        let found = wait_for(SOON, "the audit log has it", async || {
            let found = self.audit_log(query).await;
            (found.len() >= count).then_some(found)
        })
        .await;
        assert_eq!(found.len(), count, "{found:#?}");
        // What is there twice comes a moment later, if it does.
        tokio::time::sleep(Duration::from_millis(150)).await;
        assert_eq!(self.audit_log(query).await.len(), count);
        found
    }
}

fn actions(entries: &[Value]) -> Vec<&str> {
    entries.iter().rev().map(|entry| entry["action"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_staff_and_programs_change_is_entered_once() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let tea = admin.product("Tea", 10).await;
    let key = admin.key(&["orders:write", "stock:write"], json!({})).await;
    let mut robot = program(&shop, &key);
    // What customers do for themselves is nobody's business.
    let mut ada = shop.customer("ada").await;
    let order = ada.order(&tea, 1).await.expect(201).unwrap();
    ada.post(&format!("/api/orders/{}/cancel", order["id"].as_str().unwrap()), &json!({}))
        .await
        .expect(200)
        .unwrap();

    let stock = format!("{}/stock", path_of(&tea));
    let delta = json!({"delta": 1, "reason": "found"}).to_string();
    let named = [("idempotency-key", "once"), ("x-request-id", "stock-taking-7")];
    for _ in 0..3 {
        let answer = robot.send("POST", &stock, &named, &delta).await;
        assert_eq!((answer.status.as_u16(), header(&answer, "x-request-id")), (200, named[1].1));
    }
    let refused = json!({"delta": -1_000, "reason": "lost"});
    assert_eq!(robot.post(&stock, &refused).await.status, 409);
    let sold = robot.order(&tea, 1).await.expect(201).unwrap();

    let entries = admin.entries("", 4).await;
    let expected = ["create_product", "create_key", "adjust_stock", "place_order"];
    assert_eq!(actions(&entries), expected);
    let of_stock = admin.entries("&action=adjust_stock", 1).await.remove(0);
    assert_eq!(of_stock["requestId"], "stock-taking-7");
    assert_eq!((&of_stock["resourceId"], &of_stock["keyId"]), (&tea["id"], &key["id"]));
    assert_eq!(of_stock["actorId"].as_str(), Some(admin.id.as_str()));
    assert_eq!(of_stock["address"], "127.0.0.1");
    assert_eq!(of_stock["request"].as_str(), Some(format!("POST {stock}").as_str()));

    let by = |name: &str, id: &Value| format!("&{name}={}", id.as_str().unwrap());
    let of_tea = admin.audit_log(&by("resourceId", &tea["id"])).await;
    assert_eq!(actions(&of_tea), ["create_product", "adjust_stock"]);
    assert_eq!(actions(&admin.audit_log(&by("resourceId", &sold["id"])).await), ["place_order"]);
    assert_eq!(actions(&admin.audit_log(&by("resourceId", &key["id"])).await), ["create_key"]);
    let of_key = admin.audit_log(&by("keyId", &key["id"])).await;
    assert_eq!(actions(&of_key), ["adjust_stock", "place_order"]);
    assert_eq!(admin.audit_log(&format!("&actorId={}", admin.id)).await.len(), 4);
    assert_eq!(admin.audit_log(&format!("&actorId={}", ada.id)).await.len(), 0);
    let of_request = admin.audit_log("&requestId=stock-taking-7").await;
    assert_eq!(of_request, std::slice::from_ref(&of_stock));
    let until = by("to", &of_stock["timestamp"]);
    assert_eq!(actions(&admin.audit_log(&until).await), ["create_product", "create_key"]);

    // Each is an event as well.
    let told = admin.events("&types=audit.*", 4).await;
    let found = told.iter().find(|event| event["type"] == "audit.adjust_stock").unwrap();
    assert_eq!((&found["id"], &found["position"]), (&of_stock["id"], &of_stock["position"]));
    for member in ["resourceId", "actorId", "keyId", "address", "requestId", "request"] {
        assert_eq!(found["data"][member], of_stock[member], "{member}");
    }
    assert_check_is_clean(&shop);
}

#[tokio::test]
async fn of_many_products_each_has_its_entry() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let item = |sku: &str| json!({"sku": sku, "name": sku, "price": {"amount": 1, "currency": "EUR"}, "quantity": 1});
    let wrong = json!({"sku": "C", "name": "", "price": {"amount": 1, "currency": "EUR"}});
    let batch =
        json!({"mode": "partial", "overwrite": true, "items": [item("A"), item("B"), wrong]});
    for _ in 0..2 {
        admin.post_under("batch", "/api/products/batch", &batch).await.expect(200).unwrap();
    }
    let entries = admin.entries("&action=write_products", 2).await;
    assert_eq!(entries[0]["requestId"], entries[1]["requestId"]);
    for entry in entries {
        let path = format!("/api/products/{}", entry["resourceId"].as_str().unwrap());
        admin.get(&path).await.expect(200).unwrap();
    }
}

/// Sellers are staff: they answer for what they do.
#[tokio::test]
async fn whoever_may_do_more_than_buy_answers_for_it() {
    let shop = Shop::start();
    let mut eve = shop.seller("eve").await;
    let tea = eve.product("Tea", 1).await;
    let change = json!({"currentPassword": PASSWORD, "newPassword": "an even finer passphrase"});
    assert_eq!(eve.put("/api/users/me/password", &change).await.status, 204);
    let mut admin = shop.admin().await;
    let entries = admin.entries(&format!("&actorId={}", eve.id), 2).await;
    assert_eq!(actions(&entries), ["create_product", "change_password"]);
    assert_eq!(entries[1]["resourceId"], tea["id"]);
    assert_eq!(entries[0]["resourceId"].as_str(), Some(eve.id.as_str()));
    let of_eve = admin.audit_log(&format!("&resourceId={}", eve.id)).await;
    assert_eq!(actions(&of_eve), ["update_user", "change_password"], "what was done to her too");
    assert_eq!(problem(&eve.get("/api/audit").await), (403, "forbidden".into()));
    assert_eq!(shop.anybody().get("/api/audit").await.status, 401);
    for wrong in ["action=Update", "actorId=7", "from=now", "who=me"] {
        let answer = admin.get(&format!("/api/audit?{wrong}")).await;
        assert_eq!(problem(&answer), (400, "invalid-parameter".into()), "{wrong}");
    }
}

#[tokio::test]
async fn who_did_what_is_told_to_administrators_alone() {
    let endpoint = Endpoint::start().await;
    let shop = Shop::start_with(&[
        ("HOLDFAST_RATE_LIMITS", "off"),
        ("HOLDFAST_WEBHOOKS_ALLOWED_HOSTS", &endpoint.place),
    ]);
    let mut admin = shop.admin().await;
    let limited = admin.key(&["events:read", "webhooks:write"], json!({})).await;
    let mut limited = program(&shop, &limited);
    let told = admin.events("&types=audit.*", 1).await.remove(0);
    let forbidden = (403, "forbidden".to_owned());
    let event = format!("/api/events/{}", told["id"].as_str().unwrap());
    for path in [
        "/api/audit",
        "/api/events?types=audit.*",
        "/api/events?types=order.*,audit.create_key",
        "/api/events/stream?types=audit.*",
        &event,
    ] {
        assert_eq!(problem(&limited.get(path).await), forbidden, "{path}");
    }
    let all = limited.get("/api/events").await.expect(200).unwrap();
    assert!(!all.to_string().contains("audit."), "{all}");
    let seen = admin.events("", 2).await;
    assert!(seen.iter().any(|event| event == &told), "administrators read everything");

    let wants = |types: Value| json!({"url": endpoint.url(), "types": types});
    let refused = limited.post("/api/webhooks", &wants(json!(["audit.*"]))).await;
    assert_eq!(problem(&refused), forbidden);
    let theirs = limited.post("/api/webhooks", &wants(json!(["*"]))).await.expect(201).unwrap();
    let theirs = format!("/api/webhooks/{}", theirs["id"].as_str().unwrap());
    let more = json!({"version": 1, "types": ["audit.*"]});
    assert_eq!(problem(&limited.patch(&theirs, &more).await), forbidden);
    let ours = admin.webhook(&endpoint.url(), &["audit.*", "product.*"], false).await;
    let ours = format!("/api/webhooks/{}", ours["id"].as_str().unwrap());
    let away = json!({"version": 1, "url": endpoint.url()});
    assert_eq!(problem(&limited.patch(&ours, &away).await), forbidden);
    let body = json!({}).to_string();
    for (method, path) in
        [("POST", "/rotate"), ("POST", "/test"), ("GET", "/deliveries"), ("DELETE", "")]
    {
        let refused = limited.send(method, &format!("{ours}{path}"), &[], &body).await;
        assert_eq!(problem(&refused), forbidden, "{method} {path}");
    }
    admin.product("Tea", 1).await;
    let deliveries = async |client: &mut Client, path: &str| {
        let path = format!("{path}/deliveries?limit=100&status=delivered");
        let page = client.get(&path).await.expect(200).unwrap();
        let items = page["items"].as_array().unwrap().clone();
        items
            .iter()
            .map(|item| item["event"]["type"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    wait_for(SOON, "both are delivered to", async || {
        let ours = deliveries(&mut admin, &ours).await;
        let theirs = deliveries(&mut limited, &theirs).await;
        let is_done = |types: &[String]| types.iter().any(|one| one == "product.created");
        let hears = ours.iter().any(|one| one == "audit.create_product");
        assert!(!theirs.iter().any(|one| one.starts_with("audit.")), "{theirs:?}");
        (is_done(&theirs) && is_done(&ours) && hears).then_some(())
    })
    .await;
    // What was delivered is still there when it is narrowed, and so is who may see to it.
    let narrow = json!({"version": 1, "types": ["order.*"]});
    assert_eq!(admin.patch(&ours, &narrow).await.expect(200).unwrap()["audit"], true);
    let away = json!({"version": 2, "url": endpoint.url()});
    assert_eq!(problem(&limited.patch(&ours, &away).await), forbidden);
    // Who repeats the types of somebody else's webhook does not let it hear more.
    let same = json!({"version": 1, "types": ["*"], "description": "Theirs"});
    assert_eq!(admin.patch(&theirs, &same).await.expect(200).unwrap()["audit"], false);
    assert_check_is_clean(&shop);
}

/// Units that each clerk adds.
const COUNTED: usize = 25;

/// Adds units, one after the other, and insists on each.
async fn count_in(url: String, token: Option<String>, stock: String, clerk: usize) {
    let mut connection = Connection::new(&url);
    let authorization = format!("Bearer {}", token.unwrap());
    let delta = Bytes::from(json!({"delta": 1, "reason": "found"}).to_string());
    for number in 0..COUNTED {
        let name = format!("take-{clerk}-{number}");
        let headers = [
            ("idempotency-key", name.as_str()),
            ("x-request-id", &name),
            ("authorization", &authorization),
        ];
        // Nobody is done before something was killed.
        tokio::time::sleep(Duration::from_millis(30)).await;
        let deadline = Instant::now() + SOON;
        loop {
            let sent = connection.send(Method::POST, &stock, &headers, delta.clone()).await;
            if sent.is_ok_and(|answer| answer.status == 200) {
                break;
            }
            assert!(Instant::now() < deadline, "{name} is not answered");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// What was acknowledged is entered, once, wherever the shop is killed.
#[tokio::test]
async fn kills_lose_no_entry() {
    // A cluster's address outlives its processes, and starts them anew itself: `torture` kills those.
    if is_cluster_run() {
        return;
    }
    let mut shop = Shop::start();
    let mut admin = shop.admin().await;
    let tea = admin.product("Tea", 0).await;
    let stock = format!("{}/stock", path_of(&tea));
    let clerks: Vec<_> = (0..4)
        .map(|number| {
            tokio::spawn(count_in(shop.url.clone(), admin.token.clone(), stock.clone(), number))
        })
        .collect();
    // Longer and longer, so that everybody comes through whatever the engine takes to come back.
    for pause in [100, 200, 400, 800, 1600] {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        shop.kill_and_restart();
    }
    for clerk in clerks {
        clerk.await.unwrap();
    }
    let entries = admin.entries("&action=adjust_stock", 4 * COUNTED).await;
    let mut requests: Vec<String> =
        entries.iter().map(|entry| entry["requestId"].as_str().unwrap().to_owned()).collect();
    requests.sort();
    requests.dedup();
    assert_eq!(requests.len(), 4 * COUNTED);
    assert_eq!(admin.stock(&tea).await, (100, 0));
    assert_check_is_clean(&shop);
}

/// The id of what has a name is the same each time.
#[tokio::test]
async fn roles_are_found_by_their_names() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let role = json!({"name": "packer", "permissions": ["orders:read"]});
    admin.post("/api/roles", &role).await.expect(201).unwrap();
    let change = json!({"version": 1, "permissions": []});
    admin.patch("/api/roles/packer", &change).await.expect(200).unwrap();
    assert_eq!(admin.delete("/api/roles/packer").await.status, 204);
    let entries = admin.entries("", 3).await;
    assert_eq!(actions(&entries), ["create_role", "update_role", "delete_role"]);
    let id: Uuid = entries[0]["resourceId"].as_str().unwrap().parse().unwrap();
    assert_eq!(admin.audit_log(&format!("&resourceId={id}")).await, entries);
    assert_eq!(entries[1]["request"], "PATCH /api/roles/packer");
}
