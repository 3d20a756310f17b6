//! `/api/payments`: money is taken once, no more is given back than was taken, and the order follows.

mod returns;
mod stripe;

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    crash::assert_check_is_clean,
    shop::{Client, Shop, header, problem, wait_for},
};

/// How long what follows by itself may take.
const SOON: Duration = Duration::from_secs(15);
const TEST: (&str, &str) = ("HOLDFAST_PAYMENTS", "test");

impl Client {
    /// A payment of that order.
    async fn payment(&mut self, order: &Value, capture: &str) -> Value {
        let body = json!({"orderId": order["id"], "capture": capture});
        self.post("/api/payments", &body).await.expect(201).unwrap()
    }

    /// Plays the buyer's part.
    async fn play(&mut self, payment: &Value, outcome: &str) -> Value {
        let body = json!({"outcome": outcome});
        self.post(&path(payment, "/test"), &body).await.expect(200).unwrap()
    }

    async fn status_of(&mut self, kind: &str, thing: &Value) -> String {
        let path = format!("/api/{kind}/{}", thing["id"].as_str().unwrap());
        self.get(&path).await.expect(200).unwrap()["status"].as_str().unwrap().to_owned()
    }

    /// The payment as soon as it is like that.
    async fn payment_when(&mut self, payment: &Value, is_so: impl Fn(&Value) -> bool) -> Value {
        wait_for(SOON, "the payment is as it must be", async || {
            let found = self.get(&path(payment, "")).await.expect(200).unwrap();
            is_so(&found).then_some(found)
        })
        .await
    }
}

fn path(payment: &Value, action: &str) -> String {
    format!("/api/payments/{}{action}", payment["id"].as_str().unwrap())
}

#[tokio::test]
async fn money_is_taken_and_the_order_is_paid() {
    let shop = Shop::start_with(&[TEST]);
    let (mut admin, mut ada) = (shop.admin().await, shop.customer("ada").await);
    let tea = admin.product("Tea", 10).await;
    let order = ada.order(&tea, 2).await.expect(201).unwrap();
    let body = json!({"orderId": order["id"]});
    let made = ada.post_under("pay-1", "/api/payments", &body).await;
    let payment = made.expect(201).unwrap();
    assert_eq!(
        (header(&made, "location"), header(&made, "etag")),
        (path(&payment, "").as_str(), "\"1\"")
    );
    assert_eq!((&payment["status"], &payment["amount"]), (&json!("pending"), &order["total"]));
    assert!(payment["clientSecret"].is_string(), "{payment}");
    let another = ada.post("/api/payments", &body).await;
    assert_eq!(problem(&another), (409, "payment-open".into()));
    assert_eq!(another.json()["paymentId"], payment["id"]);

    assert_eq!(ada.play(&payment, "require_action").await["status"], "requires_action");
    let paid = ada.play(&payment, "succeed").await;
    assert_eq!((&paid["status"], &paid["captured"]), (&json!("captured"), &order["total"]));
    assert!(paid["clientSecret"].is_null(), "nothing is left to be paid");
    let order_now = ada.get(&format!("/api/orders/{}", order["id"].as_str().unwrap())).await.json();
    assert_eq!(
        (&order_now["status"], &order_now["reference"]),
        (&json!("paid"), &paid["reference"])
    );

    // A repeat is answered as it was, whatever has happened since.
    let again = ada.post_under("pay-1", "/api/payments", &body).await;
    assert_eq!(
        (again.expect(201).unwrap(), header(&again, "idempotent-replayed")),
        (payment.clone(), "true")
    );
    let other = json!({"orderId": order["id"], "capture": "manual"});
    assert_eq!(
        problem(&ada.post_under("pay-1", "/api/payments", &other).await),
        (422, "idempotency-key-reused".into())
    );
    assert_eq!(
        problem(&ada.post("/api/payments", &body).await),
        (409, "invalid-transition".into())
    );
    assert_eq!(
        problem(&ada.post(&path(&payment, "/cancel"), &json!({})).await),
        (409, "invalid-transition".into())
    );
    assert_check_is_clean(&shop);
}

#[tokio::test]
async fn others_neither_see_nor_move_a_payment() {
    let shop = Shop::start_with(&[TEST]);
    let (mut admin, mut ada) = (shop.admin().await, shop.customer("ada").await);
    let mut bob = shop.customer("bob").await;
    let tea = admin.product("Tea", 10).await;
    let order = ada.order(&tea, 1).await.expect(201).unwrap();
    let body = json!({"orderId": order["id"]});
    assert_eq!(problem(&bob.post("/api/payments", &body).await), (404, "not-found".into()));
    let payment = ada.payment(&order, "automatic").await;
    for action in ["", "/sync", "/cancel", "/capture", "/refunds", "/test"] {
        let answer = match action {
            "" => bob.get(&path(&payment, "")).await,
            "/test" => bob.post(&path(&payment, action), &json!({"outcome": "succeed"})).await,
            action => bob.post(&path(&payment, action), &json!({})).await,
        };
        assert_eq!(problem(&answer), (404, "not-found".into()), "{action}");
    }
    for action in ["/capture", "/refunds"] {
        let answer = ada.post(&path(&payment, action), &json!({})).await;
        assert_eq!(problem(&answer), (403, "forbidden".into()), "{action}");
    }
    assert_eq!(bob.get("/api/payments").await.json()["items"], json!([]));
    let mine =
        ada.get(&format!("/api/payments?orderId={}", order["id"].as_str().unwrap())).await.json();
    assert_eq!(mine["items"][0]["id"], payment["id"]);
    assert_eq!(
        admin.get("/api/payments?status=pending").await.json()["items"][0]["id"],
        payment["id"]
    );
    let seen = admin.get(&path(&payment, "")).await.json();
    assert!(seen["clientSecret"].is_null(), "the buyer alone pays: {seen}");
}

