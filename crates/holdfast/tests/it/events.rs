//! Events: one log of what happens, to read and to follow.

use std::{collections::HashSet, time::Duration};

use holdfast_drill::load::{Repeat, place_all};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    time::timeout,
};

use crate::{
    cluster::{signal, slots_of},
    crash::{assert_check_is_clean, behaviour, purchases, stocked},
    shop::{Client, Shop, header, problem, wait_for},
};

/// How long an event may take to be told.
const SOON: Duration = Duration::from_secs(10);

impl Client {
    /// The whole log after a position, as soon as it has `count` events that pass.
    pub(crate) async fn events(&mut self, query: &str, count: usize) -> Vec<Value> {
        let mut heard = Vec::new();
        wait_for(SOON, "all events are told", async || {
            heard = self.events_by_now(query).await;
            (heard.len() >= count).then_some(())
        })
        .await;
        assert_eq!(heard.len(), count, "{heard:#?}");
        heard
    }

    async fn events_by_now(&mut self, query: &str) -> Vec<Value> {
        let (mut after, mut heard) = (0, Vec::new());
        loop {
            let path = format!("/api/events?after={after}&limit=100{query}");
            let part = self.get(&path).await.expect(200).unwrap();
            heard.extend(part["items"].as_array().unwrap().iter().cloned());
            after = part["after"].as_i64().unwrap();
            if part["after"] == part["end"] {
                return heard;
            }
        }
    }
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

fn id(resource: &Value) -> &str {
    resource["id"].as_str().unwrap()
}

#[tokio::test]
async fn what_happens_is_told_in_one_order() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let tea = admin.product("Tea", 2).await;
    let mut ada = shop.customer("mrslovelypoint").await;
    let order = ada.order(&tea, 2).await.expect(201).unwrap();
    let path = format!("/api/orders/{}", id(&order));
    ada.post(&format!("{path}/cancel"), &json!({})).await.expect(200).unwrap();
    let other = ada.order(&tea, 1).await.expect(201).unwrap();
    for (step, body) in
        [("pay", json!({})), ("ship", json!({"carrier": "UPS"})), ("deliver", json!({}))]
    {
        let path = format!("/api/orders/{}/{step}", id(&other));
        admin.post(&path, &body).await.expect(200).unwrap();
    }
    let goodbye = json!({"password": crate::shop::PASSWORD});
    assert_eq!(ada.post("/api/users/me/delete", &goodbye).await.status, 204);
    let all = admin.events("", 16).await;
    let positions: Vec<_> = all.iter().map(|event| event["position"].as_i64().unwrap()).collect();
    assert!(positions.iter().copied().eq(1..=16), "{positions:?}");

    let of_order = admin.events(&format!("&subject={}", id(&order)), 2).await;
    assert_eq!(types(&of_order), ["order.placed", "order.cancelled"]);
    let versions: Vec<_> = of_order.iter().map(|event| event["version"].as_i64()).collect();
    assert_eq!(versions, [Some(1), Some(2)]);
    let placed = &of_order[0];
    assert_eq!((&placed["subject"], &placed["data"]["orderId"]), (&order["id"], &order["id"]));
    for member in ["number", "userId", "items", "total"] {
        assert_eq!(placed["data"][member], order[member], "{member}");
    }
    // What it had become then, whatever it is now; and nothing of who bought.
    assert_eq!(placed["data"]["status"], "placed");
    let told = serde_json::to_string(&all).unwrap();
    assert!(!told.contains("lovely") && !told.contains("email"), "{told}");

    let of_other = admin.events(&format!("&types=order.*&subject={}", id(&other)), 4).await;
    let steps = ["order.placed", "order.paid", "order.shipped", "order.delivered"];
    assert_eq!(types(&of_other), steps);
    assert_eq!(
        (&of_other[1]["data"]["carrier"], &of_other[2]["data"]["carrier"]),
        (&Value::Null, &json!("UPS"))
    );
    let of_tea = admin.events("&types=product.*", 3).await;
    assert_eq!(types(&of_tea), ["product.created", "product.sold_out", "product.restocked"]);
    let people = admin.events("&types=user.registered,user.deleted", 3).await;
    assert_eq!(people[2]["subject"].as_str(), Some(ada.id.as_str()));

