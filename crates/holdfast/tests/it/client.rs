//! The Rust client against a shop: sessions, keys, repeats, problems by their codes, lists.

use holdfast_client::{Credentials, NewOrder, Order, OrderItem, OrderStatus, Product};
use holdfast_types::Code;
use serde_json::{Value, json};

use crate::shop::{ADMIN_PASSWORD, PASSWORD, Shop};

async fn sign_in(shop: &Shop, username: &str, password: &str) -> holdfast_client::Shop {
    let credentials = Credentials { username: username.to_owned(), password: password.to_owned() };
    holdfast_client::Shop::sign_in(&shop.url, credentials).await.unwrap()
}

async fn tea(admin: &mut holdfast_client::Shop, quantity: i64) -> Product {
    let tea = json!({"name": "Sencha", "price": {"amount": 450, "currency": "EUR"}, "quantity": quantity});
    admin.post("/api/products", &tea).await.unwrap()
}

#[tokio::test]
async fn an_order_is_placed_once_however_often_it_is_sent() {
    let shop = Shop::start();
    let mut admin = sign_in(&shop, "admin", ADMIN_PASSWORD).await;
    let tea = tea(&mut admin, 5).await;
    shop.customer("ada").await;
    let mut ada = sign_in(&shop, "ada", PASSWORD).await;
    let order = |quantity| NewOrder {
        items: vec![OrderItem { product_id: tea.id, quantity }],
        ..NewOrder::default()
    };
    let placed: Order = ada.post_under("one", "/api/orders", &order(2)).await.unwrap();
    let again: Order = ada.post_under("one", "/api/orders", &order(2)).await.unwrap();
    assert_eq!((placed.id, placed.total.amount), (again.id, 900));
    assert_eq!(placed.status, OrderStatus::Placed);
    assert_eq!(placed.user_id, ada.session().unwrap().user.id);
    let refused = ada.post::<Order>("/api/orders", &order(9)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InsufficientStock);
    assert_eq!(refused.extras()["items"][0]["available"], 3);
    let mut orders = ada.list::<Order>("/api/orders?status=placed");
    assert_eq!(orders.next().await.unwrap().unwrap().number, placed.number);
    assert!(orders.next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_list_is_walked_to_its_end_by_anybody() {
    let shop = Shop::start();
    let mut admin = sign_in(&shop, "admin", ADMIN_PASSWORD).await;
    let new = |number| json!({"name": format!("Tea {number}"), "price": {"amount": number, "currency": "EUR"}, "quantity": 1});
    let all: Vec<Value> = (1..=230).map(new).collect();
    let batch = json!({"mode": "atomic", "items": all});
    let _: Value = admin.post("/api/products/batch", &batch).await.unwrap();
    let mut anybody = holdfast_client::Shop::anybody(&shop.url);
    let mut products = anybody.list::<Product>("/api/products?sort=price");
    let mut seen = Vec::new();
    while let Some(product) = products.next().await.unwrap() {
        seen.push(product.price.amount);
    }
    assert!(seen.iter().copied().eq(1..=230), "{} products", seen.len());
    let refused = anybody.get::<Value>("/api/orders").await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_session_that_was_ended_is_begun_anew_and_a_shop_that_is_away_is_waited_for() {
    let mut shop = Shop::start();
    let mut admin = sign_in(&shop, "admin", ADMIN_PASSWORD).await;
    let tea = tea(&mut admin, 5).await;
    let password = json!({"currentPassword": ADMIN_PASSWORD, "newPassword": ADMIN_PASSWORD});
    let mut elsewhere = shop.admin().await;
    elsewhere.put("/api/users/me/password", &password).await.expect(204).unwrap();
    let path = format!("/api/products/{}", tea.id);
    let change = json!({"version": tea.version, "name": "Gyokuro"});
    shop.kill();
    let changed = tokio::spawn(async move { admin.patch::<Product>(&path, &change).await });
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    shop.start_again();
    assert_eq!(changed.await.unwrap().unwrap().name, "Gyokuro");
}
