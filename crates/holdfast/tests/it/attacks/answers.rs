//! What answers say about the shop and to whom: headers, methods, media types, other origins, and faults.

use serde_json::json;

use crate::shop::{Client, Shop, engine, header, items, problem};

const METHODS: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"];

/// OWASP REST Security Cheat Sheet: on every answer, whatever it is.
#[tokio::test]
async fn every_answer_is_guarded() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let tea = admin.product("Tea", 10).await;
    let order = admin.order(&tea, 1).await.expect(201).unwrap();
    let product = crate::shop::path_of(&tea);
    let movements = format!("{product}/stock/movements");
    let order = format!("/api/orders/{}", order["id"].as_str().unwrap());
    for part in ["users", "products", "orders"] {
        for door in shop.doors(part) {
            let mut client = door.anybody();
            client.token.clone_from(&admin.token);
            guarded(&mut client, part, (&product, &movements, &order)).await;
        }
    }
}

async fn guarded(client: &mut Client, part: &str, (product, movements, order): (&str, &str, &str)) {
    let patch = json!({"version": 99, "name": "x"}).to_string();
    let calls = [
        ("users", "GET", "/api/users/me", "", true),
        ("users", "GET", "/api/users/nobody", "", true),
        ("users", "POST", "/api/users/login", "{", true),
        ("products", "GET", product, "", false),
        ("products", "GET", "/api/products?limit=1", "", false),
        ("products", "GET", movements, "", true),
        ("products", "PATCH", product, patch.as_str(), true),
        ("products", "DELETE", "/api/products", "", true),
        ("orders", "GET", "/api/orders", "", true),
        ("orders", "GET", order, "", true),
        ("orders", "POST", "/api/orders", "{}", true),
        ("orders", "GET", "/nowhere", "", true),
        ("users", "GET", "/livez", "", true),
    ];
    for (_, method, path, body, is_private) in calls.iter().filter(|call| call.0 == part) {
        let answer = client.send(method, path, &[], body).await;
        let told = format!("{method} {path}: {:?}", answer.headers);
        assert_eq!(header(&answer, "x-content-type-options"), "nosniff", "{told}");
        assert!(header(&answer, "content-security-policy").contains("frame-ancestors"), "{told}");
        assert!(!header(&answer, "x-request-id").is_empty(), "{told}");
        assert_eq!(
            (header(&answer, "server"), header(&answer, "x-powered-by")),
            ("", ""),
            "{told}"
        );
        let kept = header(&answer, "cache-control");
        assert!(if *is_private { kept == "no-store" } else { kept == "no-cache" }, "{told}");
    }
}

/// RFC 9110 §15.5.6: a method that is not there is refused with those that are, on every path.
#[tokio::test]
async fn methods_that_are_not_there_are_refused() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let document = admin.get("/openapi.json").await.expect(200).unwrap();
    let mut paths: Vec<(String, Vec<String>)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(path, operations)| {
            let methods = operations.as_object().unwrap().keys().map(|key| key.to_uppercase());
            (path.replace("{id}", &admin.id).replace("{code}", "validation"), methods.collect())
        })
        .collect();
    paths.extend(
        ["/openapi.json", "/problems", "/problems/validation"]
            .map(|path| (path.to_owned(), vec!["GET".to_owned()])),
    );
    for (path, declared) in paths {
        let part = path.split('/').nth(2).unwrap_or_default().to_owned();
        for door in shop.doors(&part) {
            let mut client = door.anybody();
            client.token.clone_from(&admin.token);
            refuses_others(&mut client, &path, &declared).await;
        }
    }
    // Screens are at gateways alone.
    for page in ["/docs", "/console", "/shop"] {
        refuses_others(&mut admin, page, &["GET".to_owned()]).await;
    }
}

async fn refuses_others(client: &mut Client, path: &str, declared: &[String]) {
    let is_there = |method: &str| {
        let known = |name: &str| declared.iter().any(|declared| declared == name);
        known(method) || method == "OPTIONS" || (method == "HEAD" && known("GET"))
    };
    for method in METHODS.into_iter().filter(|method| !is_there(method)) {
        let answer = client.send(method, path, &[], "").await;
        assert_eq!(answer.status, 405, "{method} {path}");
        let allowed = header(&answer, "allow");
        let all = declared.iter().all(|known| allowed.contains(known.as_str()));
        assert!(all, "{method} {path}: Allow: {allowed}");
    }
}

