//! Letters to customers: each about something that has happened, sent at least once under one `Message-ID`, to whom it concerns.

mod accounts;
mod kills;

use std::time::Duration;

use holdfast_testkit::smtp::{Received, SmtpDouble, SmtpFate};
use serde_json::{Value, json};

use crate::{
    crash::assert_check_is_clean,
    shop::{Client, PASSWORD, Shop, problem, wait_for},
};

/// How long what follows by itself may take.
const SOON: Duration = Duration::from_secs(20);

/// A shop whose letters that server takes.
fn shop_with(server: &SmtpDouble, more: &[(&str, &str)]) -> Shop {
    let settings = [
        ("HOLDFAST_SMTP_URL", server.url()),
        ("HOLDFAST_MAIL_FROM", "Tea Time <shop@tea.example>".to_owned()),
        ("HOLDFAST_SHOP_URL", "https://tea.example/".to_owned()),
    ];
    let settings: Vec<(&str, &str)> = settings
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .chain(more.iter().copied())
        .collect();
    Shop::start_with(&settings)
}

/// The letters to that address, as soon as there are so many.
async fn letters_to(server: &SmtpDouble, address: &str, count: usize) -> Vec<Received> {
    let to = [address.to_owned()];
    wait_for(SOON, "the letters have come", async || {
        let mut letters = server.taken();
        letters.retain(|letter| letter.to == to);
        (letters.len() >= count).then_some(letters)
    })
    .await
}

impl Client {
    /// Places an order with that address.
    async fn order_to(&mut self, product: &Value, email: &str) -> Value {
        let items = json!([{"productId": product["id"], "quantity": 2}]);
        let order = json!({"items": items, "email": email});
        self.post("/api/orders", &order).await.expect(201).unwrap()
    }

    async fn letters(&mut self, query: &str) -> Vec<Value> {
        let list = self.get(&format!("/api/letters{query}")).await.expect(200).unwrap();
        list["items"].as_array().unwrap().clone()
    }

    /// The letters of an order, as soon as one of them is like that.
    async fn letter_when(&mut self, order: &Value, status: &str) -> Value {
        let query = format!("?orderId={}&status={status}", order["id"].as_str().unwrap());
        wait_for(SOON, status, async || self.letters(&query).await.into_iter().next()).await
    }
}

#[tokio::test]
async fn a_buyer_is_told_what_becomes_of_an_order() {
    let server = SmtpDouble::start().await.unwrap();
    let shop = shop_with(&server, &[("HOLDFAST_PAYMENTS", "test")]);
    let (mut admin, mut ada) = (shop.admin().await, shop.customer("ada").await);
    let tea = admin.product("Earl Grey", 10).await;
    let order = ada.order_to(&tea, "ada@example.com").await;
    let payment = json!({"orderId": order["id"]});
    let payment = ada.post("/api/payments", &payment).await.expect(201).unwrap();
    let path = format!("/api/payments/{}", payment["id"].as_str().unwrap());
    let succeed = json!({"outcome": "succeed"});
    ada.post(&format!("{path}/test"), &succeed).await.expect(200).unwrap();
    let ship = json!({"carrier": "Royal Mail", "trackingNumber": "RM 1"});
    let order_path = format!("/api/orders/{}", order["id"].as_str().unwrap());
    admin.post(&format!("{order_path}/ship"), &ship).await.expect(200).unwrap();
    admin.post(&format!("{path}/refunds"), &json!({"amount": 500})).await.expect(201).unwrap();
    let letters = letters_to(&server, "ada@example.com", 4).await;

    let number = order["number"].as_str().unwrap();
    let about = |subject: &str| {
        let found =
            letters.iter().find(|letter| letter.header("Subject").as_deref() == Some(subject));
        found.unwrap_or_else(|| panic!("{subject}: {letters:?}"))
    };
    let placed = about(&format!("Your order {number}"));
    assert!(placed.text().contains("2 x Earl Grey: 39.98 USD"), "{}", placed.text());
    assert_eq!(placed.header("From").unwrap(), "\"Tea Time\" <shop@tea.example>");
    assert_eq!(placed.header("Auto-Submitted").unwrap(), "auto-generated");
    about(&format!("Your order {number} is paid"));
    let shipped = about(&format!("Your order {number} is on its way"));
    assert!(shipped.text().contains("Royal Mail under the number RM 1"), "{}", shipped.text());
    let refunded = about(&format!("Money back for your order {number}"));
    assert!(refunded.text().contains("5.00 USD of your order"), "{}", refunded.text());

    // The link in it shows whoever has it how the order stands, and nothing that is personal.
    let token = placed.after("https://tea.example/#/status/").unwrap();
    let mut anybody = shop.anybody();
    let status = anybody.post("/api/orders/status", &json!({"token": token})).await;
    let status = status.expect(200).unwrap();
    assert_eq!((&status["number"], &status["status"]), (&order["number"], &json!("shipped")));
    assert_eq!(status["trackingNumber"], "RM 1");
    assert!(status["email"].is_null() && status["userId"].is_null(), "{status}");
    for wrong in [&token[1..], "", "AAAA", &token.replace(&token[..4], "AAAA")] {
        let refused = anybody.post("/api/orders/status", &json!({"token": wrong})).await;
        assert_eq!(problem(&refused), (404, "not-found".into()), "{wrong}");
    }

    // Each is about an event, whose id it has.
    let listed = admin.letters("?status=sent").await;
    for letter in &letters {
        let id = letter.header("Message-ID").unwrap();
        let is_it = |one: &&Value| id == format!("<{}@tea.example>", one["id"].as_str().unwrap());
        assert!(listed.iter().any(|one| is_it(&one)), "{id} {listed:?}");
    }
    assert_check_is_clean(&shop);
}

