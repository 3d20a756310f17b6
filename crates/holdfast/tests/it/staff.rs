//! What only the staff do: notes, tables of orders, what was taken off sale.

use serde_json::json;

use crate::shop::{Shop, header, path_of, problem};

#[tokio::test]
async fn notes_are_for_the_staff_alone() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let tea = admin.product("tea", 5).await;
    let (mut ada, mut eve) = (shop.customer("ada").await, shop.customer("eve").await);
    let order = ada.order(&tea, 1).await.expect(201).unwrap();
    let path = format!("/api/orders/{}", order["id"].as_str().unwrap());
    let note = json!({"version": 1, "note": "Gift: no invoice\nin the parcel."});
    let first = admin.send("PATCH", &path, &[("idempotency-key", "n1")], &note.to_string()).await;
    let noted = first.expect(200).unwrap();
    assert_eq!((&noted["note"], &noted["version"]), (&note["note"], &json!(2)));
    let again = admin.send("PATCH", &path, &[("idempotency-key", "n1")], &note.to_string()).await;
    assert_eq!(
        (again.expect(200).unwrap(), header(&again, "idempotent-replayed")),
        (noted, "true")
    );
    for (client, code) in [(&mut ada, (403, "forbidden")), (&mut eve, (404, "not-found"))] {
        let refused = client.patch(&path, &note).await;
        assert_eq!(problem(&refused), (code.0, code.1.to_owned()));
    }
    // The buyer sees nothing of it, wherever the order is told of.
    let seen = [
        ada.get(&path).await.expect(200).unwrap(),
        ada.get("/api/orders").await.expect(200).unwrap()["items"][0].clone(),
        ada.post(&format!("{path}/cancel"), &json!({})).await.expect(200).unwrap(),
    ];
    assert!(seen.iter().all(|order| order.get("note").is_none()), "{seen:?}");
    // The order was cancelled meanwhile, which does not hold up a note; another note does.
    let other = json!({"version": 2, "note": "Called: wants it back."});
    let changed = admin.patch(&path, &other).await.expect(200).unwrap();
    assert_eq!((&changed["status"], &changed["version"]), (&json!("cancelled"), &json!(4)));
    let stale = admin.patch(&path, &json!({"version": 3, "note": null})).await;
    assert_eq!(problem(&stale), (409, "version-conflict".into()));
    assert_eq!(stale.json()["current"]["note"], other["note"]);
    let same = admin.patch(&path, &json!({"version": 4, "note": other["note"]})).await;
    assert_eq!(same.expect(200).unwrap()["version"], 4, "nothing has changed");
    let cleared = admin.patch(&path, &json!({"version": 4, "note": null})).await;
    assert!(cleared.expect(200).unwrap().get("note").is_none());
    assert_eq!(problem(&admin.patch(&path, &json!({"note": "x"})).await).0, 428);
    for (note, status) in
        [(json!(" "), 422), (json!("a\u{7}"), 422), (json!("a".repeat(2001)), 422)]
    {
        let refused = admin.patch(&path, &json!({"version": 5, "note": note})).await;
        assert_eq!(problem(&refused), (status, "validation".into()));
    }
}

#[tokio::test]
async fn orders_are_exported_as_a_table() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let tea = admin.product("Tea, green", 50).await;
    let mut ada = shop.customer("ada").await;
    for number in 0..3 {
        let body = json!({"items": [{"productId": tea["id"], "quantity": number + 1}], "email": "ada@example.com",
            "shippingAddress": {"name": "=cmd()", "line1": "1 \"Quay\"", "city": "Łódź", "postalCode": "9", "country": "PL"}});
        ada.post("/api/orders", &body).await.expect(201).unwrap();
    }
    let mut path = "/api/orders/csv?limit=2&email=ADA@example.com".to_owned();
    let mut rows: Vec<Vec<String>> = Vec::new();
    for page in 0.. {
        let answer = admin.send("GET", &path, &[("accept", "text/csv")], "").await;
        assert_eq!(answer.status, 200);
        assert_eq!(header(&answer, "content-type"), "text/csv; charset=utf-8; header=present");
        let mut table = csv::Reader::from_reader(&answer.body[..]);
        assert_eq!(&table.headers().unwrap()[0], "number");
        rows.extend(table.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()));
        let link = header(&answer, "link");
        if link.is_empty() {
            assert_eq!(page, 1);
            break;
        }
        path = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
    }
    assert_eq!(rows.len(), 3);
    let newest = &rows[0];
    assert_eq!((&*newest[11], &*newest[12], &*newest[14]), ("'=cmd()", "1 \"Quay\"", "Łódź"));
    assert_eq!((&*newest[18], &*newest[19]), ("3 x Tea, green", "3"));
    assert_eq!(newest[20], (3 * tea["price"]["amount"].as_i64().unwrap()).to_string());
    assert_eq!(problem(&ada.get("/api/orders/csv").await), (403, "forbidden".into()));
    let json = admin.send("GET", "/api/orders/csv", &[("accept", "application/json")], "").await;
    assert_eq!(problem(&json), (406, "not-acceptable".into()));
    let refused = admin.get("/api/orders/csv?status=lost").await;
    assert_eq!(problem(&refused), (400, "invalid-parameter".into()));
}

#[tokio::test]
async fn what_was_taken_off_sale_is_found() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    for (name, category) in [("Green tea", "Tea"), ("Kettle", "Kitchen"), ("Black tea", "Tea")] {
        let body = json!({"name": name, "category": category, "quantity": 1, "price": {"amount": name.len() + usize::from(name == "Green tea"), "currency": "EUR"}});
        let product = admin.post("/api/products", &body).await.expect(201).unwrap();
        if category == "Tea" {
            assert_eq!(admin.delete(&format!("{}?version=1", path_of(&product))).await.status, 204);
        }
    }
    let mut sam = shop.seller("sam").await;
    for (query, expected) in [
        ("status=archived", vec!["Black tea", "Green tea"]),
        ("status=archived&sort=name&limit=1", vec!["Black tea"]),
        ("status=archived&sort=-price", vec!["Green tea", "Black tea"]),
        ("status=archived&q=gre", vec!["Green tea"]),
        ("status=archived&category=Tea&sort=createdAt", vec!["Green tea", "Black tea"]),
        ("status=archived&category=Kitchen", vec![]),
        ("status=archived&currency=EUR&minPrice=9&maxPrice=9", vec!["Black tea"]),
        ("status=active", vec!["Kettle"]),
        ("", vec!["Kettle"]),
    ] {
        let list = sam.get(&format!("/api/products?{query}")).await.expect(200).unwrap();
        let names = list["items"].as_array().unwrap().iter().map(|item| &item["name"]);
        assert_eq!(names.collect::<Vec<_>>(), expected, "{query}");
    }
    let refused = shop.anybody().get("/api/products?status=archived").await;
    assert_eq!(problem(&refused), (401, "unauthenticated".into()));
    let refused = shop.customer("ada").await.get("/api/products?status=archived").await;
    assert_eq!(problem(&refused), (403, "forbidden".into()));
    let refused = sam.get("/api/products?status=gone").await;
    assert_eq!(problem(&refused), (400, "invalid-parameter".into()));
}
