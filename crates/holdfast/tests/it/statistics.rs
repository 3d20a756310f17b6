//! `GET /api/orders/statistics`: figures of what was sold.

use std::time::Duration;

use serde_json::{Value, json};

use crate::shop::{Client, Shop, items, problem, wait_for};

const PATH: &str = "/api/orders/statistics";

async fn of_today(admin: &mut Client) -> Value {
    admin.get(PATH).await.expect(200).unwrap()["total"].clone()
}

#[tokio::test]
async fn figures_follow_the_orders_at_once() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let (tea, pot) = (admin.product("tea", 10).await, admin.product("pot", 1).await);
    let mut ada = shop.customer("ada").await;
    let one = ada.post("/api/orders", &items(&[(&tea, 2), (&pot, 1)])).await.expect(201).unwrap();
    let other = ada.order(&tea, 3).await.expect(201).unwrap();
    let key = "the-same";
    for _ in 0..2 {
        ada.post_under(key, "/api/orders", &items(&[(&tea, 1)])).await.expect(201).unwrap();
    }
    let cancel = format!("/api/orders/{}/cancel", other["id"].as_str().unwrap());
    ada.post(&cancel, &json!({})).await.expect(200).unwrap();
    let figures = of_today(&mut admin).await;
    let amount = |order: &Value| order["total"]["amount"].as_i64().unwrap();
    let (units, total) = (7, amount(&one) + amount(&other) + amount(&other) / 3);
    assert_eq!((&figures["orders"], &figures["units"]), (&json!(3), &json!(units)));
    assert_eq!(figures["revenue"][0]["amount"], total);
    let cancelled = json!({"orders": 1, "units": 3, "revenue": [other["total"]]});
    assert_eq!(figures["cancelled"], cancelled);

    // The pot is sold: refusals are written down within seconds, and at the end of a process.
    for _ in 0..3 {
        assert_eq!(problem(&ada.order(&pot, 1).await).0, 409);
    }
    let url = shop.url.clone();
    wait_for(Duration::from_secs(15), "the refusals are counted", || async {
        let mut admin = Shop::elsewhere(&url).admin().await;
        let figures = of_today(&mut admin).await;
        (figures["refusals"] == json!({"insufficient-stock": 3})).then_some(())
    })
    .await;
    let checked = shop.run(&["check"]);
    assert!(checked.out.contains("Clean"), "{}", checked.out);
}

#[tokio::test]
async fn intervals_are_bounded_and_named() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let query = "?from=2026-01-01T05:30:00Z&to=2026-01-02T00:00:00.001Z&interval=";
    let hours = admin.get(&format!("{PATH}{query}hour")).await.expect(200).unwrap();
    assert_eq!(hours["items"].as_array().unwrap().len(), 20);
    let (from, to) = ("2026-01-01T05:00:00.000Z", "2026-01-02T01:00:00.000Z");
    assert_eq!((&hours["from"], &hours["to"]), (&json!(from), &json!(to)));
    let days = admin.get(&format!("{PATH}{query}day")).await.expect(200).unwrap();
    let starts: Vec<_> =
        days["items"].as_array().unwrap().iter().map(|day| &day["start"]).collect();
    assert_eq!(starts, ["2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z"]);
    let usual = admin.get(PATH).await.expect(200).unwrap();
    assert!((31..=32).contains(&usual["items"].as_array().unwrap().len()), "{usual}");
    for query in [
        "from=yesterday",
        "interval=week",
        "from=2026-01-02T00:00:00Z&to=2026-01-02T00:00:00Z",
        "from=2024-01-01T00:00:00Z&to=2026-01-01T00:00:00Z",
        "from=2026-01-01T00:00:00Z&to=2026-02-02T00:00:00Z&interval=hour",
        "from=1969-12-31T00:00:00Z",
        "to=-000001-01-01T00:00:00Z",
        "until=2026-01-01T00:00:00Z",
    ] {
        let refused = admin.get(&format!("{PATH}?{query}")).await;
        assert_eq!(problem(&refused), (400, "invalid-parameter".into()), "{query}");
    }
    let mut ada = shop.customer("ada").await;
    assert_eq!(problem(&ada.get(PATH).await), (403, "forbidden".into()));
    assert_eq!(problem(&shop.anybody().get(PATH).await), (401, "unauthenticated".into()));
}
