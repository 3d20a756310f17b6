//! Connections that are opened, filled or left unread to keep others out.

use std::{io::Write, net::TcpStream, time::Duration};

use http_body_util::Empty;
use hyper::{Request, body::Bytes, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{dial, say};
use crate::shop::{PASSWORD, Shop, problem, product};

/// What cannot even be parsed is refused like everything else.
#[test]
fn refusals_of_the_parser_are_problems() {
    let shop = Shop::start();
    let many: String = (0..101).map(|number| format!("x-{number}: 1\r\n")).collect();
    let long = format!("x-long: {}\r\n", "x".repeat(64 << 10));
    let path = format!("/{}", "x".repeat(16 << 10));
    let with = |headers: &str| format!("GET /livez HTTP/1.1\r\nhost: shop\r\n{headers}\r\n");
    for (request, status, code) in [
        (with(&many), 431, "headers-too-large"),
        (with(&long), 431, "headers-too-large"),
        (with("x: a\u{1}b\r\n"), 400, "malformed"),
        (with(" folded: 1\r\n"), 400, "malformed"),
        ("GET /livez\u{1} HTTP/1.1\r\n\r\n".to_owned(), 400, "malformed"),
        (format!("GET {path} HTTP/1.1\r\nhost: shop\r\n\r\n"), 414, "uri-too-long"),
    ] {
        let (head, body) = say(&shop, request.as_bytes());
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{head}");
        for header in [
            "content-type: application/problem+json",
            "x-content-type-options: nosniff",
            "connection: close",
            "cache-control: no-store",
        ] {
            assert!(head.contains(header), "{header} is missing: {head}");
        }
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&body["code"], &body["status"]), (&json!(code), &json!(status)));
        assert!(head.contains(&format!("x-request-id: {}", body["requestId"].as_str().unwrap())));
    }
}

#[test]
fn hosts_are_hosts() {
    let shop = Shop::start();
    for (host, status) in [
        ("shop", 200),
        ("[::1]:3000", 200),
        ("127.0.0.1:3000", 200),
        ("a b", 400),
        ("user@shop", 400),
        ("shop/path", 400),
        ("shop\r\nhost: other", 400),
    ] {
        let request = format!("GET /livez HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        let (head, _) = say(&shop, request.as_bytes());
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{host}: {head}");
    }
}

/// One connection that asks for much and reads nothing holds no more memory than it may.
#[tokio::test]
async fn answers_that_are_not_read_are_bounded() {
    let settings = [("HOLDFAST_RATE_LIMITS", "off"), ("HOLDFAST_UNSENT_ANSWERS_LIMIT", "1MiB")];
    let shop = Shop::start_with(&settings);
    let mut admin = shop.admin().await;
    for number in 0..20 {
        let mut large = product(&format!("Product {number}"), 1);
        large["description"] = json!("d".repeat(10_000));
        admin.post("/api/products", &large).await.expect(201).unwrap();
    }
    let stream = tokio::net::TcpStream::connect(shop.url.trim_start_matches("http://"));
    let (mut sender, connection) = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(0)
        .handshake::<_, Empty<Bytes>>(TokioIo::new(stream.await.unwrap()))
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let began = Instant::now();
    let mut unread = Vec::new();
    for _ in 0..32 {
        let request = Request::get(format!("{}/api/products", shop.url));
        let answer = sender.send_request(request.body(Empty::new()).unwrap());
        unread.push(tokio::spawn(answer));
    }
    let ended = tokio::time::timeout(Duration::from_secs(10), connection).await;
    assert!(ended.is_ok(), "it is cut off");
    assert!(began.elapsed() < Duration::from_secs(5), "as soon as it holds too much");
    let list = admin.get("/api/products").await.expect(200).unwrap();
    assert_eq!(list["items"].as_array().unwrap().len(), 20, "others read on");
}

/// Pages end early rather than be large: what is unread is bounded, and so is what a reader has to take.
#[tokio::test]
async fn pages_of_large_items_end_early() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    for number in 0..40 {
        let mut large = product(&format!("Product {number}"), 1);
        large["description"] = json!("d".repeat(10_000));
        admin.post("/api/products", &large).await.expect(201).unwrap();
    }
    let mut path = "/api/products?limit=100&sort=name".to_owned();
    let mut names = Vec::new();
    loop {
        let answer = admin.get(&path).await;
        assert!(answer.body.len() < 300 << 10);
        let page = answer.expect(200).unwrap();
        for item in page["items"].as_array().unwrap() {
            names.push(item["name"].as_str().unwrap().to_owned());
        }
        match page["nextCursor"].as_str() {
            Some(cursor) => path = format!("/api/products?limit=100&sort=name&cursor={cursor}"),
            None => break,
        }
    }
    let mut sorted = names.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!((names.len(), &names), (40, &sorted));
}