#[tokio::test]
async fn media_types_are_those_of_the_api() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    for accept in ["image/*", "image/png", "text/html", "application/xml"] {
        let answer = admin.send("GET", "/api/products", &[("accept", accept)], "").await;
        assert_eq!(problem(&answer), (406, "not-acceptable".into()), "{accept}");
    }
    for media in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "text/json",
        "*/*",
    ] {
        let answer = admin.send("POST", "/api/products", &[("content-type", media)], "{}").await;
        assert_eq!(problem(&answer), (415, "unsupported-media-type".into()), "{media}");
    }
    let token = format!("Bearer {}", admin.token.as_ref().unwrap());
    let untold = format!(
        "POST /api/products HTTP/1.1\r\nhost: shop\r\nauthorization: {token}\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}"
    );
    let (head, _) = super::say(&shop, untold.as_bytes());
    assert!(head.starts_with("http/1.1 415"), "{head}");
    for coding in ["gzip", "br", "zstd", "deflate, gzip"] {
        let answer =
            admin.send("POST", "/api/products", &[("content-encoding", coding)], "{}").await;
        assert_eq!(problem(&answer), (415, "unsupported-media-type".into()), "{coding}");
    }
}

/// Fetch standard, §3.2: no page of another origin reads an answer, and none with credentials.
#[tokio::test]
async fn other_origins_read_nothing() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let own = Shop::start_with(&[
        ("HOLDFAST_CORS_ORIGINS", "https://shop.example"),
        ("HOLDFAST_RATE_LIMITS", "off"),
    ]);
    let mut other = own.anybody();
    for origin in [
        "https://evil.example",
        "null",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "https://shop.example.evil.example",
        "file://",
    ] {
        for (client, path) in [(&mut admin, "/api/users/me"), (&mut other, "/api/products")] {
            let preflight = [
                ("origin", origin),
                ("access-control-request-method", "POST"),
                ("access-control-request-headers", "authorization"),
            ];
            for (method, headers) in [("GET", &preflight[..1]), ("OPTIONS", &preflight[..])] {
                let answer = client.send(method, path, headers, "").await;
                assert_eq!(header(&answer, "access-control-allow-origin"), "", "{method} {origin}");
                assert_eq!(header(&answer, "access-control-allow-credentials"), "");
            }
        }
    }
    for origin in ["http://localhost:5173", "https://shop.example:8443"] {
        let answer = other.send("GET", "/api/products", &[("origin", origin)], "").await;
        assert_eq!(header(&answer, "access-control-allow-origin"), "", "{origin} was not named");
    }
    let answer =
        other.send("GET", "/api/products", &[("origin", "https://shop.example")], "").await;
    assert_eq!(header(&answer, "access-control-allow-origin"), "https://shop.example");
    let ran = crate::shop::run(
        own.folder.path(),
        &["config"],
        &[("HOLDFAST_CORS_ORIGINS".to_owned(), "*".to_owned())],
    );
    assert!(ran.code == 2 && ran.err.contains("cors_origins"), "{ran:?}");
}

/// A fault of ours tells its number and nothing else (RFC 9457 §5), and the process lives.
#[tokio::test]
async fn faults_tell_nothing() {
    if engine() != holdfast_testkit::Engine::Sqlite {
        return;
    }
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let tea = admin.product("Tea", 10).await;
    let order = admin.order(&tea, 1).await.expect(201).unwrap();
    let path = format!("/api/orders/{}", order["id"].as_str().unwrap());
    let database = rusqlite::Connection::open(shop.data().join("holdfast.db")).unwrap();
    database.execute_batch("ALTER TABLE orders RENAME TO gone").unwrap();
    for door in shop.doors("orders") {
        let mut client = door.anybody();
        client.token.clone_from(&admin.token);
        let body = items(&[(&tea, 1)]).to_string();
        for (method, path, body) in [
            ("GET", path.as_str(), ""),
            ("GET", "/api/orders", ""),
            ("POST", "/api/orders", body.as_str()),
        ] {
            let answer = client.send(method, path, &[], body).await;
            let told = String::from_utf8_lossy(&answer.body).into_owned();
            assert!(answer.status.as_u16() >= 500, "{method} {path}: {told}");
            assert_eq!(header(&answer, "content-type"), "application/problem+json");
            assert!(answer.json()["requestId"].is_string(), "{told}");
            for word in
                ["orders ", "SELECT", "sqlite", "table", "/src/", ".rs", "panicked", "rusqlite"]
            {
                assert!(!told.contains(word), "{method} {path} says {word}: {told}");
            }
        }
    }
    database.execute_batch("ALTER TABLE gone RENAME TO orders").unwrap();
    drop(database);
    admin.get("/livez").await.expect(200).unwrap();
    admin.get(&path).await.expect(200).unwrap();
}