    let found = admin.get(&format!("/api/events/{}", id(placed))).await.expect(200).unwrap();
    assert_eq!(found, *placed);
    let mut forged = id(placed).to_owned();
    forged.replace_range(..8, "01234567");
    for unknown in [forged.as_str(), id(&order), "x"] {
        let answer = admin.get(&format!("/api/events/{unknown}")).await;
        assert_eq!(problem(&answer), (404, "not-found".into()), "{unknown}");
    }
    assert_check_is_clean(&shop);
}

#[tokio::test]
async fn changes_of_products_are_told_and_repeats_are_not() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let tea = admin.product("Tea", 0).await;
    let path = crate::shop::path_of(&tea);
    let stock = json!({"delta": 5, "reason": "came"});
    for _ in 0..3 {
        let path = format!("{path}/stock");
        admin.post_under("restock", &path, &stock).await.expect(200).unwrap();
    }
    let named = json!({"version": 2, "name": "Green tea"});
    admin.patch(&path, &named).await.expect(200).unwrap();
    assert_eq!(admin.delete(&format!("{path}?version=3")).await.status, 204);
    let all = admin.events("&types=product.*", 5).await;
    let expected = [
        "product.created",
        "product.updated",
        "product.restocked",
        "product.updated",
        "product.archived",
    ];
    assert_eq!(types(&all), expected);
    assert_eq!((&all[3]["data"]["name"], &all[3]["version"]), (&json!("Green tea"), &json!(3)));
    assert_eq!(all[4]["data"]["status"], "archived");
}

#[tokio::test]
async fn events_are_for_administrators_and_bad_questions_are_refused() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let mut ada = shop.customer("ada").await;
    for path in
        ["/api/events", "/api/events/stream", "/api/events/01a20f64-8a66-7001-946e-a705318d994a"]
    {
        assert_eq!(problem(&ada.get(path).await), (403, "forbidden".into()), "{path}");
        assert_eq!(problem(&shop.anybody().get(path).await), (401, "unauthenticated".into()));
    }
    let questions = [
        "after=-1",
        "after=x",
        "after=99999",
        "types=order",
        "types=order.*,",
        "types=Order.placed",
        "subject=x",
        "limit=0",
        "limit=101",
        "cursor=x",
    ];
    for question in questions {
        let answer = admin.get(&format!("/api/events?{question}")).await;
        assert_eq!(problem(&answer), (400, "invalid-parameter".into()), "{question}");
        let name = question.split('=').next().unwrap();
        assert_eq!(answer.json()["parameter"], name, "{question}");
    }
    let headers = [("last-event-id", "x")];
    let answer = admin.send("GET", "/api/events/stream", &headers, "").await;
    assert_eq!(problem(&answer), (400, "invalid-header".into()));
    for (path, accept) in [("/api/events", "text/csv"), ("/api/events/stream", "application/json")]
    {
        let answer = admin.send("GET", path, &[("accept", accept)], "").await;
        assert_eq!(problem(&answer), (406, "not-acceptable".into()), "{path}");
    }
}

#[tokio::test]
async fn events_come_in_the_envelope_of_the_cncf_too() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let tea = admin.product("Tea", 2).await;
    admin.events("&types=product.created", 1).await;
    let headers = [("accept", "application/cloudevents-batch+json")];
    let path = "/api/events?types=product.*&limit=1";
    let answer = admin.send("GET", path, &headers, "").await;
    assert_eq!(header(&answer, "content-type"), "application/cloudevents-batch+json");
    let batch = answer.json();
    assert_eq!((batch.as_array().map(Vec::len), &batch[0]["subject"]), (Some(1), &tea["id"]));
    for (member, value) in [
        ("specversion", "1.0"),
        ("type", "product.created"),
        ("source", "/api/events"),
        ("datacontenttype", "application/json"),
    ] {
        assert_eq!(batch[0][member], value);
    }
    let link = header(&answer, "link").to_owned();
    let next = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
    let rest = admin.send("GET", next.unwrap(), &headers, "").await;
    assert_eq!(rest.json(), json!([]));
}

/// Somebody who follows.
struct Listener {
    lines: tokio::io::Lines<BufReader<OwnedReadHalf>>,
    _writing: OwnedWriteHalf,
}

