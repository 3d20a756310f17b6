//! Limits per customer: over all orders of one, whatever is sent at once, until they are called off or go back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    crash::assert_check_is_clean,
    shop::{ADMIN_PASSWORD, Client, Shop, items, path_of, problem, product, wait_for},
};

impl Client {
    async fn limited(&mut self, name: &str, quantity: i64, limit: i64) -> Value {
        let mut new = product(name, quantity);
        new["limitPerCustomer"] = json!(limit);
        self.post("/api/products", &new).await.expect(201).unwrap()
    }
}

#[tokio::test]
async fn a_customer_has_no_more_than_the_limit_over_all_orders() {
    let shop = Shop::start();
    let (mut admin, mut ada) = (shop.admin().await, shop.customer("ada").await);
    let mut bob = shop.customer("bob").await;
    let drop = admin.limited("Drop", 20, 3).await;
    assert_eq!(drop["limitPerCustomer"], 3);
    let tea = admin.product("Tea", 20).await;
    let first =
        ada.post("/api/orders", &items(&[(&tea, 9), (&drop, 2)])).await.expect(201).unwrap();
    let refused = ada.post("/api/orders", &items(&[(&tea, 1), (&drop, 2)])).await;
    assert_eq!(problem(&refused), (409, "limit-reached".into()));
    let item = json!({"productId": drop["id"], "limit": 3, "ordered": 2, "requested": 2});
    assert_eq!(refused.json()["items"], json!([item]));
    assert_eq!(admin.stock(&tea).await, (20, 9), "a refusal takes nothing");
    ada.order(&drop, 1).await.expect(201).unwrap();
    bob.order(&drop, 3).await.expect(201).unwrap();
    let none_left = ada.post("/api/orders", &items(&[(&drop, 1)])).await;
    assert_eq!(none_left.json()["items"][0]["ordered"], 3);
    // What is called off counts no more.
    let cancel = format!("/api/orders/{}/cancel", first["id"].as_str().unwrap());
    ada.post(&cancel, &json!({})).await.expect(200).unwrap();
    let more = wait_for(Duration::from_secs(10), "units went back", async || {
        let answer = ada.post("/api/orders", &items(&[(&drop, 2)])).await;
        (answer.status == 201).then_some(answer)
    });
    more.await;
    let none_left = ada.order(&drop, 1).await;
    assert_eq!(problem(&none_left), (409, "limit-reached".into()));
    assert_check_is_clean(&shop);
}

#[tokio::test]
async fn a_limit_is_set_changed_and_taken_away() {
    let shop = Shop::start();
    let (mut admin, mut ada) = (shop.admin().await, shop.customer("ada").await);
    let tea = admin.product("Tea", 50).await;
    assert!(tea["limitPerCustomer"].is_null());
    let path = path_of(&tea);
    ada.order(&tea, 9).await.expect(201).unwrap();
    for (version, limit, fits, exceeds) in
        [(1, json!(2), 2, 1), (2, json!(5), 3, 1), (3, json!(4), 0, 1)]
    {
        let body = json!({"version": version, "limitPerCustomer": limit});
        let changed = admin.patch(&path, &body).await.expect(200).unwrap();
        assert_eq!(changed["limitPerCustomer"], limit);
        assert_eq!(admin.get("/api/products").await.json()["items"][0]["limitPerCustomer"], limit);
        if fits > 0 {
            ada.order(&tea, fits).await.expect(201).unwrap();
        }
        assert_eq!(problem(&ada.order(&tea, exceeds).await), (409, "limit-reached".into()));
    }
    for limit in [json!(0), json!(-1), json!(1001)] {
        let body = json!({"version": 4, "limitPerCustomer": limit});
        let refused = admin.patch(&path, &body).await;
        assert_eq!(problem(&refused), (422, "validation".into()), "{limit}");
        assert_eq!(refused.json()["errors"][0]["pointer"], "#/limitPerCustomer");
        let mut new = product("Tea", 1);
        new["limitPerCustomer"] = limit;
        let refused = admin.post("/api/products", &new).await;
        assert_eq!(refused.json()["errors"][0]["pointer"], "#/limitPerCustomer");
    }
    // What replaces it lifts no limit by forgetting it.
    let mut whole = admin.get(&path).await.json();
    whole.as_object_mut().unwrap().remove("limitPerCustomer").unwrap();
    let replaced = admin.put(&path, &whole).await.expect(200).unwrap();
    assert_eq!(replaced["limitPerCustomer"], 4);
    whole["version"] = replaced["version"].clone();
    whole["limitPerCustomer"] = json!(null);
    let replaced = admin.put(&path, &whole).await.expect(200).unwrap();
    assert!(replaced["limitPerCustomer"].is_null(), "{replaced}");
    ada.order(&tea, 20).await.expect(201).unwrap();
    assert_check_is_clean(&shop);
}

const LIMIT: i64 = 3;

impl Client {
    /// Orders one or two units, forty times, and calls each order off again. Says how often there was one, and how often none.
    async fn order_and_cancel(
        &mut self,
        drop: &Value,
        number: i64,
        standing: &AtomicI64,
    ) -> (usize, usize) {
        let (mut placed, mut refused) = (0, 0);
        for round in 0..40 {
            let units = 1 + (number + round) % 2;
            let answer = self.order(drop, units).await;
            if problem(&answer) == (409, "limit-reached".into()) {
                refused += 1;
                continue;
            }
            let order = answer.expect(201).unwrap();
            let now = standing.fetch_add(units, Ordering::SeqCst) + units;
            assert!(now <= LIMIT, "{now} units stand");
            placed += 1;
            standing.fetch_sub(units, Ordering::SeqCst);
            let cancel = format!("/api/orders/{}/cancel", order["id"].as_str().unwrap());
            self.post(&cancel, &json!({})).await.expect(200).unwrap();
        }
        (placed, refused)
    }
}

/// Orders and cancels by one customer, over many connections: whenever it is looked at, no more than the limit stands.
#[tokio::test]
async fn a_limit_holds_in_a_thousand_races_of_one_customer() {
    let shop = Shop::start_with(&[("HOLDFAST_RATE_LIMITS", "off")]);
    let mut admin = shop.admin().await;
    let drop = admin.limited("Drop", 100_000, LIMIT).await;
    // What was answered, and not called off before: never more than what stands.
    let standing = Arc::new(AtomicI64::new(0));
    let mut tasks = Vec::new();
    for number in 0..25 {
        let mut buyer = shop.sign_in("admin", ADMIN_PASSWORD).await;
        let (drop, standing) = (drop.clone(), Arc::clone(&standing));
        let racing = async move { buyer.order_and_cancel(&drop, number, &standing).await };
        tasks.push(tokio::spawn(racing));
    }
    let (mut placed, mut refused) = (0, 0);
    for task in tasks {
        let done = task.await.unwrap();
        placed += done.0;
        refused += done.1;
    }
    assert!(placed > 0 && refused > 0, "{placed} placed, {refused} refused");
    wait_for(Duration::from_secs(10), "all units went back", async || {
        (admin.stock(&drop).await == (100_000, 0)).then_some(())
    })
    .await;
    admin.order(&drop, LIMIT).await.expect(201).unwrap();
    assert_eq!(problem(&admin.order(&drop, 1).await), (409, "limit-reached".into()));
    assert_check_is_clean(&shop);
}
