//! Access tokens that are forged, bent or stolen, at every door.

use std::time::Duration;

use aws_lc_rs::{
    hmac,
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use serde_json::{Value, json};

use crate::shop::{PASSWORD, Shop, problem, wait_until};

/// Makes tokens with the shop's own key, as only a hole in the shop could.
struct Forge {
    kid: String,
    key: Ed25519KeyPair,
    /// The claims of a token that the shop gave out.
    claims: Value,
}

impl Forge {
    /// Takes the key out of the shop's database.
    fn of(shop: &Shop, token: &str) -> Self {
        let database = rusqlite::Connection::open(shop.data().join("holdfast.db")).unwrap();
        let kept: String =
            database.query_row("SELECT body FROM signing_keys", [], |row| row.get(0)).unwrap();
        let kept: Value = serde_json::from_str(&kept).unwrap();
        let kid = kept["kid"].as_str().unwrap().to_owned();
        let pkcs8: Vec<u8> = serde_json::from_value(kept["pkcs8"].clone()).unwrap();
        let claims = BASE64.decode(token.split('.').nth(1).unwrap()).unwrap();
        let key = Ed25519KeyPair::from_pkcs8(&pkcs8).unwrap();
        Self { kid, key, claims: serde_json::from_slice(&claims).unwrap() }
    }

    fn header(&self) -> String {
        json!({"alg": "EdDSA", "typ": "at+jwt", "kid": self.kid}).to_string()
    }

    fn sign(&self, header: &str, claims: &str) -> String {
        let content = content(header, claims);
        let signature = BASE64.encode(self.key.sign(content.as_bytes()));
        format!("{content}.{signature}")
    }

    /// A token whose claims are another's but for `name`, which is `value` as it stands.
    fn with(&self, name: &str, value: &str) -> String {
        let mut claims = self.claims.clone();
        claims.as_object_mut().unwrap().remove(name);
        let claims = claims.to_string();
        self.sign(&self.header(), &format!("{},\"{name}\":{value}}}", &claims[..claims.len() - 1]))
    }

    /// A token whose header is another.
    fn under(&self, header: &Value) -> String {
        self.sign(&header.to_string(), &self.claims.to_string())
    }
}

fn content(header: &str, claims: &str) -> String {
    format!("{}.{}", BASE64.encode(header), BASE64.encode(claims))
}

/// What the doors of orders say to each token: all must say the same.
async fn statuses(shop: &Shop, tokens: &[String]) -> Vec<(u16, String)> {
    let mut first = None;
    for door in shop.doors("orders") {
        let mut client = door.anybody();
        let mut seen = Vec::new();
        for token in tokens {
            client.token = Some(token.clone());
            seen.push(problem(&client.get("/api/orders").await));
        }
        assert_eq!(*first.get_or_insert_with(|| seen.clone()), seen, "at {}", door.url);
    }
    first.unwrap()
}

/// RFC 8725 §2.1 and §3.1: algorithm, key and type are the shop's choice, not the token's.
#[tokio::test]
async fn nobody_chooses_how_a_token_is_verified() {
    let shop = Shop::start();
    let ada = shop.customer("ada").await;
    let token = ada.token.unwrap();
    let forge = Forge::of(&shop, &token);
    let kid = forge.kid.as_str();
    assert_eq!(
        statuses(&shop, &[forge.under(&serde_json::from_str(&forge.header()).unwrap())]).await,
        [(200, String::new())],
        "control: the forge works"
    );

    let mut tokens = Vec::new();
    for alg in ["none", "None", "nOnE", "HS256", "RS256", "ES256", "eddsa"] {
        let header = json!({"alg": alg, "typ": "at+jwt", "kid": kid});
        tokens.push(forge.under(&header));
        tokens.push(format!("{}.", content(&header.to_string(), &forge.claims.to_string())));
    }
    // The public key as the secret of a keyed hash, in each of its spellings.
    let public = forge.key.public_key().as_ref().to_vec();
    let x = BASE64.encode(&public);
    let jwk = json!({"crv": "Ed25519", "kid": kid, "kty": "OKP", "x": x}).to_string();
    for secret in [public, x.into_bytes(), jwk.into_bytes()] {
        let header = json!({"alg": "HS256", "typ": "at+jwt", "kid": kid}).to_string();
        let content = content(&header, &forge.claims.to_string());
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), content.as_bytes());
        tokens.push(format!("{content}.{}", BASE64.encode(tag)));
    }
    for kid in
        [json!("../../../../dev/null"), json!("' OR '1'='1"), json!("other"), json!(7), Value::Null]
    {
        tokens.push(forge.under(&json!({"alg": "EdDSA", "typ": "at+jwt", "kid": kid})));
    }
    for typ in [json!("JWT"), json!("refresh"), Value::Null] {
        tokens.push(forge.under(&json!({"alg": "EdDSA", "typ": typ, "kid": kid})));
    }
    tokens.push(forge.under(
        &json!({"alg": "EdDSA", "typ": "at+jwt", "kid": kid, "crit": ["b64"], "b64": false}),
    ));
    for (token, status) in tokens.iter().zip(statuses(&shop, &tokens).await) {
        assert_eq!(status, (401, "invalid-token".into()), "{token}");
    }
}

