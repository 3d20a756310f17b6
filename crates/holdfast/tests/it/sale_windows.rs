//! Sale windows: a product may be ordered from a moment on, until another, by the clock of the shop.

use std::time::Duration;

use holdfast_types::{Clock, Timestamp};
use serde_json::{Value, json};

use crate::{
    crash::assert_check_is_clean,
    shop::{Client, Shop, items, path_of, problem, product, wait_for},
};

fn after(milliseconds: u64) -> String {
    later(Duration::from_millis(milliseconds)).to_string()
}

fn later(time: Duration) -> Timestamp {
    Clock::system().now().plus(time)
}

impl Client {
    async fn product_on_sale(&mut self, name: &str, window: Value) -> Value {
        let mut new = product(name, 10);
        new["saleWindow"] = window;
        self.post("/api/products", &new).await.expect(201).unwrap()
    }
}

impl Client {
    /// Asks until the sale is open: when the order was placed, unless there was nothing left.
    async fn order_when_open(&mut self, order: &Value) -> Option<Timestamp> {
        loop {
            let answer = self.post("/api/orders", order).await;
            match problem(&answer).1.as_str() {
                "not-on-sale" => {}
                "insufficient-stock" => return None,
                _ => {
                    let placed = answer.expect(201).unwrap();
                    return Some(placed["createdAt"].as_str().unwrap().parse().unwrap());
                }
            }
        }
    }
}

#[tokio::test]
async fn nothing_is_sold_before_the_window_opens_or_after_it_has_closed() {
    let shop = Shop::start();
    let (mut admin, mut ada) = (shop.admin().await, shop.customer("ada").await);
    let (opens, closes) = (after(2_500), after(6_000));
    let window = json!({"opensAt": opens, "closesAt": closes});
    let drop = admin.product_on_sale("Drop", window.clone()).await;
    assert_eq!(drop["saleWindow"], window);
    let tea = admin.product("Tea", 10).await;
    let both = items(&[(&tea, 1), (&drop, 1)]);
    let early = ada.post("/api/orders", &both).await;
    assert_eq!(problem(&early), (409, "not-on-sale".into()));
    let shown = json!([{"productId": drop["id"], "opensAt": opens, "closesAt": closes}]);
    assert_eq!((&early.json()["items"], &early.json()["opensAt"]), (&shown, &json!(opens)));
    assert_eq!(admin.stock(&tea).await, (10, 0), "a refusal takes nothing");

    // A request that was refused may be made again, under the same key too.
    let order = wait_for(Duration::from_secs(5), "it is on sale", async || {
        let answer = ada.post_under("k", "/api/orders", &both).await;
        (answer.status == 201).then(|| answer.json())
    })
    .await;
    assert!(order["createdAt"].as_str().unwrap() >= opens.as_str(), "{order}");
    wait_for(Duration::from_secs(8), "it is over", async || {
        let answer = ada.post("/api/orders", &items(&[(&drop, 1)])).await;
        (problem(&answer) == (409, "not-on-sale".into())).then(|| {
            assert!(answer.json()["opensAt"].is_null(), "it does not open again");
        })
    })
    .await;
    let again = ada.post_under("k", "/api/orders", &both).await;
    assert_eq!(again.expect(201).unwrap()["id"], order["id"], "a repeat is answered as before");
    assert_check_is_clean(&shop);
}

#[tokio::test]
async fn a_window_is_set_changed_and_taken_away() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let (opens, closes) = ("2099-01-01T00:00:00.000Z", "2099-01-02T00:00:00.000Z");
    let tea = admin.product_on_sale("Tea", json!({"opensAt": opens})).await;
    let path = path_of(&tea);
    for (version, change, expected) in [
        (1, json!({"closesAt": closes}), json!({"opensAt": opens, "closesAt": closes})),
        (2, json!({"opensAt": null}), json!({"closesAt": closes})),
        (3, json!(null), json!(null)),
        (
            4,
            json!({"opensAt": "2000-01-01T01:00:00+01:00"}),
            json!({"opensAt": "2000-01-01T00:00:00.000Z"}),
        ),
    ] {
        let body = json!({"version": version, "saleWindow": change});
        let changed = admin.patch(&path, &body).await.expect(200).unwrap();
        assert_eq!(changed["saleWindow"], expected, "{change}");
        let listed = admin.get("/api/products").await.json();
        assert_eq!(listed["items"][0]["saleWindow"], expected, "{change}");
    }
    admin.order(&tea, 1).await.expect(201).unwrap();
    for (window, pointer) in [
        (json!({"opensAt": closes, "closesAt": opens}), "#/saleWindow/closesAt"),
        (json!({"opensAt": opens, "closesAt": opens}), "#/saleWindow/closesAt"),
        (json!({"opensAt": "-000001-01-01T00:00:00Z"}), "#/saleWindow/opensAt"),
        (json!({"closesAt": "1969-12-31T23:59:59Z"}), "#/saleWindow/closesAt"),
    ] {
        let mut new = product("Never", 1);
        new["saleWindow"] = window.clone();
        let refused = admin.post("/api/products", &new).await;
        assert_eq!(problem(&refused), (422, "validation".into()), "{window}");
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer);
    }
    let never = json!({"version": 5, "saleWindow": {"closesAt": "1999-01-01T00:00:00Z"}});
    let refused = admin.patch(&path, &never).await;
    assert_eq!(problem(&refused), (422, "validation".into()), "it opens in 2000");
    // What replaces it opens no sale by forgetting it.
    let mut whole = admin.get(&path).await.json();
    let window = whole.as_object_mut().unwrap().remove("saleWindow").unwrap();
    let replaced = admin.put(&path, &whole).await.expect(200).unwrap();
    assert_eq!(replaced["saleWindow"], window);
    whole["version"] = replaced["version"].clone();
    whole["saleWindow"] = json!(null);
    let replaced = admin.put(&path, &whole).await.expect(200).unwrap();
    assert!(replaced["saleWindow"].is_null(), "{replaced}");
}

/// Everybody asks at the moment it opens: as many have one as there are, and nobody before.
#[tokio::test]
async fn a_stampede_at_the_opening_sells_what_there_is() {
    let shop = Shop::start_with(&[("HOLDFAST_RATE_LIMITS", "off")]);
    let mut admin = shop.admin().await;
    let mut buyers = Vec::new();
    for _ in 0..24 {
        buyers.push(shop.admin().await);
    }
    let opens = later(Duration::from_millis(1_500));
    let drop = admin.product_on_sale("Drop", json!({"opensAt": opens.to_string()})).await;
    let mut tasks = Vec::new();
    for mut buyer in buyers {
        let order = items(&[(&drop, 1)]);
        tasks.push(tokio::spawn(async move { buyer.order_when_open(&order).await }));
    }
    let mut sold = 0;
    for task in tasks {
        if let Some(at) = task.await.unwrap() {
            assert!(at >= opens, "{at}");
            sold += 1;
        }
    }
    assert_eq!((sold, admin.stock(&drop).await), (10, (10, 10)));
    assert_check_is_clean(&shop);
}
