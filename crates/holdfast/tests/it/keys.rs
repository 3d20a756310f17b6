//! API keys: programs act in a user's name, as far as the key says, until it ends.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    crash::assert_check_is_clean,
    shop::{Client, Shop, header, items, path_of, problem, run, wait_for},
};

/// How long what is revoked may still act.
const REVOKED: Duration = Duration::from_secs(5);

impl Client {
    /// A new key, as it is shown once.
    pub(crate) async fn key(&mut self, permissions: &[&str], rest: Value) -> Value {
        let mut body = json!({"name": "Warehouse", "permissions": permissions});
        body.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        self.post("/api/keys", &body).await.expect(201).unwrap()
    }
}

pub(crate) fn program(shop: &Shop, key: &Value) -> Client {
    let mut client = shop.anybody();
    client.token = key["key"].as_str().map(str::to_owned);
    client
}

fn place_of(key: &Value) -> String {
    format!("/api/keys/{}", key["id"].as_str().unwrap())
}

/// Within five seconds the program is told `code`.
async fn ends(program: &mut Client, path: &str, code: &str) {
    wait_for(REVOKED, "the key is refused", async || {
        let answer = program.get(path).await;
        (answer.status == 401 && problem(&answer).1 == code).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_key_does_what_it_permits_and_nothing_else() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let tea = admin.product("Tea", 10).await;
    let order = shop.customer("ada").await.order(&tea, 1).await.expect(201).unwrap();
    let order = format!("/api/orders/{}", order["id"].as_str().unwrap());
    let change = json!({"version": 1, "name": "Green tea"});
    let stock = format!("{}/stock", path_of(&tea));
    let delta = json!({"delta": 1, "reason": "found"});
    let hook = json!({"url": "https://example.com/", "types": ["order.*"]});
    let new_key = json!({"name": "x", "permissions": ["orders:read"]});
    let new_role = json!({"name": "packer", "permissions": []});
    let user = format!("/api/users/{}", admin.id);
    let tried: [(&str, &str, &str, &Value); 17] = [
        ("products:read", "GET", "/api/products?status=archived", &Value::Null),
        ("products:write", "PATCH", &path_of(&tea), &change),
        ("stock:read", "GET", &format!("{stock}/movements"), &Value::Null),
        ("stock:write", "POST", &stock, &delta),
        ("orders:read", "GET", "/api/orders", &Value::Null),
        ("orders:read", "GET", &order, &Value::Null),
        ("orders:read", "GET", "/api/orders/statistics", &Value::Null),
        ("orders:write", "POST", &format!("{order}/pay"), &json!({})),
        ("orders:write", "POST", "/api/orders", &items(&[(&tea, 1)])),
        ("orders:write", "POST", &format!("{order}/cancel"), &json!({})),
        ("users:read", "GET", &user, &Value::Null),
        ("users:read", "GET", "/api/roles", &Value::Null),
        ("users:write", "POST", "/api/roles", &new_role),
        ("events:read", "GET", "/api/events", &Value::Null),
        ("webhooks:write", "POST", "/api/webhooks", &hook),
        ("keys:read", "GET", "/api/keys", &Value::Null),
        ("keys:write", "POST", "/api/keys", &new_key),
    ];
    let every = [
        "products:write",
        "stock:write",
        "orders:write",
        "users:write",
        "events:read",
        "webhooks:write",
        "keys:write",
        "payments:write",
        "refunds:write",
        "drops:write",
    ];
    for (permission, method, path, body) in tried {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let others: Vec<&str> = every
            .into_iter()
            .filter(|other| other.split(':').next() != permission.split(':').next())
            .collect();
        let without = admin.key(&others, json!({})).await;
        let refused = program(&shop, &without).send(method, path, &[], &body).await;
        assert_eq!(problem(&refused), (403, "forbidden".into()), "{method} {path}");
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(
            detail.contains(permission.split(':').next().unwrap()),
            "{method} {path}: {detail}"
        );
        // Keys grant no more than they have, so one that makes keys has what it gives.
        let own = [permission, "orders:read"];
        let own = if permission == "keys:write" { &own[..] } else { &own[..1] };
        let with = admin.key(own, json!({})).await;
        let taken = program(&shop, &with).send(method, path, &[], &body).await;
        assert!(taken.status.is_success(), "{method} {path}: {:?}", problem(&taken));
        for key in [without, with] {
            admin.delete(&place_of(&key)).await.expect(204).ok();
        }
    }
    assert_check_is_clean(&shop);
}

#[tokio::test]
async fn a_key_is_no_person() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let tea = admin.product("Tea", 10).await;
    let order = admin.order(&tea, 1).await.expect(201).unwrap();
    let order = format!("/api/orders/{}", order["id"].as_str().unwrap());
    let reader = admin.key(&["products:read", "orders:read"], json!({})).await;
    let mut reader = program(&shop, &reader);
    for (method, path) in [
        ("PATCH", "/api/users/me"),
        ("PUT", "/api/users/me/password"),
        ("POST", "/api/users/me/delete"),
        ("GET", "/metrics"),
        ("GET", "/api/processes"),
        ("POST", &format!("{order}/cancel")),
    ] {
        let body = json!({"currentPassword": "x", "newPassword": "y", "password": "z", "version": 1, "name": "n"});
        let body = if method == "GET" { String::new() } else { body.to_string() };
        let refused = reader.send(method, path, &[], &body).await;
        assert_eq!(problem(&refused), (403, "forbidden".into()), "{method} {path}");
    }
    assert_eq!(reader.get("/api/users/me").await.expect(200).unwrap()["username"], "admin");
}

#[tokio::test]
async fn a_key_is_shown_once_and_made_once() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let body = json!({"name": "Warehouse", "permissions": ["orders:write"]});
    let first = admin.post_under("k1", "/api/keys", &body).await;
    let again = admin.post_under("k1", "/api/keys", &body).await;
    let (key, same) = (first.expect(201).unwrap(), again.expect(201).unwrap());
    assert_eq!((&key, header(&again, "idempotent-replayed")), (&same, "true"));
    assert_eq!(header(&first, "location"), place_of(&key));
    let text = key["key"].as_str().unwrap();
    assert!(text.starts_with(key["prefix"].as_str().unwrap()) && text.len() == 76, "{text}");
    assert_eq!(key["permissions"], json!(["orders:read", "orders:write"]));
    let shown = admin.get(&place_of(&key)).await.expect(200).unwrap();
    assert!(shown.get("key").is_none() && shown.get("lastUsedAt").is_none());
    program(&shop, &key).get("/api/orders").await.expect(200).unwrap();
    let used = admin.get(&place_of(&key)).await.expect(200).unwrap();
    assert!(used["lastUsedAt"].is_string() && used["version"] == 1);
    let listed = admin.get("/api/keys").await.expect(200).unwrap();
    assert_eq!(listed["items"], json!([used]));
    let data = std::fs::read(shop.folder.path().join("holdfast.db")).unwrap_or_default();
    let secret = &text.as_bytes()[26..];
    assert!(!data.windows(secret.len()).any(|part| part == secret), "only its hash is kept");
    for (mistyped, code) in [
        (
            text.replace(&text[30..31], if &text[30..31] == "a" { "b" } else { "a" }),
            "invalid-token",
        ),
        (text[..75].to_owned(), "invalid-token"),
        ("hfk_".to_owned(), "invalid-token"),
    ] {
        let mut client = shop.anybody();
        client.token = Some(mistyped);
        assert_eq!(problem(&client.get("/api/orders").await), (401, code.into()));
    }
    for (body, status, pointer) in [
        (json!({"name": "x", "permissions": ["orders:own"]}), 422, "#/permissions/0"),
        (json!({"name": "x", "permissions": []}), 422, "#/permissions"),
        (json!({"name": " ", "permissions": ["orders:read"]}), 422, "#/name"),
        (
            json!({"name": "x", "permissions": ["orders:read"], "addresses": ["10.0.0.1/8"]}),
            422,
            "#/addresses/0",
        ),
        (
            json!({"name": "x", "permissions": ["orders:read"], "expiresAt": "2020-01-01T00:00:00Z"}),
            422,
            "#/expiresAt",
        ),
    ] {
        let refused = admin.post("/api/keys", &body).await;
        assert_eq!(problem(&refused), (status, "validation".into()), "{body}");
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer);
    }
}

