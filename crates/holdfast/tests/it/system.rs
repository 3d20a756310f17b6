//! Routes of no service, starting, draining, a full disk.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use crate::shop::{Client, Shop, header, items, problem, wait_until};

#[tokio::test]
async fn health_metrics_and_documentation() {
    let shop = Shop::start();
    let mut anybody = shop.anybody();
    assert_eq!(anybody.get("/livez").await.json()["status"], "alive");
    assert_eq!(anybody.get("/readyz").await.json()["status"], "ready");
    let metrics = shop.admin().await.get("/metrics").await;
    assert!(String::from_utf8_lossy(&metrics.body).contains("http_request_duration_seconds"));
    assert_eq!(
        problem(&shop.customer("ada").await.get("/metrics").await),
        (403, "forbidden".into())
    );
    let docs = anybody.get("/docs").await;
    assert!(header(&docs, "content-type").starts_with("text/html") && !docs.body.is_empty());
    let page = String::from_utf8_lossy(&docs.body).into_owned();
    assert!(!page.contains("://"), "the page loads nothing from elsewhere");
    let all = anybody.get("/problems").await;
    assert!(String::from_utf8_lossy(&all.body).contains("href=\"/problems/price-changed\""));
    let problem_page = anybody.get("/problems/version-conflict").await;
    assert!(String::from_utf8_lossy(&problem_page.body).contains("Somebody else changed it first"));
    assert_eq!(problem(&anybody.get("/problems/nonsense").await), (404, "not-found".into()));
}

/// They are compressed before they are asked for, known by their content, and may load nothing from elsewhere but pictures.
#[tokio::test]
async fn the_screens_are_files() {
    let shop = Shop::start();
    let mut anybody = shop.anybody();
    for path in [
        "/console",
        "/shop",
        "/docs",
        "/assets/console.js",
        "/assets/scalar.js",
        "/assets/shared.css",
    ] {
        let plain = anybody.get(path).await;
        assert_eq!(
            (plain.status.as_u16(), header(&plain, "content-encoding")),
            (200, ""),
            "{path}"
        );
        assert!(header(&plain, "content-security-policy").starts_with("default-src 'self'; "));
        let encoding = [("accept-encoding", "gzip;q=0.5, br")];
        let brotli = anybody.send("GET", path, &encoding, "").await;
        assert_eq!(header(&brotli, "content-encoding"), "br", "{path}");
        assert!(brotli.body.len() < plain.body.len());
        let etag = header(&brotli, "etag").to_owned();
        assert_ne!(etag, header(&plain, "etag"), "a strong tag is of one representation");
        let known = [encoding[0], ("if-none-match", etag.as_str())];
        let known = anybody.send("GET", path, &known, "").await;
        assert_eq!((known.status.as_u16(), known.body.len()), (304, 0), "{path}");
        let vary: Vec<_> = known.headers.get_all("vary").iter().collect();
        assert_eq!(vary, ["accept-encoding", "origin"]);
    }
    let page = anybody.get("/console").await;
    let page = String::from_utf8_lossy(&page.body).into_owned();
    assert!(page.contains("/assets/console.js") && !page.contains("://"), "{page}");
    assert_eq!(problem(&anybody.get("/assets/nothing.js").await), (404, "not-found".into()));
}

