//! `/api/users`, row by row.

use std::time::Duration;

use serde_json::json;

use crate::shop::{PASSWORD, Shop, header, items, problem, wait_for, wait_until};

#[tokio::test]
async fn register() {
    let shop = Shop::start();
    let mut anybody = shop.anybody();
    let body = json!({"username": "Ada", "password": PASSWORD, "email": "ada@example.com", "name": "Ada Lovelace"});
    let answer = anybody.post_under("k1", "/api/users/register", &body).await;
    let user = answer.expect(201).unwrap();
    assert_eq!(
        (user["username"].as_str(), user["role"].as_str(), user["version"].as_i64()),
        (Some("Ada"), Some("customer"), Some(1))
    );
    assert_eq!(header(&answer, "location"), format!("/api/users/{}", user["id"].as_str().unwrap()));
    assert_eq!((header(&answer, "etag"), header(&answer, "cache-control")), ("\"1\"", "no-store"));
    assert!(user.get("password").is_none());

    let again = anybody.post_under("k1", "/api/users/register", &body).await;
    assert_eq!((again.expect(201).unwrap(), header(&again, "idempotent-replayed")), (user, "true"));
    let mut other = body.clone();
    other["password"] = json!("another passphrase");
    assert_eq!(
        problem(&anybody.post_under("k1", "/api/users/register", &other).await),
        (422, "idempotency-key-reused".into())
    );
    assert_eq!(
        problem(&anybody.post("/api/users/register", &body).await),
        (409, "username-taken".into())
    );
    let taken = json!({"username": "ADA", "password": PASSWORD});
    assert_eq!(
        problem(&anybody.post("/api/users/register", &taken).await),
        (409, "username-taken".into())
    );

    let bad = json!({"username": "a", "password": "password", "email": "nobody", "name": ""});
    let refused = anybody.post("/api/users/register", &bad).await;
    assert_eq!(problem(&refused), (422, "validation".into()));
    let refused = refused.json();
    let pointers: Vec<_> = refused["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(pointers, ["#/username", "#/password", "#/email", "#/name"]);
}

#[tokio::test]
async fn login_tells_nobody_apart() {
    let shop = Shop::start();
    shop.customer("ada").await;
    let mut anybody = shop.anybody();
    let mut answers = Vec::new();
    for (username, password) in [("ada", "wrong passphrase"), ("nobody", PASSWORD)] {
        let answer = anybody
            .post("/api/users/login", &json!({"username": username, "password": password}))
            .await;
        assert_eq!(problem(&answer), (401, "invalid-credentials".into()));
        assert!(header(&answer, "www-authenticate").starts_with("Bearer"));
        let mut body = answer.json();
        body["requestId"] = json!("");
        answers.push(body);
    }
    assert_eq!(answers[0], answers[1]);
    let session = anybody
        .post("/api/users/login", &json!({"username": "ADA", "password": PASSWORD}))
        .await
        .expect(200)
        .unwrap();
    assert_eq!(
        (session["tokenType"].as_str(), session["expiresIn"].as_i64()),
        (Some("Bearer"), Some(900))
    );
    assert_eq!(session["user"]["username"], "ada");
}

#[tokio::test]
async fn refresh_rotates_repeats_and_revokes() {
    let shop = Shop::start();
    let mut client = shop.customer("ada").await;
    let login = json!({"username": "ada", "password": PASSWORD});
    let first =
        client.post("/api/users/login", &login).await.expect(200).unwrap()["refreshToken"].clone();
    let refresh = |token: &serde_json::Value| json!({"refreshToken": token});
    let second = client.post("/api/users/refresh", &refresh(&first)).await.expect(200).unwrap();
    let repeat = client.post("/api/users/refresh", &refresh(&first)).await.expect(200).unwrap();
    assert_eq!(
        second["refreshToken"], repeat["refreshToken"],
        "the same successor while that is unused"
    );
    client.post("/api/users/refresh", &refresh(&second["refreshToken"])).await.expect(200).unwrap();
    assert_eq!(
        problem(&client.post("/api/users/refresh", &refresh(&first)).await),
        (401, "token-revoked".into())
    );
    assert_eq!(
        problem(&client.post("/api/users/refresh", &refresh(&second["refreshToken"])).await),
        (401, "token-revoked".into())
    );
    assert_eq!(
        problem(&client.post("/api/users/refresh", &json!({"refreshToken": "nonsense"})).await),
        (401, "invalid-token".into())
    );
}

#[tokio::test]
async fn logout_ends_the_session() {
    let shop = Shop::start();
    shop.customer("ada").await;
    let mut client = shop.anybody();
    let session = client
        .post("/api/users/login", &json!({"username": "ada", "password": PASSWORD}))
        .await
        .expect(200)
        .unwrap();
    let body = json!({"refreshToken": session["refreshToken"]});
    client.token = session["accessToken"].as_str().map(str::to_owned);
    client.get("/api/users/me").await.expect(200).unwrap();
    for token in [body.clone(), body.clone(), json!({"refreshToken": "nonsense"})] {
        assert_eq!(client.post("/api/users/logout", &token).await.status, 204);
    }
    assert_eq!(problem(&client.get("/api/users/me").await), (401, "token-revoked".into()));
    assert_eq!(
        problem(&client.post("/api/users/refresh", &body).await),
        (401, "token-revoked".into())
    );
}

#[tokio::test]
async fn profile() {
    let shop = Shop::start();
    let mut ada = shop.customer("ada").await;
    let answer = ada.get("/api/users/me").await;
    assert_eq!(header(&answer, "etag"), "\"1\"");
    assert_eq!(
        ada.send("GET", "/api/users/me", &[("if-none-match", "\"1\"")], "").await.status,
        304
    );
    assert_eq!(
        problem(&ada.patch("/api/users/me", &json!({"name": "Ada"})).await),
        (428, "precondition-required".into())
    );
    let changed = ada
        .patch("/api/users/me", &json!({"version": 1, "name": "Ada", "email": "ada@example.com"}))
        .await;
    assert_eq!(changed.expect(200).unwrap()["version"], 2);
    assert_eq!(header(&changed, "etag"), "\"2\"");
    let stale = ada.patch("/api/users/me", &json!({"version": 1, "name": "Bob"})).await;
    assert_eq!(problem(&stale), (409, "version-conflict".into()));
    assert_eq!(
        (stale.json()["currentVersion"].as_i64(), stale.json()["current"]["name"].as_str()),
        (Some(2), Some("Ada"))
    );
    let stale =
        ada.send("PATCH", "/api/users/me", &[("if-match", "\"1\"")], r#"{"name":"Bob"}"#).await;
    assert_eq!(
        (problem(&stale), header(&stale, "etag")),
        ((412, "precondition-failed".into()), "\"2\"")
    );
    let cleared = ada
        .send("PATCH", "/api/users/me", &[("if-match", "\"2\"")], r#"{"name":null}"#)
        .await
        .expect(200)
        .unwrap();
    assert!(cleared.get("name").is_none());
    let invalid = ada.patch("/api/users/me", &json!({"version": 3, "email": "nobody"})).await;
    assert_eq!(problem(&invalid), (422, "validation".into()));
    assert_eq!(
        problem(&ada.patch("/api/users/me", &json!({"version": 3, "role": "admin"})).await),
        (400, "unknown-field".into())
    );
}

#[tokio::test]
async fn password_change_ends_other_sessions() {
    let shop = Shop::start();
    let mut ada = shop.customer("ada").await;
    let mut elsewhere = shop.sign_in("ada", PASSWORD).await;
    let wrong = json!({"currentPassword": "wrong", "newPassword": "a new passphrase"});
    let refused = ada.put("/api/users/me/password", &wrong).await;
    assert_eq!(
        (problem(&refused), &refused.json()["errors"][0]["pointer"]),
        ((422, "validation".into()), &json!("#/currentPassword"))
    );
    let body = json!({"currentPassword": PASSWORD, "newPassword": "a new passphrase"});
    let headers = [("idempotency-key", "change")];
    let first = ada.send("PUT", "/api/users/me/password", &headers, &body.to_string()).await;
    let again = ada.send("PUT", "/api/users/me/password", &headers, &body.to_string()).await;
    assert_eq!(
        (first.status.as_u16(), again.status.as_u16(), header(&again, "idempotent-replayed")),
        (204, 204, "true")
    );
    let other = json!({"currentPassword": PASSWORD, "newPassword": "another passphrase"});
    let other = ada.send("PUT", "/api/users/me/password", &headers, &other.to_string()).await;
    assert_eq!(problem(&other), (422, "idempotency-key-reused".into()));
    ada.get("/api/users/me").await.expect(200).unwrap();
    assert_eq!(problem(&elsewhere.get("/api/users/me").await), (401, "token-revoked".into()));
    shop.sign_in("ada", "a new passphrase").await;
}

#[tokio::test]
async fn deletion_erases_and_can_be_repeated() {
    let shop = Shop::start();
    let mut ada = shop.customer("ada").await;
    assert_eq!(
        problem(&ada.post("/api/users/me/delete", &json!({"password": "wrong"})).await),
        (422, "validation".into())
    );
    let mut admin = shop.admin().await;
    let product = admin.product("Teapot", 5).await;
    let mut order = items(&[(&product, 1)]);
    order["email"] = json!("ada@example.com");
    let order = ada.post("/api/orders", &order).await.expect(201).unwrap();
    assert_eq!(order["email"], "ada@example.com");
    let body = json!({"password": PASSWORD});
    assert_eq!(ada.post_under("bye", "/api/users/me/delete", &body).await.status, 204);
    let again = ada.post_under("bye", "/api/users/me/delete", &body).await;
    assert_eq!((again.status.as_u16(), header(&again, "idempotent-replayed")), (204, "true"));
    let other = ada.post_under("bye", "/api/users/me/delete", &json!({"password": "other"})).await;
    assert_eq!(problem(&other), (422, "idempotency-key-reused".into()));
    assert_eq!(problem(&ada.get("/api/users/me").await), (401, "token-revoked".into()));
    assert_eq!(
        problem(&shop.admin().await.get(&format!("/api/users/{}", ada.id)).await),
        (404, "not-found".into())
    );
    shop.customer("ada").await;
    let path = format!("/api/orders/{}", order["id"].as_str().unwrap());
    let left = wait_for(Duration::from_secs(10), "her orders forget her", async || {
        let left = admin.get(&path).await.expect(200).unwrap();
        left["email"].is_null().then_some(left)
    })
    .await;
    assert_eq!((&left["userId"], &left["items"]), (&json!(ada.id), &order["items"]));
}

#[tokio::test]
async fn administration() {
    let shop = Shop::start();
    let (mut ada, mut admin) = (shop.customer("ada").await, shop.admin().await);
    let path = format!("/api/users/{}", ada.id);
    assert_eq!(problem(&ada.get("/api/users").await), (403, "forbidden".into()));
    assert_eq!(
        problem(&ada.get(&format!("/api/users/{}", admin.id)).await),
        (404, "not-found".into())
    );
    ada.get(&path).await.expect(200).unwrap();
    let list = admin.get("/api/users?limit=1").await.expect(200).unwrap();
    assert_eq!(
        (list["items"][0]["username"].as_str(), list["nextCursor"].is_string()),
        (Some("ada"), true)
    );
    assert_eq!(
        problem(&admin.patch(&path, &json!({"role": "seller"})).await),
        (428, "precondition-required".into())
    );
    assert_eq!(
        problem(&admin.patch(&path, &json!({"version": 1, "role": "king"})).await),
        (422, "validation".into())
    );
    let login = json!({"username": "ada", "password": PASSWORD});
    let session = ada.post("/api/users/login", &login).await.expect(200).unwrap();
    let disabled =
        admin.patch(&path, &json!({"version": 1, "disabled": true})).await.expect(200).unwrap();
    assert_eq!(disabled["disabled"], true);
    assert_eq!(problem(&ada.get("/api/users/me").await), (401, "token-revoked".into()));
    assert_eq!(
        problem(&ada.post("/api/users/login", &login).await),
        (401, "invalid-credentials".into())
    );
    admin.patch(&path, &json!({"version": 2, "disabled": false})).await.expect(200).unwrap();
    let refresh = json!({"refreshToken": session["refreshToken"]});
    assert_eq!(
        problem(&ada.post("/api/users/refresh", &refresh).await),
        (401, "token-revoked".into()),
        "the sessions of a disabled account are over"
    );
    shop.sign_in("ada", PASSWORD).await;
}

#[tokio::test]
async fn password_reset() {
    let shop = Shop::start();
    let (mut ada, mut admin) = (shop.customer("ada").await, shop.admin().await);
    let path = format!("/api/users/{}/password-reset", ada.id);
    assert_eq!(problem(&ada.post(&path, &json!({})).await), (403, "forbidden".into()));
    let grant =
        admin.send("POST", &path, &[("idempotency-key", "r")], "").await.expect(200).unwrap();
    let again =
        admin.send("POST", &path, &[("idempotency-key", "r")], "").await.expect(200).unwrap();
    assert_eq!(grant["resetToken"], again["resetToken"]);
    let body = json!({"resetToken": grant["resetToken"], "newPassword": "a new passphrase"});
    assert_eq!(shop.anybody().post("/api/users/password-reset", &body).await.status, 204);
    let used = shop.anybody().post("/api/users/password-reset", &body).await;
    assert_eq!(
        (problem(&used), &used.json()["errors"][0]["pointer"]),
        ((422, "validation".into()), &json!("#/resetToken"))
    );
    assert_eq!(problem(&ada.get("/api/users/me").await), (401, "token-revoked".into()));
    shop.sign_in("ada", "a new passphrase").await;
}

#[tokio::test]
async fn a_password_reset_is_repeated_with_the_same_password_only() {
    let shop = Shop::start();
    let (ada, mut admin) = (shop.customer("ada").await, shop.admin().await);
    let path = format!("/api/users/{}/password-reset", ada.id);
    let grant = admin.send("POST", &path, &[], "").await.expect(200).unwrap();
    let (mut anybody, path) = (shop.anybody(), "/api/users/password-reset");
    let mut body = json!({"resetToken": grant["resetToken"], "newPassword": "a new passphrase"});
    assert_eq!(anybody.post_under("k", path, &body).await.status, 204);
    let again = anybody.post_under("k", path, &body).await;
    assert_eq!((again.status.as_u16(), header(&again, "idempotent-replayed")), (204, "true"));
    body["newPassword"] = json!("another passphrase");
    let other = anybody.post_under("k", path, &body).await;
    assert_eq!(problem(&other), (422, "idempotency-key-reused".into()));
    shop.sign_in("ada", "a new passphrase").await;
}

#[tokio::test]
async fn tokens_are_judged() {
    let shop = Shop::start();
    let mut client = shop.anybody();
    let answer = client.get("/api/users/me").await;
    assert_eq!(problem(&answer), (401, "unauthenticated".into()));
    assert!(header(&answer, "www-authenticate").starts_with("Bearer"));
    let good = shop.customer("ada").await.token.unwrap();
    let forged = format!("{}x", &good[..good.len() - 1]);
    for bad in ["nonsense", forged.as_str(), ""] {
        client.token = Some(bad.to_owned());
        assert_eq!(
            problem(&client.get("/api/users/me").await),
            (401, "invalid-token".into()),
            "{bad}"
        );
    }
    let keys = shop.anybody().get("/.well-known/jwks.json").await.expect(200).unwrap();
    assert_eq!(
        (keys["keys"][0]["kty"].as_str(), keys["keys"][0]["crv"].as_str()),
        (Some("OKP"), Some("Ed25519"))
    );
}

#[tokio::test]
async fn failed_logins_are_limited() {
    let shop = Shop::start_with(&[("HOLDFAST_LOGIN_FAILURES_USER_LIMIT", "2/20s")]);
    shop.customer("ada").await;
    let mut client = shop.anybody();
    let wrong = json!({"username": "ada", "password": "wrong passphrase"});
    for _ in 0..2 {
        assert_eq!(client.post("/api/users/login", &wrong).await.status, 401);
    }
    let right = json!({"username": "ada", "password": PASSWORD});
    let limited = client.post("/api/users/login", &right).await;
    assert_eq!(problem(&limited), (429, "rate-limited".into()));
    let pause: u64 = header(&limited, "retry-after").parse().unwrap();
    assert!((1..=10).contains(&pause), "{pause}");
    let url = &shop.url;
    wait_until(Duration::from_secs(30), "the limit passes", || async {
        let mut client = holdfast_client::Connection::new(url);
        holdfast_drill::accounts::sign_in(&mut client, "ada", PASSWORD).await.is_ok()
    })
    .await;
}

/// How a name begins, in any case; the role; who is shut out; and all of it together.
#[tokio::test]
async fn users_are_found() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let register = json!({"username": "Ada.L", "password": PASSWORD, "email": "countess@example.com", "name": "Lovelace"});
    shop.anybody().post("/api/users/register", &register).await.expect(201).unwrap();
    shop.seller("sam").await;
    let bob = shop.customer("bob").await;
    let shut_out = json!({"version": 1, "disabled": true});
    admin.patch(&format!("/api/users/{}", bob.id), &shut_out).await.expect(200).unwrap();
    for (query, expected) in [
        ("q=ada", vec!["Ada.L"]),
        ("q=COUNTESS@", vec!["Ada.L"]),
        ("q=love", vec!["Ada.L"]),
        ("q=lovers", vec![]),
        ("q=a", vec!["Ada.L", "admin"]),
        ("q=a&role=admin", vec!["admin"]),
        ("role=seller", vec!["sam"]),
        ("disabled=true", vec!["bob"]),
        ("disabled=true&role=seller", vec![]),
        ("disabled=false&role=customer", vec!["Ada.L"]),
    ] {
        let found = admin.get(&format!("/api/users?{query}")).await.expect(200).unwrap();
        let found = found["items"].as_array().unwrap().iter();
        let found: Vec<_> = found.map(|user| user["username"].as_str().unwrap()).collect();
        assert_eq!(found, expected, "{query}");
    }
    let pages = admin.get("/api/users?q=a&limit=1").await.expect(200).unwrap();
    let cursor = pages["nextCursor"].as_str().unwrap();
    let other = admin.get(&format!("/api/users?q=b&limit=1&cursor={cursor}")).await;
    assert_eq!(problem(&other), (400, "invalid-cursor".into()));
    for query in ["role=The%20King", "disabled=perhaps", &format!("q={}", "a".repeat(255))] {
        let refused = admin.get(&format!("/api/users?{query}")).await;
        assert_eq!(problem(&refused), (400, "invalid-parameter".into()), "{query}");
    }
}
