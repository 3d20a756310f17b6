//! A second factor: asked for after the password, each code good once, owed where a role wants it.

use serde_json::{Value, json};
use totp_rs::{Builder, Secret};

use crate::shop::{ADMIN_PASSWORD, Client, PASSWORD, Shop, problem};

/// Seconds of an interval, and of its end in which no code is made: one of the interval before must arrive in this one.
const INTERVAL: i64 = 30;
const END: i64 = 5;

/// The code that an app with this secret shows, so many seconds from now.
pub(crate) fn code(secret: &Value, later: i64) -> String {
    let secret = Secret::try_from_base32(secret.as_str().unwrap()).unwrap();
    let totp = Builder::new().with_secret(secret).with_account_name("a").build().unwrap();
    let now = || holdfast_types::Clock::system().now().as_seconds();
    while now() % INTERVAL >= INTERVAL - END {
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    let now = now();
    totp.generate(u64::try_from(now + later).unwrap()).to_string()
}

impl Client {
    /// Takes a second factor; returns the secret and the codes for recovery. The code of the interval before is used up.
    async fn take_mfa(&mut self, password: &str) -> (Value, Vec<String>) {
        let begun = self.post("/api/users/me/mfa", &json!({"password": password})).await;
        let secret = begun.expect(200).unwrap()["secret"].clone();
        let body = json!({"code": code(&secret, -30)});
        let confirmed = self.post("/api/users/me/mfa/confirm", &body).await.expect(200).unwrap();
        let codes = confirmed["recoveryCodes"].as_array().unwrap();
        (secret, codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect())
    }

    /// What a right password is told that does not suffice.
    async fn mfa_token(&mut self, username: &str, password: &str) -> Value {
        let body = json!({"username": username, "password": password});
        let refused = self.post("/api/users/login", &body).await;
        assert_eq!(problem(&refused), (401, "mfa-required".into()));
        assert_eq!(refused.json()["expiresIn"], 300);
        refused.json()["mfaToken"].clone()
    }

    async fn second_step(&mut self, token: &Value, code: &str) -> holdfast_client::Answer {
        self.post("/api/users/login/mfa", &json!({"mfaToken": token, "code": code})).await
    }
}

#[tokio::test]
async fn a_password_alone_does_not_sign_in() {
    let shop = Shop::start();
    let mut ada = shop.customer("ada").await;
    let mut elsewhere = shop.sign_in("ada", PASSWORD).await;
    let none = ada.get("/api/users/me/mfa").await.expect(200).unwrap();
    assert_eq!(none, json!({"enabled": false, "recoveryCodesLeft": 0}));
    let wrong = ada.post("/api/users/me/mfa", &json!({"password": "not hers at all"})).await;
    assert_eq!(problem(&wrong), (422, "validation".into()));
    let early = ada.post("/api/users/me/mfa/confirm", &json!({"code": "123456"})).await;
    assert_eq!(problem(&early), (422, "validation".into()));
    let (secret, recovery) = ada.take_mfa(PASSWORD).await;
    assert_eq!(recovery.len(), 10);
    let told = ada.get("/api/users/me").await.expect(200).unwrap();
    assert_eq!(told["mfaEnabled"], true);
    let ended = elsewhere.get("/api/users/me").await;
    assert_eq!(problem(&ended), (401, "token-revoked".into()), "it was begun without");
    let again = ada.post("/api/users/me/mfa", &json!({"password": PASSWORD})).await;
    assert_eq!(problem(&again), (409, "mfa-enabled".into()));

    let mut door = shop.anybody();
    let token = door.mfa_token("ada", PASSWORD).await;
    for wrong in ["000000", "", "abc", &code(&secret, -30), &code(&secret, 3_600)] {
        let refused = door.second_step(&token, wrong).await;
        assert_eq!(problem(&refused), (401, "invalid-credentials".into()), "{wrong}");
    }
    let now = code(&secret, 0);
    let session = door.second_step(&token, &now).await.expect(200).unwrap();
    assert_eq!(session["user"]["username"], "ada");
    assert_eq!(problem(&door.second_step(&token, &now).await).0, 401, "each code is good once");
    let shouted = recovery[2].to_uppercase().replace('-', " ");
    door.second_step(&token, &shouted).await.expect(200).unwrap();
    assert_eq!(problem(&door.second_step(&token, &recovery[2]).await).0, 401);
    let left = ada.get("/api/users/me/mfa").await.expect(200).unwrap();
    assert_eq!(left["recoveryCodesLeft"], 9);
    for forged in ["", "abc", &"A".repeat(54)] {
        let refused = door.second_step(&json!(forged), &recovery[3]).await;
        assert_eq!(problem(&refused), (401, "invalid-token".into()), "{forged}");
    }
    let wrong = json!({"username": "ada", "password": "not hers at all"});
    let refused = door.post("/api/users/login", &wrong).await;
    assert_eq!(problem(&refused), (401, "invalid-credentials".into()), "nothing is told before");

    let body = json!({"code": recovery[4]});
    let renewed = ada.post("/api/users/me/mfa/recovery-codes", &body).await.expect(200).unwrap();
    assert_eq!(renewed["recoveryCodesLeft"], 10);
    let old = ada.post("/api/users/me/mfa/disable", &json!({"code": recovery[5]})).await;
    assert_eq!(problem(&old), (422, "validation".into()));
    let body = json!({"code": renewed["recoveryCodes"][0]});
    let first = ada.post_under("off", "/api/users/me/mfa/disable", &body).await;
    assert_eq!(first.expect(200).unwrap()["enabled"], false);
    shop.sign_in("ada", PASSWORD).await;
}

#[tokio::test]
async fn secrets_are_shown_again_to_a_repeat_and_kept_nowhere() {
    let shop = Shop::start();
    let mut ada = shop.customer("ada").await;
    let body = json!({"password": PASSWORD});
    let begun = ada.post_under("b", "/api/users/me/mfa", &body).await.expect(200).unwrap();
    let again = ada.post_under("b", "/api/users/me/mfa", &body).await.expect(200).unwrap();
    assert_eq!(begun, again);
    let body = json!({"code": code(&begun["secret"], 0)});
    let path = "/api/users/me/mfa/confirm";
    let confirmed = ada.post_under("c", path, &body).await.expect(200).unwrap();
    let repeat = ada.post_under("c", path, &body).await.expect(200).unwrap();
    assert_eq!(confirmed["recoveryCodes"], repeat["recoveryCodes"]);
    let data = std::fs::read(shop.folder.path().join("holdfast.db")).unwrap_or_default();
    let first = confirmed["recoveryCodes"][0].as_str().unwrap().as_bytes();
    assert!(!data.windows(first.len()).any(|part| part == first), "only hashes are kept");
}

#[tokio::test]
async fn a_role_that_wants_a_second_factor_permits_nothing_without() {
    let shop = Shop::start_with(&[
        ("HOLDFAST_RATE_LIMITS", "off"),
        ("HOLDFAST_MFA_ROLES", "admin, seller"),
    ]);
    let mut admin = shop.admin().await;
    let login = json!({"username": "admin", "password": ADMIN_PASSWORD});
    let session = shop.anybody().post("/api/users/login", &login).await.expect(200).unwrap();
    assert_eq!((&session["mfaSetupRequired"], &session["permissions"]), (&json!(true), &json!([])));
    assert_eq!(problem(&admin.get("/api/users").await), (403, "forbidden".into()));
    assert_eq!(admin.get("/api/users/me/mfa").await.expect(200).unwrap()["required"], true);
    let (secret, _) = admin.take_mfa(ADMIN_PASSWORD).await;
    let token = shop.anybody().mfa_token("admin", ADMIN_PASSWORD).await;
    let session = shop.anybody().second_step(&token, &code(&secret, 0)).await.expect(200).unwrap();
    assert_eq!(session["permissions"].as_array().unwrap().len(), 20);
    assert!(session.get("mfaSetupRequired").is_none());
    admin.token = session["accessToken"].as_str().map(str::to_owned);
    admin.get("/api/users").await.expect(200).unwrap();
    // Nor do their programs go on when it is given up.
    let key = json!({"name": "x", "permissions": ["orders:read"]});
    let key = admin.post("/api/keys", &key).await.expect(201).unwrap();
    let mut program = shop.anybody();
    program.token = key["key"].as_str().map(str::to_owned);
    program.get("/api/orders").await.expect(200).unwrap();
    let body = json!({"code": code(&secret, 30)});
    admin.post("/api/users/me/mfa/disable", &body).await.expect(200).unwrap();
    crate::shop::wait_for(std::time::Duration::from_secs(5), "the key is empty", async || {
        (program.get("/api/orders").await.status == 403).then_some(())
    })
    .await;
    assert_eq!(problem(&admin.get("/api/users").await), (401, "token-revoked".into()));
}

#[tokio::test]
async fn who_has_lost_theirs_is_helped_by_who_may() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let (mut ada, mut eve) = (shop.customer("ada").await, shop.customer("eve").await);
    ada.take_mfa(PASSWORD).await;
    let path = format!("/api/users/{}/mfa/reset", ada.id);
    assert_eq!(problem(&eve.post(&path, &json!({})).await), (403, "forbidden".into()));
    let role = json!({"name": "desk", "permissions": ["users:write"]});
    admin.post("/api/roles", &role).await.expect(201).unwrap();
    let desk = json!({"version": 1, "role": "desk"});
    admin.patch(&format!("/api/users/{}", eve.id), &desk).await.expect(200).unwrap();
    let mut desk = shop.sign_in("eve", PASSWORD).await;
    let of_admin = format!("/api/users/{}/mfa/reset", admin.id);
    assert_eq!(problem(&desk.post(&of_admin, &json!({})).await), (403, "forbidden".into()));
    let key = json!({"name": "x", "permissions": ["users:write"]});
    let key = admin.post("/api/keys", &key).await.expect(201).unwrap();
    let mut program = shop.anybody();
    program.token = key["key"].as_str().map(str::to_owned);
    let refused = program.post(&path, &json!({})).await;
    assert_eq!(problem(&refused), (403, "forbidden".into()), "in person");
    let helped = desk.post(&path, &json!({})).await.expect(200).unwrap();
    assert!(helped.get("mfaEnabled").is_none());
    shop.sign_in("ada", PASSWORD).await;
}

/// Six digits are a million guesses: whoever has the password has few.
#[tokio::test]
async fn guesses_at_codes_are_held_up() {
    let shop = Shop::start_with(&[("HOLDFAST_RATE_LIMITS", "on")]);
    let mut ada = shop.customer("ada").await;
    let (secret, _) = ada.take_mfa(PASSWORD).await;
    let mut thief = shop.anybody();
    let token = thief.mfa_token("ada", PASSWORD).await;
    let mut refused = 0;
    for number in 0..20 {
        let answer = thief.second_step(&token, &format!("{number:06}")).await;
        refused += u32::from(answer.status == 429);
    }
    assert!(refused >= 9, "{refused} of 20 were held up");
    let late = thief.second_step(&token, &code(&secret, 0)).await;
    assert_eq!(late.status, 429, "not even the right one");
}