/// Routes that the document must name.
const ROUTES: [&str; 99] = [
    "get /api/audit",
    "post /api/users/register",
    "post /api/users/login",
    "post /api/users/refresh",
    "post /api/users/logout",
    "get /api/users/me",
    "patch /api/users/me",
    "put /api/users/me/password",
    "post /api/users/me/delete",
    "get /api/users",
    "get /api/users/{id}",
    "patch /api/users/{id}",
    "post /api/users/{id}/password-reset",
    "post /api/users/guest",
    "post /api/users/password-reset",
    "post /api/users/password-reset/request",
    "post /api/users/me/email-verification",
    "post /api/users/email-verification",
    "get /.well-known/jwks.json",
    "get /api/products",
    "get /api/products/{id}",
    "get /api/products/categories",
    "post /api/products",
    "put /api/products/{id}",
    "patch /api/products/{id}",
    "delete /api/products/{id}",
    "post /api/products/{id}/stock",
    "get /api/products/{id}/stock/movements",
    "post /api/products/batch",
    "post /api/holds",
    "get /api/holds",
    "get /api/holds/{id}",
    "delete /api/holds/{id}",
    "post /api/holds/{id}/extend",
    "post /api/media",
    "get /media/{name}",
    "get /media/thumbnails/{name}",
    "post /api/orders",
    "get /api/orders",
    "patch /api/orders/{id}",
    "get /api/orders/csv",
    "get /api/orders/statistics",
    "get /api/orders/{id}",
    "get /api/orders/{id}/events",
    "post /api/orders/{id}/cancel",
    "post /api/orders/{id}/pay",
    "post /api/orders/{id}/ship",
    "post /api/orders/{id}/deliver",
    "get /api/events",
    "get /api/events/stream",
    "get /api/events/{id}",
    "get /api/payments",
    "post /api/payments",
    "get /api/payments/provider",
    "get /api/payments/statistics",
    "get /api/payments/{id}",
    "post /api/payments/{id}/sync",
    "post /api/payments/{id}/capture",
    "post /api/payments/{id}/cancel",
    "post /api/payments/{id}/refunds",
    "post /api/payments/{id}/test",
    "post /api/payments/webhooks/stripe",
    "post /api/orders/status",
    "get /api/letters",
    "get /api/letters/server",
    "post /api/letters/{id}/retry",
    "get /api/webhooks",
    "post /api/webhooks",
    "get /api/webhooks/{id}",
    "patch /api/webhooks/{id}",
    "delete /api/webhooks/{id}",
    "post /api/webhooks/{id}/rotate",
    "post /api/webhooks/{id}/test",
    "post /api/webhooks/{id}/replay",
    "get /api/webhooks/{id}/deliveries",
    "get /api/webhooks/{id}/deliveries/{delivery}",
    "post /api/webhooks/{id}/deliveries/{delivery}/retry",
    "post /api/users/login/mfa",
    "get /api/users/me/mfa",
    "post /api/users/me/mfa",
    "post /api/users/me/mfa/confirm",
    "post /api/users/me/mfa/recovery-codes",
    "post /api/users/me/mfa/disable",
    "post /api/users/{id}/mfa/reset",
    "get /api/roles",
    "post /api/roles",
    "get /api/roles/{name}",
    "patch /api/roles/{name}",
    "delete /api/roles/{name}",
    "get /api/keys",
    "post /api/keys",
    "get /api/keys/{id}",
    "patch /api/keys/{id}",
    "delete /api/keys/{id}",
    "post /api/keys/{id}/rotate",
    "get /livez",
    "get /readyz",
    "get /metrics",
    "get /api/processes",
];

#[tokio::test]
async fn the_openapi_document_names_every_route() {
    let shop = Shop::start();
    let document = shop.anybody().get("/openapi.json").await.expect(200).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let mut operations: Vec<String> = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            operations.push(format!("{method} {path}"));
        }
    }
    for expected in ROUTES {
        assert!(operations.iter().any(|operation| operation == expected), "{expected} is missing");
    }
    let printed: Value = serde_json::from_str(&shop.run(&["openapi"]).out).unwrap();
    assert_eq!(printed, document, "the command and the route agree");
}

