//! `/api/products`: lists, searches, categories, batches.

use serde_json::{Value, json};

use crate::shop::{Client, Shop, header, path_of, problem};

async fn stock_shelves(admin: &mut Client) {
    for (number, (name, category)) in
        [("Green tea", "Tea"), ("Black tea", "Tea"), ("Kettle", "Kitchen")].iter().enumerate()
    {
        let amount = 100 * (3 - i64::try_from(number).unwrap());
        let body = json!({"sku": format!("S{number}"), "name": name, "category": category, "quantity": number,
                          "price": {"amount": amount, "currency": "EUR"}});
        admin.post("/api/products", &body).await.expect(201).unwrap();
    }
}

#[tokio::test]
async fn lists() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    stock_shelves(&mut admin).await;
    let cases = [
        ("", vec!["Kettle", "Black tea", "Green tea"]),
        ("?q=&category=&limit=", vec!["Kettle", "Black tea", "Green tea"]),
        ("?sort=createdAt", vec!["Green tea", "Black tea", "Kettle"]),
        ("?sort=name", vec!["Black tea", "Green tea", "Kettle"]),
        ("?sort=-name", vec!["Kettle", "Green tea", "Black tea"]),
        ("?sort=price", vec!["Kettle", "Black tea", "Green tea"]),
        ("?sort=-price", vec!["Green tea", "Black tea", "Kettle"]),
        ("?q=te%20GRE", vec!["Green tea"]),
        ("?category=Tea&inStock=true", vec!["Black tea"]),
        ("?inStock=false", vec!["Green tea"]),
        ("?availableBelow=1", vec!["Green tea"]),
        ("?availableBelow=1000000000&sort=createdAt", vec!["Green tea", "Black tea", "Kettle"]),
        ("?availableBelow=1&inStock=true", vec![]),
        ("?sku=S2", vec!["Kettle"]),
        ("?currency=EUR&minPrice=150&maxPrice=250", vec!["Black tea"]),
        ("?currency=USD", vec![]),
    ];
    for (query, expected) in cases {
        let list = admin.get(&format!("/api/products{query}")).await.expect(200).unwrap();
        let names: Vec<_> = list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, expected, "{query}");
    }
}

#[tokio::test]
async fn pages_and_parameters() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    stock_shelves(&mut admin).await;
    let ids: Vec<_> = admin.get("/api/products").await.json()["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["id"].as_str().unwrap().to_owned())
        .collect();
    let some = admin.get(&format!("/api/products?ids={},{}", ids[0], ids[2])).await.json();
    assert_eq!(some["items"].as_array().unwrap().len(), 2);
    let page = admin.get("/api/products?limit=2&sort=name").await;
    let cursor = page.json()["nextCursor"].as_str().unwrap().to_owned();
    assert_eq!(
        header(&page, "link"),
        format!("</api/products?limit=2&sort=name&cursor={cursor}>; rel=\"next\"")
    );
    let rest = admin.get(&format!("/api/products?limit=2&sort=name&cursor={cursor}")).await.json();
    assert_eq!(
        (rest["items"][0]["name"].as_str(), &rest["nextCursor"]),
        (Some("Kettle"), &Value::Null)
    );
    assert_eq!(
        problem(&admin.get(&format!("/api/products?limit=2&sort=price&cursor={cursor}")).await),
        (400, "invalid-cursor".into())
    );
    for (query, parameter) in [
        ("colour=blue", "colour"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("sort=size", "sort"),
        ("minPrice=1", "currency"),
        ("availableBelow=0", "availableBelow"),
        ("ids=x", "ids"),
        ("q=tea&q=pot", "q"),
    ] {
        let refused = admin.get(&format!("/api/products?{query}")).await;
        assert_eq!(
            (problem(&refused), &refused.json()["parameter"]),
            ((400, "invalid-parameter".into()), &json!(parameter)),
            "{query}"
        );
    }
    let categories = admin.get("/api/products/categories").await.json();
    assert_eq!(
        categories["items"],
        json!([{"name": "Kitchen", "count": 1}, {"name": "Tea", "count": 2}])
    );
}

#[tokio::test]
async fn batches() {
    let shop = Shop::start();
    let mut seller = shop.seller("sam").await;
    let item = |sku: &str, name: &str| json!({"sku": sku, "name": name, "price": {"amount": 1, "currency": "USD"}, "quantity": 5});
    let partial =
        json!({"mode": "partial", "items": [item("A", "a"), item("B", ""), item("C", "c")]});
    let answer = seller.post_under("b1", "/api/products/batch", &partial).await;
    let results = answer.expect(200).unwrap()["results"].clone();
    assert_eq!(
        (&results[0]["status"], &results[1]["status"], &results[2]["status"]),
        (&json!(201), &json!(422), &json!(201))
    );
    assert_eq!(results[1]["problem"]["errors"][0]["pointer"], "#/items/1/name");
    let again = seller.post_under("b1", "/api/products/batch", &partial).await;
    assert_eq!(
        (again.json()["results"].clone(), header(&again, "idempotent-replayed")),
        (results, "true")
    );

    let atomic = json!({"mode": "atomic", "items": [item("D", "d"), item("A", "a2")]});
    assert_eq!(
        problem(&seller.post("/api/products/batch", &atomic).await),
        (428, "precondition-required".into())
    );
    assert_eq!(seller.get("/api/products?sku=D").await.json()["items"], json!([]), "all or none");
    let mut versioned = item("A", "a2");
    versioned["version"] = json!(1);
    let updated = seller
        .post(
            "/api/products/batch",
            &json!({"mode": "atomic", "items": [item("D", "d"), versioned]}),
        )
        .await;
    assert_eq!(
        (
            &updated.json()["results"][1]["status"],
            &updated.json()["results"][1]["product"]["version"]
        ),
        (&json!(200), &json!(2))
    );
    let overwrite = json!({"mode": "atomic", "overwrite": true, "items": [item("A", "a3")]});
    seller.post("/api/products/batch", &overwrite).await.expect(200).unwrap();
    let mut stale = item("A", "a4");
    stale["version"] = json!(1);
    let stale = json!({"mode": "partial", "items": [stale]});
    let refused = seller.post("/api/products/batch", &stale).await.json()["results"][0].clone();
    assert_eq!(
        (&refused["status"], &refused["problem"]["code"], &refused["problem"]["current"]["name"]),
        (&json!(409), &json!("version-conflict"), &json!("a3")),
        "a client can merge and retry"
    );
    let mut other = shop.seller("eve").await;
    assert_eq!(
        problem(&other.post("/api/products/batch", &overwrite).await),
        (409, "sku-taken".into())
    );
    let many: Vec<_> = (0..501).map(|number| item(&format!("M{number}"), "m")).collect();
    assert_eq!(
        problem(
            &seller.post("/api/products/batch", &json!({"mode": "partial", "items": many})).await
        ),
        (422, "validation".into())
    );
    assert_eq!(
        problem(
            &seller.post("/api/products/batch", &json!({"mode": "partial", "items": []})).await
        ),
        (422, "validation".into())
    );
}

/// Answers are kept by what was asked: a list that names a product without a value is a list all the same.
#[tokio::test]
async fn a_kept_answer_is_given_to_the_same_question_only() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let tea = admin.product("Tea", 5).await;
    let (one, all) = (path_of(&tea), format!("/api/products?{}", tea["id"].as_str().unwrap()));
    for _ in 0..2 {
        assert_eq!(admin.get(&all).await.expect(200).unwrap()["items"][0]["id"], tea["id"]);
        let answer = admin.get(&one).await;
        assert!(answer.headers.contains_key("etag"));
        assert_eq!(answer.expect(200).unwrap()["id"], tea["id"]);
    }
    // Whatever is committed is seen at once, on the page and alone.
    for sold in 1..4 {
        admin.order(&tea, 1).await.expect(201).unwrap();
        assert_eq!(admin.stock(&tea).await, (5, sold));
        let page = admin.get(&all).await.expect(200).unwrap();
        assert_eq!(page["items"][0]["available"], 5 - sold);
    }
}

