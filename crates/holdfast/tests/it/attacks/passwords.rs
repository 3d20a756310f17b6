//! What passwords may be, where they end up, and what the time of a login tells.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::shop::{PASSWORD, Shop, engine, problem};

/// NIST SP 800-63B-4: length before anything else, no common ones, and every character counts.
#[tokio::test]
async fn passwords_are_long_and_uncommon_and_count_to_the_end() {
    let shop = Shop::start();
    let mut anybody = shop.anybody();
    let register = |name: &str, password: &str| json!({"username": name, "password": password});
    for (number, password) in [
        "seven77",
        "password",
        "12345678",
        "Password1",
        "QWERTYUIOP",
        "iloveyou1",
        "somebody-6",
        "nul\0nul\0nul",
        &"x".repeat(257),
        &"x".repeat(1_100),
    ]
    .iter()
    .enumerate()
    {
        let body = register(&format!("somebody-{number}"), password);
        let answer = anybody.post("/api/users/register", &body).await;
        assert_eq!(problem(&answer), (422, "validation".into()), "{password:?}");
        assert_eq!(answer.json()["errors"][0]["pointer"], json!("#/password"), "{password:?}");
    }
    let long = |last: &str| format!("{}{last}", "ä".repeat(255));
    let good = ["eight-88".to_owned(), "x".repeat(64), long("y"), "correct 🐴 battery".to_owned()];
    for (number, password) in good.iter().enumerate() {
        let name = format!("good-{number}");
        let answer = anybody.post("/api/users/register", &register(&name, password)).await;
        answer.expect(201).unwrap();
        shop.sign_in(&name, password).await;
    }
    let answer = anybody.post("/api/users/login", &register("good-2", &long("z"))).await;
    assert_eq!(answer.status, 401, "the 256th character counts");
    // Byte by byte: the same letters, composed and not, are two passwords.
    anybody
        .post("/api/users/register", &register("norma", "caf\u{e9} au lait"))
        .await
        .expect(201)
        .unwrap();
    let apart = register("norma", "cafe\u{301} au lait");
    assert_eq!(anybody.post("/api/users/login", &apart).await.status, 401);
}

/// What is longer than a password may be is refused for less than a hash costs.
#[tokio::test]
async fn what_is_too_long_is_not_hashed() {
    let shop = Shop::start();
    shop.customer("ada").await;
    let mut anybody = shop.anybody();
    let mut times = Vec::new();
    for _ in 0..9 {
        let body = json!({"username": "ada", "password": "x".repeat(2_000)});
        let began = Instant::now();
        let answer = anybody.post("/api/users/register", &body).await;
        times.push(began.elapsed());
        assert_eq!(answer.status, 422);
    }
    times.sort();
    assert!(times[4] < Duration::from_millis(15), "{times:?}");
}

/// OWASP Password Storage Cheat Sheet: Argon2id of 19 MiB and two passes, salted one by one.
#[tokio::test]
async fn hashes_are_slow_and_salted() {
    let shop = Shop::start();
    shop.customer("ada").await;
    shop.customer("eve").await;
    if engine() != holdfast_testkit::Engine::Sqlite {
        return;
    }
    let database = rusqlite::Connection::open(shop.data().join("holdfast.db")).unwrap();
    let mut query = database.prepare("SELECT body ->> 'password_hash' FROM users").unwrap();
    let hashes = query.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let hashes: std::collections::HashSet<String> = hashes.map(Result::unwrap).collect();
    assert_eq!(hashes.len(), 3, "two users with one password have two hashes");
    for hash in hashes {
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    }
}

