//! Clients that take their time, and many of them at once (Slowloris, R-U-Dead-Yet, slow reading), bodies that do not end,
//! and floods that want all the processor.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::json;
use tokio::time::Instant;

use super::{assert_is_open, dial, say};
use crate::shop::{Client, PASSWORD, Shop, product};

/// Sends a piece every half second until the shop hangs up; says how long that took.
fn drip(mut stream: TcpStream, start: &[u8], piece: &[u8]) -> Duration {
    let began = Instant::now();
    let _ = stream.write_all(start);
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    while began.elapsed() < Duration::from_secs(60) {
        if stream.write_all(piece).is_err() || matches!(stream.read(&mut [0; 1024]), Ok(0)) {
            break;
        }
    }
    began.elapsed()
}

const LIMIT: Duration = Duration::from_secs(12);

#[tokio::test]
async fn slow_clients_are_hung_up_on_within_ten_seconds() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    for number in 0..30 {
        let mut large = product(&format!("Product {number}"), 1);
        large["description"] = json!("d".repeat(10_000));
        admin.post("/api/products", &large).await.expect(201).unwrap();
    }
    let start = "POST /api/users/login HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n";
    let headers = [start.as_bytes(), b"x: "].concat();
    let body = [start.as_bytes(), b"content-length: 9999\r\n\r\n"].concat();
    let chunks = [start.as_bytes(), b"transfer-encoding: chunked\r\n\r\n"].concat();
    let mut slow = Vec::new();
    for (start, piece) in [(headers, &b"y"[..]), (body, b" "), (chunks, b"1\r\n \r\n")] {
        let stream = dial(&shop);
        slow.push(std::thread::spawn(move || drip(stream, &start, piece)));
    }
    // Answers of 200 KiB each, and a client that reads none of them: more than sockets hold.
    let mut unread = dial(&shop);
    unread.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
    let ask = "GET /api/products?limit=100 HTTP/1.1\r\nhost: a\r\n\r\n".repeat(100);
    let began = Instant::now();
    let _ = unread.write_all(ask.as_bytes());
    for slow in slow {
        let kept = slow.join().unwrap();
        assert!(kept < LIMIT, "kept for {kept:?}");
    }
    std::thread::sleep(LIMIT.saturating_sub(began.elapsed()));
    // What is in the sockets is still there, and then the end.
    unread.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match unread.read(&mut buffer) {
            Ok(0) => break,
            Ok(_) => assert!(began.elapsed() < 2 * LIMIT, "it goes on"),
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "still open");
                break;
            }
        }
    }
}

/// 3,000 clients that begin and do not end: others come in, and wait hardly longer.
#[tokio::test]
async fn many_slow_clients_hold_nobody_up() {
    let settings =
        [("HOLDFAST_RATE_LIMITS", "off"), ("HOLDFAST_CONNECTIONS_ADDRESS_LIMIT", "100000")];
    let shop = Shop::start_with(&settings);
    let mut buyer = Buyer::new(&shop).await;
    let calm = buyer.p99_of_orders(400).await;
    let mut slow = Vec::new();
    for number in 0..3_000 {
        let mut stream = dial(&shop);
        let start = match number % 3 {
            0 => "GET /livez HTTP/1.1\r\nhost: a\r\nx: ",
            1 => {
                "POST /api/users/login HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 9999\r\n\r\n{"
            }
            _ => "",
        };
        stream.write_all(start.as_bytes()).unwrap();
        slow.push(stream);
    }
    let began = Instant::now();
    let busy = buyer.p99_of_orders(400).await;
    assert_is_open(&shop, "many slow clients");
    assert!(began.elapsed() < Duration::from_secs(9), "while the slow are there");
    assert!(busy < 2 * calm + Duration::from_millis(20), "p99 {calm:?} and {busy:?}");
}

/// Somebody who orders one thing after the other.
struct Buyer {
    client: Client,
    product: serde_json::Value,
}

impl Buyer {
    async fn new(shop: &Shop) -> Self {
        let product = shop.admin().await.product("Tea", 1_000_000).await;
        Self { client: shop.customer("buyer").await, product }
    }

    async fn p99_of_orders(&mut self, orders: usize) -> Duration {
        let mut times = Vec::new();
        for _ in 0..orders {
            let began = Instant::now();
            self.client.order(&self.product, 1).await.expect(201).unwrap();
            times.push(began.elapsed());
        }
        p99_of(times)
    }
}