/// A key that the token brings along, or says where to fetch (RFC 8725 §3.10).
#[tokio::test]
async fn keys_are_not_fetched_from_where_a_token_says() {
    let shop = Shop::start();
    let ada = shop.customer("ada").await;
    let mut forge = Forge::of(&shop, &ada.token.unwrap());
    forge.key = Ed25519KeyPair::generate().unwrap();
    let trap = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let url = format!("http://{}/keys", trap.local_addr().unwrap());
    let jwk = json!({"crv": "Ed25519", "kty": "OKP", "x": BASE64.encode(forge.key.public_key())});
    let kid = forge.kid.as_str();
    let tokens: Vec<String> = [("jku", json!(url)), ("x5u", json!(url)), ("jwk", jwk)]
        .into_iter()
        .flat_map(|(name, value)| {
            let of = |kid: &str| json!({"alg": "EdDSA", "typ": "at+jwt", "kid": kid, name: value});
            [forge.under(&of(kid)), forge.under(&of("theirs"))]
        })
        .collect();
    for (token, status) in tokens.iter().zip(statuses(&shop, &tokens).await) {
        assert_eq!(status, (401, "invalid-token".into()), "{token}");
    }
    assert!(trap.accept().is_err(), "somebody came for a key");
}

#[tokio::test]
async fn claims_are_what_they_should_be() {
    let shop = Shop::start();
    let ada = shop.customer("ada").await;
    let forge = Forge::of(&shop, &ada.token.unwrap());
    let (now, soon) = (forge.claims["iat"].as_i64().unwrap(), 600);
    let bad = [
        ("exp", "null".to_owned()),
        ("exp", "\"4102444800\"".to_owned()),
        ("exp", "4102444800.5".to_owned()),
        ("exp", "1e400".to_owned()),
        ("exp", "-1".to_owned()),
        ("exp", (now - soon).to_string()),
        ("iat", (now + soon).to_string()),
        ("nbf", (now + soon).to_string()),
        ("nbf", "\"soon\"".to_owned()),
        ("nbf", "1e400".to_owned()),
        ("iss", "\"elsewhere\"".to_owned()),
        ("iss", "null".to_owned()),
        ("aud", "\"elsewhere\"".to_owned()),
        ("aud", "[]".to_owned()),
        ("sub", "\"admin\"".to_owned()),
        ("sub", "\"' OR 1=1 --\"".to_owned()),
        ("role", "\"the king\"".to_owned()),
        ("scope", "[\"orders:read\"]".to_owned()),
        ("key", "\"mine\"".to_owned()),
        ("role", "\"customer\",\"role\":\"admin\"".to_owned()),
        ("sub", format!("{0},\"sub\":{0}", forge.claims["sub"])),
    ];
    let mut tokens: Vec<String> = bad.iter().map(|(name, value)| forge.with(name, value)).collect();
    for name in ["exp", "iat", "iss", "aud", "sub", "sid", "role", "epoch"] {
        let mut claims = forge.claims.clone();
        claims.as_object_mut().unwrap().remove(name);
        tokens.push(forge.sign(&forge.header(), &claims.to_string()));
    }
    for (token, (status, code)) in tokens.iter().zip(statuses(&shop, &tokens).await) {
        let claims = BASE64.decode(token.split('.').nth(1).unwrap()).unwrap();
        let claims = String::from_utf8_lossy(&claims);
        assert_eq!(status, 401, "{code}: {claims}");
        assert!(matches!(code.as_str(), "invalid-token" | "token-expired"), "{code}: {claims}");
    }
}

