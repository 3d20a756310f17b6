//! Input that would like to be a program, or to be more than anybody can take.

use hyper::Method;
use serde_json::{Value, json};

use crate::shop::{PASSWORD, Shop, items, problem, product};

const SPELLS: [&str; 10] = [
    "' OR 1=1 --",
    "\"; DROP TABLE orders; --",
    "') UNION SELECT password_hash FROM users --",
    "{\"$gt\": \"\"}",
    "$where: sleep(1000)",
    "${jndi:ldap://localhost/a}",
    "{{7*7}}",
    "../../etc/passwd",
    "a.b.$c",
    "<script>alert(1)</script>",
];

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// What is text stays text, letter by letter, and finds no more than what is like it.
#[tokio::test]
async fn spells_are_text() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let tea = admin.product("Tea", 100).await;
    for (number, spell) in SPELLS.iter().enumerate() {
        let mut spelled = product(spell, 10);
        spelled["sku"] = json!(format!("S-{number}"));
        spelled["category"] = json!(spell);
        spelled["description"] = json!(spell);
        spelled["metadata"] = json!({"key": spell});
        let made = admin.post("/api/products", &spelled).await.expect(201).unwrap();
        let path = format!("/api/products/{}", made["id"].as_str().unwrap());
        let found = admin.get(&path).await.expect(200).unwrap();
        for member in ["name", "category", "description", "metadata"] {
            assert_eq!(found[member], spelled[member], "{member}");
        }
        let of = admin.get(&format!("/api/products?category={}", encoded(spell))).await;
        let of = of.expect(200).unwrap();
        assert_eq!(of["items"].as_array().unwrap().len(), 1, "{spell}");
        let mut order = items(&[(&tea, 1)]);
        order["metadata"] = json!({"note": spell});
        let order = admin.post("/api/orders", &order).await.expect(201).unwrap();
        assert_eq!(order["metadata"]["note"], json!(spell));
        for parameter in ["sku", "q"] {
            let path = format!("/api/products?{parameter}={}", encoded(&format!("{spell}x9z")));
            let answer = admin.get(&path).await;
            let none = answer.json()["items"].as_array().is_some_and(Vec::is_empty);
            assert!(answer.status == 400 || none, "{path}: {}", answer.json());
        }
        let of_lists = [
            "sort",
            "cursor",
            "ids",
            "currency",
            "minPrice",
            "maxPrice",
            "inStock",
            "availableBelow",
            "limit",
        ];
        for parameter in of_lists {
            let path = format!("/api/products?{parameter}={}", encoded(spell));
            assert_eq!(admin.get(&path).await.status, 400, "{path}");
        }
        for parameter in ["status", "cursor", "limit"] {
            let path = format!("/api/orders?{parameter}={}", encoded(spell));
            assert_eq!(admin.get(&path).await.status, 400, "{path}");
        }
        let login = json!({"username": spell, "password": spell});
        let answer = shop.anybody().post("/api/users/login", &login).await;
        assert!(matches!(answer.status.as_u16(), 401 | 422), "{spell}: {}", answer.json());
    }
    let all = admin.get("/api/products?limit=100").await.expect(200).unwrap();
    assert_eq!(all["items"].as_array().unwrap().len(), SPELLS.len() + 1);
}

/// Objects where texts belong, as databases of documents would take for questions.
#[tokio::test]
async fn operators_are_no_values() {
    let shop = Shop::start();
    let mut ada = shop.customer("ada").await;
    let tea = shop.admin().await.product("Tea", 100).await;
    for value in [json!({"$gt": ""}), json!({"$ne": null}), json!(["ada"]), json!(true), json!(1)] {
        for body in [
            json!({"username": value, "password": PASSWORD}),
            json!({"username": "ada", "password": value}),
        ] {
            for path in ["/api/users/login", "/api/users/register"] {
                assert_eq!(
                    problem(&ada.post(path, &body).await),
                    (422, "validation".into()),
                    "{body}"
                );
            }
        }
        let refresh = json!({"refreshToken": value});
        assert_eq!(ada.post("/api/users/refresh", &refresh).await.status, 422);
        let order = json!({"items": [{"productId": value, "quantity": 1}]});
        assert_eq!(ada.post("/api/orders", &order).await.status, 422, "{order}");
        if value != json!(1) {
            let order = json!({"items": [{"productId": tea["id"], "quantity": value}]});
            assert_eq!(ada.post("/api/orders", &order).await.status, 422, "{order}");
        }
    }
    for path in
        ["/api/products?category[$ne]=x", "/api/products?q[]=a", "/api/orders?status[$ne]=x"]
    {
        let path = path.replace('[', "%5B").replace(']', "%5D");
        assert_eq!(problem(&ada.get(&path).await), (400, "invalid-parameter".into()), "{path}");
    }
}

