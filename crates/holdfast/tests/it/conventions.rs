//! Conventions of the whole API: headers, CORS, limits, methods.

use serde_json::json;

use crate::shop::{Shop, header, items, problem};

#[tokio::test]
async fn every_answer_has_its_headers() {
    let shop = Shop::start();
    let mut anybody = shop.anybody();
    let answer = anybody.send("GET", "/api/products", &[("x-request-id", "my-id.1")], "").await;
    assert_eq!(
        (header(&answer, "x-request-id"), header(&answer, "x-content-type-options")),
        ("my-id.1", "nosniff")
    );
    let insane = anybody.send("GET", "/api/products", &[("x-request-id", "a b")], "").await;
    assert_ne!(header(&insane, "x-request-id"), "a b");
    let refused = anybody.get("/api/orders").await;
    assert_eq!(refused.json()["requestId"], header(&refused, "x-request-id"));
    assert_eq!(header(&refused, "content-type"), "application/problem+json");
    assert_eq!(refused.json()["type"], "/problems/unauthenticated");
}

#[tokio::test]
async fn methods_and_options() {
    let shop = Shop::start();
    let mut anybody = shop.anybody();
    let answer = anybody.delete("/api/products").await;
    assert_eq!(
        (problem(&answer), header(&answer, "allow")),
        ((405, "method-not-allowed".into()), "GET,HEAD,POST")
    );
    let options = anybody.send("OPTIONS", "/api/products", &[], "").await;
    assert_eq!(
        (options.status.as_u16(), header(&options, "allow"), options.body.len()),
        (204, "GET,HEAD,POST", 0)
    );
    assert_eq!(problem(&anybody.delete("/livez").await), (405, "method-not-allowed".into()));
}

#[tokio::test]
async fn cors_allows_loopback_and_never_credentials() {
    let shop = Shop::start();
    let mut anybody = shop.anybody();
    let ask = |origin: &'static str| {
        [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "idempotency-key,authorization"),
        ]
    };
    let preflight = anybody.send("OPTIONS", "/api/orders", &ask("http://localhost:5173"), "").await;
    assert_eq!(preflight.status, 204);
    assert_eq!(header(&preflight, "access-control-allow-origin"), "http://localhost:5173");
    assert!(header(&preflight, "access-control-allow-headers").contains("idempotency-key"));
    assert_eq!(header(&preflight, "access-control-allow-credentials"), "");
    let foreign = anybody.send("OPTIONS", "/api/orders", &ask("https://evil.example"), "").await;
    assert_eq!(header(&foreign, "access-control-allow-origin"), "");
    let error =
        anybody.send("GET", "/api/orders", &[("origin", "http://127.0.0.1:8080")], "").await;
    assert_eq!(
        (error.status.as_u16(), header(&error, "access-control-allow-origin")),
        (401, "http://127.0.0.1:8080")
    );
    assert!(header(&error, "access-control-expose-headers").contains("etag"));
}

#[tokio::test]
async fn rate_limits_are_told_and_kept() {
    let shop =
        Shop::start_with(&[("HOLDFAST_READS_LIMIT", "3/1m"), ("HOLDFAST_WRITES_LIMIT", "50/1m")]);
    let mut anybody = shop.anybody();
    let first = anybody.get("/api/products").await;
    assert_eq!(
        (header(&first, "ratelimit-policy"), header(&first, "ratelimit")),
        ("\"reads\";q=3;w=60", "\"reads\";r=2;t=20")
    );
    anybody.get("/api/products").await;
    anybody.get("/api/products").await;
    let limited = anybody.get("/api/products").await;
    assert_eq!(problem(&limited), (429, "rate-limited".into()));
    // Twenty seconds, less the time that the four have taken.
    let wait: u32 = header(&limited, "retry-after").parse().unwrap();
    assert!((15..=20).contains(&wait), "{wait}");
    let spoofed =
        anybody.send("GET", "/api/products", &[("x-forwarded-for", "10.1.2.3")], "").await;
    assert_eq!(spoofed.status, 429, "nobody trusts a header of a stranger");
    shop.admin().await.get("/api/products").await.expect(200).unwrap();
}

#[tokio::test]
async fn keys_that_are_no_keys_are_refused() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let teapot = admin.product("Teapot", 5).await;
    let body = items(&[(&teapot, 1)]);
    for key in ["", "\"", "\"open", "with space", &"k".repeat(256)] {
        assert_eq!(
            problem(&admin.post_under(key, "/api/orders", &body).await),
            (400, "invalid-header".into()),
            "{key}"
        );
    }
    admin.post_under(&"k".repeat(255), "/api/orders", &body).await.expect(201).unwrap();
    let headers = [("x-user-id", "admin"), ("x-internal-principal", "admin")];
    assert_eq!(
        shop.anybody().send("POST", "/api/orders", &headers, &body.to_string()).await.status,
        401
    );
    assert_eq!(
        problem(&admin.post("/internal/reserve", &json!({})).await),
        (404, "route-not-found".into())
    );
}
