//! `/api/orders`, row by row.

use std::time::Duration;

use serde_json::{Value, json};

use crate::shop::{Client, PASSWORD, Shop, header, items, problem, product, wait_for, wait_until};

fn path(order: &Value, action: &str) -> String {
    format!("/api/orders/{}{action}", order["id"].as_str().unwrap())
}

async fn step(client: &mut Client, order: &Value, action: &str) -> (u16, String) {
    let answer = client.post(&path(order, &format!("/{action}")), &json!({})).await;
    let body = answer.json();
    (
        answer.status.as_u16(),
        body["status"].as_str().or(body["code"].as_str()).unwrap_or_default().to_owned(),
    )
}

#[tokio::test]
async fn place_and_repeat() {
    let shop = Shop::start();
    let (mut admin, mut ada) = (shop.admin().await, shop.customer("ada").await);
    let (teapot, cup) = (admin.product("Teapot", 3).await, admin.product("Cup", 9).await);
    let mut body = items(&[(&teapot, 1), (&cup, 2), (&teapot, 1)]);
    body["email"] = json!("ada@example.com");
    body["shippingAddress"] = json!({"name": "Ada", "line1": "12 Square", "city": "London", "postalCode": "SW1", "country": "GB"});
    let answer = ada.post_under("k1", "/api/orders", &body).await;
    let order = answer.expect(201).unwrap();
    assert_eq!(
        (header(&answer, "location"), header(&answer, "etag")),
        (path(&order, "").as_str(), "\"1\"")
    );
    assert_eq!(
        (order["status"].as_str(), order["userId"].as_str()),
        (Some("placed"), Some(ada.id.as_str()))
    );
    assert_eq!(order["total"], json!({"amount": 4 * 1999, "currency": "USD"}));
    assert_eq!(order["items"].as_array().unwrap().len(), 2, "items of one product are summed");
    assert_eq!(
        (&order["items"][0]["quantity"], &order["items"][0]["stockSequence"]),
        (&json!(2), &json!(2))
    );
    assert!(order["number"].as_str().unwrap().len() <= 14);
    assert_eq!((admin.stock(&teapot).await, admin.stock(&cup).await), ((3, 2), (9, 2)));

    admin.post(&path(&order, "/pay"), &json!({"reference": "r"})).await.expect(200).unwrap();
    let again =
        ada.send("POST", "/api/orders", &[("idempotency-key", "\"k1\"")], &body.to_string()).await;
    assert_eq!(
        (again.expect(201).unwrap(), header(&again, "idempotent-replayed")),
        (order.clone(), "true"),
        "as it was placed"
    );
    assert_eq!(
        problem(&ada.post_under("k1", "/api/orders", &items(&[(&cup, 1)])).await),
        (422, "idempotency-key-reused".into())
    );
    let mut bob = shop.customer("bob").await;
    assert_ne!(
        bob.post_under("k1", "/api/orders", &items(&[(&cup, 1)])).await.expect(201).unwrap()["id"],
        order["id"]
    );
    assert_eq!(ada.get(&path(&order, "")).await.json()["status"], "paid");
}

