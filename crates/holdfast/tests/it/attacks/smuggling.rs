//! Requests that two readers could take for different ones (RFC 9112 §11.2), and paths that could be spelled past a guard.

use std::{
    io::{Read, Write},
    time::Duration,
};

use serde_json::json;

use super::say;
use crate::shop::{Shop, items};

/// What becomes of bytes on a connection of their own.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// Refused, and hung up.
    Refused,
    /// One request with one answer.
    One,
}

/// What stands after the first headers of a request that carries `inner`.
fn disguises(inner: &str) -> Vec<(&'static str, String, Fate)> {
    use Fate::{One, Refused};
    let all = inner.len();
    vec![
        (
            "CL.TE",
            format!(
                "content-length: {}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{inner}",
                all + 5
            ),
            One,
        ),
        (
            "TE.CL",
            format!("transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n{inner}"),
            One,
        ),
        (
            "TE.TE",
            format!("transfer-encoding: chunked\r\ntransfer-encoding: x\r\n\r\n0\r\n\r\n{inner}"),
            Refused,
        ),
        ("TE unknown", format!("transfer-encoding: xchunked\r\n\r\n0\r\n\r\n{inner}"), Refused),
        ("TE identity", format!("transfer-encoding: identity\r\n\r\n0\r\n\r\n{inner}"), Refused),
        ("TE tab", format!("transfer-encoding:\u{b}chunked\r\n\r\n0\r\n\r\n{inner}"), Refused),
        ("TE space", format!("transfer-encoding : chunked\r\n\r\n0\r\n\r\n{inner}"), Refused),
        (
            "TE twice in one",
            format!("transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n{inner}"),
            Refused,
        ),
        ("CL twice", format!("content-length: 0\r\ncontent-length: {all}\r\n\r\n{inner}"), Refused),
        ("CL list", format!("content-length: 0, {all}\r\n\r\n{inner}"), Refused),
        ("CL plus", format!("content-length: +{all}\r\n\r\n{inner}"), Refused),
        ("CL minus", format!("content-length: -1\r\n\r\n{inner}"), Refused),
        ("CL hex", format!("content-length: 0x5\r\n\r\n{inner}"), Refused),
        ("CL space", format!("content-length : 0\r\n\r\n{inner}"), Refused),
        ("obs-fold", format!("content-length:\r\n 0\r\n\r\n{inner}"), Refused),
        ("bare CR", format!("x: a\rcontent-length: 0\r\n\r\n{inner}"), Refused),
        ("NUL", format!("x: a\0b\r\ncontent-length: 0\r\n\r\n{inner}"), Refused),
        ("chunk size", format!("transfer-encoding: chunked\r\n\r\n-1\r\n\r\n{inner}"), One),
        (
            "chunk size overflow",
            format!("transfer-encoding: chunked\r\n\r\n1ffffffffffffffff\r\n\r\n{inner}"),
            One,
        ),
        (
            "LF in a chunk's extension",
            format!("transfer-encoding: chunked\r\n\r\n0;a\nb\r\n\r\n{inner}"),
            One,
        ),
    ]
}

/// How many answers there are in what the shop said.
fn answers_in(said: &str) -> usize {
    ["200", "400", "401", "404", "415", "422"]
        .map(|status| said.matches(&format!("HTTP/1.1 {status} ")).count())
        .iter()
        .sum()
}

