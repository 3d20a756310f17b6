//! Other people's orders, other people's rights, and headers that claim to be somebody (OWASP API Security Top 10 of
//! 2023: API1, API3 and API5).

use std::{collections::HashSet, time::Duration};

use holdfast_types::{Clock, Random};
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use crate::shop::{Client, PASSWORD, Shop, items, path_of, problem};

/// A problem without what differs from request to request.
fn told(answer: &holdfast_client::Answer) -> Value {
    let mut told = answer.json();
    told.as_object_mut().map(|told| told.remove("requestId"));
    told
}

/// An id that nobody has.
fn stranger() -> Uuid {
    Random::system().uuid_v7(Clock::system().now())
}

/// What is somebody else's looks as if it were not there, to the eye and to the clock.
#[tokio::test]
async fn orders_of_others_are_not_there() {
    let shop = Shop::start();
    let (mut ada, eve) = (shop.customer("ada").await, shop.customer("eve").await);
    let product = shop.admin().await.product("Tea", 1_000).await;
    let order = ada.order(&product, 1).await.expect(201).unwrap();
    let id = order["id"].as_str().unwrap().to_owned();
    for door in shop.doors("orders") {
        let mut thief = door.anybody();
        thief.token.clone_from(&eve.token);
        for (method, rest, expected) in [
            ("GET", "", 404),
            ("GET", "/events", 404),
            ("POST", "/cancel", 404),
            ("POST", "/pay", 404),
            ("POST", "/ship", 404),
            ("POST", "/deliver", 404),
            ("PUT", "", 405),
            ("PATCH", "", 404),
            ("DELETE", "", 405),
        ] {
            let theirs = thief.send(method, &format!("/api/orders/{id}{rest}"), &[], "").await;
            let nobodys = format!("/api/orders/{}{rest}", stranger());
            let nobodys = thief.send(method, &nobodys, &[], "").await;
            assert_eq!(theirs.status, expected, "{method} {rest} at {}", door.url);
            assert_eq!(told(&theirs), told(&nobodys), "{method} {rest} at {}", door.url);
        }
        let list = thief.get("/api/orders").await.expect(200).unwrap();
        assert_eq!(list["items"], json!([]));
        let other = thief.get(&format!("/api/orders?userId={}", ada.id)).await;
        assert_eq!(problem(&other), (403, "forbidden".into()));
    }
    ada.get(&format!("/api/orders/{id}")).await.expect(200).unwrap();
    let looked = |log: &str| log.matches("authz_fail").count();
    if shop.slots().is_empty() {
        let log = shop.log();
        assert!(looked(&log) >= 1 && log.contains(&id), "the look is in the log: {log}");
    }
}

#[tokio::test]
async fn a_clock_does_not_tell_orders_of_others_from_none() {
    let shop = Shop::start();
    let (mut ada, mut eve) = (shop.customer("ada").await, shop.customer("eve").await);
    let product = shop.admin().await.product("Tea", 1_000).await;
    let order = ada.order(&product, 1).await.expect(201).unwrap();
    let theirs = format!("/api/orders/{}", order["id"].as_str().unwrap());
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..600 {
        let path = match round % 2 {
            0 => theirs.clone(),
            _ => format!("/api/orders/{}", stranger()),
        };
        let began = Instant::now();
        assert_eq!(eve.get(&path).await.status, 404);
        times[round % 2].push(began.elapsed());
    }
    let [theirs, nobodys] = times.map(|mut times| {
        times.sort();
        times[times.len() / 2]
    });
    let apart = theirs.abs_diff(nobodys);
    assert!(apart < Duration::from_micros(500), "{theirs:?} and {nobodys:?}");
}