#[tokio::test]
async fn reasons_to_refuse() {
    let shop = Shop::start();
    let (mut admin, mut ada) = (shop.admin().await, shop.customer("ada").await);
    let (teapot, cup) = (admin.product("Teapot", 3).await, admin.product("Cup", 9).await);
    let mut euro = product("Euro", 9);
    euro["price"] = json!({"amount": 1_000_000_000_000_i64, "currency": "EUR"});
    euro["quantity"] = json!(1_000_000);
    let euro = admin.post("/api/products", &euro).await.expect(201).unwrap();
    let ghost = json!({"id": "00000000-0000-7000-8000-000000000000"});
    let short = ada.post("/api/orders", &items(&[(&cup, 1), (&teapot, 4)])).await;
    assert_eq!(problem(&short), (409, "insufficient-stock".into()));
    assert_eq!(
        short.json()["items"],
        json!([{"productId": teapot["id"], "requested": 4, "available": 3}])
    );
    let unknown = ada.post("/api/orders", &items(&[(&teapot, 99), (&ghost, 1)])).await;
    assert_eq!(
        (problem(&unknown), &unknown.json()["errors"][0]["pointer"]),
        ((422, "unknown-product".into()), &json!("#/items/1/productId"))
    );
    assert_eq!(
        problem(&ada.post("/api/orders", &items(&[(&teapot, 99), (&euro, 1)])).await),
        (422, "mixed-currencies".into())
    );
    assert_eq!(
        problem(&ada.post("/api/orders", &items(&[(&euro, 1_000_000)])).await),
        (422, "total-too-large".into())
    );
    let mut surprised = items(&[(&teapot, 1)]);
    surprised["expectedTotal"] = json!({"amount": 1, "currency": "USD"});
    let changed = ada.post("/api/orders", &surprised).await;
    assert_eq!(
        (problem(&changed), &changed.json()["total"]["amount"]),
        ((409, "price-changed".into()), &json!(1999))
    );
    surprised["expectedTotal"]["amount"] = json!(1999);
    ada.post("/api/orders", &surprised).await.expect(201).unwrap();
    for (body, pointer) in [
        (json!({"items": []}), "#/items"),
        (json!({}), "#/items"),
        (items(&[(&teapot, 0)]), "#/items/0/quantity"),
        (items(&[(&teapot, 1_000_001)]), "#/items/0/quantity"),
        (items(&[(&teapot, 600_000), (&teapot, 600_000)]), "#/items/0/quantity"),
        (json!({"items": [{"productId": "x", "quantity": 1}]}), "#/items/0/productId"),
        (
            json!({"items": [{"productId": teapot["id"], "quantity": 1}], "shippingAddress": {"name": "", "line1": "x", "city": "x", "postalCode": "x", "country": "GB"}}),
            "#/shippingAddress/name",
        ),
    ] {
        let refused = ada.post("/api/orders", &body).await;
        assert_eq!(problem(&refused), (422, "validation".into()), "{body}");
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer, "{body}");
    }
    assert_eq!(
        problem(&shop.anybody().post("/api/orders", &items(&[(&teapot, 1)])).await),
        (401, "unauthenticated".into())
    );
    assert_eq!(admin.stock(&teapot).await, (3, 1), "refusals took nothing");
}

#[tokio::test]
async fn only_owners_and_administrators_see_an_order() {
    let shop = Shop::start();
    let (mut admin, mut ada, mut eve) =
        (shop.admin().await, shop.customer("ada").await, shop.customer("eve").await);
    let teapot = admin.product("Teapot", 3).await;
    let order = ada.order(&teapot, 1).await.expect(201).unwrap();
    for action in ["", "/events"] {
        assert_eq!(problem(&eve.get(&path(&order, action)).await), (404, "not-found".into()));
        ada.get(&path(&order, action)).await.expect(200).unwrap();
        admin.get(&path(&order, action)).await.expect(200).unwrap();
    }
    assert_eq!(step(&mut eve, &order, "cancel").await, (404, "not-found".into()));
    assert_eq!(step(&mut eve, &order, "pay").await, (404, "not-found".into()));
    assert_eq!(step(&mut ada, &order, "pay").await, (403, "forbidden".into()));
    assert_eq!(
        ada.send("GET", &path(&order, ""), &[("if-none-match", "\"1\"")], "").await.status,
        304
    );
    assert_eq!(eve.get("/api/orders").await.json()["items"], json!([]));
    assert_eq!(ada.get("/api/orders").await.json()["items"][0]["id"], order["id"]);
    assert_eq!(admin.get("/api/orders").await.json()["items"][0]["id"], order["id"]);
    assert_eq!(admin.get("/api/orders?userId=me").await.json()["items"], json!([]));
    assert_eq!(
        admin.get(&format!("/api/orders?userId={}&status=placed", ada.id)).await.json()["items"][0]
            ["id"],
        order["id"]
    );
    assert_eq!(
        problem(&ada.get(&format!("/api/orders?userId={}", eve.id)).await),
        (403, "forbidden".into())
    );
    assert_eq!(
        problem(&ada.get("/api/orders?status=lost").await),
        (400, "invalid-parameter".into())
    );
}

