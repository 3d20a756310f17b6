//! `/api/products`, row by row.

use serde_json::{Value, json};

use crate::shop::{Shop, header, path_of, problem, product};

#[tokio::test]
async fn create_and_read() {
    let shop = Shop::start();
    let mut seller = shop.seller("sam").await;
    let mut body = product("Teapot", 3);
    body["sku"] = json!("TEA-1");
    body["images"] = json!([{"url": "https://example.com/teapot.jpg", "alt": "A teapot"}]);
    body["metadata"] = json!({"colour": "blue"});
    let answer = seller.post_under("k", "/api/products", &body).await;
    let made = answer.expect(201).unwrap();
    assert_eq!(header(&answer, "location"), path_of(&made));
    assert_eq!(
        (made["quantity"].as_i64(), made["reserved"].as_i64(), made["available"].as_i64()),
        (Some(3), Some(0), Some(3))
    );
    assert_eq!(
        (made["status"].as_str(), made["version"].as_i64(), &made["sellerId"]),
        (Some("active"), Some(1), &json!(seller.id))
    );
    let again = seller.post_under("k", "/api/products", &body).await;
    assert_eq!(
        (again.expect(201).unwrap(), header(&again, "idempotent-replayed")),
        (made.clone(), "true")
    );
    assert_eq!(
        problem(&seller.post_under("k", "/api/products", &product("Other", 1)).await),
        (422, "idempotency-key-reused".into())
    );
    assert_eq!(problem(&seller.post("/api/products", &body).await), (409, "sku-taken".into()));

    let mut anybody = shop.anybody();
    let read = anybody.get(&path_of(&made)).await;
    assert_eq!(
        (read.expect(200).unwrap(), header(&read, "cache-control")),
        (made.clone(), "no-cache")
    );
    let etag = header(&read, "etag").to_owned();
    assert_eq!(etag, header(&answer, "etag"));
    let unchanged =
        anybody.send("GET", &path_of(&made), &[("if-none-match", &format!("W/{etag}"))], "").await;
    assert_eq!(
        (unchanged.status.as_u16(), unchanged.body.len(), header(&unchanged, "etag")),
        (304, 0, etag.as_str())
    );
    let head = anybody.send("HEAD", &path_of(&made), &[], "").await;
    assert_eq!(
        (head.status.as_u16(), head.body.len(), header(&head, "etag")),
        (200, 0, etag.as_str())
    );
    assert_eq!(problem(&anybody.get("/api/products/no-uuid").await), (404, "not-found".into()));
    assert_eq!(
        problem(&anybody.post("/api/products", &body).await),
        (401, "unauthenticated".into())
    );
    assert_eq!(
        problem(&shop.customer("cat").await.post("/api/products", &body).await),
        (403, "forbidden".into())
    );
}

#[tokio::test]
async fn invalid_products_are_refused_with_pointers() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let cases = [
        (
            json!({"name": "", "price": {"amount": -1, "currency": "usd"}, "quantity": -1}),
            vec!["#/name", "#/price/amount", "#/quantity", "#/price/currency"],
        ),
        (json!({"name": "x\u{7}", "price": {"amount": 1, "currency": "USD"}}), vec!["#/name"]),
        (
            json!({"name": "x", "price": {"amount": 1_000_000_000_001_i64, "currency": "USD"}}),
            vec!["#/price/amount"],
        ),
        (json!({"name": "x", "price": {"amount": 1.5, "currency": "USD"}}), vec!["#/price/amount"]),
        (json!({"name": "x", "price": {"amount": 1}}), vec!["#/price/currency"]),
        (json!({"price": {"amount": 1, "currency": "USD"}}), vec!["#/name"]),
        (json!({"name": 7, "price": {"amount": 1, "currency": "USD"}}), vec!["#/name"]),
        (
            json!({"name": "x", "price": {"amount": 1, "currency": "USD"}, "quantity": 1_000_000_001}),
            vec!["#/quantity"],
        ),
        (
            json!({"name": "x", "price": {"amount": 1, "currency": "USD"}, "images": [{"url": "ftp://x"}]}),
            vec!["#/images"],
        ),
        (
            json!({"name": "x", "price": {"amount": 1, "currency": "USD"}, "sku": "s".repeat(65)}),
            vec!["#/sku"],
        ),
        (
            json!({"name": "x", "price": {"amount": 1, "currency": "USD"}, "metadata": {"k".repeat(41): "v"}}),
            vec!["#/metadata"],
        ),
    ];
    for (body, expected) in cases {
        let answer = admin.post("/api/products", &body).await;
        assert_eq!(problem(&answer), (422, "validation".into()), "{body}");
        let answer = answer.json();
        let pointers: Vec<_> = answer["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| error["pointer"].as_str().unwrap())
            .collect();
        assert_eq!(pointers, expected, "{body}");
    }
    let unknown = json!({"name": "x", "price": {"amount": 1, "currency": "USD"}, "colour": "blue"});
    assert_eq!(
        problem(&admin.post("/api/products", &unknown).await),
        (400, "unknown-field".into())
    );
}