#[tokio::test]
async fn bent_tokens_are_refused() {
    let shop = Shop::start();
    let ada = shop.customer("ada").await;
    let token = ada.token.unwrap();
    let (content, signature) = token.rsplit_once('.').unwrap();
    let signature = BASE64.decode(signature).unwrap();
    let mut tokens = Vec::new();
    for bit in 0..signature.len() * 8 {
        let mut flipped = signature.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        tokens.push(format!("{content}.{}", BASE64.encode(flipped)));
    }
    // The last character has four bits that are not used: other spellings of the same bytes.
    let (start, last) = token.split_at(token.len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    tokens
        .extend(alphabet.chars().filter(|c| last != c.to_string()).map(|c| format!("{start}{c}")));
    tokens.extend([
        content.to_owned(),
        format!("{content}."),
        format!("{token}.{token}"),
        format!("{token}="),
        token.replace('.', ". "),
        token.to_ascii_lowercase(),
        "..".to_owned(),
        String::new(),
    ]);
    for (token, (status, _)) in tokens.iter().zip(statuses(&shop, &tokens).await) {
        assert_eq!(status, 401, "{token}");
    }
    let huge = format!("{content}.{}", "A".repeat(1 << 20));
    let mut client = shop.anybody();
    client.token = Some(huge);
    let headers = [("authorization", format!("Bearer {}", client.token.take().unwrap()))];
    let headers = [(headers[0].0, headers[0].1.as_str())];
    let answer = client.connection.send(hyper::Method::GET, "/api/orders", &headers, "".into());
    assert!(answer.await.is_ok_and(|answer| answer.status == 431));
    client.token = Some(token);
    client.get("/api/orders").await.expect(200).unwrap();
}

/// Access tokens and refresh tokens do not stand for each other.
#[tokio::test]
async fn a_token_is_of_one_kind() {
    let shop = Shop::start();
    let mut ada = shop.customer("ada").await;
    let login = json!({"username": "ada", "password": PASSWORD});
    let session = ada.post("/api/users/login", &login).await.expect(200).unwrap();
    let refresh = session["refreshToken"].as_str().unwrap().to_owned();
    assert_eq!(statuses(&shop, &[refresh]).await, [(401, "invalid-token".into())]);
    let access = json!({"refreshToken": session["accessToken"]});
    assert_eq!(ada.post("/api/users/refresh", &access).await.status, 401);
    // Signing out twice is no mistake (RFC 7009 §2.2), and signing out with anything else signs nobody out.
    ada.post("/api/users/logout", &access).await.expect(204).unwrap();
    ada.get("/api/users/me").await.expect(200).unwrap();
}

/// The whole family ends when a token comes that was exchanged long ago (RFC 9700 §4.14.2).
#[tokio::test]
async fn a_stolen_refresh_token_ends_its_family() {
    let shop = Shop::start();
    let mut ada = shop.customer("ada").await;
    let login = json!({"username": "ada", "password": PASSWORD});
    let mut tokens = vec![ada.post("/api/users/login", &login).await.expect(200).unwrap()];
    for number in 0..3 {
        let refresh = json!({"refreshToken": tokens[number]["refreshToken"]});
        tokens.push(ada.post("/api/users/refresh", &refresh).await.expect(200).unwrap());
    }
    let stolen = json!({"refreshToken": tokens[0]["refreshToken"]});
    assert_eq!(ada.post("/api/users/refresh", &stolen).await.status, 401);
    let newest = json!({"refreshToken": tokens[3]["refreshToken"]});
    assert_eq!(ada.post("/api/users/refresh", &newest).await.status, 401);
    let mut thief = shop.anybody();
    thief.token = tokens[3]["accessToken"].as_str().map(str::to_owned);
    assert_eq!(problem(&thief.get("/api/users/me").await), (401, "token-revoked".into()));
}

/// A lost answer is no theft: twice the same token at once leads to one successor.
#[tokio::test]
async fn a_refresh_that_is_sent_twice_has_one_successor() {
    let shop = Shop::start();
    let mut ada = shop.customer("ada").await;
    let login = json!({"username": "ada", "password": PASSWORD});
    let session = ada.post("/api/users/login", &login).await.expect(200).unwrap();
    let refresh = json!({"refreshToken": session["refreshToken"]});
    let sent = (0..10).map(|_| {
        let (mut client, refresh) = (shop.anybody(), refresh.clone());
        tokio::spawn(async move { client.post("/api/users/refresh", &refresh).await })
    });
    let mut successors = std::collections::HashSet::new();
    for answer in sent.collect::<Vec<_>>() {
        let session = answer.await.unwrap().expect(200).unwrap();
        successors.insert(session["refreshToken"].as_str().unwrap().to_owned());
    }
    assert_eq!(successors.len(), 1);
}

/// What was given up is refused at every door within five seconds.
#[tokio::test]
async fn what_was_given_up_opens_no_door() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    for reason in ["logout", "password", "disabled", "role", "deletion"] {
        let mut ada = shop.customer(&format!("ada-{reason}")).await;
        let token = ada.token.clone().unwrap();
        assert_eq!(statuses(&shop, std::slice::from_ref(&token)).await[0].0, 200);
        let path = format!("/api/users/{}", ada.id);
        let done = match reason {
            "logout" => {
                let login = json!({"username": "ada-logout", "password": PASSWORD});
                let session = ada.post("/api/users/login", &login).await.expect(200).unwrap();
                ada.token = session["accessToken"].as_str().map(str::to_owned);
                let refresh = json!({"refreshToken": session["refreshToken"]});
                ada.post("/api/users/logout", &refresh).await
            }
            "password" => {
                let body = json!({"currentPassword": PASSWORD, "newPassword": "another fine one"});
                ada.token = shop.sign_in("ada-password", PASSWORD).await.token;
                let done = ada.put("/api/users/me/password", &body).await;
                ada.token = Some(token);
                done
            }
            "disabled" => admin.patch(&path, &json!({"version": 1, "disabled": true})).await,
            "role" => admin.patch(&path, &json!({"version": 1, "role": "seller"})).await,
            _ => ada.post("/api/users/me/delete", &json!({"password": PASSWORD})).await,
        };
        assert!(done.status.is_success(), "{reason}: {}", done.json());
        let token = ada.token.clone().unwrap();
        for door in shop.doors("orders") {
            wait_until(Duration::from_secs(5), "the token is refused", || async {
                let mut client = door.anybody();
                client.token = Some(token.clone());
                client.get("/api/orders").await.status == 401
            })
            .await;
        }
    }
}