#[tokio::test]
async fn an_account_says_where_letters_go_when_the_order_does_not() {
    let server = SmtpDouble::start().await.unwrap();
    let shop = shop_with(&server, &[]);
    let mut admin = shop.admin().await;
    let tea = admin.product("Tea", 10).await;
    let mut ada = shop.customer("ada").await;
    let silent = ada.order(&tea, 1).await.expect(201).unwrap();
    let skipped = admin.letter_when(&silent, "skipped").await;
    assert_eq!(skipped["problem"], "there is no e-mail address to write to");
    let profile = json!({"version": 1, "email": "ada@home.example", "name": "Ada"});
    ada.patch("/api/users/me", &profile).await.expect(200).unwrap();
    ada.order(&tea, 1).await.expect(201).unwrap();
    let letters = letters_to(&server, "ada@home.example", 2).await;
    // Who gives an address that is not theirs does not choose the words that are sent there.
    let greets = |words: &str| letters.iter().filter(|one| one.text().contains(words)).count();
    assert_eq!((greets("Good day,"), greets("Dear Ada,")), (1, 1), "{letters:?}");
    // Also of a guest.
    let body = json!({"email": "guest@home.example"});
    let guest = shop.anybody().post("/api/users/guest", &body).await.expect(201).unwrap();
    let mut guest =
        Client { token: guest["accessToken"].as_str().map(str::to_owned), ..shop.anybody() };
    guest.order(&tea, 1).await.expect(201).unwrap();
    letters_to(&server, "guest@home.example", 1).await;
    // And once there is an address, the one that was skipped can be sent.
    let path = format!("/api/letters/{}/retry", skipped["id"].as_str().unwrap());
    assert_eq!(problem(&ada.post(&path, &json!({})).await), (403, "forbidden".into()));
    let again = admin.post_under("again", &path, &json!({})).await.expect(200).unwrap();
    assert_eq!(again["status"], "pending");
    letters_to(&server, "ada@home.example", 3).await;
    admin.letter_when(&silent, "sent").await;
    admin.entries("&action=retry_letter", 1).await;
}

