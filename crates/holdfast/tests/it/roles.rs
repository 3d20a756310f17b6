//! Roles: what users of a kind may do. Nobody grants what they do not hold.

use std::time::Duration;

use serde_json::{Value, json};

use crate::shop::{Client, PASSWORD, Shop, path_of, problem, wait_for};

impl Shop {
    /// Somebody of a role that was made.
    async fn member(&self, admin: &mut Client, name: &str, role: &str) -> Client {
        let member = self.customer(name).await;
        let path = format!("/api/users/{}", member.id);
        admin.patch(&path, &json!({"version": 1, "role": role})).await.expect(200).unwrap();
        self.sign_in(name, PASSWORD).await
    }
}

impl Client {
    async fn role(&mut self, name: &str, permissions: &[&str]) -> Value {
        let body = json!({"name": name, "permissions": permissions});
        self.post("/api/roles", &body).await.expect(201).unwrap()
    }
}

#[tokio::test]
async fn a_role_permits_what_it_says_and_is_changed_under_way() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    admin.role("packer", &["orders:write"]).await;
    let tea = admin.product("Tea", 10).await;
    let order = shop.customer("ada").await.order(&tea, 1).await.expect(201).unwrap();
    let path = format!("/api/orders/{}", order["id"].as_str().unwrap());
    let mut packer = shop.member(&mut admin, "pat", "packer").await;
    packer.post(&format!("{path}/pay"), &json!({})).await.expect(200).unwrap();
    packer.post(&format!("{path}/ship"), &json!({})).await.expect(200).unwrap();
    assert_eq!(packer.get("/api/orders").await.expect(200).unwrap()["items"][0]["id"], order["id"]);
    for (method, path) in [("GET", "/api/users"), ("GET", "/api/events"), ("POST", "/api/products")]
    {
        let body = if method == "GET" { "" } else { "{}" };
        let refused = packer.send(method, path, &[], body).await;
        assert_eq!(problem(&refused), (403, "forbidden".into()), "{path}");
    }
    // A buyer like everybody, in person.
    packer.order(&tea, 1).await.expect(201).unwrap();
    let narrower = json!({"version": 1, "permissions": ["orders:read"], "description": "Looks"});
    let changed = admin.patch("/api/roles/packer", &narrower).await.expect(200).unwrap();
    assert_eq!(
        (&changed["version"], &changed["permissions"]),
        (&json!(2), &json!(["orders:read"]))
    );
    wait_for(Duration::from_secs(5), "the old token is refused", async || {
        (problem(&packer.get("/api/orders").await) == (401, "token-revoked".into())).then_some(())
    })
    .await;
    let mut packer = shop.sign_in("pat", PASSWORD).await;
    packer.get(&path).await.expect(200).unwrap();
    let refused = packer.post(&format!("{path}/deliver"), &json!({})).await;
    assert_eq!(problem(&refused), (403, "forbidden".into()));
    let stale = admin.patch("/api/roles/packer", &narrower).await;
    assert_eq!(problem(&stale), (409, "version-conflict".into()));
    assert_eq!(problem(&admin.delete("/api/roles/packer").await), (409, "role-in-use".into()));
    let found = admin.get("/api/users?role=packer").await.expect(200).unwrap();
    assert_eq!(found["items"][0]["username"], "pat");
    let user = format!("/api/users/{}", packer.id);
    admin.patch(&user, &json!({"version": 2, "role": "customer"})).await.expect(200).unwrap();
    admin.delete("/api/roles/packer").await.expect(204).ok();
    assert_eq!(problem(&admin.get("/api/roles/packer").await), (404, "not-found".into()));
    let gone = admin.patch(&user, &json!({"version": 3, "role": "packer"})).await;
    assert_eq!(problem(&gone), (422, "validation".into()));
    assert_eq!(gone.json()["errors"][0]["pointer"], "#/role");
}

