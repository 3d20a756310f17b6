//! A shop in a process of its own, and its clients.

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use holdfast_client::{Answer, Connection};
use holdfast_cluster::{SlotState, State};
use holdfast_testkit::{Engine, Home};
use hyper::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

pub(crate) const ADMIN_PASSWORD: &str = "correct horse battery";
pub(crate) const PASSWORD: &str = "a fine passphrase";

/// A running shop; ends when dropped.
pub(crate) struct Shop {
    pub url: String,
    pub folder: TempDir,
    pub child: Option<Child>,
    /// The database's server, on engines that have one.
    _home: Option<Home>,
    settings: Vec<(String, String)>,
    arguments: Vec<String>,
    log: Log,
}

/// What shops wrote into their logs.
pub(crate) type Log = Arc<Mutex<Vec<u8>>>;

impl Shop {
    /// A shop on an empty folder, without rate limits.
    pub(crate) fn start() -> Self {
        Self::start_with(&[("HOLDFAST_RATE_LIMITS", "off")])
    }

    pub(crate) fn start_with(settings: &[(&str, &str)]) -> Self {
        let cluster: &[&str] = if is_cluster_run() { &["cluster"] } else { &[] };
        Self::start_as(cluster, settings)
    }

    /// A shop as another command than `serve`.
    pub(crate) fn start_as(arguments: &[&str], settings: &[(&str, &str)]) -> Self {
        let mut settings = owned(settings);
        let home = match engine() {
            Engine::Sqlite => None,
            engine => Some(Home::of(engine).expect("the engine that was asked for is installed")),
        };
        if let Some(home) = &home
            && !settings.iter().any(|(name, _)| name.contains("DB"))
        {
            settings.push(("DB_CONNECTION_STRING".to_owned(), home.url()));
        }
        Self::start_on(home, arguments, settings)
    }

    /// A shop on a database that somebody else keeps.
    pub(crate) fn start_at(url: &str) -> Self {
        let settings = [("HOLDFAST_RATE_LIMITS", "off"), ("DB_CONNECTION_STRING", url)];
        Self::start_on(None, &[], owned(&settings))
    }

    /// A shop whose databases are said in its settings.
    fn start_on(home: Option<Home>, arguments: &[&str], settings: Vec<(String, String)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        let log = Log::default();
        let (child, url) = spawn(folder.path(), &arguments, &settings, 0, &log);
        Self { url, folder, child: Some(child), _home: home, settings, arguments, log }
    }

    /// A shop that somebody else started.
    pub(crate) fn elsewhere(url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (url, log) = (url.to_owned(), Log::default());
        let (settings, arguments) = (Vec::new(), Vec::new());
        Self { url, folder, child: None, _home: None, settings, arguments, log }
    }

    /// Ends the process without warning, as a crash would, and starts another on the same data and port.
    pub(crate) fn kill_and_restart(&mut self) {
        self.kill();
        self.start_again();
    }

    pub(crate) fn kill(&mut self) {
        let child = self.child.as_mut().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The processes of a cluster; none of a shop in one process.
    pub(crate) fn slots(&self) -> Vec<SlotState> {
        State::read(&self.data().join("cluster.json")).map_or_else(Vec::new, |state| state.slots)
    }

    /// Starts the same command once more on the same data and port.
    pub(crate) fn start_again(&mut self) {
        let port = self.url.rsplit(':').next().unwrap().parse().unwrap();
        let (child, url) =
            spawn(self.folder.path(), &self.arguments, &self.settings, port, &self.log);
        (self.child, self.url) = (Some(child), url);
    }

    /// What the shop has written into its log.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&self.log.lock().unwrap()).into_owned()
    }

    /// The ways to a service: the public address and, in a cluster, the ports of the service itself.
    pub(crate) fn doors(&self, part: &str) -> Vec<Self> {
        let ports = self.slots().into_iter().filter(|slot| slot.name.starts_with(part));
        let ports = ports.map(|slot| Self::elsewhere(&format!("http://{}", slot.address)));
        std::iter::once(Self::elsewhere(&self.url)).chain(ports).collect()
    }

    /// Somebody who is not signed in.
    pub(crate) fn anybody(&self) -> Client {
        Client { connection: Connection::new(&self.url), token: None, id: String::new() }
    }

    pub(crate) async fn admin(&self) -> Client {
        self.sign_in("admin", ADMIN_PASSWORD).await
    }

    pub(crate) async fn sign_in(&self, username: &str, password: &str) -> Client {
        let mut client = self.anybody();
        let session = client
            .post("/api/users/login", &json!({"username": username, "password": password}))
            .await;
        let session = session.expect(200).unwrap();
        client.token = Some(session["accessToken"].as_str().unwrap().to_owned());
        client.id = session["user"]["id"].as_str().unwrap().to_owned();
        client
    }

    /// A customer who has just registered.
    pub(crate) async fn customer(&self, username: &str) -> Client {
        let body = json!({"username": username, "password": PASSWORD});
        self.anybody().post("/api/users/register", &body).await.expect(201).unwrap();
        self.sign_in(username, PASSWORD).await
    }

    pub(crate) async fn seller(&self, username: &str) -> Client {
        let customer = self.customer(username).await;
        let path = format!("/api/users/{}", customer.id);
        self.admin()
            .await
            .patch(&path, &json!({"version": 1, "role": "seller"}))
            .await
            .expect(200)
            .unwrap();
        self.sign_in(username, PASSWORD).await
    }