/// Every request here carries another inside, which would place an order.
#[tokio::test]
async fn no_request_hides_in_another() {
    let shop = Shop::start();
    let mut ada = shop.customer("ada").await;
    let tea = shop.admin().await.product("Tea", 1_000).await;
    let body = items(&[(&tea, 1)]).to_string();
    let token = ada.token.clone().unwrap();
    let inner = format!(
        "POST /api/orders HTTP/1.1\r\nhost: shop\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut orders = 0;
    for (name, rest, fate) in disguises(&inner) {
        for request in [
            format!(
                "POST /api/users/login HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\n{rest}"
            ),
            format!("GET /livez HTTP/1.1\r\nhost: shop\r\n{rest}"),
        ] {
            let said = everything(&shop, request.as_bytes());
            assert_eq!(answers_in(&said), 1, "{name}: {said}");
            let refused = said.starts_with("HTTP/1.1 400 ");
            assert!(refused || fate == Fate::One, "{name}: {said}");
        }
    }
    // Controls: what is well-formed is two requests, and places an order.
    for rest in ["content-length: 0\r\n\r\n", "transfer-encoding: chunked\r\n\r\n0;x=y\r\n\r\n"] {
        let said = everything(
            &shop,
            format!("GET /livez HTTP/1.1\r\nhost: shop\r\n{rest}{inner}").as_bytes(),
        );
        assert_eq!(said.matches("HTTP/1.1 20").count(), 2, "{said}");
        orders += 1;
    }
    let list = ada.get("/api/orders?limit=100").await.expect(200).unwrap();
    assert_eq!(list["items"].as_array().unwrap().len(), orders, "an order was smuggled in");
    let mut next = shop.anybody();
    assert_eq!(next.get("/livez").await.json(), json!({"status": "alive"}), "the next client");
}

/// All that the shop says until it hangs up, or has been silent for a while after its first word.
fn everything(shop: &Shop, bytes: &[u8]) -> String {
    let mut stream = super::dial(shop);
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let _ = stream.write_all(bytes);
    let mut first = [0; 1024];
    let mut said = stream.read(&mut first).map_or(Vec::new(), |count| first[..count].to_vec());
    stream.set_read_timeout(Some(Duration::from_millis(750))).unwrap();
    let _ = stream.read_to_end(&mut said);
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn old_and_odd_requests_are_refused_or_one() {
    let shop = Shop::start();
    for (request, status) in [
        ("POST /livez HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("GET /livez HTTP/1.1\nhost: a\nconnection: close\n\n", 200),
        (
            "GET /livez HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            200,
        ),
        ("GET  /livez HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", 400),
        ("GET /livez HTTP/9.9\r\nhost: a\r\nconnection: close\r\n\r\n", 400),
        ("GET /livez\r\n\r\n", 400),
        (
            "GET /livez HTTP/1.1\r\nhost: a\r\nupgrade: h2c\r\nconnection: upgrade, close\r\n\r\n",
            200,
        ),
        (
            "GET /livez HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade, close\r\n\r\n",
            200,
        ),
        ("GET /livez HTTP/1.1\r\nhost: a\r\nexpect: 200-ok\r\nconnection: close\r\n\r\n", 200),
        ("CONNECT shop:443 HTTP/1.1\r\nhost: shop:443\r\nconnection: close\r\n\r\n", 404),
        ("TRACE /livez HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", 405),
        ("GET /livez HTTP/1.1\r\nconnection: close\r\n\r\n", 400),
        ("GET http://elsewhere/api/orders HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", 401),
        ("GET /\0livez HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", 400),
    ] {
        let (head, _) = say(&shop, request.as_bytes());
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{request:?}: {head}");
    }
}

/// No spelling of a path leads where the path does not.
#[tokio::test]
async fn paths_have_one_spelling() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let id = admin.id.clone();
    for path in [
        "//api/orders",
        "/api//orders",
        "/api/./orders",
        "/api/x/../orders",
        "/api/orders/",
        "/api/orders%2f",
        "/%61pi/orders",
        "/api/orders%00",
        "/api/orders;x=1",
        "/API/orders",
        "/api/orders%20",
        "/internal/ready",
        "//internal/ready",
        "/%69nternal/ready",
        "/api/../internal/ready",
        "/internal%2fready",
        "/api/users/../../internal/ready",
        "/api/users/%2e%2e/products",
        "/problems/%ff",
        "/problems/..%2f",
        "/.env",
        "/docs/../../etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/cluster.json",
    ] {
        let answer = admin.get(path).await;
        let found = answer.status.as_u16();
        assert!(matches!(found, 400 | 404), "{path}: {found}");
        assert_eq!(
            crate::shop::header(&answer, "content-type"),
            "application/problem+json",
            "{path}"
        );
    }
    let mut anybody = shop.anybody();
    for path in
        [format!("/api/users/{id}"), format!("/api/users/%{:02x}{}", id.as_bytes()[0], &id[1..])]
    {
        let answer = anybody.get(&path).await;
        assert!(matches!(answer.status.as_u16(), 401 | 404), "{path}: {}", answer.status);
    }
}