/// What fits best comes first; what was meant is found where one word has one slip.
#[tokio::test]
async fn a_search_shows_the_best_fit_first_and_forgives_a_slip() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    for (name, category, description) in [
        ("Sencha", "Tea", ""),
        ("Kettle", "Kitchen", "For sencha and other green teas."),
        ("Cup for sencha", "Kitchen", ""),
        ("Senchado tray", "Kitchen", ""),
        ("Whisk 12345", "Sencha tools", ""),
    ] {
        let body = json!({"name": name, "category": category, "description": description, "quantity": 1,
            "price": {"amount": 5, "currency": "EUR"}});
        admin.post("/api/products", &body).await.expect(201).unwrap();
    }
    let all = vec!["Sencha", "Cup for sencha", "Senchado tray", "Whisk 12345", "Kettle"];
    let newest = vec!["Whisk 12345", "Senchado tray", "Cup for sencha", "Kettle", "Sencha"];
    for (query, expected) in [
        ("q=sencha&sort=relevance", all.clone()),
        ("q=SENCAH&sort=relevance", all.clone()),
        ("q=senchha&sort=relevance", all),
        ("q=sencha", newest.clone()),
        ("q=sencah", vec![]),
        ("q=cup%20snecha&sort=relevance", vec!["Cup for sencha"]),
        ("q=kettle%20sencha&sort=relevance", vec!["Kettle"]),
        ("q=cpu%20snecha&sort=relevance", vec![]),
        ("q=12346&sort=relevance", vec![]),
        ("q=ketle&sort=relevance&category=Kitchen", vec!["Kettle"]),
        ("q=ketle&sort=relevance&category=Tea", vec![]),
    ] {
        let (mut names, mut path) = (Vec::new(), format!("/api/products?{query}&limit=2"));
        loop {
            let page = admin.get(&path).await.expect(200).unwrap();
            let items = page["items"].as_array().unwrap().iter();
            names.extend(items.map(|item| item["name"].as_str().unwrap().to_owned()));
            let Some(cursor) = page["nextCursor"].as_str() else { break };
            path = format!("/api/products?{query}&limit=2&cursor={cursor}");
        }
        assert_eq!(names, expected, "{query}");
    }
    let refused = admin.get("/api/products?sort=relevance").await;
    assert_eq!(problem(&refused), (400, "invalid-parameter".into()));
}