#[tokio::test]
async fn what_is_revoked_ends_within_five_seconds() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let mut makers = Vec::new();
    for name in ["ada", "eve", "sam"] {
        let maker = shop.customer(name).await;
        let path = format!("/api/users/{}", maker.id);
        admin.patch(&path, &json!({"version": 1, "role": "admin"})).await.expect(200).unwrap();
        makers.push((path, shop.sign_in(name, crate::shop::PASSWORD).await));
    }
    let deleted = admin.key(&["orders:read"], json!({})).await;
    let mut first = program(&shop, &deleted);
    first.get("/api/orders").await.expect(200).unwrap();
    admin.delete(&place_of(&deleted)).await.expect(204).ok();
    ends(&mut first, "/api/orders", "invalid-token").await;
    // Who may not sign in any more has no programs either.
    let (path, ada) = &mut makers[0];
    let key = ada.key(&["orders:read"], json!({})).await;
    let mut of_ada = program(&shop, &key);
    of_ada.get("/api/orders").await.expect(200).unwrap();
    let shut = json!({"version": 2, "disabled": true});
    admin.patch(path, &shut).await.expect(200).unwrap();
    ends(&mut of_ada, "/api/orders", "token-revoked").await;
    let open = json!({"version": 3, "disabled": false});
    admin.patch(path, &open).await.expect(200).unwrap();
    of_ada.get("/api/orders").await.expect(200).unwrap();
    // Nor does a key keep what its user has lost.
    let (path, eve) = &mut makers[1];
    let key = eve.key(&["orders:read"], json!({})).await;
    let mut of_eve = program(&shop, &key);
    of_eve.get("/api/orders").await.expect(200).unwrap();
    let customer = json!({"version": 2, "role": "customer"});
    admin.patch(path, &customer).await.expect(200).unwrap();
    wait_for(REVOKED, "the role counts", async || {
        (of_eve.get("/api/orders").await.status == 403).then_some(())
    })
    .await;
    // Changes of the key itself.
    let (_, sam) = &mut makers[2];
    let key = sam.key(&["orders:read", "users:read"], json!({})).await;
    let mut of_sam = program(&shop, &key);
    of_sam.get("/api/users").await.expect(200).unwrap();
    let narrower = json!({"version": 1, "permissions": ["orders:read"]});
    admin.patch(&place_of(&key), &narrower).await.expect(200).unwrap();
    wait_for(REVOKED, "it is narrower", async || {
        (of_sam.get("/api/users").await.status == 403).then_some(())
    })
    .await;
    of_sam.get("/api/orders").await.expect(200).unwrap();
    sam.post("/api/users/me/delete", &json!({"password": crate::shop::PASSWORD})).await;
    ends(&mut of_sam, "/api/orders", "invalid-token").await;
    assert_eq!(admin.get(&place_of(&key)).await.status, 404, "it went with its user");
}