#[tokio::test]
async fn what_the_server_does_not_take_is_tried_again_under_the_same_id() {
    let server = SmtpDouble::start().await.unwrap();
    let shop = shop_with(&server, &[]);
    let (mut admin, mut ada) = (shop.admin().await, shop.customer("ada").await);
    let tea = admin.product("Tea", 10).await;
    server.next([SmtpFate::Refused]);
    let order = ada.order_to(&tea, "nobody@example.com").await;
    let failed = admin.letter_when(&order, "failed").await;
    assert!(failed["problem"].as_str().unwrap().contains("no such mailbox"), "{failed}");
    assert!(!failed["problem"].as_str().unwrap().contains('@'), "no address is kept");
    // One that no server would take holds up no other.
    let order = ada.order_to(&tea, "nöbody@example.com").await;
    admin.letter_when(&order, "failed").await;
    server.next([SmtpFate::Deferred]);
    let order = ada.order_to(&tea, "grey@example.com").await;
    let deferred = wait_for(SOON, "it is deferred", async || {
        let letter = admin.letter_when(&order, "pending").await;
        (letter["attempts"] == 1).then_some(letter)
    })
    .await;
    assert!(deferred["problem"].as_str().unwrap().contains("later"), "{deferred}");
    assert!(deferred["nextAttemptAt"].is_string());
    assert!(server.taken().is_empty());
    // Nobody knows what became of the letter: it is sent once more, so that whoever has it twice can tell.
    server.next([SmtpFate::AnswerLost]);
    let order = ada.order_to(&tea, "twice@example.com").await;
    letters_to(&server, "twice@example.com", 1).await;
    let unknown = wait_for(SOON, "nobody knows", async || {
        let letter = admin.letter_when(&order, "pending").await;
        (letter["attempts"] == 1).then_some(letter)
    })
    .await;
    assert!(unknown["problem"].as_str().unwrap().contains("nobody knows"), "{unknown}");
    // It would be, in one minute or two.
    let path = format!("/api/letters/{}/retry", unknown["id"].as_str().unwrap());
    admin.post(&path, &json!({})).await.expect(200).unwrap();
    let twice = letters_to(&server, "twice@example.com", 2).await;
    assert_eq!(twice[0].header("Message-ID"), twice[1].header("Message-ID"));
    assert_eq!(twice[0].header("Date"), twice[1].header("Date"));
    admin.letter_when(&order, "sent").await;
    assert_check_is_clean(&shop);
}

#[tokio::test]
async fn without_a_server_nothing_is_written() {
    let shop = Shop::start();
    let (mut admin, mut ada) = (shop.admin().await, shop.customer("ada").await);
    let tea = admin.product("Tea", 10).await;
    ada.order_to(&tea, "ada@example.com").await;
    let server = admin.get("/api/letters/server").await.expect(200).unwrap();
    assert_eq!(server, json!({"isConfigured": false}));
    let body = json!({"username": "ada"});
    let asked = shop.anybody().post("/api/users/password-reset/request", &body).await;
    assert_eq!(asked.status, 204);
    admin.events("&types=order.placed", 1).await;
    assert!(admin.letters("").await.is_empty());
    let path = format!("/api/letters/{}/retry", ada.id);
    let retry = admin.post(&path, &json!({})).await;
    assert_eq!(problem(&retry), (409, "mail-disabled".into()));
    assert_eq!(problem(&ada.get("/api/letters").await), (403, "forbidden".into()));
    assert_eq!(problem(&ada.get("/api/letters/server").await), (403, "forbidden".into()));
}

#[tokio::test]
async fn an_address_that_has_many_letters_has_the_others_later() {
    let server = SmtpDouble::start().await.unwrap();
    let shop =
        shop_with(&server, &[("HOLDFAST_RATE_LIMITS", "on"), ("HOLDFAST_LETTERS_LIMIT", "2/1h")]);
    let (mut admin, mut ada) = (shop.admin().await, shop.customer("ada").await);
    let tea = admin.product("Tea", 10).await;
    for _ in 0..2 {
        ada.order_to(&tea, "Ada@example.com").await;
    }
    letters_to(&server, "Ada@example.com", 2).await;
    let order = ada.order_to(&tea, "ada@Example.com").await;
    wait_for(SOON, "it waits", async || {
        let letter = admin.letter_when(&order, "pending").await;
        let why = letter["problem"].as_str().unwrap_or_default().to_owned();
        why.contains("many letters").then_some(())
    })
    .await;
    ada.order_to(&tea, "bob@example.com").await;
    letters_to(&server, "bob@example.com", 1).await;
    assert_eq!(server.taken().len(), 3);
}
