//! Every 4xx that a malformed request can earn.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use crate::shop::{Shop, header, problem};

#[tokio::test]
async fn bodies() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for (body, status, code) in [
        ("{", 400, "malformed"),
        ("", 400, "malformed"),
        ("{} {}", 400, "malformed"),
        (deep.as_str(), 400, "malformed"),
        (r#"{"name":"a","name":"b"}"#, 400, "malformed"),
        (r#"{"colour":1}"#, 400, "unknown-field"),
        ("[]", 422, "validation"),
        ("7", 422, "validation"),
    ] {
        let answer = admin
            .send("POST", "/api/products", &[("content-type", "application/json")], body)
            .await;
        assert_eq!(problem(&answer), (status, code.into()), "{body}");
    }
    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(70_000));
    assert_eq!(
        problem(&admin.send("POST", "/api/products", &[], &large).await),
        (413, "content-too-large".into())
    );
    let body = r#"{"username":"a","password":"b"}"#;
    for headers in [
        [("content-type", "text/plain")],
        [("content-encoding", "gzip")],
        [("content-type", "application/json; charset=latin1")],
    ] {
        let answer = shop.anybody().send("POST", "/api/users/login", &headers, body).await;
        assert_eq!(problem(&answer), (415, "unsupported-media-type".into()), "{headers:?}");
    }
}

#[tokio::test]
async fn paths_and_accept() {
    let shop = Shop::start();
    let mut anybody = shop.anybody();
    assert_eq!(problem(&anybody.get("/nowhere").await), (404, "route-not-found".into()));
    assert_eq!(problem(&anybody.get("/api/nothing").await), (404, "route-not-found".into()));
    let long = format!("/api/products?q={}", "x".repeat(9_000));
    assert_eq!(problem(&anybody.get(&long).await), (414, "uri-too-long".into()));
    for (accept, status) in [
        ("text/html", 406),
        ("application/json;q=0", 406),
        ("text/html, */*;q=0.1", 200),
        ("application/*", 200),
    ] {
        assert_eq!(
            anybody.send("GET", "/api/products", &[("accept", accept)], "").await.status,
            status,
            "{accept}"
        );
    }
}

/// Sends raw bytes and returns all that comes back until the server closes or says nothing for a while.
fn raw(shop: &Shop, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(shop.url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn requests_that_two_readers_could_understand_differently() {
    let shop = Shop::start();
    let cases: [(&[u8], &str); 4] = [
        (b"GET /livez HTTP/1.1\r\nconnection: close\r\n\r\n", "HTTP/1.1 400"),
        (b"GET /livez HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n", "HTTP/1.1 400"),
        (b"POST /api/users/login HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n0\r\n\r\n", "HTTP/1.1 400"),
        (b"nonsense\r\n\r\n", "HTTP/1.1 400"),
    ];
    for (request, expected) in cases {
        let answer = raw(&shop, request);
        assert!(answer.starts_with(expected), "{}: {answer}", String::from_utf8_lossy(request));
    }
    let answer = raw(&shop, b"GET /livez HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn revealing_nothing_before_signing_in() {
    let shop = Shop::start();
    let mut anybody = shop.anybody();
    for (method, path) in [
        ("GET", "/api/orders"),
        ("POST", "/api/orders"),
        ("GET", "/api/users"),
        ("PATCH", "/api/users/me"),
        ("POST", "/api/products/batch"),
        ("GET", "/metrics"),
    ] {
        let answer = anybody.send(method, path, &[], "{").await;
        assert_eq!(problem(&answer), (401, "unauthenticated".into()), "{method} {path}");
        assert!(header(&answer, "www-authenticate").starts_with("Bearer"));
    }
}

#[tokio::test]
async fn parameters_that_nobody_knows() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let teapot = admin.product("Teapot", 5).await;
    let product = format!("/api/products/{}", teapot["id"].as_str().unwrap());
    for path in [
        &product,
        "/api/products/categories",
        "/api/users/me",
        "/livez",
        "/readyz",
        "/metrics",
        "/openapi.json",
    ] {
        let refused = admin.get(&format!("{path}?colour=blue")).await;
        assert_eq!(problem(&refused), (400, "invalid-parameter".into()), "{path}");
    }
    let body = crate::shop::product("Pot", 1);
    assert_eq!(
        problem(&admin.post("/api/products?colour=blue", &body).await),
        (400, "invalid-parameter".into())
    );
}

/// How long the server keeps a connection that sends `bytes` and then nothing, and what it says.
fn patience(shop: &Shop, bytes: &'static [u8]) -> std::thread::JoinHandle<(Duration, String)> {
    let address = shop.url.trim_start_matches("http://").to_owned();
    std::thread::spawn(move || {
        let started = tokio::time::Instant::now();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        (started.elapsed(), String::from_utf8_lossy(&answer).into_owned())
    })
}

#[tokio::test]
async fn slow_clients_are_not_waited_for() {
    let shop = Shop::start();
    let silent = patience(&shop, b"");
    let half_preface = patience(&shop, b"PRI * HTTP/2.0\r\n");
    let half_headers = patience(&shop, b"GET /livez HTTP/1.1\r\nhost: a\r\n");
    let half_body = patience(
        &shop,
        b"POST /api/users/login HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{",
    );
    let idle = patience(&shop, b"GET /livez HTTP/1.1\r\nhost: a\r\n\r\n");
    for client in [silent, half_preface, half_headers] {
        let (kept, _) = client.join().unwrap();
        assert!(kept < Duration::from_secs(15), "kept for {kept:?}");
    }
    assert!(!idle.is_finished(), "between two requests there is more time than within one");
    let (kept, answer) = half_body.join().unwrap();
    assert!(
        kept < Duration::from_secs(15) && answer.contains("request-timeout"),
        "{kept:?} {answer}"
    );
}