#[tokio::test]
async fn draining_finishes_what_is_in_flight() {
    let mut shop = Shop::start();
    let mut admin = shop.admin().await;
    let teapot = admin.product("Teapot", 1_000).await;
    let (token, body) = (admin.token.clone(), items(&[(&teapot, 1)]));
    let orders: Vec<_> = (0..20)
        .map(|_| {
            let (mut client, token, body) = (shop.anybody(), token.clone(), body.clone());
            client.token = token;
            tokio::spawn(async move { client.post("/api/orders", &body).await.status.as_u16() })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let pid = shop.child.as_ref().unwrap().id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let mut placed = 0;
    for order in orders {
        // One that came too late was not accepted at all: its connection was refused.
        placed += u32::from(order.await.is_ok_and(|status| status == 201));
    }
    assert!(shop.child.as_mut().unwrap().wait().unwrap().success());
    shop.kill_and_restart();
    let mut admin = shop.admin().await;
    assert_eq!(
        admin.stock(&teapot).await,
        (1_000, i64::from(placed)),
        "what was answered is there, and nothing else"
    );
}

/// A disk of a few megabytes; unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// Needs the right to mount a tmpfs.
    #[expect(clippy::print_stderr, reason = "what is skipped is said aloud")]
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=3m", "tmpfs"]).arg(folder.path());
        if mount.status().is_ok_and(|status| status.success()) {
            return Some(Self(folder));
        }
        eprintln!("!!! SKIPPED: a full disk cannot be tried without the right to mount one !!!");
        None
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let mut ballast = std::fs::File::create(self.path("ballast")).unwrap();
        for size in [64 << 10, 4 << 10, 1] {
            while ballast.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.path("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// A start that fails for want of room says so, and does not call sound data damaged.
#[tokio::test]
async fn a_start_on_a_full_disk_says_what_is_true() {
    let Some(disk) = SmallDisk::mount() else { return };
    let data = disk.path("data");
    let settings = [("HOLDFAST_RATE_LIMITS", "off"), ("HOLDFAST_DATA_DIR", data.as_str())];
    let mut shop = Shop::start_as(&[], &settings);
    let teapot = shop.admin().await.product("Teapot", 100).await;
    shop.admin().await.order(&teapot, 1).await.expect(201).unwrap();
    let pid = shop.child.as_ref().unwrap().id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    shop.child.as_mut().unwrap().wait().unwrap();
    disk.fill();
    for command in [&["serve"][..], &["cluster"], &["check"]] {
        let settings = [("HOLDFAST_DATA_DIR", data.as_str()), ("PORT", "0")];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let refused = crate::shop::run(shop.folder.path(), command, &settings);
        assert!(refused.code == 2 && refused.err.contains("no room"), "{command:?} {refused:?}");
        assert!(!refused.err.contains("damaged"), "{command:?} {refused:?}");
    }
    disk.free();
    shop.start_again();
    assert_eq!(shop.admin().await.stock(&teapot).await, (100, 1));
}

#[tokio::test]
async fn a_full_disk_is_said_and_survived() {
    let Some(disk) = SmallDisk::mount() else { return };
    let data = disk.path("data");
    let shop = Shop::start_with(&[("HOLDFAST_RATE_LIMITS", "off"), ("HOLDFAST_DATA_DIR", &data)]);
    let mut admin = shop.admin().await;
    let teapot = admin.product("Teapot", 1_000_000).await;
    let ballast = disk.path("ballast");
    let body = items(&[(&teapot, 1)]);
    std::fs::write(&ballast, vec![0; 64 << 10]).unwrap();
    let mut acknowledged = 0;
    let full = loop {
        let answer = admin.post_under(&acknowledged.to_string(), "/api/orders", &body).await;
        match answer.status.as_u16() {
            201 => acknowledged += 1,
            _ => break answer,
        }
        assert!(acknowledged < 20_000, "the disk never fills");
    };
    assert_eq!((problem(&full), header(&full, "retry-after")), ((503, "storage-full".into()), "1"));
    let (_, reserved) = admin.stock(&teapot).await;
    assert!(
        (acknowledged..=acknowledged + 1).contains(&reserved),
        "reading goes on; the last attempt may hold its unit"
    );
    std::fs::remove_file(&ballast).unwrap();
    let (url, token, key) = (shop.url.clone(), admin.token.clone(), acknowledged.to_string());
    wait_until(Duration::from_secs(10), "the same request succeeds", || {
        let connection = holdfast_client::Connection::new(&url);
        let mut client = Client { connection, token: token.clone(), id: String::new() };
        let (key, body) = (key.clone(), body.clone());
        async move { client.post_under(&key, "/api/orders", &body).await.status == 201 }
    })
    .await;
    assert_eq!(
        admin.stock(&teapot).await,
        (1_000_000, acknowledged + 1),
        "nothing was lost and nothing doubled"
    );
    let check = shop.run(&["check"]);
    assert_eq!(check.code, 0, "{check:?}");
}

#[tokio::test]
async fn a_monitor_has_a_listener_of_its_own() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let shop = Shop::start_as(&[], &[("HOLDFAST_METRICS_LISTEN", &free)]);
    shop.anybody().get("/livez").await;
    let mut monitor = Shop::elsewhere(&format!("http://{free}")).anybody();
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(monitor.get(path).await.status, 200, "{path}");
    }
    assert_eq!(problem(&monitor.get("/api/products").await), (404, "route-not-found".to_owned()));
}

/// Whoever came to an inherited listener meanwhile is served by the process after it.
#[tokio::test]
async fn a_process_that_cannot_start_has_accepted_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let serve = |metrics: SocketAddr| {
        // As file descriptor 3 (sd_listen_fds(3)).
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "exec \"$0\" 3<&0 </dev/null", env!("CARGO_BIN_EXE_holdfast")]);
        command.current_dir(folder.path()).env_clear().env("LISTEN_FDS", "1");
        command.env("HOLDFAST_METRICS_LISTEN", metrics.to_string());
        command.stdin(OwnedFd::from(listener.try_clone().unwrap()));
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.write_all(b"GET /livez HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n").unwrap();

    let refused = serve(taken.local_addr().unwrap()).wait_with_output().unwrap();
    let why = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && why.contains("cannot listen on"), "{why}");

    let mut shop = serve("127.0.0.1:0".parse().unwrap());
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut answer = String::new();
    let read = client.read_to_string(&mut answer);
    shop.kill().unwrap();
    shop.wait().unwrap();
    assert!(read.is_ok() && answer.starts_with("HTTP/1.1 200"), "{read:?} {answer}");
}
