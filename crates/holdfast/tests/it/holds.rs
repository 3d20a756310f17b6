//! Holds: stock is kept for a while, gives way to one order, and is for sale again when the time is over.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    crash::assert_check_is_clean,
    shop::{Client, Shop, items, path_of, problem, wait_for},
};

impl Client {
    async fn hold(&mut self, wanted: &[(&Value, i64)]) -> Value {
        self.post("/api/holds", &items(wanted)).await.expect(201).unwrap()
    }

    async fn held(&mut self, hold: &Value) -> Value {
        self.get(&path_of_hold(hold)).await.expect(200).unwrap()
    }

    /// Waits until so many units are promised.
    async fn promised(&mut self, product: &Value, units: i64) {
        let limit = Duration::from_secs(10);
        let seen = async || (self.stock(product).await.1 == units).then_some(());
        wait_for(limit, "the units went back", seen).await;
    }
}

fn path_of_hold(hold: &Value) -> String {
    format!("/api/holds/{}", hold["id"].as_str().unwrap())
}

fn with(hold: &Value, wanted: &[(&Value, i64)]) -> Value {
    let mut order = items(wanted);
    order["holdId"] = hold["id"].clone();
    order
}

#[tokio::test]
async fn what_is_held_is_ordered_by_who_holds_it_and_by_nobody_else() {
    let shop = Shop::start();
    let (mut admin, mut ada) = (shop.admin().await, shop.customer("ada").await);
    let mut bob = shop.customer("bob").await;
    let tea = admin.product("Tea", 3).await;
    let key = "hold-1";
    let body = items(&[(&tea, 1), (&tea, 1)]);
    let first = ada.post_under(key, "/api/holds", &body).await.expect(201).unwrap();
    assert_eq!((&first["status"], &first["items"][0]["quantity"]), (&json!("open"), &json!(2)));
    assert_eq!(first["total"], json!({"amount": 3998, "currency": "USD"}));
    let again = ada.post_under(key, "/api/holds", &body).await;
    assert_eq!((again.status.as_u16(), again.json()), (201, first.clone()));
    assert_eq!(admin.stock(&tea).await, (3, 2));
    assert_eq!(problem(&bob.order(&tea, 2).await), (409, "insufficient-stock".into()));
    assert_eq!(problem(&bob.get(&path_of_hold(&first)).await), (404, "not-found".into()));
    let theirs = bob.post("/api/orders", &with(&first, &[(&tea, 1)])).await;
    assert_eq!(problem(&theirs), (410, "hold-expired".into()));
    let order = with(&first, &[(&tea, 3)]);
    let placed = ada.post_under("order-1", "/api/orders", &order).await.expect(201).unwrap();
    let repeated = ada.post_under("order-1", "/api/orders", &order).await.expect(201).unwrap();
    assert_eq!(repeated["id"], placed["id"]);
    let over = ada.held(&first).await;
    assert_eq!((&over["status"], &over["orderId"]), (&json!("ordered"), &placed["id"]));
    let twice = ada.post("/api/orders", &with(&first, &[(&tea, 1)])).await;
    assert_eq!(problem(&twice), (410, "hold-expired".into()));
    let extend = format!("{}/extend", path_of_hold(&first));
    assert_eq!(problem(&ada.post(&extend, &json!({})).await), (410, "hold-expired".into()));
    ada.delete(&path_of_hold(&first)).await.expect(204).unwrap();
    assert_eq!(admin.stock(&tea).await, (3, 3), "letting go of what is over changes nothing");
    let path = format!("{}/stock/movements", path_of(&tea));
    let journal = admin.get(&path).await.json();
    let lines: Vec<_> = journal["items"].as_array().unwrap().iter().collect();
    let kinds: Vec<_> = lines.iter().map(|line| line["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["creation", "hold", "hold-end", "reservation"]);
    assert_eq!((&lines[2]["holdId"], &lines[2]["orderId"]), (&first["id"], &Value::Null));
    assert_eq!(lines[3]["orderId"], placed["id"]);
    assert_check_is_clean(&shop);
}

#[tokio::test]
async fn a_hold_ends_by_itself_or_when_it_is_let_go_of() {
    let shop = Shop::start_with(&[("HOLDFAST_HOLD_TIME", "2s")]);
    let (mut admin, mut ada) = (shop.admin().await, shop.customer("ada").await);
    let tea = admin.product("Tea", 3).await;
    let hold = ada.hold(&[(&tea, 3)]).await;
    let extend = format!("{}/extend", path_of_hold(&hold));
    let extended = ada.post(&extend, &json!({})).await.expect(200).unwrap();
    assert!(extended["expiresAt"].as_str() > hold["expiresAt"].as_str());
    assert_check_is_clean(&shop);
    let over = wait_for(Duration::from_secs(10), "its time is over", async || {
        let seen = ada.held(&hold).await;
        (seen["status"] == "expired").then_some(seen)
    })
    .await;
    assert_eq!(over["expiresAt"], extended["expiresAt"]);
    let late = ada.post("/api/orders", &with(&hold, &[(&tea, 1)])).await;
    assert_eq!(problem(&late), (410, "hold-expired".into()));
    admin.promised(&tea, 0).await;
    let second = ada.hold(&[(&tea, 2)]).await;
    let seen = admin.get(&format!("/api/holds?userId={}", ada.id)).await.expect(200).unwrap();
    assert_eq!(
        (&seen["items"][0]["id"], &seen["items"][0]["userId"]),
        (&second["id"], &json!(ada.id))
    );
    let theirs = ada.get(&format!("/api/holds?userId={}", admin.id)).await;
    assert_eq!(problem(&theirs), (403, "forbidden".into()));
    admin.delete(&path_of_hold(&second)).await.expect(204).unwrap();
    let released = ada.held(&second).await;
    assert!(released["endedAt"].is_string() && over["endedAt"].is_null(), "{released}");
    let unknown =
        json!({"holdId": second["id"], "items": [{"productId": second["id"], "quantity": 1}]});
    let unknown = ada.post("/api/orders", &unknown).await;
    assert_eq!(problem(&unknown), (422, "unknown-product".into()));
    assert_eq!(admin.stock(&tea).await, (3, 0));
    let listed = ada.get("/api/holds").await.expect(200).unwrap();
    let statuses: Vec<_> =
        listed["items"].as_array().unwrap().iter().map(|hold| &hold["status"]).collect();
    assert_eq!(statuses, ["released", "expired"]);
    ada.order(&tea, 3).await.expect(201).unwrap();
    assert_check_is_clean(&shop);
}

/// What is held while a sale is open can be ordered after it; what is not held, cannot. Limits count holds.
#[tokio::test]
async fn a_hold_outlives_the_sale_and_counts_against_the_limit() {
    let shop = Shop::start();
    let (mut admin, mut ada) = (shop.admin().await, shop.customer("ada").await);
    let drop = admin.product("Drop", 10).await;
    let limit = json!({"version": 1, "limitPerCustomer": 3});
    admin.patch(&path_of(&drop), &limit).await.expect(200).unwrap();
    let hold = ada.hold(&[(&drop, 2)]).await;
    let over_limit = ada.post("/api/holds", &items(&[(&drop, 2)])).await;
    assert_eq!(problem(&over_limit), (409, "limit-reached".into()));
    assert_eq!(over_limit.json()["items"][0]["ordered"], 2);
    let closed = json!({"version": 2, "saleWindow": {"closesAt": "2020-01-01T00:00:00Z"}});
    admin.patch(&path_of(&drop), &closed).await.expect(200).unwrap();
    let more = ada.post("/api/orders", &with(&hold, &[(&drop, 3)])).await;
    assert_eq!(problem(&more), (409, "not-on-sale".into()));
    assert_eq!(problem(&ada.order(&drop, 1).await), (409, "not-on-sale".into()));
    ada.post("/api/orders", &with(&hold, &[(&drop, 2)])).await.expect(201).unwrap();
    assert_eq!(admin.stock(&drop).await, (10, 2));
    assert_check_is_clean(&shop);
}
