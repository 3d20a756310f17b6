//! Events for NATS JetStream: all of them, in order, whichever side is away for a while.

use std::{
    collections::HashSet,
    io::Write,
    process::{Child, Command, Stdio},
    time::Duration,
};

use async_nats::jetstream::{self, consumer::PullConsumer};
use futures_util::StreamExt;
use holdfast_drill::load::{Repeat, place_all};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::{
    cluster::{signal, slots_of},
    crash::{behaviour, purchases, stocked},
    shop::{Shop, run, wait_for},
};

/// How long the next event may take.
const SOON: Duration = Duration::from_secs(60);

/// A server; ends when dropped.
struct Nats {
    port: u16,
    folder: TempDir,
    child: Option<Child>,
}

impl Nats {
    /// `None`, said aloud, where it is not installed; where `CI` is set that is a failure.
    fn start() -> Option<Self> {
        // None that the system gives to connections: one that is tried again and again while nobody listens may meet itself there.
        let first = 12_000 + u16::try_from(std::process::id() % 4_000).unwrap();
        let is_free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
        let port = (first..first + 1_000).find(is_free).expect("a port is free");
        let mut nats = Self { port, folder: tempfile::tempdir().unwrap(), child: None };
        if nats.run() {
            return Some(nats);
        }
        assert!(std::env::var_os("CI").is_none(), "nats-server is not installed");
        let _ = writeln!(std::io::stderr(), "!!! NOT TESTED: nats-server is not installed !!!");
        None
    }

    fn run(&mut self) -> bool {
        let port = self.port.to_string();
        let spawned = Command::new("nats-server")
            .args(["--jetstream", "--addr", "127.0.0.1", "--port", &port])
            .args(["--user", "shop", "--pass", "s@same", "--store_dir"])
            .arg(self.folder.path())
            .stderr(Stdio::null())
            .spawn();
        self.child = spawned.ok();
        self.child.is_some()
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Lets it write down what it has acknowledged.
    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            let _ = child.wait();
        }
    }

    fn url(&self) -> String {
        format!("nats://shop:s%40same@127.0.0.1:{}", self.port)
    }

    /// Somebody else who is let in.
    async fn connect(&self) -> Option<async_nats::Client> {
        let options =
            async_nats::ConnectOptions::with_user_and_password("shop".into(), "s@same".into());
        options.connect(format!("nats://127.0.0.1:{}", self.port)).await.ok()
    }

    /// Subject, message id and event of all that is there, as soon as it is so much.
    async fn events(&self, count: usize) -> Vec<(String, String, Value)> {
        let context = wait_for(SOON, "the server is there", async || {
            self.connect().await.map(jetstream::new)
        })
        .await;
        // Each event waits for the one before: a machine that does much else is slow, one that is stuck stands still.
        let (mut published, mut deadline) = (0, Instant::now() + SOON);
        loop {
            let messages = match context.get_stream("HOLDFAST_EVENTS").await {
                Ok(mut stream) => stream.info().await.map_or(0, |info| info.state.messages),
                Err(_) => 0,
            };
            if messages >= count as u64 {
                break;
            }
            if messages > published {
                (published, deadline) = (messages, Instant::now() + SOON);
            }
            assert!(Instant::now() < deadline, "{messages} of {count} are published, and no more");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let stream = context.get_stream("HOLDFAST_EVENTS").await.unwrap();
        let ack_policy = jetstream::consumer::AckPolicy::None;
        let settings = jetstream::consumer::pull::Config { ack_policy, ..Default::default() };
        let consumer: PullConsumer = stream.create_consumer(settings).await.unwrap();
        let fetch = consumer.fetch().max_messages(100_000).messages().await.unwrap();
        let read = |message: Result<jetstream::Message, _>| async move {
            let message = message.unwrap();
            let id = message.headers.as_ref().unwrap().get("Nats-Msg-Id").unwrap().to_string();
            let event = serde_json::from_slice(&message.payload).unwrap();
            (message.subject.to_string(), id, event)
        };
        fetch.then(read).collect().await
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}

fn shop_with(nats: &Nats) -> Shop {
    Shop::start_with(&[("HOLDFAST_RATE_LIMITS", "off"), ("HOLDFAST_NATS_URL", &nats.url())])
}

#[tokio::test]
async fn events_are_published_also_those_of_while_the_broker_was_away() {
    let Some(mut nats) = Nats::start() else { return };
    let shop = shop_with(&nats);
    let mut admin = shop.admin().await;
    admin.product("Tea", 5).await;
    assert_eq!(nats.events(3).await.len(), 3);
    nats.kill();
    let coffee = admin.product("Coffee", 5).await;
    admin.order(&coffee, 5).await.expect(201).unwrap();
    let told = admin.events("", 8).await;
    assert!(nats.run());
    let published = nats.events(told.len()).await;
    assert_eq!(published.len(), told.len());
    for ((subject, id, event), told) in published.iter().zip(&told) {
        assert_eq!(event, told);
        assert_eq!(*id, told["id"].as_str().unwrap());
        assert_eq!(*subject, format!("holdfast.events.{}", told["type"].as_str().unwrap()));
    }
}

#[tokio::test]
async fn a_password_of_the_broker_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let settings =
        [("HOLDFAST_NATS_URL".to_owned(), "nats://shop:sesame@127.0.0.1:4222".to_owned())];
    let shown = run(folder.path(), &["config"], &settings).out;
    assert!(shown.contains("nats_url") && !shown.contains("sesame"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_no_published_event_and_double_none() {
    let Some(mut nats) = Nats::start() else { return };
    let mut shop = shop_with(&nats);
    let (products, accounts) = stocked(&shop).await;
    let behaviour = behaviour(&shop, Repeat::SameKey);
    let load =
        tokio::spawn(
            async move { place_all(purchases(&products, 5_000), &accounts, &behaviour).await },
        );
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(700)).await;
        match slots_of(&shop, "events").first() {
            Some(slot) => signal("-9", slot),
            None => shop.kill_and_restart(),
        }
    }
    // The server goes away too, while much waits for it. What it has acknowledged it keeps then: killed, it could lose that.
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        nats.stop();
        assert!(nats.run());
    }
    assert_eq!(load.await.unwrap().ledger.acknowledged.len(), 5_000);
    let mut admin = shop.admin().await;
    let placed = admin.events("&types=order.placed", 5_000).await.len();
    let all = admin.get("/api/events?limit=1").await.json()["end"].as_u64().unwrap();
    let published = nats.events(usize::try_from(all).unwrap()).await;
    let positions = published.iter().map(|(_, _, event)| event["position"].as_u64().unwrap());
    assert!(positions.eq(1..=all), "each once, in order");
    let ids: HashSet<_> = published.iter().map(|(_, id, _)| id).collect();
    assert!(ids.len() == published.len() && placed == 5_000);
}