#[tokio::test]
async fn lifecycle_and_history() {
    let shop = Shop::start();
    let (mut admin, mut ada) = (shop.admin().await, shop.customer("ada").await);
    let teapot = admin.product("Teapot", 3).await;
    let order = ada.order(&teapot, 2).await.expect(201).unwrap();
    assert_eq!(step(&mut admin, &order, "ship").await, (409, "invalid-transition".into()));
    for action in ["pay", "pay", "ship", "pay", "deliver", "deliver", "ship"] {
        assert_eq!(step(&mut admin, &order, action).await.0, 200, "{action}");
    }
    let refused = admin.post(&path(&order, "/cancel"), &json!({})).await;
    assert_eq!(
        (problem(&refused), &refused.json()["orderStatus"]),
        ((409, "invalid-transition".into()), &json!("delivered"))
    );
    assert_eq!(admin.stock(&teapot).await, (1, 0), "the units have left");
    let events = ada.get(&path(&order, "/events")).await.json();
    let kinds: Vec<_> = events["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["placed", "paid", "shipped", "delivered"]);
    assert_eq!(
        (&events["items"][0]["by"], &events["items"][1]["by"]),
        (&json!(ada.id), &json!(admin.id))
    );
    let done = ada.get(&path(&order, "")).await.json();
    assert!(["paidAt", "shippedAt", "deliveredAt"].iter().all(|member| done[member].is_string()));
    let bad = admin.post(&path(&order, "/ship"), &json!({"carrier": 7})).await;
    assert_eq!(problem(&bad), (422, "validation".into()));
}

#[tokio::test]
async fn cancelling_eight_times_at_once_returns_the_stock_once() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let teapot = admin.product("Teapot", 5).await;
    admin.order(&teapot, 1).await.expect(201).unwrap();
    let order = admin.order(&teapot, 2).await.expect(201).unwrap();
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let (order, token) = (order.clone(), admin.token.clone());
            let mut client = shop.anybody();
            client.token = token;
            tokio::spawn(async move { step(&mut client, &order, "cancel").await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), (200, "cancelled".into()));
    }
    assert_eq!(admin.stock(&teapot).await, (5, 1));
}

#[tokio::test]
async fn one_key_forty_times_at_once_makes_one_order() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let teapot = admin.product("Teapot", 50).await;
    let calls: Vec<_> = (0..40)
        .map(|_| {
            let (token, body) = (admin.token.clone(), items(&[(&teapot, 1)]));
            let mut client = shop.anybody();
            client.token = token;
            tokio::spawn(async move { client.post_under("one", "/api/orders", &body).await })
        })
        .collect();
    let (mut ids, mut first) = (std::collections::HashSet::new(), 0);
    for call in calls {
        let answer = call.await.unwrap();
        ids.insert(answer.expect(201).unwrap()["id"].as_str().unwrap().to_owned());
        first += u32::from(header(&answer, "idempotent-replayed").is_empty());
    }
    assert_eq!((ids.len(), first, admin.stock(&teapot).await), (1, 1, (50, 1)));
}

