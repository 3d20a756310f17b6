//! Refunds for units of an order, which go back to the stock or do not.

use holdfast_client::Answer;

use super::*;
use crate::cluster::{signal, slots_of};

impl Client {
    /// An order, and the payment that it is paid by.
    async fn paid_order(&mut self, product: &Value, quantity: i64) -> (Value, Value) {
        let order = self.order(product, quantity).await.expect(201).unwrap();
        let payment = self.payment(&order, "automatic").await;
        self.play(&payment, "succeed").await;
        (order, payment)
    }

    async fn refund_of(&mut self, payment: &Value, items: Value) -> Answer {
        self.post(&path(payment, "/refunds"), &json!({ "items": items })).await
    }

    async fn stock_when(&mut self, product: &Value, numbers: (i64, i64)) {
        wait_for(SOON, "the stock is as it must be", async || {
            (self.stock(product).await == numbers).then_some(())
        })
        .await;
    }
}

fn order_path(order: &Value, action: &str) -> String {
    format!("/api/orders/{}{action}", order["id"].as_str().unwrap())
}

fn item(product: &Value, quantity: i64, restock: bool) -> Value {
    json!({"productId": product["id"], "quantity": quantity, "restock": restock})
}

#[tokio::test]
async fn units_go_back_before_the_parcel_leaves_and_after() {
    let shop = Shop::start_with(&[TEST]);
    let (mut admin, mut ada) = (shop.admin().await, shop.customer("ada").await);
    let (tea, cup) = (admin.product("Tea", 10).await, admin.product("Cup", 5).await);
    let items = json!({"items": [
        {"productId": tea["id"], "quantity": 4}, {"productId": cup["id"], "quantity": 2}]});
    let order = ada.post("/api/orders", &items).await.expect(201).unwrap();
    let payment = ada.payment(&order, "automatic").await;
    ada.play(&payment, "succeed").await;
    let price = order["items"][0]["unitPrice"]["amount"].as_i64().unwrap();

    let one = json!([item(&tea, 1, true), item(&cup, 1, false)]);
    let made = admin.refund_of(&payment, one.clone()).await.expect(201).unwrap();
    let worth = price + order["items"][1]["unitPrice"]["amount"].as_i64().unwrap();
    assert_eq!((&made["amount"]["amount"], &made["items"]), (&json!(worth), &one));
    admin.stock_when(&tea, (10, 3)).await;
    assert_eq!(admin.stock(&cup).await, (5, 2), "what does not go back stays promised");
    let seen = ada.get(&order_path(&order, "")).await.json();
    assert_eq!(seen["returned"], json!([{"productId": tea["id"], "quantity": 1}]));
    assert_eq!(seen["items"], order["items"], "what was ordered stays");
    assert_check_is_clean(&shop);

    let shipped = admin.post(&order_path(&order, "/ship"), &json!({})).await.expect(200).unwrap();
    assert_eq!(shipped["returned"], seen["returned"]);
    admin.stock_when(&tea, (7, 0)).await;
    let two = json!([item(&tea, 2, true)]);
    let body = json!({"items": two, "amount": 1, "reason": "A gift for the return"});
    let made = admin.post_under("r", &path(&payment, "/refunds"), &body).await.expect(201).unwrap();
    assert_eq!(made["amount"]["amount"], 1, "as much as was said");
    let again = admin.post_under("r", &path(&payment, "/refunds"), &body).await;
    assert_eq!(again.expect(201).unwrap()["id"], made["id"]);
    admin.stock_when(&tea, (9, 0)).await;
    let journal = format!("/api/products/{}/stock/movements", tea["id"].as_str().unwrap());
    let moves = admin.get(&journal).await.json()["items"].clone();
    let kinds: Vec<_> = moves.as_array().unwrap().iter().map(|line| &line["kind"]).collect();
    assert_eq!(kinds, ["creation", "reservation", "release", "shipment", "return"]);
    assert_eq!(moves[4]["orderId"], order["id"]);
    assert_check_is_clean(&shop);
}