/// Bodies that parsers stumble over (RFC 8259 §9, RFC 7493 §2).
#[tokio::test]
async fn bodies_that_are_no_documents() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let token = format!("Bearer {}", admin.token.clone().unwrap());
    let deep = |start: &str, end: &str| [start.repeat(10_000), end.repeat(10_000)].concat();
    let nested = format!("{{\"name\":\"a\",\"metadata\":{}}}", deep("{\"a\":", "}"));
    let keys: Vec<String> = (0..3_000).map(|number| format!("\"k{number}\":1")).collect();
    let keys = format!("{{{}}}", keys.join(","));
    let million: String = format!("{{{}\"a\":1}}", "\"k\":1,".repeat(1_000_000));
    let cases: [(Vec<u8>, u16); 16] = [
        (deep("[", "]").into(), 400),
        (deep("{\"a\":", "}").into(), 400),
        (nested.into(), 400),
        (keys.into(), 400),
        (million.into(), 413),
        (b"{\"name\":\"\xff\"}".to_vec(), 400),
        (b"{\"name\":\"\xed\xa0\x80\"}".to_vec(), 400),
        (b"\xef\xbb\xbf{}".to_vec(), 400),
        (b"{}\0".to_vec(), 400),
        (b"{} x".to_vec(), 400),
        (b"{\"name\":\"\\ud800\"}".to_vec(), 400),
        (b"{\"name\":\"a\",\"\\u006eame\":\"b\"}".to_vec(), 400),
        (b"{\"price\":{\"amount\":1,\"amount\":2}}".to_vec(), 400),
        (b"{'name':'a'}".to_vec(), 400),
        (b"{\"quantity\":NaN}".to_vec(), 400),
        (b"{\"quantity\":1e400}".to_vec(), 400),
    ];
    for (body, status) in cases {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let headers = [("authorization", token.as_str())];
        let sent = admin.connection.send(Method::POST, "/api/products", &headers, body.into());
        // Who sends too much is hung up on, perhaps before it has sent all.
        match sent.await {
            Ok(answer) => assert_eq!(answer.status, status, "{shown}: {}", answer.json()),
            Err(_) => assert_eq!(status, 413, "{shown}: hung up"),
        }
    }
    let zero = json!({"name": "a\0b", "price": {"amount": 1, "currency": "EUR"}, "quantity": 1});
    assert_eq!(problem(&admin.post("/api/products", &zero).await), (422, "validation".into()));
}

/// Numbers at the edge of what numbers are.
#[tokio::test]
async fn quantities_are_whole_and_few() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let tea = admin.product("Tea", 5).await;
    let id = tea["id"].as_str().unwrap();
    for quantity in [
        "0",
        "-1",
        "0.5",
        "1000000000000000000",
        "9007199254740993",
        "18446744073709551616",
        "-9223372036854775808",
        "\"1\"",
        "null",
        "true",
        "[1]",
    ] {
        let body = format!("{{\"items\":[{{\"productId\":\"{id}\",\"quantity\":{quantity}}}]}}");
        let answer = admin.send("POST", "/api/orders", &[], &body).await;
        assert_eq!(problem(&answer), (422, "validation".into()), "{quantity}");
        let pointer = answer.json()["errors"][0]["pointer"].clone();
        assert_eq!(pointer, json!("#/items/0/quantity"), "{quantity}");
    }
    // The lines of one product are one demand.
    let twice = items(&[(&tea, 3), (&tea, 3)]);
    assert_eq!(
        problem(&admin.post("/api/orders", &twice).await),
        (409, "insufficient-stock".into())
    );
    assert_eq!(admin.stock(&tea).await, (5, 0));
    let mut dear = product("Dear", 1_000_000);
    dear["price"]["amount"] = json!(999_999_999_999_i64);
    let dear = admin.post("/api/products", &dear).await;
    if dear.status == 201 {
        let answer = admin.order(&dear.json(), 999_999).await;
        assert_eq!(problem(&answer), (422, "total-too-large".into()));
    }
    let order = admin.post("/api/orders", &items(&[(&tea, 2), (&tea, 3)])).await;
    let order = order.expect(201).unwrap();
    assert_eq!(order["items"].as_array().map(Vec::len), Some(1), "{order}");
}

/// A price is the one at the moment of the order, and a client that names another is told (CWE-367).
#[tokio::test]
async fn prices_are_those_of_the_moment() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let tea = admin.product("Tea", 1_000).await;
    let path = crate::shop::path_of(&tea);
    for round in 0_i64..8 {
        let seen = admin.get(&path).await.expect(200).unwrap();
        let price = 100 + round;
        let change =
            json!({"version": seen["version"], "price": {"amount": price, "currency": "USD"}});
        admin.patch(&path, &change).await.expect(200).unwrap();
        let mut order = items(&[(&tea, 2)]);
        let placed = admin.post("/api/orders", &order).await.expect(201).unwrap();
        assert_eq!(placed["total"]["amount"], json!(2 * price));
        order["expectedTotal"] = json!({"amount": 2 * (price - 1), "currency": "USD"});
        let refused = admin.post("/api/orders", &order).await;
        assert_eq!(problem(&refused), (409, "price-changed".into()));
    }
}

/// Lists cost little, however they are asked for.
#[tokio::test]
async fn pages_are_short_and_places_are_cheap() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    admin.product("Tea", 1).await;
    for query in [
        "limit=1000000000",
        "limit=0",
        "limit=-1",
        "limit=101",
        "limit=1e2",
        "offset=1000000",
        "page=7",
        "skip=1",
        "q=%25",
        "q=*",
        "q=_",
        "q=%2a%2a",
        "sort=price,name",
        "limit=1&limit=2",
    ] {
        let answer = admin.get(&format!("/api/products?{query}")).await;
        let code = answer.json()["code"].as_str().unwrap_or_default().to_owned();
        assert_eq!(answer.status, 400, "{query}: {}", answer.json());
        assert_eq!(code, "invalid-parameter", "{query}");
    }
    let value: Value = admin.get("/api/products?limit=100").await.expect(200).unwrap();
    assert_eq!(value["items"].as_array().unwrap().len(), 1);
}