/// Connections that do nothing give way to those that come for something.
#[tokio::test]
async fn idle_connections_do_not_shut_the_door() {
    for settings in [
        [("HOLDFAST_CONNECTIONS_LIMIT", "100"), ("HOLDFAST_CONNECTIONS_ADDRESS_LIMIT", "1000")],
        [("HOLDFAST_CONNECTIONS_LIMIT", "1000"), ("HOLDFAST_CONNECTIONS_ADDRESS_LIMIT", "100")],
    ] {
        // In a cluster each gateway has a limit of its own.
        let shop = Shop::start_as(&[], &settings);
        let mut regular = shop.anybody();
        regular.get("/livez").await.expect(200).unwrap();
        let idle: Vec<TcpStream> = (0..300).map(|_| dial(&shop)).collect();
        let slow: Vec<TcpStream> = (0..100)
            .map(|_| {
                let mut stream = dial(&shop);
                let _ = stream.write_all(b"GET /livez HTTP/1.1\r\nho");
                stream
            })
            .collect();
        let began = Instant::now();
        shop.anybody().get("/livez").await.expect(200).unwrap();
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        // Each is closed by its own task, when that comes to run.
        let closed = || idle.iter().filter(|stream| is_closed(stream)).count();
        while closed() < 200 {
            assert!(began.elapsed() < Duration::from_secs(10), "only {} gave way", closed());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        drop(slow);
    }
}

fn is_closed(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    !matches!(stream.peek(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

/// Bodies of strangers have a budget, and one address a share of it.
#[tokio::test]
async fn bodies_that_are_being_received_are_bounded() {
    let settings = [
        ("HOLDFAST_BODIES_LIMIT", "1MiB"),
        ("HOLDFAST_TRUSTED_PROXIES", "127.0.0.1"),
        ("HOLDFAST_RATE_LIMITS", "off"),
    ];
    let shop = Shop::start_as(&[], &settings);
    shop.customer("ada").await;
    let unfinished: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut stream = dial(&shop);
            let head = format!(
                "POST /api/users/login HTTP/1.1\r\nhost: shop\r\nx-forwarded-for: 198.51.100.1\r\ncontent-length: {}\r\n\r\n",
                60 << 10
            );
            stream.write_all(head.as_bytes()).unwrap();
            let _ = stream.write_all(&vec![b' '; 59 << 10]);
            stream
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let login = json!({"username": "ada", "password": PASSWORD}).to_string();
    let login = format!("{login}{}", " ".repeat(40 << 10));
    let mut client = shop.anybody();
    let full = [("x-forwarded-for", "198.51.100.1")];
    let refused = client.send("POST", "/api/users/login", &full, &login).await;
    assert_eq!(problem(&refused), (503, "overloaded".into()));
    let other = [("x-forwarded-for", "203.0.113.5")];
    client.send("POST", "/api/users/login", &other, &login).await.expect(200).unwrap();
    drop(unfinished);
}

/// An address of IPv4 is the same when it comes to a socket of IPv6.
#[tokio::test]
async fn proxies_are_known_on_a_socket_of_both_families() {
    let settings = [
        ("HOLDFAST_LISTEN", "[::]:0"),
        ("HOLDFAST_TRUSTED_PROXIES", "127.0.0.1"),
        ("HOLDFAST_READS_LIMIT", "2/1h"),
    ];
    let mut shop = Shop::start_as(&[], &settings);
    shop.url = shop.url.replace("[::]", "127.0.0.1");
    let mut client = shop.anybody();
    for address in ["198.51.100.1", "198.51.100.2"] {
        let headers = [("x-forwarded-for", address)];
        for expected in [200, 200, 429] {
            let answer = client.send("GET", "/api/products", &headers, "").await;
            assert_eq!(answer.status, expected, "{address}");
        }
    }
}