/// Bodies that do not end, and lengths that lie.
#[tokio::test]
async fn bodies_that_do_not_end_are_not_taken() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let token = admin.token.clone().unwrap();
    let start = |path: &str, rest: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n{rest}\r\n"
        )
    };
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000)).into_bytes();
    for path in ["/api/products", "/api/products/batch", "/api/orders", "/api/users/login"] {
        let mut stream = dial(&shop);
        stream.set_write_timeout(Some(Duration::from_secs(15))).unwrap();
        stream.write_all(start(path, "transfer-encoding: chunked\r\n").as_bytes()).unwrap();
        let mut sent = 0_usize;
        while sent < 1_000 && stream.write_all(&chunk).is_ok() {
            sent += 1;
        }
        assert!(sent < 1_000, "{path} took 64 MiB");
    }
    for (rest, body, statuses) in [
        ("content-length: 18446744073709551615\r\n", "{}", [413, 431]),
        ("content-length: 99999999\r\n", "{}", [413, 413]),
        ("content-length: 2\r\nconnection: close\r\n", "{}{}", [422, 400]),
        ("content-length: 70000\r\n", &"x".repeat(70_000), [413, 413]),
    ] {
        let request = format!("{}{body}", start("/api/products", rest));
        let (head, _) = say(&shop, request.as_bytes());
        let fits = statuses.iter().any(|status| head.starts_with(&format!("http/1.1 {status} ")));
        assert!(fits || (head.is_empty() && body.len() > 60_000), "{rest}: {head}");
    }
    let stranger =
        shop.anybody().send("POST", "/api/products/batch", &[], &"x".repeat(500_000)).await;
    assert_eq!(stranger.status, 401, "no memory before the name");
    admin.get("/api/users/me").await.expect(200).unwrap();
}

/// Wrong passwords by the hundred: buyers wait twice as long at most.
#[tokio::test]
async fn a_flood_of_logins_does_not_slow_orders() {
    let shop = Shop::start();
    let mut buyer = Buyer::new(&shop).await;
    let calm = buyer.p99_of_orders(300).await;
    let flood: Vec<_> = (0..100)
        .map(|number| {
            let mut client = shop.anybody();
            tokio::spawn(async move {
                for round in 0_usize.. {
                    let name = format!("user-{number}-{round}");
                    let body = json!({"username": name, "password": PASSWORD});
                    let answer = client.post("/api/users/login", &body).await;
                    assert!(matches!(answer.status.as_u16(), 401 | 429 | 503), "{}", answer.json());
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let busy = buyer.p99_of_orders(300).await;
    assert!(busy < 2 * calm + Duration::from_millis(30), "p99 {calm:?} and {busy:?}");
    for attacker in flood {
        assert!(!attacker.is_finished(), "the flood has ended");
        attacker.abort();
    }
}

/// Connections that search.
const ATTACKERS: usize = 48;

/// Searches that look at much and find nothing, from everybody that an attacker can be: others read and search on.
#[tokio::test]
async fn lists_that_find_nothing_starve_nobody() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    for batch in 0..16 {
        let of = |number: usize| {
            let mut new = product(&format!("kettle copper {}", batch * 500 + number), 1);
            new["category"] = json!("Kettles");
            new
        };
        let items: Vec<_> = (0..500).map(of).collect();
        let body = json!({"mode": "partial", "items": items});
        let path = "/api/products/batch";
        let made = admin.post(path, &body).await;
        assert!(made.status.is_success(), "{}", made.json());
    }
    let ada = shop.customer("ada").await;
    let (mut reader, mut searcher) = (shop.anybody(), shop.anybody());
    (reader.token, searcher.token) = (ada.token.clone(), ada.token.clone());
    let one = |number| {
        format!("/api/products?q=copper&limit=1&currency=USD&maxPrice={}", 1_000_000 + number)
    };
    let calm = p99(&mut reader, one, 0..30).await;
    let mut attackers = Vec::new();
    for number in 0..6 {
        let token = shop.customer(&format!("eve-{number}")).await.token;
        for _ in 0..ATTACKERS / 6 {
            let mut client = shop.anybody();
            client.token.clone_from(&token);
            attackers.push(tokio::spawn(search(client, attackers.len())));
        }
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    // Six attackers and one who is not: a seventh of the turns.
    let search = p99(&mut searcher, one, 30..60).await;
    assert!(search < 16 * calm + Duration::from_millis(500), "a search: {calm:?} and {search:?}");
    let read = p99(&mut reader, |_| "/api/products/categories".to_owned(), 0..10).await;
    assert!(read < Duration::from_secs(2), "categories: {read:?}");
    for attacker in attackers {
        assert!(!attacker.is_finished(), "the attack has ended");
        attacker.abort();
    }
}

/// Searches for nothing, without end, and never twice for the same: that would be answered at once.
async fn search(mut client: Client, number: usize) {
    for price in (number..).step_by(ATTACKERS) {
        let path =
            format!("/api/products?q=kettle%20copper&currency=EUR&sort=price&maxPrice={price}");
        let status = client.get(&path).await.status.as_u16();
        assert!(matches!(status, 200 | 503), "{status}");
    }
}

async fn p99(
    client: &mut Client,
    path: impl Fn(usize) -> String,
    numbers: std::ops::Range<usize>,
) -> Duration {
    let mut took = Vec::new();
    for number in numbers {
        let began = Instant::now();
        client.get(&path(number)).await.expect(200).unwrap();
        took.push(began.elapsed());
    }
    p99_of(took)
}

fn p99_of(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() * 99 / 100]
}
