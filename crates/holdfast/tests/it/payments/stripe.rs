//! The same with Stripe, as a double of it plays it: with notifications twice and out of order, lost requests and answers, and
//! processes that are killed.

use holdfast_testkit::{
    ordinary_or_long,
    stripe::{Fate, Faults, Options, Outcome, StripeDouble, Webhook, signature},
};

use super::*;

const KEY: &str = "sk_test_holdfast";
const SECRET: &str = "whsec_holdfast";

async fn double(seed: u64) -> StripeDouble {
    let key = Some(KEY.to_owned());
    StripeDouble::start(Options { key, seed, ..Options::default() }).await.unwrap()
}

/// A shop that takes money by the double, which tells it what happens.
fn shop_of(double: &StripeDouble) -> Shop {
    let shop = Shop::start_with(&[
        ("HOLDFAST_RATE_LIMITS", "off"),
        ("HOLDFAST_PAYMENTS", "stripe"),
        ("HOLDFAST_STRIPE_SECRET_KEY", KEY),
        ("HOLDFAST_STRIPE_WEBHOOK_SECRET", SECRET),
        ("HOLDFAST_STRIPE_PUBLISHABLE_KEY", "pk_test_holdfast"),
        ("HOLDFAST_STRIPE_API_BASE", double.base_url()),
    ]);
    tell(double, &shop);
    shop
}

fn tell(double: &StripeDouble, shop: &Shop) {
    let url = format!("{}/api/payments/webhooks/stripe", shop.url);
    double.set_webhook(Some(Webhook { url, secret: SECRET.to_owned() }));
}

fn intent(payment: &Value) -> &str {
    payment["reference"].as_str().unwrap_or_else(|| panic!("{payment}"))
}