#[tokio::test]
async fn put_replaces_and_keeps_the_quantity() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let mut body = product("Teapot", 3);
    body["description"] = json!("Holds tea");
    let made = admin.post("/api/products", &body).await.expect(201).unwrap();
    let path = path_of(&made);

    let mut got = admin.get(&path).await.expect(200).unwrap();
    got["name"] = json!("Kettle");
    got.as_object_mut().unwrap().remove("description");
    got.as_object_mut().unwrap().remove("quantity");
    let answer = admin.put(&path, &got).await;
    let replaced = answer.expect(200).unwrap();
    assert_eq!(
        (replaced["name"].as_str(), replaced.get("description"), replaced["quantity"].as_i64()),
        (Some("Kettle"), None, Some(3))
    );
    assert_eq!(
        (replaced["version"].as_i64(), header(&answer, "etag")),
        (Some(2), ""),
        "no entity tag on a PUT answer"
    );

    let stale = admin.put(&path, &got).await;
    assert_eq!(problem(&stale), (409, "version-conflict".into()));
    assert_eq!((&stale.json()["currentVersion"], &stale.json()["current"]), (&json!(2), &replaced));
    got.as_object_mut().unwrap().remove("version");
    assert_eq!(problem(&admin.put(&path, &got).await), (428, "precondition-required".into()));
    let failed = admin.send("PUT", &path, &[("if-match", "\"1-0\"")], &got.to_string()).await;
    assert_eq!(
        (problem(&failed), header(&failed, "etag")),
        ((412, "precondition-failed".into()), "\"2-0\"")
    );
    for tag in ["*", "\"9-9\", \"2-0\""] {
        admin.send("PUT", &path, &[("if-match", tag)], &got.to_string()).await.expect(200).unwrap();
    }
    assert_eq!(
        problem(&admin.send("PUT", &path, &[("if-match", "W/\"2-0\"")], &got.to_string()).await).0,
        412
    );
    assert_eq!(
        problem(&admin.send("PUT", &path, &[("if-match", "2-0")], &got.to_string()).await),
        (400, "invalid-header".into())
    );
    let future = json!({"version": 99, "name": "x", "price": {"amount": 1, "currency": "USD"}});
    assert_eq!(problem(&admin.put(&path, &future).await), (409, "version-conflict".into()));
}

#[tokio::test]
async fn patch_merges_and_conflicts_only_within_a_group() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let mut body = product("Teapot", 3);
    body["metadata"] = json!({"colour": "blue", "size": "L"});
    let made = admin.post("/api/products", &body).await.expect(201).unwrap();
    let path = path_of(&made);
    let changed = admin.patch(&path, &json!({"version": 1, "price": {"amount": 5}, "metadata": {"size": null, "new": "yes"}})).await;
    let product = changed.expect(200).unwrap();
    assert_eq!(product["price"], json!({"amount": 5, "currency": "USD"}));
    assert_eq!(product["metadata"], json!({"colour": "blue", "new": "yes"}));
    assert_eq!(header(&changed, "etag"), "\"2-0\"");
    let restocked =
        admin.patch(&path, &json!({"version": 1, "quantity": 9})).await.expect(200).unwrap();
    assert_eq!((restocked["quantity"].as_i64(), restocked["version"].as_i64()), (Some(9), Some(3)));
    assert_eq!(
        problem(&admin.patch(&path, &json!({"version": 1, "name": "x"})).await),
        (409, "version-conflict".into())
    );
    let renamed = admin
        .send(
            "PATCH",
            &path,
            &[("content-type", "application/merge-patch+json")],
            r#"{"version":2,"name":"Pot"}"#,
        )
        .await;
    renamed.expect(200).unwrap();
    assert_eq!(
        problem(&admin.patch(&path, &json!({"version": 4, "name": null})).await),
        (422, "validation".into())
    );
}

#[tokio::test]
async fn selling_moves_the_tag_and_not_the_version() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let made = admin.product("Teapot", 3).await;
    admin.order(&made, 1).await.expect(201).unwrap();
    let read = admin.get(&path_of(&made)).await;
    assert_eq!(
        (read.json()["version"].as_i64(), read.json()["available"].as_i64()),
        (Some(1), Some(2))
    );
    assert_eq!(header(&read, "etag"), "\"1-1\"");
    admin.patch(&path_of(&made), &json!({"version": 1, "name": "Pot"})).await.expect(200).unwrap();
    let below = admin.patch(&path_of(&made), &json!({"version": 2, "quantity": 0})).await;
    assert_eq!(
        (problem(&below), &below.json()["reserved"]),
        ((409, "below-reserved".into()), &json!(1))
    );
}

