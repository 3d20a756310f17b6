//! Three network namespaces as three machines: one is cut off under load, and comes back.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::Ordering::Relaxed,
    time::Duration,
};

use serde_json::json;
use tokio::time::Instant;

use crate::{
    cluster::Load,
    shop::{ADMIN_PASSWORD, Client, Shop, run, wait_until},
};
use holdfast_drill::load::Repeat;

const SECRET: &str = "a-secret-for-the-processes-of-a-test";
/// How long the machine is cut off.
const CUT: Duration = Duration::from_secs(5);

fn ip(arguments: &str) -> bool {
    let output = Command::new("ip").args(arguments.split(' ')).output();
    output.is_ok_and(|output| output.status.success())
}

/// A switch in a namespace of its own, machines behind it, and this process beside them.
struct Network {
    name: String,
    machines: Vec<Child>,
}

impl Network {
    /// `None` where namespaces are not permitted.
    fn build() -> Option<Self> {
        let name = format!("hf{}", std::process::id());
        if !ip(&format!("netns add {name}")) {
            return None;
        }
        let network = Self { name, machines: Vec::new() };
        let name = &network.name;
        let built = ip(&format!("-n {name} link add switch type bridge"))
            && ip(&format!("-n {name} link set switch up"))
            && ip(&format!("link add {name}h type veth peer name host netns {name}"))
            && ip(&format!("addr add 10.77.31.254/24 dev {name}h"))
            && ip(&format!("link set {name}h up"))
            && network.plug("host")
            && (1..=3).all(|machine| network.add_machine(machine));
        built.then_some(network)
    }

    fn plug(&self, port: &str) -> bool {
        let name = &self.name;
        ip(&format!("-n {name} link set {port} master switch"))
            && ip(&format!("-n {name} link set {port} up"))
    }

    fn add_machine(&self, machine: u8) -> bool {
        let (name, own) = (&self.name, self.machine(machine));
        ip(&format!("netns add {own}"))
            && ip(&format!("-n {own} link add net type veth peer name port{machine} netns {name}"))
            && ip(&format!("-n {own} addr add 10.77.31.{machine}/24 dev net"))
            && ip(&format!("-n {own} link set net up"))
            && ip(&format!("-n {own} link set lo up"))
            && self.plug(&format!("port{machine}"))
    }

    fn machine(&self, machine: u8) -> String {
        format!("{}m{machine}", self.name)
    }

    /// Pulls the machine's cable, or puts it back.
    fn cable(&self, machine: u8, is_in: bool) {
        let state = if is_in { "up" } else { "down" };
        assert!(ip(&format!("-n {} link set port{machine} {state}", self.name)));
    }

    fn start(&mut self, machine: u8, folder: &Path, arguments: &str) {
        let own = self.machine(machine);
        let child = Command::new("ip")
            .args(["netns", "exec", &own, env!("CARGO_BIN_EXE_holdfast"), "serve"])
            .args(arguments.split(' '))
            .current_dir(folder)
            .env_clear()
            .envs(settings(folder))
            .env("HOLDFAST_DATA_DIR", folder.join(format!("machine-{machine}")))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        self.machines.push(child);
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for machine in &mut self.machines {
            let _ = machine.kill();
            let _ = machine.wait();
        }
        for machine in 1..=3 {
            ip(&format!("netns del {}", self.machine(machine)));
        }
        ip(&format!("netns del {}", self.name));
        ip(&format!("link del {}h", self.name));
    }
}

fn settings(folder: &Path) -> Vec<(String, String)> {
    let database = |machine| format!("sqlite:{}/machine-{machine}/holdfast.db", folder.display());
    [
        ("HOLDFAST_CLUSTER_SECRET", SECRET.to_owned()),
        ("HOLDFAST_ADMIN_PASSWORD", ADMIN_PASSWORD.to_owned()),
        ("HOLDFAST_RATE_LIMITS", "off".to_owned()),
        ("HOLDFAST_USERS_DB", database(1)),
        ("HOLDFAST_ORDERS_DB", database(2)),
        ("HOLDFAST_PRODUCTS_DB", database(3)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_is_cut_off_comes_back_and_nothing_happens_twice() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut network) = Network::build() else {
        println!("!!! SKIPPED: network namespaces are not permitted here !!!");
        return;
    };
    let places = "--users http://10.77.31.1:4000 --orders http://10.77.31.2:4000 --products http://10.77.31.3:4000";
    for machine in 1..=3 {
        std::fs::create_dir_all(folder.path().join(format!("machine-{machine}"))).unwrap();
    }
    network.start(3, folder.path(), &format!("products --listen 10.77.31.3:4000 {places}"));
    network.start(2, folder.path(), &format!("orders --listen 10.77.31.2:4000 {places}"));
    network.start(
        1,
        folder.path(),
        &format!(
            "gateway users --listen 10.77.31.1:3000 --internal-listen 10.77.31.1:4000 {places}"
        ),
    );
    let shop = Shop::elsewhere("http://10.77.31.1:3000");
    wait_until(Duration::from_secs(20), "the machines find each other", || async {
        tokio::net::TcpStream::connect("10.77.31.1:3000").await.is_ok()
            && shop.anybody().get("/readyz").await.status == 200
    })
    .await;

    let load = Load::begin(&shop, &shop.url, Repeat::SameKey).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    network.cable(3, false);
    let cut = Instant::now();
    // The rest goes on: people sign in and read their orders.
    let mut admin = shop.admin().await;
    admin.get("/api/orders").await.expect(200).unwrap();
    tokio::time::sleep(CUT.saturating_sub(cut.elapsed())).await;
    network.cable(3, true);
    let back = Instant::now();
    wait_until(Duration::from_secs(10), "orders are placed again", || async {
        places_an_order(&mut shop.admin().await).await
    })
    .await;
    println!("cut off for {CUT:?}; orders were placed again after {:?}", back.elapsed());
    assert!(back.elapsed() < Duration::from_secs(5));
    load.stop.store(true, Relaxed);
    let (outcome, verdict) = load.end(&shop).await;
    assert!(outcome.ledger.acknowledged.len() > 100, "{}", outcome.to_text());
    let longest = Duration::from_micros(*outcome.latencies.last().unwrap());
    assert!(longest >= CUT / 2, "the control: no order has met the cut");
    assert!(verdict.is_clean(), "{}", verdict.to_text());
    let check = run(folder.path(), &["check"], &settings(folder.path()));
    assert_eq!(check.code, 0, "{check:?}");
}

/// Orders a product of its own, so that the stock of the load's products is the load's alone.
async fn places_an_order(admin: &mut Client) -> bool {
    let product = json!({"name": "p", "price": {"amount": 1, "currency": "USD"}, "quantity": 1});
    let product = admin.post("/api/products", &product).await;
    product.status == 201 && admin.order(&product.json(), 1).await.status == 201
}
