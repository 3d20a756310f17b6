//! The same requests to shops on all engines: every answer must be the same, apart from times and made-up ids.

use std::{collections::HashMap, time::Duration};

use holdfast_testkit::{Engine, Home};
use holdfast_types::{OrderId, Random};
use serde_json::{Value, json};

use crate::shop::{Client, PASSWORD, Shop};

const STEPS: usize = 160;

/// A shop, its clients, and the ids that it made up, in the order in which they were seen.
struct Twin {
    engine: &'static str,
    seller: Client,
    buyer: Client,
    admin: Client,
    ids: HashMap<String, usize>,
    cursors: HashMap<String, String>,
}

#[derive(Clone, Copy)]
enum Who {
    Seller,
    Buyer,
    Admin,
}

/// A request; `{n}` in it stands for the n-th id that was seen, `{cursor}` for the last cursor of its list.
#[derive(Clone)]
struct Step {
    who: Who,
    method: &'static str,
    path: String,
    body: Option<Value>,
}

impl Twin {
    async fn new(shop: &Shop, engine: &'static str) -> Self {
        // Under a key, so that the users, and with them all that they create, have the same ids in every shop.
        for username in ["seller", "buyer"] {
            let body = json!({"username": username, "password": PASSWORD});
            let registered =
                shop.anybody().post_under(username, "/api/users/register", &body).await;
            let user = registered.expect(201).unwrap();
            if username == "seller" {
                let path = format!("/api/users/{}", user["id"].as_str().unwrap());
                let role = json!({"version": 1, "role": "seller"});
                shop.admin().await.patch(&path, &role).await.expect(200).unwrap();
            }
        }
        let (seller, buyer) =
            (shop.sign_in("seller", PASSWORD).await, shop.sign_in("buyer", PASSWORD).await);
        let (ids, cursors) = (HashMap::new(), HashMap::new());
        Self { engine, seller, buyer, admin: shop.admin().await, ids, cursors }
    }

    async fn take(&mut self, number: usize, step: &Step) -> Value {
        let list = step.path.split("&cursor").next().unwrap().to_owned();
        let mut path = step.path.clone();
        if let Some(cursor) = self.cursors.get(&list) {
            path = path.replace("{cursor}", cursor);
        }
        let path = self.fill(&path);
        let body = step.body.as_ref().map(|body| self.fill(&body.to_string())).unwrap_or_default();
        let client = match step.who {
            Who::Seller => &mut self.seller,
            Who::Buyer => &mut self.buyer,
            Who::Admin => &mut self.admin,
        };
        let key = format!("step-{number}");
        let headers = [("idempotency-key", key.as_str())];
        let answer = client.send(step.method, &path, &headers, &body).await;
        let value = answer.json();
        if let Some(cursor) = value["nextCursor"].as_str() {
            self.cursors.insert(list, cursor.to_owned());
        }
        json!({"status": answer.status.as_u16(), "body": self.plain(value)})
    }

    fn fill(&self, text: &str) -> String {
        let fill = |text: String, (id, number): (&String, &usize)| {
            text.replace(&format!("{{{number}}}"), id)
        };
        self.ids.iter().fold(text.to_owned(), fill)
    }

    /// The value without what differs from shop to shop.
    fn plain(&mut self, value: Value) -> Value {
        match value {
            Value::String(text) if text.parse::<OrderId>().is_ok() => {
                let next = self.ids.len();
                json!(format!("id {}", self.ids.entry(text).or_insert(next)))
            }
            Value::String(text) => {
                let known = self.ids.keys().find(|id| text.contains(id.as_str())).cloned();
                json!(known.map_or(text.clone(), |id| text.replace(&id, "an id")))
            }
            Value::Array(values) => values.into_iter().map(|value| self.plain(value)).collect(),
            Value::Object(members) => members
                .into_iter()
                .map(|(name, value)| {
                    let differs = ["nextCursor", "requestId", "number"].contains(&name.as_str());
                    let time = name == "at" || name.ends_with("At");
                    let value = if differs || time { json!("") } else { self.plain(value) };
                    (name, value)
                })
                .collect(),
            other => other,
        }
    }
}

/// Picks from what there is.
struct Dice(Random);

impl Dice {
    fn roll(&self, sides: usize) -> usize {
        usize::from(u16::from_be_bytes(self.0.bytes())) % sides.max(1)
    }

    fn pick<'a>(&self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }
}

const WORDS: [&str; 8] =
    ["Grüner Tee", "green-tea 100g", "STRASSE", "Straße 5", "Żółć", "tea", "Teapot", "éclair"];
const PREFIXES: [&str; 7] = ["te", "gr", "strasse", "100", "%C5%BC", "tea green", "nothing"];

/// The next request. `seen` is how many ids there are; most of the early ones are products and orders.
fn next(dice: &Dice, number: usize, seen: usize) -> Step {
    match dice.roll(16) {
        0..=10 => change(dice, number, seen),
        _ => question(dice, seen),
    }
}

fn step(who: Who, method: &'static str, path: String, body: Option<Value>) -> Step {
    Step { who, method, path, body }
}