#[tokio::test]
async fn stock_commutes_and_is_journaled() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let made = admin.product("Teapot", 3).await;
    let path = format!("{}/stock", path_of(&made));
    let delivery = json!({"delta": 4, "reason": "delivery"});
    admin.post_under("d", &path, &delivery).await.expect(200).unwrap();
    let again = admin.post_under("d", &path, &delivery).await;
    assert_eq!(
        (again.json()["quantity"].as_i64(), header(&again, "idempotent-replayed")),
        (Some(7), "true")
    );
    assert_eq!(
        problem(&admin.post(&path, &json!({"delta": -8, "reason": "lost"})).await),
        (409, "below-reserved".into())
    );
    assert_eq!(
        problem(&admin.post(&path, &json!({"delta": 0, "reason": "x"})).await),
        (422, "validation".into())
    );
    assert_eq!(
        problem(&admin.post(&path, &json!({"delta": 1_000_000_000, "reason": "x"})).await),
        (422, "validation".into())
    );
    let order = admin.order(&made, 2).await.expect(201).unwrap();
    assert_eq!(order["items"][0]["stockSequence"], 3);
    admin
        .post(&format!("/api/orders/{}/cancel", order["id"].as_str().unwrap()), &json!({}))
        .await
        .expect(200)
        .unwrap();
    let journal = admin.get(&format!("{path}/movements?limit=3")).await.expect(200).unwrap();
    let kinds: Vec<_> = journal["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (line["sequence"].as_i64().unwrap(), line["kind"].as_str().unwrap()))
        .collect();
    assert_eq!(kinds, [(1, "creation"), (2, "adjustment"), (3, "reservation")]);
    assert_eq!(
        (&journal["items"][1]["reason"], &journal["items"][2]["orderId"]),
        (&json!("delivery"), &order["id"])
    );
    let rest = admin
        .get(&format!(
            "{path}/movements?limit=3&cursor={}",
            journal["nextCursor"].as_str().unwrap()
        ))
        .await
        .json();
    assert_eq!(
        (rest["items"][0]["kind"].as_str(), &rest["nextCursor"]),
        (Some("release"), &Value::Null)
    );
}

#[tokio::test]
async fn sellers_keep_to_their_own() {
    let shop = Shop::start();
    let (mut sam, mut eve) = (shop.seller("sam").await, shop.seller("eve").await);
    let made = sam.product("Teapot", 3).await;
    let path = path_of(&made);
    assert_eq!(
        problem(&eve.patch(&path, &json!({"version": 1, "name": "x"})).await),
        (403, "forbidden".into())
    );
    assert_eq!(problem(&eve.delete(&format!("{path}?version=1")).await), (403, "forbidden".into()));
    assert_eq!(
        problem(&eve.post(&format!("{path}/stock"), &json!({"delta": 1, "reason": "x"})).await),
        (403, "forbidden".into())
    );
    assert_eq!(
        problem(&eve.get(&format!("{path}/stock/movements")).await),
        (403, "forbidden".into())
    );
    shop.admin().await.patch(&path, &json!({"version": 1, "name": "x"})).await.expect(200).unwrap();
}

#[tokio::test]
async fn archiving() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let mut body = product("Teapot", 3);
    body["sku"] = json!("TEA-1");
    let made = admin.post("/api/products", &body).await.expect(201).unwrap();
    let path = path_of(&made);
    assert_eq!(problem(&admin.delete(&path).await), (428, "precondition-required".into()));
    assert_eq!(
        problem(&admin.delete(&format!("{path}?version=2")).await),
        (409, "version-conflict".into())
    );
    for _ in 0..2 {
        assert_eq!(admin.delete(&format!("{path}?version=1")).await.status, 204);
    }
    // Also where nothing is left to be done.
    let none = admin.delete(&format!("{path}?version=0")).await;
    assert_eq!(problem(&none), (400, "invalid-parameter".into()));
    assert_eq!(admin.get(&path).await.json()["status"], "archived");
    assert_eq!(admin.get("/api/products").await.json()["items"], json!([]));
    assert_eq!(problem(&admin.order(&made, 1).await), (422, "unknown-product".into()));
    assert_eq!(problem(&admin.post("/api/products", &body).await), (409, "sku-taken".into()));
    admin.patch(&path, &json!({"version": 2, "status": "active"})).await.expect(200).unwrap();
    admin.order(&made, 1).await.expect(201).unwrap();
}