#[tokio::test]
async fn no_unit_is_refunded_or_goes_back_twice() {
    let shop = Shop::start_with(&[TEST]);
    let (mut admin, mut ada) = (shop.admin().await, shop.customer("ada").await);
    let (tea, cup) = (admin.product("Tea", 10).await, admin.product("Cup", 5).await);
    let (order, payment) = ada.paid_order(&tea, 3).await;
    admin.refund_of(&payment, json!([item(&tea, 2, true)])).await.expect(201).unwrap();
    for (items, pointer) in [
        (json!([item(&cup, 1, false)]), "#/items/0/productId"),
        (json!([item(&tea, 2, false)]), "#/items/0/quantity"),
        (json!([item(&tea, 1, false), item(&tea, 1, true)]), "#/items/1/quantity"),
        (json!([item(&tea, 0, false)]), "#/items/0/quantity"),
        (json!([item(&tea, i64::MAX, false)]), "#/items/0/quantity"),
        (json!([]), "#/items"),
    ] {
        let refused = admin.refund_of(&payment, items.clone()).await;
        assert_eq!(problem(&refused), (422, "validation".into()), "{items}");
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer, "{items}");
    }
    let much = json!({"items": [item(&tea, 1, true)], "amount": 999_999});
    let refused = admin.post(&path(&payment, "/refunds"), &much).await;
    assert_eq!(problem(&refused), (409, "refund-exceeds-captured".into()));
    assert_eq!(admin.stock(&tea).await, (10, 1), "what was refused moves nothing");
    // The rest goes back with the order.
    ada.post(&order_path(&order, "/cancel"), &json!({})).await.expect(200).unwrap();
    ada.payment_when(&payment, |found| found["refunded"] == found["captured"]).await;
    admin.stock_when(&tea, (10, 0)).await;
    assert_check_is_clean(&shop);
}

/// Who asks at once has what one after the other would have.
#[tokio::test]
async fn the_last_unit_is_refunded_once_among_twelve() {
    let shop = Shop::start_with(&[TEST]);
    let (mut admin, mut ada) = (shop.admin().await, shop.customer("ada").await);
    let tea = admin.product("Tea", 10).await;
    let (order, payment) = ada.paid_order(&tea, 3).await;
    let mut tasks = Vec::new();
    for _ in 0..12 {
        let (mut staff, payment, items) =
            (shop.admin().await, payment.clone(), json!([item(&tea, 1, true)]));
        tasks.push(tokio::spawn(async move { staff.refund_of(&payment, items).await.status }));
    }
    let mut made = 0;
    for task in tasks {
        made += usize::from(task.await.unwrap() == 201);
    }
    assert_eq!(made, 3);
    admin.stock_when(&tea, (10, 0)).await;
    assert_eq!(admin.get(&path(&payment, "")).await.json()["refunded"], order["total"]);
    assert_check_is_clean(&shop);
}

/// Whatever ends in between: what was acknowledged goes back, once.
#[tokio::test]
async fn units_go_back_over_kills() {
    let mut shop = Shop::start_with(&[TEST]);
    let mut ada = shop.customer("ada").await;
    let tea = shop.admin().await.product("Tea", 40).await;
    let (order, payment) = ada.paid_order(&tea, 20).await;
    for round in 0..4 {
        let key = format!("round-{round}");
        let body = json!({"items": [item(&tea, 3, true)]});
        let (mut staff, to, sent) = (shop.admin().await, path(&payment, "/refunds"), body.clone());
        let cut = tokio::spawn({
            let (key, to) = (key.clone(), to.clone());
            async move { staff.post_under(&key, &to, &sent).await }
        });
        tokio::time::sleep(Duration::from_millis(4 * (1 + round))).await;
        match slots_of(&shop, "payments").first() {
            Some(slot) => signal("-9", slot),
            None => shop.kill_and_restart(),
        }
        // It may have been cut.
        drop(cut.await);
        wait_for(SOON, "the refund is made", async || {
            let mut staff = shop.admin().await;
            (staff.post_under(&key, &to, &body).await.status == 201).then_some(())
        })
        .await;
        if round == 1 {
            let mut staff = shop.admin().await;
            staff.post(&order_path(&order, "/ship"), &json!({})).await.expect(200).unwrap();
        }
    }
    let mut admin = shop.admin().await;
    admin.stock_when(&tea, (40 - 20 + 12, 0)).await;
    let back = admin.payment_when(&payment, |found| found["refundPending"]["amount"] == 0).await;
    assert_eq!(back["refunds"].as_array().unwrap().len(), 4);
    assert_check_is_clean(&shop);
}
