//! Guessing passwords, and keeping others from signing in by it.

use std::time::Duration;

use aws_lc_rs::digest;
use holdfast_client::Answer;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::shop::{Client, PASSWORD, Shop, problem};

/// A shop that believes its proxy where requests come from.
const BEHIND_A_PROXY: [(&str, &str); 2] =
    [("HOLDFAST_TRUSTED_PROXIES", "127.0.0.1"), ("HOLDFAST_WRITES_LIMIT", "100000/1m")];

/// A login from some address of the internet.
async fn log_in(client: &mut Client, address: &str, body: &Value) -> Answer {
    let headers = [("x-forwarded-for", address)];
    client.send("POST", "/api/users/login", &headers, &body.to_string()).await
}

fn login(password: &str) -> Value {
    json!({"username": "ada", "password": password})
}

/// What a client does when it is asked for a proof of work.
fn work(limited: &Answer, password: &str) -> Value {
    let asked = &limited.json()["proofOfWork"];
    let (challenge, bits) = (asked["challenge"].as_str().unwrap(), asked["bits"].as_u64().unwrap());
    let is_done = |nonce: &u64| {
        let text = format!("{challenge}:{nonce}:{password}");
        let hash = digest::digest(&digest::SHA256, text.as_bytes());
        let first = u64::from_be_bytes(*hash.as_ref().first_chunk().unwrap());
        u64::from(first.leading_zeros()) >= bits
    };
    let nonce = (0..).find(is_done).unwrap();
    json!({"challenge": challenge, "nonce": nonce.to_string()})
}

#[tokio::test]
async fn guesses_of_one_address_do_not_shut_the_owner_out() {
    let shop = Shop::start_with(&BEHIND_A_PROXY);
    shop.customer("ada").await;
    let (mut attacker, mut owner) = (shop.anybody(), shop.anybody());
    let mut statuses = Vec::new();
    for number in 0..30 {
        let guess = login(&format!("wrong passphrase {number}"));
        statuses.push(log_in(&mut attacker, "198.51.100.1", &guess).await.status.as_u16());
        if number % 10 == 9 {
            log_in(&mut owner, "203.0.113.5", &login(PASSWORD)).await.expect(200).unwrap();
        }
    }
    assert_eq!(statuses, [vec![401; 10], vec![429; 20]].concat());
    let neighbour = log_in(&mut attacker, "198.51.100.2", &login("wrong passphrase")).await;
    assert_eq!(problem(&neighbour), (401, "invalid-credentials".into()));
}

/// IPv6 gives each subscriber 2^64 addresses, so they count together.
#[tokio::test]
async fn addresses_of_one_network_count_together() {
    let shop = Shop::start_with(&BEHIND_A_PROXY);
    shop.customer("ada").await;
    let mut attacker = shop.anybody();
    for number in 0..10 {
        let address = format!("2001:db8:1:2:{number}::1");
        assert_eq!(log_in(&mut attacker, &address, &login("wrong passphrase")).await.status, 401);
    }
    let limited = log_in(&mut attacker, "2001:db8:1:2:ffff::1", &login("wrong passphrase")).await;
    assert_eq!(problem(&limited), (429, "rate-limited".into()));
    let elsewhere = log_in(&mut attacker, "2001:db8:1:3::1", &login("wrong passphrase")).await;
    assert_eq!(elsewhere.status, 401);
}