#[tokio::test]
async fn a_rotation_overlaps_and_a_key_expires() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let key = admin.key(&["orders:read"], json!({})).await;
    let mut old = program(&shop, &key);
    old.get("/api/orders").await.expect(200).unwrap();
    let rotate = format!("{}/rotate", place_of(&key));
    let rotated = admin.post(&rotate, &json!({"overlapSeconds": 6})).await.expect(200).unwrap();
    assert!(rotated["previousSecretUntil"].is_string() && rotated["key"] != key["key"]);
    let mut new = program(&shop, &rotated);
    new.get("/api/orders").await.expect(200).unwrap();
    old.get("/api/orders").await.expect(200).unwrap();
    wait_for(Duration::from_secs(15), "the overlap ends", async || {
        (old.get("/api/orders").await.status == 401).then_some(())
    })
    .await;
    new.get("/api/orders").await.expect(200).unwrap();
    let again = admin.post(&rotate, &json!({})).await.expect(200).unwrap();
    ends(&mut new, "/api/orders", "invalid-token").await;
    let mut newest = program(&shop, &again);
    newest.get("/api/orders").await.expect(200).unwrap();
    let soon = holdfast_types::Clock::system().now().plus(Duration::from_secs(3));
    let ending = json!({"version": again["version"], "expiresAt": soon});
    admin.patch(&place_of(&key), &ending).await.expect(200).unwrap();
    wait_for(Duration::from_secs(8), "it expires", async || {
        let answer = newest.get("/api/orders").await;
        (answer.status == 401 && problem(&answer).1 == "token-expired").then_some(())
    })
    .await;
    let refused = admin.post(&rotate, &json!({"overlapSeconds": 86_401})).await;
    assert_eq!(problem(&refused), (422, "validation".into()));
}