impl Listener {
    async fn open(shop: &Shop, who: &Client, query: &str, last_heard: Option<i64>) -> Self {
        let stream = TcpStream::connect(shop.url.strip_prefix("http://").unwrap()).await.unwrap();
        let (reading, mut writing) = stream.into_split();
        let mut head = format!(
            "GET /api/events/stream{query} HTTP/1.1\r\nHost: shop\r\nAccept: text/event-stream\r\nAuthorization: Bearer {}\r\n",
            who.token.as_deref().unwrap()
        );
        if let Some(heard) = last_heard {
            head.push_str(&format!("Last-Event-ID: {heard}\r\n"));
        }
        writing.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
        let mut listener = Self { lines: BufReader::new(reading).lines(), _writing: writing };
        assert_eq!(listener.line().await.as_deref(), Some("HTTP/1.1 200 OK"));
        let mut head = HashSet::new();
        while let Some(line) = listener.line().await.filter(|line| !line.is_empty()) {
            head.insert(line);
        }
        for expected in ["content-type: text/event-stream", "x-accel-buffering: no"] {
            assert!(head.contains(expected), "{head:?}");
        }
        assert_eq!(listener.field("retry").await.as_deref(), Some("1000"));
        // Whoever is cut off before the first event comes back to this place.
        let place = listener.field("id").await.unwrap();
        assert!(last_heard.is_none_or(|heard| heard.to_string() == place));
        listener
    }

    /// The next line; `None` at the end, of which the last chunk tells (RFC 9112, §7.1).
    async fn line(&mut self) -> Option<String> {
        let line = timeout(SOON, self.lines.next_line()).await.expect("something is told");
        line.unwrap().filter(|line| line != "0")
    }

    /// The next id, however long it takes.
    async fn lines_until_id(&mut self) -> Option<String> {
        while let Some(line) = self.lines.next_line().await.unwrap() {
            if let Some(id) = line.strip_prefix("id: ") {
                return Some(id.to_owned());
            }
        }
        None
    }

    /// The next value of a field; `None` at the end.
    async fn field(&mut self, name: &str) -> Option<String> {
        loop {
            let line = self.line().await?;
            if let Some(value) = line.strip_prefix(&format!("{name}: ")) {
                return Some(value.to_owned());
            }
        }
    }

    /// The next event, whose id is its position.
    async fn event(&mut self) -> Option<Value> {
        let id = self.field("id").await?;
        let event: Value = serde_json::from_str(&self.field("data").await?).unwrap();
        assert_eq!(event["position"].to_string(), id);
        Some(event)
    }
}