/// An order belongs to whoever's token it came with.
#[tokio::test]
async fn nobody_orders_for_others() {
    let shop = Shop::start();
    let (ada, eve) = (shop.customer("ada").await, shop.customer("eve").await);
    let product = shop.admin().await.product("Tea", 1_000).await;
    for door in shop.doors("orders") {
        let mut thief = door.anybody();
        thief.token.clone_from(&eve.token);
        let mut body = items(&[(&product, 1)]);
        body["userId"] = json!(ada.id);
        assert_eq!(problem(&thief.post("/api/orders", &body).await), (400, "unknown-field".into()));
        let path = format!("/api/orders?userId={}", ada.id);
        let asked = thief.post(&path, &items(&[(&product, 1)])).await;
        assert_eq!(problem(&asked), (400, "invalid-parameter".into()));
        let claims = ["x-user-id", "x-internal-user", "x-forwarded-user", "x-remote-user"];
        let headers = claims.map(|name| (name, ada.id.as_str()));
        let body = items(&[(&product, 1)]).to_string();
        let order = thief.send("POST", "/api/orders", &headers, &body).await.expect(201).unwrap();
        assert_eq!(order["userId"], json!(eve.id), "at {}", door.url);
    }
}

/// Headers between our own processes mean nothing in a stranger's mouth.
#[tokio::test]
async fn headers_of_our_own_are_not_believed() {
    let shop = Shop::start();
    let mut eve = shop.customer("eve").await;
    let product = shop.admin().await.product("Tea", 1_000).await;
    let operation = stranger().to_string();
    let ours = [
        ("x-internal-secret", "01234567890123456789012345678901"),
        ("x-internal-operation", operation.as_str()),
        ("x-internal-client", "203.0.113.7"),
        ("x-internal-deadline", "0"),
        ("x-forwarded-for", "203.0.113.8"),
        ("forwarded", "for=203.0.113.9"),
    ];
    let body = items(&[(&product, 1)]).to_string();
    let mut ids = HashSet::new();
    for door in shop.doors("orders") {
        let mut client = door.anybody();
        client.token.clone_from(&eve.token);
        for _ in 0..2 {
            let order = client.send("POST", "/api/orders", &ours, &body).await.expect(201).unwrap();
            ids.insert(order["id"].as_str().unwrap().to_owned());
        }
        let internal = client.send("GET", "/internal/ready", &ours, "").await;
        assert_eq!(problem(&internal), (404, "route-not-found".into()), "at {}", door.url);
    }
    assert_eq!(ids.len(), 2 * shop.doors("orders").len(), "an operation was believed");
    eve.token = Some("nonsense".to_owned());
    eve.send("GET", "/api/orders", &ours, "").await.expect(401).unwrap();
    assert!(!shop.log().contains("203.0.113"), "an address was believed: {}", shop.log());
}

/// What somebody may not set is refused, not ignored, and changes nothing.
#[tokio::test]
async fn members_that_nobody_may_set_are_refused() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let product = admin.product("Tea", 10).await;
    let mut ada = shop.customer("ada").await;
    let order = items(&[(&product, 1)]);
    let register = json!({"username": "eve", "password": PASSWORD});
    let new = crate::shop::product("Pot", 1);
    let name = json!({"name": "Ada", "version": 1});
    let before = admin.get(&path_of(&product)).await.json();
    let with = |body: &Value, name: &str, value: &Value| {
        let mut body = body.clone();
        body[name] = value.clone();
        body
    };
    for (name, value) in [
        ("role", json!("admin")),
        ("id", json!(ada.id)),
        ("disabled", json!(false)),
        ("epoch", json!(9)),
        ("__proto__", json!({"role": "admin"})),
    ] {
        let body = with(&register, name, &value);
        let answer = ada.post("/api/users/register", &body).await;
        assert_eq!(problem(&answer), (400, "unknown-field".into()), "register {name}");
    }
    for member in ["userId", "total", "status", "id", "number", "createdAt"] {
        let body = with(&order, member, &json!(ada.id));
        assert_eq!(ada.post("/api/orders", &body).await.status, 400, "order {member}");
        let mut body = order.clone();
        body["items"][0][if member == "total" { "unitPrice" } else { member }] = json!(1);
        assert_eq!(ada.post("/api/orders", &body).await.status, 400, "item {member}");
    }
    for member in ["id", "reserved", "available", "sellerId", "version", "createdAt"] {
        let body = with(&new, member, &json!(1));
        assert_eq!(admin.post("/api/products", &body).await.status, 400, "product {member}");
    }
    for member in ["id", "reserved", "sellerId"] {
        let body = json!({"version": 1, "name": "Other", member: 0});
        assert_eq!(admin.patch(&path_of(&product), &body).await.status, 400, "patch {member}");
    }
    for member in ["role", "disabled", "username", "epoch"] {
        let body = with(&name, member, &json!("admin"));
        assert_eq!(ada.patch("/api/users/me", &body).await.status, 400, "profile {member}");
    }
    assert_eq!(admin.get(&path_of(&product)).await.json(), before, "nothing has changed");
    let me = ada.get("/api/users/me").await.expect(200).unwrap();
    assert_eq!((&me["role"], &me["version"]), (&json!("customer"), &json!(1)));
}