/// The books of both say the same.
async fn assert_books_agree(double: &StripeDouble, admin: &mut Client) {
    let books = double.books();
    let (mut cursor, mut seen) = (String::new(), 0);
    loop {
        let page = admin.get(&format!("/api/payments?limit=100{cursor}")).await.json();
        for payment in page["items"].as_array().unwrap() {
            let theirs = books.intents.iter().find(|theirs| theirs.id == intent(payment));
            let theirs = theirs.unwrap_or_else(|| panic!("{payment}"));
            let ours = ["captured", "refunded", "refundPending"]
                .map(|name| payment[name]["amount"].as_i64().unwrap());
            let expected = [theirs.amount_received, theirs.amount_refunded, 0];
            assert_eq!(ours, expected, "{payment} {theirs:?}");
            seen += 1;
        }
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let taken = books.intents.iter().filter(|theirs| theirs.amount_received > 0).count();
    assert!(seen >= taken && taken > 0, "{seen} {taken}");
}

#[tokio::test]
async fn notifications_tell_and_are_not_believed() {
    let double = double(1).await;
    double.set_faults(Faults {
        webhook_duplicated: 0.5,
        webhook_delayed: 0.5,
        ..Faults::default()
    });
    let shop = shop_of(&double);
    let (mut admin, mut ada) = (shop.admin().await, shop.customer("ada").await);
    let tea = admin.product("Tea", 10).await;
    let order = ada.order(&tea, 1).await.expect(201).unwrap();
    let payment = ada.payment(&order, "automatic").await;
    assert_eq!(payment["provider"], "stripe");
    let expected = json!({"provider": "stripe", "publishableKey": "pk_test_holdfast"});
    assert_eq!(shop.anybody().get("/api/payments/provider").await.json(), expected);
    assert!(payment["clientSecret"].as_str().unwrap().starts_with(intent(&payment)));
    double.pay(intent(&payment), Outcome::Decline).unwrap();
    ada.payment_when(&payment, |found| found["failure"].is_string()).await;
    double.pay(intent(&payment), Outcome::RequireAction).unwrap();
    ada.payment_when(&payment, |found| found["status"] == "requires_action").await;
    double.pay(intent(&payment), Outcome::Succeed).unwrap();
    ada.payment_when(&payment, |found| found["status"] == "captured").await;
    assert_eq!(ada.status_of("orders", &order).await, "paid");
    let play = ada.post(&path(&payment, "/test"), &json!({"outcome": "succeed"})).await;
    assert_eq!(problem(&play), (409, "payments-disabled".into()), "nobody plays with real money");

    double.set_faults(Faults { refund_pending: 1.0, ..Faults::default() });
    let refund = admin.post(&path(&payment, "/refunds"), &json!({"amount": 500})).await;
    assert_eq!(refund.expect(201).unwrap()["status"], "pending");
    let made = double.books().refunds[0].id.clone();
    double.settle_refund(&made, holdfast_testkit::stripe::RefundStatus::Succeeded).unwrap();
    ada.payment_when(&payment, |found| found["refunded"]["amount"] == 500).await;
    assert_books_agree(&double, &mut admin).await;
    assert_check_is_clean(&shop);
}

#[tokio::test]
async fn what_nobody_has_signed_is_refused() {
    let double = double(2).await;
    let shop = shop_of(&double);
    let (mut admin, mut ada) = (shop.admin().await, shop.customer("ada").await);
    let tea = admin.product("Tea", 10).await;
    let order = ada.order(&tea, 1).await.expect(201).unwrap();
    let payment = ada.payment(&order, "automatic").await;
    let event = json!({"id": "evt_1", "object": "event", "type": "payment_intent.succeeded",
        "data": {"object": {"id": payment["reference"], "object": "payment_intent", "status": "succeeded",
            "amount_received": 1999}}, "padding": "x".repeat(200 << 10)})
    .to_string();
    let now = holdfast_types::Clock::system().now().as_seconds();
    let signed = |secret, at, body: &str| signature(secret, at, body.as_bytes());
    let hooks = "/api/payments/webhooks/stripe";
    let mut anybody = shop.anybody();
    let forged = [
        (signed("whsec_other", now, &event), event.as_str()),
        (signed(SECRET, now, "{}"), &event),
        (signed(SECRET, now - 301, "{}"), "{}"),
        ("t=1,v1=".to_owned(), "{}"),
    ];
    for (signature, body) in &forged {
        let answer =
            anybody.send("POST", hooks, &[("stripe-signature", signature.as_str())], body).await;
        assert_eq!(problem(&answer), (400, "invalid-signature".into()), "{signature}");
    }
    let unsigned = anybody.send("POST", hooks, &[], "{}").await;
    assert_eq!(problem(&unsigned), (400, "invalid-signature".into()));
    let good = signed(SECRET, now, &event);
    let headers = [("stripe-signature", good.as_str())];
    let taken = anybody.send("POST", hooks, &headers, &event).await;
    assert_eq!(taken.status.as_u16(), 204);
    // It says that the money has come; Stripe was asked, and says that it has not.
    let seen = ada.post(&path(&payment, "/sync"), &json!({})).await.expect(200).unwrap();
    assert_eq!(seen["status"], "pending");
    assert_eq!(ada.status_of("orders", &order).await, "placed");
}

#[tokio::test]
async fn an_authorisation_that_has_lapsed_blocks_shipping() {
    let double = double(3).await;
    let shop = shop_of(&double);
    let (mut admin, mut ada) = (shop.admin().await, shop.customer("ada").await);
    let tea = admin.product("Tea", 10).await;
    let order = ada.order(&tea, 1).await.expect(201).unwrap();
    let payment = ada.payment(&order, "manual").await;
    double.pay(intent(&payment), Outcome::Succeed).unwrap();
    ada.payment_when(&payment, |found| found["status"] == "authorized").await;
    // Before the shop hears of it.
    wait_for(SOON, "all is told", async || (double.undelivered() == 0).then_some(())).await;
    ada.post(&path(&payment, "/sync"), &json!({})).await.expect(200).unwrap();
    double.set_webhook(None);
    double.lapse(intent(&payment)).unwrap();
    let ship = format!("/api/orders/{}/ship", order["id"].as_str().unwrap());
    assert_eq!(problem(&admin.post(&ship, &json!({})).await), (402, "payment-declined".into()));
    assert_eq!(ada.status_of("payments", &payment).await, "cancelled");
    assert_eq!(ada.status_of("orders", &order).await, "placed");
    tell(&double, &shop);
    let again = ada.payment(&order, "manual").await;
    double.pay(intent(&again), Outcome::Succeed).unwrap();
    ada.payment_when(&again, |found| found["status"] == "authorized").await;
    assert_eq!(admin.post(&ship, &json!({})).await.expect(200).unwrap()["status"], "shipped");
    assert_books_agree(&double, &mut admin).await;
    assert_check_is_clean(&shop);
}

#[tokio::test]
async fn an_answer_that_was_lost_or_failed_is_had_by_repeating() {
    let double = double(4).await;
    let shop = shop_of(&double);
    let (mut admin, mut ada) = (shop.admin().await, shop.customer("ada").await);
    let tea = admin.product("Tea", 10).await;
    for fate in [Fate::AnswerLost, Fate::RequestLost, Fate::ErrorAfterEffect, Fate::RateLimited] {
        let order = ada.order(&tea, 1).await.expect(201).unwrap();
        let body = json!({"orderId": order["id"]});
        double.next([fate]);
        let lost = ada.post_under("lost", "/api/payments", &body).await;
        assert_eq!(problem(&lost), (503, "unavailable".into()), "{fate:?}");
        let made = ada.post_under("lost", "/api/payments", &body).await.expect(201).unwrap();
        let secret = made["clientSecret"].as_str().unwrap_or_else(|| panic!("{fate:?} {made}"));
        double.pay(secret.split("_secret").next().unwrap(), Outcome::Succeed).unwrap();
        ada.payment_when(&made, |found| found["status"] == "captured").await;
        double.next([fate]);
        let refund = admin.post(&path(&made, "/refunds"), &json!({"amount": 100})).await;
        refund.expect(201).unwrap();
        if fate != Fate::ErrorAfterEffect {
            ada.payment_when(&made, |found| found["refunded"]["amount"] == 100).await;
        }
        // Another buyer each time, so that the key is their own.
        ada = shop.customer(&format!("ada{fate:?}")).await;
    }
}

/// Buyers pay, change their minds and are given money back over a bad network, while the shop is killed again and again.
#[tokio::test]
async fn books_agree_after_kills() {
    let double = double(5).await;
    let mut shop = shop_of(&double);
    let mut admin = shop.admin().await;
    let tea = admin.product("Tea", 1000).await;
    let faults = Faults {
        request_lost: 0.08,
        answer_lost: 0.08,
        rate_limited: 0.05,
        webhook_dropped: 0.3,
        webhook_duplicated: 0.3,
        webhook_delayed: 0.3,
        latency_ms: 3,
        jitter_ms: 20,
        ..Faults::default()
    };
    for round in 0..ordinary_or_long(3, 30) {
        double.set_faults(faults.clone());
        let buyers: Vec<_> = (0..6)
            .map(|number| {
                let (url, token, tea) = (shop.url.clone(), admin.token.clone(), tea.clone());
                let client = Client {
                    connection: holdfast_client::Connection::new(&url),
                    token,
                    id: String::new(),
                };
                tokio::spawn(buy(client, tea, round * 6 + number))
            })
            .collect();
        for pause in 0..8 {
            tokio::time::sleep(Duration::from_millis(60)).await;
            play(&double, pause);
        }
        shop.kill_and_restart();
        tell(&double, &shop);
        for buyer in buyers {
            // Whoever was cut off has gone home.
            let _ = buyer.await;
        }
        admin = shop.admin().await;
    }
    double.set_faults(Faults::default());
    // What has been claimed comes about; what is open is called off.
    let open = ["pending", "requires_action", "processing", "authorized"];
    wait_for(Duration::from_secs(120), "nothing is open any more", async || {
        let mut count = 0;
        for status in open {
            let found = admin.get(&format!("/api/payments?status={status}&limit=100")).await.json();
            for payment in found["items"].as_array().unwrap() {
                count += 1;
                let _ = admin.post(&path(payment, "/cancel"), &json!({})).await;
            }
        }
        let taken = admin.get("/api/payments?status=captured&limit=100").await.json();
        let owed = |payment: &&Value| payment["refundPending"]["amount"] != 0;
        count += taken["items"].as_array().unwrap().iter().filter(owed).count();
        (count == 0).then_some(())
    })
    .await;
    assert_books_agree(&double, &mut admin).await;
    assert_check_is_clean(&shop);
}

/// Some buyers pay, and some are declined.
fn play(double: &StripeDouble, pause: usize) {
    let books = double.books();
    let open = books.intents.iter().filter(|it| it.status == "requires_payment_method");
    for (number, theirs) in open.enumerate().filter(|(number, _)| number % 8 <= pause) {
        let outcome = if number % 5 == 0 { Outcome::Decline } else { Outcome::Succeed };
        let _ = double.pay(&theirs.id, outcome);
    }
}

/// One who orders, begins to pay, and perhaps changes their mind; as the staff, who may give money back.
async fn buy(mut client: Client, tea: Value, number: usize) {
    let order = client.order(&tea, 1).await;
    let Ok(order) = order.expect(201) else { return };
    let body = json!({"orderId": order["id"]});
    let key = format!("pay-{number}");
    for _ in 0..20 {
        let made = client.post_under(&key, "/api/payments", &body).await;
        let Ok(payment) = made.expect(201) else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        tokio::time::sleep(Duration::from_millis(150)).await;
        match number % 4 {
            0 => drop(client.post(&path(&payment, "/cancel"), &json!({})).await),
            1 => {
                let cancel = format!("/api/orders/{}/cancel", order["id"].as_str().unwrap());
                drop(client.post(&cancel, &json!({})).await);
            }
            2 => drop(client.post(&path(&payment, "/refunds"), &json!({"amount": 700})).await),
            _ => drop(client.post(&path(&payment, "/sync"), &json!({})).await),
        }
        return;
    }
}