#[tokio::test]
async fn guesses_from_everywhere_slow_strangers_and_not_the_owner() {
    let mut settings = BEHIND_A_PROXY.to_vec();
    settings.push(("HOLDFAST_LOGIN_FAILURES_SPREAD_LIMIT", "20/1h"));
    let shop = Shop::start_with(&settings);
    shop.customer("ada").await;
    let (mut attacker, mut owner) = (shop.anybody(), shop.anybody());
    let home = "203.0.113.5";
    let session = log_in(&mut owner, home, &login(PASSWORD)).await.expect(200).unwrap();
    for number in 0..20 {
        let address = format!("198.51.100.{number}");
        assert_eq!(log_in(&mut attacker, &address, &login("wrong passphrase")).await.status, 401);
    }
    let limited = log_in(&mut attacker, "198.51.100.99", &login(PASSWORD)).await;
    assert_eq!(problem(&limited), (429, "rate-limited".into()));

    log_in(&mut owner, home, &login(PASSWORD)).await.expect(200).unwrap();
    let mut on_the_way = login(PASSWORD);
    on_the_way["deviceToken"] = session["deviceToken"].clone();
    log_in(&mut owner, "192.0.2.1", &on_the_way).await.expect(200).unwrap();
    let mut new_device = login(PASSWORD);
    new_device["proofOfWork"] = work(&limited, PASSWORD);
    log_in(&mut owner, "192.0.2.2", &new_device).await.expect(200).unwrap();

    let mut other_guess = login("another passphrase");
    other_guess["proofOfWork"] = new_device["proofOfWork"].clone();
    let refused = log_in(&mut attacker, "198.51.100.98", &other_guess).await;
    assert_eq!(problem(&refused), (429, "rate-limited".into()), "work is for one guess");
    let mut stolen = json!({"username": "eve", "password": PASSWORD});
    stolen["deviceToken"] = session["deviceToken"].clone();
    assert_eq!(log_in(&mut attacker, "198.51.100.97", &stolen).await.status, 401);
}

#[tokio::test]
async fn guesses_at_the_current_password_are_limited() {
    let shop = Shop::start_with(&BEHIND_A_PROXY);
    let mut ada = shop.customer("ada").await;
    let wrong = json!({"currentPassword": "wrong", "newPassword": "a new passphrase"});
    let mut statuses = Vec::new();
    for number in 0..12_u32 {
        let refused = match number % 2 {
            0 => ada.put("/api/users/me/password", &wrong).await,
            _ => ada.post("/api/users/me/delete", &json!({"password": "wrong"})).await,
        };
        statuses.push(refused.status.as_u16());
    }
    assert_eq!(statuses, [vec![422; 10], vec![429; 2]].concat());
}

/// Hashing a password costs 26 ms: nobody gets that for a token that is none, and nobody gets more of it than others.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_resets_and_logins_keeps_nobody_from_signing_in() {
    let shop = Shop::start();
    shop.customer("ada").await;
    let resets: Vec<_> = (0..170)
        .map(|number: u32| {
            let mut client = shop.anybody();
            tokio::spawn(async move {
                let body = json!({"resetToken": "A".repeat(43), "newPassword": "a new passphrase"});
                let key = number.to_string();
                let answer = client.post_under(&key, "/api/users/password-reset", &body).await;
                answer.status.as_u16()
            })
        })
        .collect();
    for _ in 0..8 {
        shop.sign_in("ada", PASSWORD).await;
    }
    for reset in resets {
        assert_eq!(reset.await.unwrap(), 422);
    }

    let shop = Shop::start_with(&[BEHIND_A_PROXY[0], ("HOLDFAST_RATE_LIMITS", "off")]);
    shop.customer("ada").await;
    let flood: Vec<_> = (0..200)
        .map(|_| {
            let mut client = shop.anybody();
            tokio::spawn(async move {
                log_in(&mut client, "198.51.100.1", &login("wrong passphrase")).await
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let asked = Instant::now();
    log_in(&mut shop.anybody(), "203.0.113.5", &login(PASSWORD)).await.expect(200).unwrap();
    let waited = asked.elapsed();
    let mut refused = 0;
    for guess in flood {
        let answer = guess.await.unwrap();
        refused += u32::from(problem(&answer) == (503, "overloaded".into()));
    }
    assert!(refused > 0, "the control: the flood was more than the queue takes");
    assert!(waited < Duration::from_secs(1), "the owner waited for {waited:?}");
}

#[tokio::test]
async fn names_that_look_like_those_of_staff_are_refused() {
    let shop = Shop::start();
    let mut anybody = shop.anybody();
    for (username, expected) in [
        ("аdmin", (422, "validation")),
        ("adrnin", (409, "username-taken")),
        ("Admin", (409, "username-taken")),
        ("administrator", (201, "")),
    ] {
        let body = json!({"username": username, "password": PASSWORD});
        let answer = anybody.post("/api/users/register", &body).await;
        assert_eq!(problem(&answer), (expected.0, expected.1.to_owned()), "{username}");
    }
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let body = json!({"password": crate::shop::ADMIN_PASSWORD});
    let refused = admin.post("/api/users/me/delete", &body).await;
    assert_eq!(problem(&refused), (403, "forbidden".into()));
    admin.get("/api/users/me").await.expect(200).unwrap();
}
