//! `POST /api/users/guest`: buying without a name, and getting one later.

use std::time::Duration;

use serde_json::{Value, json};

use crate::shop::{Client, PASSWORD, Shop, problem, wait_until};

impl Client {
    /// Goes on as whom a session belongs to.
    fn becomes(mut self, session: &Value) -> Self {
        self.token = session["accessToken"].as_str().map(str::to_owned);
        self.id = session["user"]["id"].as_str().unwrap().to_owned();
        self
    }
}

async fn guest(shop: &Shop) -> (Client, Value) {
    let mut anybody = shop.anybody();
    let session = anybody.post("/api/users/guest", &json!({})).await.expect(201).unwrap();
    (anybody.becomes(&session), session)
}

#[tokio::test]
async fn a_guest_buys_registers_and_keeps_the_order() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let tea = admin.product("tea", 5).await;
    let (mut guest, session) = guest(&shop).await;
    assert!(session["user"].get("username").is_none() && session["user"]["role"] == "customer");
    let order = guest.order(&tea, 2).await.expect(201).unwrap();
    let path = format!("/api/orders/{}", order["id"].as_str().unwrap());

    let register = json!({"username": "ada", "password": PASSWORD, "name": "Ada"});
    let first = guest.post_under("k", "/api/users/register", &register).await;
    let user = first.expect(201).unwrap();
    assert_eq!((user["id"].as_str(), user["username"].as_str()), (Some(&*guest.id), Some("ada")));
    // All sessions of the guest have ended, and the request may still be repeated.
    let (url, token) = (shop.url.clone(), guest.token.clone());
    wait_until(Duration::from_secs(6), "the guest's session has ended", || async {
        let mut guest = Shop::elsewhere(&url).anybody();
        guest.token.clone_from(&token);
        guest.get(&path).await.status == 401
    })
    .await;
    let again = guest.post_under("k", "/api/users/register", &register).await;
    assert_eq!(again.expect(201).unwrap(), user);
    let mut other = register.clone();
    other["password"] = json!("another passphrase");
    let reused = guest.post_under("k", "/api/users/register", &other).await;
    assert_eq!(problem(&reused), (422, "idempotency-key-reused".into()));
    let late = json!({"username": "eve", "password": PASSWORD});
    let late = guest.post("/api/users/register", &late).await;
    assert_eq!(problem(&late), (401, "token-revoked".into()));

    let mut ada = shop.sign_in("ada", PASSWORD).await;
    assert_eq!(ada.get(&path).await.expect(200).unwrap()["id"], order["id"]);
    let mine = ada.get("/api/orders").await.expect(200).unwrap();
    assert_eq!(mine["items"].as_array().unwrap().len(), 1);
}

/// A name that is taken leaves the guest who they are.
#[tokio::test]
async fn a_guest_is_refused_a_taken_name_and_what_needs_a_password() {
    let shop = Shop::start();
    shop.customer("ada").await;
    let (mut guest, _) = guest(&shop).await;
    let taken = json!({"username": "Ada", "password": PASSWORD});
    let refused = guest.post("/api/users/register", &taken).await;
    assert_eq!(problem(&refused), (409, "username-taken".into()));
    let staff = json!({"username": "adrnin", "password": PASSWORD});
    let refused = guest.post("/api/users/register", &staff).await;
    assert_eq!(problem(&refused), (409, "username-taken".into()));
    let change = json!({"currentPassword": "", "newPassword": PASSWORD});
    let refused = guest.put("/api/users/me/password", &change).await;
    assert_eq!(problem(&refused), (403, "forbidden".into()));
    let mut admin = shop.admin().await;
    let one = format!("/api/users/{}", guest.id);
    let refused = admin.send("POST", &format!("{one}/password-reset"), &[], "").await;
    assert_eq!(problem(&refused), (403, "forbidden".into()));
    let promote = json!({"version": 1, "role": "admin"});
    assert_eq!(problem(&admin.patch(&one, &promote).await), (422, "validation".into()));
    let nameless = json!({"username": "", "password": ""});
    let refused = shop.anybody().post("/api/users/login", &nameless).await;
    assert_eq!(problem(&refused), (401, "invalid-credentials".into()));
    let (_, other) = self::guest(&shop).await;
    for (query, expected) in
        [("guest=true", 2), ("guest=false", 2), ("role=customer&guest=true", 2), ("role=admin", 1)]
    {
        let found = admin.get(&format!("/api/users?{query}")).await.expect(200).unwrap();
        assert_eq!(found["items"].as_array().unwrap().len(), expected, "{query}: {found}");
    }
    let found = admin.get("/api/users?guest=true").await.expect(200).unwrap();
    assert_eq!(found["items"][0]["id"], other["user"]["id"]);
    let gone = guest.post("/api/users/me/delete", &json!({"password": "any"})).await;
    assert_eq!(gone.status, 204);
}

/// Nobody can be a guest again whose session has ended, so nothing of them is kept but their orders.
#[tokio::test]
async fn a_guest_goes_with_their_session() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let (_, session) = guest(&shop).await;
    let path = format!("/api/users/{}", session["user"]["id"].as_str().unwrap());
    admin.get(&path).await.expect(200).unwrap();
    let refresh = json!({"refreshToken": session["refreshToken"]});
    let session = shop.anybody().post("/api/users/refresh", &refresh).await.expect(200).unwrap();
    let end = json!({"refreshToken": session["refreshToken"]});
    assert_eq!(shop.anybody().post("/api/users/logout", &end).await.status, 204);
    assert_eq!(problem(&admin.get(&path).await), (404, "not-found".into()));
}

/// By address: behind a front that renders pages on its server, by the address that the front forwards.
#[tokio::test]
async fn guests_are_limited_by_address() {
    let settings = [("HOLDFAST_GUESTS_LIMIT", "2/1h"), ("HOLDFAST_TRUSTED_PROXIES", "127.0.0.1")];
    let shop = Shop::start_with(&settings);
    let mut front = shop.anybody();
    let mut come = async |address: &str| {
        let headers = [("x-forwarded-for", address), ("content-type", "application/json")];
        front.send("POST", "/api/users/guest", &headers, "{}").await.status
    };
    for (address, expected) in
        [("192.0.2.1", 201), ("192.0.2.1", 201), ("192.0.2.1", 429), ("192.0.2.2", 201)]
    {
        assert_eq!(come(address).await, expected, "{address}");
    }
    let bad = shop.anybody().post("/api/users/guest", &json!({"email": "nobody"})).await;
    assert_eq!(problem(&bad), (422, "validation".into()));
}