#[tokio::test]
async fn no_more_goes_back_than_was_taken() {
    let shop = Shop::start_with(&[TEST]);
    let (mut admin, mut ada) = (shop.admin().await, shop.customer("ada").await);
    let tea = admin.product("Tea", 10).await;
    let order = ada.order(&tea, 1).await.expect(201).unwrap();
    let payment = ada.payment(&order, "automatic").await;
    let early = admin.post(&path(&payment, "/refunds"), &json!({"amount": 1})).await;
    assert_eq!(problem(&early), (409, "refund-exceeds-captured".into()));
    ada.play(&payment, "succeed").await;
    let refund = json!({"amount": 500, "reason": "One cup came broken."});
    let made =
        admin.post_under("r1", &path(&payment, "/refunds"), &refund).await.expect(201).unwrap();
    assert_eq!((&made["status"], &made["amount"]["amount"]), (&json!("succeeded"), &json!(500)));
    let again = admin.post_under("r1", &path(&payment, "/refunds"), &refund).await;
    assert_eq!(
        (again.expect(201).unwrap()["id"].clone(), header(&again, "idempotent-replayed")),
        (made["id"].clone(), "true")
    );
    let much = admin
        .post(&path(&payment, "/refunds"), &json!({"amount": {"amount": 1500, "currency": "USD"}}))
        .await;
    assert_eq!(
        (problem(&much), &much.json()["refundable"]),
        ((409, "refund-exceeds-captured".into()), &json!(1499))
    );
    let other = admin
        .post(&path(&payment, "/refunds"), &json!({"amount": {"amount": 1, "currency": "EUR"}}))
        .await;
    assert_eq!(problem(&other), (422, "validation".into()));
    assert_eq!(
        problem(&admin.post(&path(&payment, "/refunds"), &json!({"amount": 0})).await),
        (422, "validation".into())
    );
    let rest = admin.post(&path(&payment, "/refunds"), &json!({})).await.expect(201).unwrap();
    assert_eq!(rest["amount"]["amount"], 1499, "all that is left");
    let all = admin.get(&path(&payment, "")).await.json();
    assert_eq!(
        (&all["refunded"]["amount"], all["refunds"].as_array().unwrap().len()),
        (&json!(1999), 2)
    );
    assert_eq!(admin.status_of("orders", &order).await, "paid", "the order stays as it is");
    assert_check_is_clean(&shop);
}

#[tokio::test]
async fn a_paid_order_that_is_cancelled_has_all_of_it_back() {
    let shop = Shop::start_with(&[TEST]);
    let (mut admin, mut ada) = (shop.admin().await, shop.customer("ada").await);
    let tea = admin.product("Tea", 10).await;
    let order = ada.order(&tea, 1).await.expect(201).unwrap();
    let payment = ada.payment(&order, "automatic").await;
    ada.play(&payment, "succeed").await;
    admin.post(&path(&payment, "/refunds"), &json!({"amount": 500})).await.expect(201).unwrap();
    let cancel = format!("/api/orders/{}/cancel", order["id"].as_str().unwrap());
    ada.post(&cancel, &json!({})).await.expect(200).unwrap();
    let back = ada.payment_when(&payment, |found| found["refunded"]["amount"] == 1999).await;
    assert_eq!(back["refunds"][1]["amount"]["amount"], 1499);
    assert!(back["refunds"][1]["by"].is_null(), "the shop owed it: {back}");
    assert_check_is_clean(&shop);
}

#[tokio::test]
async fn what_was_set_aside_is_taken_when_the_order_ships() {
    let shop = Shop::start_with(&[TEST]);
    let (mut admin, mut ada) = (shop.admin().await, shop.customer("ada").await);
    let tea = admin.product("Tea", 10).await;
    let order = ada.order(&tea, 1).await.expect(201).unwrap();
    let payment = ada.payment(&order, "manual").await;
    let ship = format!("/api/orders/{}/ship", order["id"].as_str().unwrap());
    assert_eq!(problem(&admin.post(&ship, &json!({})).await), (409, "invalid-transition".into()));
    let early = admin.post(&path(&payment, "/capture"), &json!({})).await;
    assert_eq!(problem(&early), (409, "invalid-transition".into()));
    assert_eq!(ada.play(&payment, "succeed").await["status"], "authorized");
    assert_eq!(ada.status_of("orders", &order).await, "placed");
    assert_eq!(admin.post(&ship, &json!({})).await.expect(200).unwrap()["status"], "shipped");
    assert_eq!(ada.status_of("payments", &payment).await, "captured");

    let order = ada.order(&tea, 1).await.expect(201).unwrap();
    let payment = ada.payment(&order, "manual").await;
    ada.play(&payment, "succeed").await;
    let taken = admin.post(&path(&payment, "/capture"), &json!({})).await.expect(200).unwrap();
    assert_eq!(taken["status"], "captured");
    assert_eq!(ada.status_of("orders", &order).await, "paid");
    assert_check_is_clean(&shop);
}