/// Nothing that opens anything is in the log, however much is logged.
#[tokio::test]
async fn secrets_are_not_in_the_log() {
    let canary = "canary-of-the-coal-mine";
    let settings = [("HOLDFAST_RATE_LIMITS", "off"), ("HOLDFAST_LOG", "trace")];
    let shop = Shop::start_with(&settings);
    let mut admin = shop.admin().await;
    let body = json!({"username": "ada", "password": canary});
    let mut ada = shop.anybody();
    ada.post("/api/users/register", &body).await.expect(201).unwrap();
    let session = ada.post("/api/users/login", &body).await.expect(200).unwrap();
    ada.token = session["accessToken"].as_str().map(str::to_owned);
    let again = json!({"refreshToken": session["refreshToken"]});
    let next = ada.post("/api/users/refresh", &again).await.expect(200).unwrap();
    let id = session["user"]["id"].as_str().unwrap();
    let reset = admin.post(&format!("/api/users/{id}/password-reset"), &json!({})).await.json();
    let wrong = json!({"currentPassword": "canary-that-is-wrong", "newPassword": canary});
    ada.put("/api/users/me/password", &wrong).await;
    ada.send("POST", "/api/users/login", &[], &body.to_string()[1..]).await;
    ada.get("/api/users/me").await.expect(200).unwrap();
    // Logs are written by a thread of their own.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let log = shop.log();
    assert!(log.matches("answered").count() > 5, "control: much is logged");
    let secret = |value: &serde_json::Value| value.as_str().unwrap_or("?").to_owned();
    for secret in [
        canary.to_owned(),
        "canary-that-is-wrong".to_owned(),
        secret(&session["accessToken"]),
        secret(&session["refreshToken"]),
        secret(&session["deviceToken"]),
        secret(&next["refreshToken"]),
        secret(&reset["resetToken"]),
        crate::shop::ADMIN_PASSWORD.to_owned(),
    ] {
        assert!(!log.contains(&secret), "in the log: {secret}");
    }
}

/// The two-sample statistic of Kolmogorov and Smirnov: how far the distributions are apart.
fn apart(mut left: Vec<Duration>, mut right: Vec<Duration>) -> f64 {
    left.sort();
    right.sort();
    let share = |of: &[Duration], value: &Duration| {
        f64::from(u32::try_from(of.partition_point(|other| other <= value)).unwrap())
            / f64::from(u32::try_from(of.len()).unwrap())
    };
    left.iter()
        .chain(&right)
        .map(|at| (share(&left, at) - share(&right, at)).abs())
        .fold(0.0, f64::max)
}

/// What 500 logins of each kind may differ by chance once in a hundred times: c(0.01)·√(2/500).
const BY_CHANCE: f64 = 1.628 * 0.063_25;
const SAMPLES: usize = 500;

/// Whether there is such a user is told by nothing that can be timed. Chance sees a difference once in a hundred times, so
/// it is looked for three times.
#[tokio::test]
async fn a_clock_does_not_tell_users_from_strangers() {
    let shop = Shop::start();
    shop.customer("ada").await;
    let (mut client, mut seen) = (shop.anybody(), Vec::new());
    for _ in 0..3 {
        let mut times = [Vec::new(), Vec::new(), Vec::new()];
        for number in 0..2 * SAMPLES {
            let known = number % 2 == 0;
            // Names are of one length, and there are none twice among the unknown.
            let name = if known { "ada".to_owned() } else { format!("{:03x}", 0x300 + number) };
            let body = json!({"username": name, "password": "not her password"});
            let began = Instant::now();
            let answer = client.post("/api/users/login", &body).await;
            let took = began.elapsed();
            assert_eq!(problem(&answer), (401, "invalid-credentials".into()));
            times[usize::from(!known)].push(took);
            if known {
                times[2].push(took + Duration::from_millis(3));
            }
        }
        let [known, unknown, late] = times;
        assert!(apart(late, unknown.clone()) > BY_CHANCE, "control: 3 ms are seen");
        let found = apart(known, unknown);
        if found < BY_CHANCE {
            return;
        }
        seen.push(found);
    }
    panic!("apart three times: {seen:?}");
}

/// Names are not guessed by registering them: that is limited (and a form that says nothing would lie to its user).
#[tokio::test]
async fn registrations_are_limited() {
    let shop = Shop::start_with(&[("HOLDFAST_REGISTRATIONS_LIMIT", "2/1h")]);
    let mut anybody = shop.anybody();
    let mut register = async |name: &str, password: &str| {
        let body = json!({"username": name, "password": password});
        problem(&anybody.post("/api/users/register", &body).await).0
    };
    assert_eq!(register("ada", "short").await, 422);
    assert_eq!(register("ada", PASSWORD).await, 201);
    assert_eq!(register("ADA", PASSWORD).await, 409);
    assert_eq!(register("eve", PASSWORD).await, 429);
}