fn change(dice: &Dice, number: usize, seen: usize) -> Step {
    let some = || format!("{{{}}}", dice.roll(seen));
    let version = dice.roll(4) + 1;
    let price =
        json!({"amount": dice.roll(5) * 100, "currency": dice.pick(&["USD", "USD", "EUR"])});
    let name = dice.pick(&WORDS);
    match dice.roll(11) {
        0 | 1 => {
            let sku = json!(format!("SKU-{}", dice.roll(12)));
            let body = json!({"name": format!("{name} {number}"), "sku": sku, "price": price, "quantity": dice.roll(6),
                "category": dice.pick(&["Tea", "tea", "Zubehör", "zz"])});
            step(Who::Seller, "POST", "/api/products".into(), Some(body))
        }
        2 => {
            let items: Vec<Value> = (0..4)
                .map(|_| json!({"sku": format!("SKU-{}", dice.roll(12)), "name": dice.pick(&WORDS), "price": price,
                    "quantity": dice.roll(9), "version": version}))
                .collect();
            let body = json!({"mode": dice.pick(&["atomic", "partial"]), "overwrite": dice.roll(2) == 0, "items": items});
            step(Who::Seller, "POST", "/api/products/batch".into(), Some(body))
        }
        3 => {
            let body = json!({"version": version, "name": name, "price": price});
            step(Who::Seller, "PATCH", format!("/api/products/{}", some()), Some(body))
        }
        4 => {
            let body = json!({"delta": dice.roll(9), "reason": "counted"});
            step(Who::Seller, "POST", format!("/api/products/{}/stock", some()), Some(body))
        }
        5 if dice.roll(3) == 0 => {
            let path = format!("/api/products/{}?version={version}", some());
            step(Who::Seller, "DELETE", path, None)
        }
        5..=8 => {
            let items: Vec<Value> = (0..=dice.roll(2))
                .map(|_| json!({"productId": some(), "quantity": dice.roll(3) + 1}))
                .collect();
            step(Who::Buyer, "POST", "/api/orders".into(), Some(json!({"items": items})))
        }
        9 => {
            let path = format!("/api/orders/{}/cancel", some());
            step(Who::Buyer, "POST", path, Some(json!({})))
        }
        _ => {
            let path = format!("/api/orders/{}/{}", some(), dice.pick(&["pay", "ship", "deliver"]));
            step(Who::Admin, "POST", path, Some(json!({})))
        }
    }
}

fn question(dice: &Dice, seen: usize) -> Step {
    let some = || format!("{{{}}}", dice.roll(seen));
    let sorts = ["createdAt", "-createdAt", "name", "-name", "price", "-price"];
    match dice.roll(5) {
        0 => {
            let path = format!(
                "/api/products?q={}&sort={}&limit=3",
                dice.pick(&PREFIXES),
                dice.pick(&sorts)
            );
            step(Who::Buyer, "GET", path.replace(' ', "%20"), None)
        }
        1 => {
            let filter = dice.pick(&[
                "inStock=true",
                "inStock=false",
                "availableBelow=5",
                "category=Tea",
                "minPrice=200&currency=USD",
                "limit=4",
            ]);
            let cursor = dice.pick(&["", "", "&cursor={cursor}"]);
            let path = format!("/api/products?{filter}&sort={}{cursor}", dice.pick(&sorts));
            step(Who::Buyer, "GET", path, None)
        }
        2 => {
            let path = dice.pick(&[
                "/api/orders?limit=3",
                "/api/orders?status=cancelled",
                "/api/orders?status=placed&limit=2",
                "/api/orders?limit=3&cursor={cursor}",
            ]);
            step(Who::Buyer, "GET", path.into(), None)
        }
        3 => {
            let path = dice.pick(&[
                "/api/products/{}/stock/movements?limit=3",
                "/api/products/{}",
                "/api/orders/{}/events",
                "/api/orders/{}",
            ]);
            step(Who::Seller, "GET", path.replace("{}", &some()), None)
        }
        _ => step(Who::Buyer, "GET", "/api/products/categories".into(), None),
    }
}

#[expect(clippy::print_stdout, reason = "figures for whoever reads the output of a test")]
async fn compare(seed: u64) {
    let homes: Vec<(Engine, Home)> =
        Engine::ALL.into_iter().filter_map(|engine| Some((engine, Home::of(engine)?))).collect();
    let shops: Vec<Shop> = homes.iter().map(|(_, home)| Shop::start_at(&home.url())).collect();
    let mut twins = Vec::new();
    for ((engine, _), shop) in homes.iter().zip(&shops) {
        twins.push(Twin::new(shop, engine.name()).await);
    }
    let dice = Dice(Random::seeded(seed));
    let mut statuses: HashMap<String, usize> = HashMap::new();
    for number in 0..STEPS {
        let step = next(&dice, number, twins[0].ids.len());
        let mut first: Option<Value> = None;
        for twin in &mut twins {
            let answer = twin.take(number, &step).await;
            let expected = first.get_or_insert_with(|| answer.clone());
            assert_eq!(
                answer, *expected,
                "seed {seed}, step {number}: {} {} {:?} on {}",
                step.method, step.path, step.body, twin.engine
            );
        }
        let status = first.map(|answer| answer["status"].to_string()).unwrap_or_default();
        *statuses.entry(status).or_default() += 1;
        // Lists are in the order of milliseconds.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    println!("seed {seed}: {statuses:?}");
    assert!(statuses.get("201").is_some_and(|count| *count > 10), "{statuses:?}");
    assert!(statuses.get("409").is_some_and(|count| *count > 3), "{statuses:?}");
    for shop in &shops {
        crate::crash::assert_check_is_clean(shop);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_engines_answer_the_same() {
    for seed in [1, 2, 3] {
        compare(seed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_folded_the_same() {
    for engine in Engine::ALL {
        let Some(home) = Home::of(engine) else { continue };
        let shop = Shop::start_at(&home.url());
        shop.customer("Straße").await;
        let body = json!({"username": "STRASSE", "password": PASSWORD});
        let again = shop.anybody().post("/api/users/register", &body).await;
        assert_eq!(again.status, 409, "{}: {}", engine.name(), again.json());
        shop.sign_in("sTRASSE", PASSWORD).await;
    }
}