    /// Runs another command of the program on this shop's data.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        run(self.folder.path(), arguments, &self.settings)
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        // The processes of a cluster outlive their supervisor.
        for slot in self.slots().iter().filter(|slot| slot.pid != 0) {
            let _ = Command::new("kill").args(["-9", &slot.pid.to_string()]).output();
        }
    }
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// Runs a command of the program in `folder` to its end.
pub(crate) fn run(folder: &Path, arguments: &[&str], settings: &[(String, String)]) -> Ran {
    let output = command(folder, settings).args(arguments).stdin(Stdio::null()).output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

pub(crate) fn command(folder: &Path, settings: &[(String, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.current_dir(folder).env_clear().env("HOLDFAST_DATA_DIR", folder.join("data"));
    command.env("HOLDFAST_ADMIN_PASSWORD", ADMIN_PASSWORD);
    command.envs(settings.iter().map(|(name, value)| (name, value)));
    command
}

fn owned(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The engine that the tests are to run on.
#[expect(clippy::disallowed_methods, reason = "the test command says it in the environment")]
pub(crate) fn engine() -> Engine {
    std::env::var("HOLDFAST_TEST_ENGINE").map_or(Engine::Sqlite, |name| Engine::named(&name))
}

/// Whether what the shop answers is to be written down as an example.
#[expect(clippy::disallowed_methods, reason = "the test command says it in the environment")]
pub(crate) fn is_recording() -> bool {
    std::env::var("HOLDFAST_TEST_RECORD").is_ok()
}

/// Whether the tests are to run against several processes instead of one.
#[expect(clippy::disallowed_methods, reason = "the test command says it in the environment")]
pub(crate) fn is_cluster_run() -> bool {
    std::env::var("HOLDFAST_TEST_TOPOLOGY").is_ok_and(|topology| topology == "cluster")
}

fn spawn(
    folder: &Path,
    arguments: &[String],
    settings: &[(String, String)],
    port: u16,
    log: &Log,
) -> (Child, String) {
    let mut child = command(folder, settings)
        .args(arguments)
        .env("PORT", port.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let Some(Ok(first)) = lines.next() else {
        let mut why = String::new();
        child.stderr.take().unwrap().read_to_string(&mut why).unwrap();
        panic!("the shop did not start: {why}");
    };
    // Whoever writes into a closed pipe ends. A test that fails shows the log of its shop.
    let (mut written, log) = (child.stderr.take().unwrap(), Arc::clone(log));
    std::thread::spawn(move || {
        let mut some = vec![0; 64 << 10];
        while let Ok(count @ 1..) = written.read(&mut some) {
            log.lock().unwrap().extend_from_slice(&some[..count]);
            let _ = std::io::stderr().write_all(&some[..count]);
        }
    });
    std::thread::spawn(move || lines.count());
    (child, first.split_whitespace().last().unwrap().to_owned())
}

/// Waits until `holds`, for at most `limit`.
pub(crate) async fn wait_until<F: Future<Output = bool>>(
    limit: Duration,
    what: &str,
    mut holds: impl FnMut() -> F,
) {
    let deadline = Instant::now() + limit;
    while !holds().await {
        assert!(Instant::now() < deadline, "still not after {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until there is something, for at most `limit`.
pub(crate) async fn wait_for<T>(
    limit: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "still not after {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Somebody who calls the shop.
pub(crate) struct Client {
    pub connection: Connection,
    pub token: Option<String>,
    pub id: String,
}

impl Client {
    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let authorization = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let mut all = headers.to_vec();
        all.extend(authorization.as_deref().map(|value| ("authorization", value)));
        let method: Method = method.parse().unwrap();
        self.connection.send(method, path, &all, Bytes::from(body.to_owned())).await.unwrap()
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    pub(crate) async fn post(&mut self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[], &body.to_string()).await
    }

    pub(crate) async fn post_under(&mut self, key: &str, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[("idempotency-key", key)], &body.to_string()).await
    }

    pub(crate) async fn put(&mut self, path: &str, body: &Value) -> Answer {
        self.send("PUT", path, &[], &body.to_string()).await
    }

    pub(crate) async fn patch(&mut self, path: &str, body: &Value) -> Answer {
        self.send("PATCH", path, &[], &body.to_string()).await
    }

    pub(crate) async fn delete(&mut self, path: &str) -> Answer {
        self.send("DELETE", path, &[], "").await
    }

    /// Adds a product and returns it.
    pub(crate) async fn product(&mut self, name: &str, quantity: i64) -> Value {
        self.post("/api/products", &product(name, quantity)).await.expect(201).unwrap()
    }

    /// Orders units of one product.
    pub(crate) async fn order(&mut self, product: &Value, quantity: i64) -> Answer {
        self.post("/api/orders", &items(&[(product, quantity)])).await
    }

    /// Units on hand and units promised.
    pub(crate) async fn stock(&mut self, product: &Value) -> (i64, i64) {
        let found = self.get(&path_of(product)).await.expect(200).unwrap();
        (found["quantity"].as_i64().unwrap(), found["reserved"].as_i64().unwrap())
    }
}

pub(crate) fn product(name: &str, quantity: i64) -> Value {
    json!({"name": name, "price": {"amount": 1999, "currency": "USD"}, "quantity": quantity})
}

pub(crate) fn items(items: &[(&Value, i64)]) -> Value {
    let items: Vec<_> = items
        .iter()
        .map(|(product, quantity)| json!({"productId": product["id"], "quantity": quantity}))
        .collect();
    json!({ "items": items })
}

pub(crate) fn path_of(product: &Value) -> String {
    format!("/api/products/{}", product["id"].as_str().unwrap())
}

/// The status and the problem's code.
pub(crate) fn problem(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.json()["code"].as_str().unwrap_or_default().to_owned())
}

pub(crate) fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).map_or("", |value| value.to_str().unwrap())
}