#[tokio::test]
async fn a_stream_tells_what_happens_and_goes_on_where_it_was() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let tea = admin.product("Tea", 100).await;
    let mut ada = shop.customer("ada").await;
    admin.events("&types=user.registered", 2).await;
    let mut from_now = Listener::open(&shop, &admin, "?types=order.*", None).await;
    let mut from_the_first = Listener::open(&shop, &admin, "?after=0", None).await;
    let order = ada.order(&tea, 1).await.expect(201).unwrap();
    let told = from_now.event().await.unwrap();
    assert_eq!((&told["type"], &told["subject"]), (&json!("order.placed"), &order["id"]));
    let mut heard = Vec::new();
    while heard.last() != Some(&told) {
        heard.push(from_the_first.event().await.unwrap());
    }
    let mut kinds = types(&heard);
    kinds.sort_unstable();
    let all = ["audit.create_product", "order.placed", "product.created"];
    assert_eq!(kinds, [&all[..], &["user.registered"; 2]].concat());
    drop((from_now, from_the_first));
    let missed = ada.order(&tea, 1).await.expect(201).unwrap();
    // What the client has heard comes before what its address says.
    let position = told["position"].as_i64();
    let mut again = Listener::open(&shop, &admin, "?after=0", position).await;
    assert_eq!(again.event().await.unwrap()["subject"], missed["id"]);
    let here = ada.order(&tea, 1).await.expect(201).unwrap();
    assert_eq!(again.event().await.unwrap()["subject"], here["id"]);
    // A log that is shorter than what was heard is another one.
    let mut lost = Listener::open(&shop, &admin, "", Some(1_000_000)).await;
    assert_eq!(lost.field("event").await.as_deref(), Some("reset"));
    assert_eq!(lost.field("data").await.as_deref(), Some(r#"{"oldest":1}"#));
    assert_eq!(lost.event().await.unwrap()["position"], 1);
}

#[tokio::test]
async fn a_stream_ends_with_the_right_to_it_and_with_the_process() {
    let mut shop = Shop::start();
    let mut admin = shop.admin().await;
    let other = shop.customer("other").await;
    let path = format!("/api/users/{}", other.id);
    let promoted = admin.patch(&path, &json!({"version": 1, "role": "admin"})).await;
    promoted.expect(200).unwrap();
    let other = shop.sign_in("other", crate::shop::PASSWORD).await;
    let mut of_session = Listener::open(&shop, &other, "", None).await;
    let path = format!("/api/users/{}", other.id);
    let demoted = admin.patch(&path, &json!({"version": 2, "role": "customer"})).await;
    demoted.expect(200).unwrap();
    let ended = async { while of_session.event().await.is_some() {} };
    timeout(Duration::from_secs(4), ended).await.expect("the stream ends");

    let mut of_process = Listener::open(&shop, &admin, "", None).await;
    let pid = shop.child.as_ref().unwrap().id().to_string();
    assert!(std::process::Command::new("kill").arg(&pid).status().unwrap().success());
    assert_eq!(of_process.field("retry").await.as_deref(), Some("200"), "when to come back");
    assert_eq!(of_process.field("retry").await, None, "the stream ends");
    let child = shop.child.as_mut().unwrap();
    let left = tokio::time::Instant::now();
    assert!(child.wait().unwrap().success());
    assert!(left.elapsed() < Duration::from_secs(8), "nobody waits for those who listen");
}

#[tokio::test]
async fn a_stream_of_seldom_events_moves_on_while_much_happens() {
    let shop = Shop::start();
    let mut admin = shop.admin().await;
    let tea = admin.product("Tea", 1_000).await;
    let mut listener = Listener::open(&shop, &admin, "?types=user.*", None).await;
    let until = tokio::time::Instant::now() + Duration::from_secs(17);
    let busy = async {
        while tokio::time::Instant::now() < until {
            admin.order(&tea, 1).await.expect(201).unwrap();
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
    };
    let (told, ()) =
        tokio::join!(timeout(Duration::from_secs(17), listener.lines_until_id()), busy);
    let place: i64 = told.expect("it is told that it still listens").unwrap().parse().unwrap();
    assert!(place > 5, "{place}");
    let head = admin.send("HEAD", "/api/events/stream", &[], "").await;
    assert_eq!((head.status.as_u16(), header(&head, "content-type")), (200, "text/event-stream"));
    assert!(head.body.is_empty());
}

/// Ends whoever collects without warning, again and again.
async fn kill(shop: &mut Shop, times: usize) {
    for time in 0..times {
        tokio::time::sleep(Duration::from_millis(300 + 70 * u64::try_from(time % 5).unwrap()))
            .await;
        match slots_of(shop, "events").first() {
            Some(slot) => signal("-9", slot),
            None => shop.kill_and_restart(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_no_event_and_double_none() {
    let mut shop = Shop::start();
    let (products, accounts) = stocked(&shop).await;
    let behaviour = behaviour(&shop, Repeat::SameKey);
    let stop = std::sync::Arc::clone(&behaviour.stop);
    let load = tokio::spawn(async move {
        place_all(purchases(&products, crate::crash::PLENTY), &accounts, &behaviour).await
    });
    kill(&mut shop, 12).await;
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let placed = load.await.unwrap().ledger.acknowledged;
    assert!(placed.len() > 100, "{}", placed.len());
    let mut admin = shop.admin().await;
    let mut log = Vec::new();
    wait_for(Duration::from_secs(30), "all orders are told", async || {
        log = admin.events_by_now("").await;
        let told = log.iter().filter(|event| event["type"] == "order.placed").count();
        (told >= placed.len()).then_some(())
    })
    .await;
    let positions = log.iter().map(|event| event["position"].as_u64().unwrap());
    assert!(positions.eq(1..=log.len() as u64), "without gaps");
    let once: HashSet<_> = log
        .iter()
        .map(|event| (event["type"].as_str(), event["subject"].as_str(), event["version"].as_i64()))
        .collect();
    assert_eq!(once.len(), log.len(), "each thing is told once");
    assert_check_is_clean(&shop);
}