/// A key that leaks is as narrow as it was, whatever it does with keys.
#[tokio::test]
async fn a_key_makes_no_key_that_goes_further() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let bounds = json!({"addresses": ["127.0.0.0/8"], "expiresAt": "2099-01-01T00:00:00.000Z"});
    let maker = admin.key(&["keys:write", "users:write"], bounds.clone()).await;
    let mut program = program(&shop, &maker);
    let child = json!({"name": "child", "permissions": ["keys:read"]});
    let made = program.post("/api/keys", &child).await.expect(201).unwrap();
    assert_eq!(
        (&made["addresses"], &made["expiresAt"]),
        (&bounds["addresses"], &bounds["expiresAt"])
    );
    for more in [json!({"addresses": ["10.0.0.0/8"]}), json!({"expiresAt": "2099-01-02T00:00:00Z"})]
    {
        let mut body = child.clone();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let refused = program.post("/api/keys", &body).await;
        assert_eq!(problem(&refused), (403, "forbidden".into()), "{more}");
        let mut body = more;
        body["version"] = json!(1);
        let refused = program.patch(&place_of(&maker), &body).await;
        assert_eq!(problem(&refused), (403, "forbidden".into()), "{body}");
    }
    let reset = format!("/api/users/{}/password-reset", admin.id);
    assert_eq!(problem(&program.post(&reset, &json!({})).await), (403, "forbidden".into()));
    let other = shop.customer("eve").await;
    let path = format!("/api/users/{}", other.id);
    admin.patch(&path, &json!({"version": 1, "role": "admin"})).await.expect(200).unwrap();
    let mut eve = shop.sign_in("eve", crate::shop::PASSWORD).await;
    let rotate = format!("{}/rotate", place_of(&maker));
    let refused = eve.post(&rotate, &json!({})).await;
    assert_eq!(problem(&refused), (403, "forbidden".into()), "nobody passes for somebody else");
    eve.delete(&place_of(&maker)).await.expect(204).ok();
}

#[tokio::test]
async fn a_key_is_good_where_it_says() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let elsewhere = admin.key(&["orders:read"], json!({"addresses": ["192.0.2.0/24"]})).await;
    let here = json!({"addresses": ["192.0.2.7", "127.0.0.0/8", "::1"]});
    let here = admin.key(&["orders:read"], here).await;
    let refused = program(&shop, &elsewhere).get("/api/orders").await;
    assert_eq!(problem(&refused), (403, "forbidden".into()));
    program(&shop, &here).get("/api/orders").await.expect(200).unwrap();
    let claim = [("x-forwarded-for", "192.0.2.9")];
    let claimed = program(&shop, &elsewhere).send("GET", "/api/orders", &claim, "").await;
    assert_eq!(problem(&claimed), (403, "forbidden".into()), "nobody says where they are from");
}

/// Keys of strangers cost users a question each, so they are counted against their address.
#[tokio::test]
async fn who_guesses_at_keys_is_held_up() {
    let shop =
        Shop::start_with(&[("HOLDFAST_RATE_LIMITS", "on"), ("HOLDFAST_READS_LIMIT", "20/1m")]);
    let mut stranger = shop.anybody();
    let mut refused = 0;
    for number in 0..40u8 {
        let id = holdfast_types::KeyId::from_bytes([number; 16]);
        let key = holdfast_web::auth::ApiKeyText::new(id, &[number; 32]);
        stranger.token = Some(key.reveal().to_owned());
        refused += u32::from(stranger.get("/livez").await.status == 429);
    }
    assert!(refused >= 15, "{refused} of 40 were held up");
}

#[tokio::test]
async fn commands_take_a_key() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let wanted = ["products:write", "stock:write", "orders:read", "users:read"];
    let key = admin.key(&wanted, json!({})).await;
    let text = key["key"].as_str().unwrap().to_owned();
    let file = shop.folder.path().join("more.csv");
    let rows = "sku,name,price,currency,quantity\nKEY-1,By key,5,EUR,1\n";
    std::fs::write(&file, rows).unwrap();
    let file = file.to_str().unwrap();
    let imported = shop.run(&["import", file, "--url", &shop.url, "--key", &text]);
    assert_eq!(imported.code, 0, "{}", imported.err);
    let found = admin.get("/api/products?sku=KEY-1").await.expect(200).unwrap();
    assert_eq!(found["items"][0]["name"], "By key");
    let by_environment = [("HOLDFAST_API_KEY".to_owned(), text)];
    let exported = run(shop.folder.path(), &["export", "--url", &shop.url], &by_environment);
    assert_eq!(exported.code, 0, "{}", exported.err);
    assert!(exported.out.contains("By key"), "{}", exported.out);
    let wrong = shop.run(&["import", file, "--url", &shop.url, "--key", "hfk_wrong"]);
    assert!(wrong.code != 0 && wrong.err.contains("key"), "{}", wrong.err);
}