#[tokio::test]
async fn nobody_grants_what_they_do_not_hold() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    admin.role("manager", &["users:write", "orders:write", "keys:write"]).await;
    admin.role("packer", &["orders:write"]).await;
    admin.role("shopper", &["products:write"]).await;
    let mut manager = shop.member(&mut admin, "max", "manager").await;
    let ada = shop.customer("ada").await;
    let eve = shop.member(&mut admin, "eve", "admin").await;
    let (ada, eve) = (format!("/api/users/{}", ada.id), format!("/api/users/{}", eve.id));
    let forbidden = [
        ("PATCH", ada.clone(), json!({"version": 1, "role": "admin"})),
        ("PATCH", ada.clone(), json!({"version": 1, "role": "shopper"})),
        ("PATCH", ada.clone(), json!({"version": 1, "role": "seller"})),
        ("PATCH", format!("/api/users/{}", manager.id), json!({"version": 2, "role": "admin"})),
        ("PATCH", eve.clone(), json!({"version": 2, "role": "customer"})),
        ("PATCH", eve.clone(), json!({"version": 2, "disabled": true})),
        ("POST", format!("{eve}/password-reset"), json!({})),
        ("POST", "/api/roles".to_owned(), json!({"name": "boss", "permissions": ["events:read"]})),
        ("PATCH", "/api/roles/shopper".to_owned(), json!({"version": 1, "permissions": []})),
        (
            "PATCH",
            "/api/roles/packer".to_owned(),
            json!({"version": 1, "permissions": ["drops:write"]}),
        ),
        ("PATCH", "/api/roles/admin".to_owned(), json!({"version": 1, "permissions": []})),
        ("DELETE", "/api/roles/shopper".to_owned(), json!(null)),
        ("DELETE", "/api/roles/seller".to_owned(), json!(null)),
        ("POST", "/api/keys".to_owned(), json!({"name": "x", "permissions": ["events:read"]})),
    ];
    for (method, path, body) in forbidden {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let refused = manager.send(method, &path, &[], &body).await;
        assert_eq!(problem(&refused), (403, "forbidden".into()), "{method} {path} {body}");
    }
    let strong = json!({"name": "strong", "permissions": ["events:read"]});
    let strong = admin.post("/api/keys", &strong).await.expect(201).unwrap();
    let strong = format!("/api/keys/{}", strong["id"].as_str().unwrap());
    for (method, path, body) in [
        ("POST", format!("{strong}/rotate"), "{}"),
        ("PATCH", strong.clone(), r#"{"version": 1, "name": "mine"}"#),
        ("DELETE", strong, ""),
    ] {
        let refused = manager.send(method, &path, &[], body).await;
        assert_eq!(problem(&refused), (403, "forbidden".into()), "{method} {path}");
    }
    // What they hold they may give.
    manager.patch(&ada, &json!({"version": 1, "role": "packer"})).await.expect(200).unwrap();
    manager.post(&format!("{ada}/password-reset"), &json!({})).await.expect(200).unwrap();
    manager.role("reader", &["orders:read"]).await;
    let key = json!({"name": "x", "permissions": ["orders:read", "keys:write"]});
    let key = manager.post("/api/keys", &key).await.expect(201).unwrap();
    // Nor does a key give more than itself has.
    let mut program = shop.anybody();
    program.token = key["key"].as_str().map(str::to_owned);
    let more = json!({"name": "y", "permissions": ["orders:write"]});
    assert_eq!(problem(&program.post("/api/keys", &more).await), (403, "forbidden".into()));
    let less = json!({"name": "y", "permissions": ["orders:read"]});
    program.post("/api/keys", &less).await.expect(201).unwrap();
}