/// Every operation of the document: strangers may not, and customers not what is for staff.
#[tokio::test]
async fn every_operation_asks_who_is_there() {
    let shop = Shop::start_with(&[("HOLDFAST_RATE_LIMITS", "off"), ("HOLDFAST_PAYMENTS", "test")]);
    let (mut admin, mut eve) = (shop.admin().await, shop.customer("eve").await);
    let product = admin.product("Tea", 10).await;
    let order = admin.order(&product, 1).await.expect(201).unwrap();
    let pays = json!({"orderId": order["id"]});
    let payment = admin.post("/api/payments", &pays).await.expect(201).unwrap();
    let wanted = items(&[(&product, 1)]);
    let hold = admin.post("/api/holds", &wanted).await.expect(201).unwrap();
    let document = admin.get("/openapi.json").await.expect(200).unwrap();
    let mut tried = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        let id = match path.split('/').nth(2) {
            Some("products") => product["id"].as_str().unwrap(),
            Some("orders") => order["id"].as_str().unwrap(),
            Some("payments") => payment["id"].as_str().unwrap(),
            Some("holds") => hold["id"].as_str().unwrap(),
            _ => admin.id.as_str(),
        };
        let part = match path.split('/').nth(2).unwrap_or_default() {
            "roles" | "keys" => "users",
            "webhooks" => "events",
            "payments" => "orders",
            "holds" => "products",
            part => part,
        };
        let path = path.replace("{id}", id);
        for (method, operation) in operations.as_object().unwrap() {
            // Some are for strangers too, and say more to whoever has a token: they have tests of their own.
            let schemes = operation["security"].as_array().map_or(&[][..], Vec::as_slice);
            if schemes.is_empty() || schemes.contains(&json!({})) {
                continue;
            }
            tried += 1;
            let method = method.to_uppercase();
            for door in shop.doors(part) {
                let mut stranger = door.anybody();
                let answer = stranger.send(&method, &path, &[], "{").await;
                assert_eq!(problem(&answer), (401, "unauthenticated".into()), "{method} {path}");
            }
            may_not(&shop, &mut eve, (part, &method, &path)).await;
        }
    }
    assert!(tried > 20, "only {tried} operations need a token");
}

/// A customer gets no further than what every customer may do.
async fn may_not(shop: &Shop, eve: &mut Client, (part, method, path): (&str, &str, &str)) {
    let is_everybodys = matches!(path, "/api/orders" | "/api/payments" | "/api/holds");
    if path.starts_with("/api/users/me") || is_everybodys {
        return;
    }
    for door in shop.doors(part) {
        let mut customer = door.anybody();
        customer.token.clone_from(&eve.token);
        let answer = customer.send(method, path, &[("if-match", "\"1\"")], "{}").await;
        let hidden = answer.status == 404;
        assert!(answer.status == 403 || hidden, "{method} {path}: {}", answer.json());
        let is_public = path.starts_with("/api/products");
        assert!(!hidden || !is_public, "products are hidden from nobody");
    }
}
