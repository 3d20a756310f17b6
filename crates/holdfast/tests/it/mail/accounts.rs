//! What accounts have letters for: a new password, and showing that an address is one's own.

use super::*;

const ASK: &str = "/api/users/password-reset/request";

impl Shop {
    /// A customer with an address.
    async fn customer_at(&self, username: &str, email: &str) -> Client {
        let body = json!({"username": username, "password": PASSWORD, "email": email});
        self.anybody().post("/api/users/register", &body).await.expect(201).unwrap();
        self.sign_in(username, PASSWORD).await
    }
}

#[tokio::test]
async fn who_has_forgotten_a_password_sets_another_by_letter() {
    let server = SmtpDouble::start().await.unwrap();
    let shop = shop_with(&server, &[]);
    let mut ada = shop.customer_at("ada", "ada@example.com").await;
    letters_to(&server, "ada@example.com", 1).await;
    let mut anybody = shop.anybody();
    assert_eq!(anybody.post_under("k", ASK, &json!({"username": "ADA"})).await.status, 204);
    let letters = letters_to(&server, "ada@example.com", 2).await;
    let letter = &letters[1];
    assert_eq!(letter.header("Subject").unwrap(), "A new password for Tea Time");
    assert!(letter.text().contains("the account ada"), "{}", letter.text());
    let token = letter.after("https://tea.example/#/reset/").unwrap();
    // A repeat, and whoever asks again soon, bring no other letter, and the one that has come stays good.
    assert_eq!(anybody.post_under("k", ASK, &json!({"username": "ada"})).await.status, 204);
    assert_eq!(anybody.post(ASK, &json!({"email": "Ada@example.com"})).await.status, 204);
    let body = json!({"resetToken": token, "newPassword": "a new passphrase"});
    assert_eq!(anybody.post("/api/users/password-reset", &body).await.status, 204);
    assert_eq!(problem(&ada.get("/api/users/me").await), (401, "token-revoked".into()));
    shop.sign_in("ada", "a new passphrase").await;
    assert_eq!(
        problem(&anybody.post("/api/users/password-reset", &body).await),
        (422, "validation".into())
    );
    // By address, now that the other is used.
    assert_eq!(anybody.post(ASK, &json!({"email": "ADA@example.com"})).await.status, 204);
    let letters = letters_to(&server, "ada@example.com", 3).await;
    assert_eq!(letters.len(), 3);
    assert_ne!(letters[2].after("https://tea.example/#/reset/").unwrap(), token);
}

#[tokio::test]
async fn nobody_can_tell_from_the_answer_who_has_an_account() {
    let server = SmtpDouble::start().await.unwrap();
    let shop =
        shop_with(&server, &[("HOLDFAST_RATE_LIMITS", "on"), ("HOLDFAST_LETTERS_LIMIT", "9/1h")]);
    shop.customer("bare").await;
    let gone = shop.customer_at("gone", "gone@example.com").await;
    let path = format!("/api/users/{}", gone.id);
    let shut = json!({"version": 1, "disabled": true});
    shop.admin().await.patch(&path, &shut).await.expect(200).unwrap();
    shop.customer_at("ada", "ada@example.com").await;
    letters_to(&server, "ada@example.com", 1).await;
    let mut anybody = shop.anybody();
    let mut answers = Vec::new();
    for asked in [
        json!({"username": "ada"}),
        json!({"username": "ada"}),
        json!({"username": "nobody"}),
        json!({"username": "bare"}),
        json!({"username": "gone"}),
        json!({"username": "admin"}),
        json!({"email": "ada@example.com"}),
        json!({"email": "nobody@example.com"}),
        json!({"username": "x"}),
        json!({"username": "ada"}),
    ] {
        let answer = anybody.post(ASK, &asked).await;
        answers.push((answer.status.as_u16(), answer.body.clone()));
    }
    assert!(answers[..9].iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!((answers[0].0, answers[9].0), (204, 429), "and there is a limit");
    letters_to(&server, "ada@example.com", 2).await;
    let resets = server.taken().into_iter().filter(|letter| letter.text().contains("#/reset/"));
    assert_eq!(resets.count(), 1);
    for (wrong, pointer) in [
        (json!({}), ""),
        (json!({"username": "ada", "email": "ada@example.com"}), ""),
        (json!({"email": "nobody"}), "#/email"),
        (json!({"username": "x".repeat(65)}), "#/username"),
    ] {
        let answer = anybody.post(ASK, &wrong).await;
        assert_eq!(problem(&answer), (422, "validation".into()), "{wrong}");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{wrong}");
    }
}

#[tokio::test]
async fn an_address_is_shown_to_be_ones_own() {
    let server = SmtpDouble::start().await.unwrap();
    let shop = shop_with(&server, &[]);
    let mut ada = shop.customer_at("ada", "ada@example.com").await;
    let me = ada.get("/api/users/me").await.json();
    assert!(me["emailVerified"].is_null(), "{me}");
    let first = letters_to(&server, "ada@example.com", 1).await[0]
        .after("https://tea.example/#/verify/")
        .unwrap();
    let mut anybody = shop.anybody();
    let verify = "/api/users/email-verification";
    for wrong in ["", "AAAA", &first[1..], &format!("B{}", &first[1..])] {
        let answer = anybody.post(verify, &json!({"token": wrong})).await;
        assert_eq!(problem(&answer), (422, "validation".into()), "{wrong}");
        assert_eq!(answer.json()["errors"][0]["pointer"], "#/token");
    }
    // Another address: the letter to the first is good for nothing.
    let profile = json!({"version": 1, "email": "ada@work.example"});
    ada.patch("/api/users/me", &profile).await.expect(200).unwrap();
    let answer = anybody.post(verify, &json!({"token": first})).await;
    assert_eq!(problem(&answer), (422, "validation".into()));
    let letters = letters_to(&server, "ada@work.example", 1).await;
    let token = letters[0].after("https://tea.example/#/verify/").unwrap();
    let body = json!({"token": token});
    assert_eq!(anybody.post_under("v", verify, &body).await.status, 204);
    assert_eq!(anybody.post_under("v", verify, &body).await.status, 204);
    assert_eq!(anybody.post(verify, &body).await.status, 204, "twice does no harm");
    let me = ada.get("/api/users/me").await.json();
    assert_eq!((&me["emailVerified"], &me["version"]), (&json!(true), &json!(3)));
    // What is known is not asked again.
    let ask = "/api/users/me/email-verification";
    assert_eq!(ada.post(ask, &json!({})).await.status, 204);
    let profile = json!({"version": 3, "email": "ada@home.example"});
    assert!(ada.patch("/api/users/me", &profile).await.json()["emailVerified"].is_null());
    letters_to(&server, "ada@home.example", 1).await;
    assert_eq!(ada.post(ask, &json!({})).await.status, 204);
    letters_to(&server, "ada@home.example", 2).await;
    assert_eq!(server.taken().iter().filter(|one| one.to == ["ada@work.example"]).count(), 1);
    let mut bare = shop.customer("bare").await;
    assert_eq!(problem(&bare.post(ask, &json!({})).await), (422, "validation".into()));
}