#[tokio::test]
async fn unpaid_orders_expire_and_their_stock_returns() {
    let shop =
        Shop::start_with(&[("HOLDFAST_RATE_LIMITS", "off"), ("HOLDFAST_PAYMENT_WINDOW", "1s")]);
    let mut admin = shop.admin().await;
    let teapot = admin.product("Teapot", 5).await;
    let (kept, left) = (
        admin.order(&teapot, 1).await.expect(201).unwrap(),
        admin.order(&teapot, 2).await.expect(201).unwrap(),
    );
    assert!(left["expiresAt"].as_str().unwrap() > left["createdAt"].as_str().unwrap());
    assert_eq!(step(&mut admin, &kept, "pay").await, (200, "paid".into()));
    let (url, token) = (shop.url.clone(), admin.token.clone());
    wait_until(Duration::from_secs(5), "the stock is back", || {
        let mut client = Client {
            connection: holdfast_client::Connection::new(&url),
            token: token.clone(),
            id: String::new(),
        };
        let teapot = teapot.clone();
        async move { client.stock(&teapot).await == (5, 1) }
    })
    .await;
    assert_eq!(admin.get(&path(&left, "")).await.json()["status"], "expired");
    assert_eq!(admin.get(&path(&kept, "")).await.json()["status"], "paid");
    assert_eq!(step(&mut admin, &left, "pay").await, (409, "invalid-transition".into()));
}

/// By number as people type it, by address in any case, by time: what holds, and what a stranger sees of it.
#[tokio::test]
async fn orders_are_found() {
    let shop = Shop::start();
    let (mut admin, mut ada, mut bob) =
        (shop.admin().await, shop.customer("ada").await, shop.customer("bob").await);
    let tea = admin.product("Tea", 100).await;
    let mut placed = Vec::new();
    for email in ["Ada@Example.com", "bob@example.com", "ada@example.com"] {
        let mut body = items(&[(&tea, 1)]);
        body["email"] = json!(email);
        let who = if email.starts_with("bob") { &mut bob } else { &mut ada };
        placed.push(who.post("/api/orders", &body).await.expect(201).unwrap());
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    let [first, of_bob, last] = [0, 1, 2].map(|place| text(&placed[place]["id"]));
    let number = text(&placed[0]["number"]);
    let moment = text(&placed[1]["createdAt"]);
    for (query, expected) in [
        (format!("number={number}"), vec![&first]),
        (format!("number={}", number.replace('-', "").to_lowercase()), vec![&first]),
        (format!("number={number}&status=paid"), vec![]),
        (format!("number={number}&email=bob@example.com"), vec![]),
        ("email=ADA@example.com".into(), vec![&last, &first]),
        ("email=nobody@example.com".into(), vec![]),
        (format!("email=ada@example.com&createdAfter={moment}"), vec![&last]),
        (format!("createdBefore={moment}"), vec![&first]),
        (format!("createdAfter={moment}"), vec![&last, &of_bob]),
        (format!("createdAfter={moment}&createdBefore={moment}"), vec![]),
        (format!("status=placed&createdAfter={moment}&limit=1"), vec![&last]),
    ] {
        let found = admin.get(&format!("/api/orders?{query}")).await.expect(200).unwrap();
        let found: Vec<String> =
            found["items"].as_array().unwrap().iter().map(|order| text(&order["id"])).collect();
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{query}");
    }
    for query in [format!("number={number}"), "email=ada@example.com".into()] {
        let found = bob.get(&format!("/api/orders?{query}")).await.expect(200).unwrap();
        assert_eq!(found["items"], json!([]), "others' orders are not found: {query}");
    }
    for (query, parameter) in [
        ("number=17", "number"),
        ("email=ada", "email"),
        ("createdAfter=yesterday", "createdAfter"),
        ("createdBefore=2026-13-01T00:00:00Z", "createdBefore"),
    ] {
        let refused = admin.get(&format!("/api/orders?{query}")).await;
        assert_eq!(problem(&refused), (400, "invalid-parameter".into()), "{query}");
        assert_eq!(refused.json()["parameter"], parameter);
    }
    // Who goes is not found by their address any more; their orders stay.
    ada.post("/api/users/me/delete", &json!({"password": PASSWORD})).await.expect(204).unwrap();
    wait_for(Duration::from_secs(20), "the buyer is erased", async || {
        let found = admin.get("/api/orders?email=ada@example.com").await.json();
        (found["items"] == json!([])).then_some(())
    })
    .await;
    let found = admin.get(&format!("/api/orders?number={number}")).await.json();
    assert_eq!(found["items"][0]["id"], json!(first));
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