#[tokio::test]
async fn who_is_declined_or_changes_their_mind_begins_again() {
    let shop = Shop::start_with(&[TEST]);
    let (mut admin, mut ada) = (shop.admin().await, shop.customer("ada").await);
    let tea = admin.product("Tea", 10).await;
    let order = ada.order(&tea, 1).await.expect(201).unwrap();
    let payment = ada.payment(&order, "automatic").await;
    let declined = ada.play(&payment, "decline").await;
    assert_eq!(
        (&declined["status"], &declined["failure"]),
        (&json!("failed"), &json!("the card was declined"))
    );
    let payment = ada.payment(&order, "automatic").await;
    let cancelled = ada.post(&path(&payment, "/cancel"), &json!({})).await.expect(200).unwrap();
    assert_eq!(cancelled["status"], "cancelled");
    let payment = ada.payment(&order, "automatic").await;
    assert_eq!(ada.play(&payment, "succeed").await["status"], "captured");
    let all = ada
        .get(&format!("/api/payments?orderId={}&limit=2", order["id"].as_str().unwrap()))
        .await
        .json();
    assert_eq!(all["items"][0]["id"], payment["id"], "the newest first");
    assert!(all["nextCursor"].is_string());
    assert_check_is_clean(&shop);
}

#[tokio::test]
async fn an_order_that_is_being_paid_has_time_and_expires_with_its_payment() {
    let shop = Shop::start_with(&[TEST, ("HOLDFAST_PAYMENT_WINDOW", "2s")]);
    let (mut admin, mut ada) = (shop.admin().await, shop.customer("ada").await);
    let tea = admin.product("Tea", 10).await;
    let order = ada.order(&tea, 1).await.expect(201).unwrap();
    let payment = ada.payment(&order, "automatic").await;
    let order_now = ada.get(&format!("/api/orders/{}", order["id"].as_str().unwrap())).await.json();
    assert!(order_now["expiresAt"].as_str() > order["expiresAt"].as_str(), "{order_now}");
    ada.payment_when(&payment, |found| found["status"] == "cancelled").await;
    wait_for(SOON, "the order expires", async || {
        (ada.status_of("orders", &order).await == "expired").then_some(())
    })
    .await;
    wait_for(SOON, "the stock is back", async || {
        (admin.stock(&tea).await == (10, 0)).then_some(())
    })
    .await;
    let late = ada.post(&path(&payment, "/test"), &json!({"outcome": "succeed"})).await;
    assert_eq!(late.expect(200).unwrap()["status"], "cancelled", "it is too late");

    // What is set aside holds the order.
    let order = ada.order(&tea, 1).await.expect(201).unwrap();
    let payment = ada.payment(&order, "manual").await;
    ada.play(&payment, "succeed").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(ada.status_of("orders", &order).await, "placed");
    assert_check_is_clean(&shop);
}

#[tokio::test]
async fn money_that_came_otherwise_calls_an_open_payment_off() {
    let shop = Shop::start_with(&[TEST]);
    let (mut admin, mut ada) = (shop.admin().await, shop.customer("ada").await);
    let tea = admin.product("Tea", 10).await;
    let order = ada.order(&tea, 1).await.expect(201).unwrap();
    let payment = ada.payment(&order, "automatic").await;
    let pay = format!("/api/orders/{}/pay", order["id"].as_str().unwrap());
    admin.post(&pay, &json!({"reference": "cash"})).await.expect(200).unwrap();
    ada.payment_when(&payment, |found| found["status"] == "cancelled").await;
    assert_check_is_clean(&shop);
}

#[tokio::test]
async fn without_a_provider_the_staff_note_the_money() {
    let shop = Shop::start();
    let (mut admin, mut ada) = (shop.admin().await, shop.customer("ada").await);
    let tea = admin.product("Tea", 10).await;
    assert_eq!(shop.anybody().get("/api/payments/provider").await.json(), json!({}));
    let order = ada.order(&tea, 1).await.expect(201).unwrap();
    let refused = ada.post("/api/payments", &json!({"orderId": order["id"]})).await;
    assert_eq!(problem(&refused), (409, "payments-disabled".into()));
    let unsigned = shop.anybody().post("/api/payments/webhooks/stripe", &json!({})).await;
    assert_eq!(problem(&unsigned), (409, "payments-disabled".into()));
    let pay = format!("/api/orders/{}/pay", order["id"].as_str().unwrap());
    admin.post(&pay, &json!({})).await.expect(200).unwrap();
}