/// A permission to set a password would outlive a promotion otherwise.
#[tokio::test]
async fn who_becomes_more_is_not_taken_over_by_an_earlier_reset() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    admin.role("manager", &["users:write"]).await;
    let mut manager = shop.member(&mut admin, "max", "manager").await;
    let ada = shop.customer("ada").await;
    let path = format!("/api/users/{}", ada.id);
    let reset = manager.post(&format!("{path}/password-reset"), &json!({})).await;
    let token = reset.expect(200).unwrap()["resetToken"].clone();
    admin.patch(&path, &json!({"version": 1, "role": "admin"})).await.expect(200).unwrap();
    let body = json!({"resetToken": token, "newPassword": "a password of max"});
    let used = shop.anybody().post("/api/users/password-reset", &body).await;
    assert_eq!(problem(&used), (422, "validation".into()));
}

#[tokio::test]
async fn who_keeps_to_their_own_products_hands_on_no_more() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let theirs = admin.product("Tea", 10).await;
    let body = json!({"name": "stall", "ownProductsOnly": true,
        "permissions": ["products:write", "stock:write", "users:write", "keys:write"]});
    admin.post("/api/roles", &body).await.expect(201).unwrap();
    let mut sam = shop.member(&mut admin, "sam", "stall").await;
    let own = sam.product("Coffee", 5).await;
    let change = json!({"version": 1, "name": "Mine"});
    assert_eq!(problem(&sam.patch(&path_of(&theirs), &change).await), (403, "forbidden".into()));
    let key = json!({"name": "x", "permissions": ["products:write"]});
    let key = sam.post("/api/keys", &key).await.expect(201).unwrap();
    let mut program = shop.anybody();
    program.token = key["key"].as_str().map(str::to_owned);
    let refused = program.patch(&path_of(&theirs), &change).await;
    assert_eq!(problem(&refused), (403, "forbidden".into()));
    program.patch(&path_of(&own), &change).await.expect(200).unwrap();
    let everybodys = json!({"name": "all", "permissions": ["products:write"]});
    let everybodys = admin.post("/api/keys", &everybodys).await.expect(201).unwrap();
    let everybodys = format!("/api/keys/{}", everybodys["id"].as_str().unwrap());
    for (method, rest, body) in [
        ("POST", "/rotate", "{}"),
        ("PATCH", "", r#"{"version": 1, "addresses": []}"#),
        ("DELETE", "", ""),
    ] {
        let refused = sam.send(method, &format!("{everybodys}{rest}"), &[], body).await;
        assert_eq!(problem(&refused), (403, "forbidden".into()), "{method}{rest}");
    }
    let wider = json!({"name": "wider", "permissions": ["products:write"]});
    assert_eq!(problem(&sam.post("/api/roles", &wider).await), (403, "forbidden".into()));
}

#[tokio::test]
async fn roles_are_told_and_named() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let all = admin.get("/api/roles").await.expect(200).unwrap();
    let names: Vec<&str> = all["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|role| role["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["customer", "seller", "admin"]);
    assert_eq!(all["items"][1]["ownProductsOnly"], true);
    assert_eq!(all["items"][2]["permissions"].as_array().unwrap().len(), 20);
    admin.role("packer", &["orders:write"]).await;
    for name in ["packer", "admin"] {
        let again = admin.post("/api/roles", &json!({"name": name, "permissions": []})).await;
        assert_eq!(problem(&again), (409, "role-taken".into()), "{name}");
    }
    for name in ["", "a", "Packer", "1st", "a b", "-x"] {
        let refused = admin.post("/api/roles", &json!({"name": name, "permissions": []})).await;
        assert_eq!(problem(&refused), (422, "validation".into()), "{name}");
    }
    let session = shop.member(&mut admin, "pat", "packer").await;
    assert!(session.token.is_some());
    let login = json!({"username": "pat", "password": PASSWORD});
    let said = shop.anybody().post("/api/users/login", &login).await.expect(200).unwrap();
    assert_eq!(said["permissions"], json!(["orders:read", "orders:write"]));
    assert_eq!(said["user"]["role"], "packer");
}
