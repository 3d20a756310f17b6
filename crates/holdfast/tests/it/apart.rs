//! Orders and products in processes of their own: where both keep what they keep in one database, orders take stock there.

use std::{
    fs::File,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::Duration,
};

use holdfast_testkit::{Engine, Home};

use crate::shop::{Shop, command, run, wait_until};

/// Long enough for a process to start, and for orders to look again at where stock is kept.
const PATIENCE: Duration = Duration::from_secs(20);

/// A process for users and the gateway, one for products, one for orders.
struct Processes {
    folder: PathBuf,
    shop: Shop,
    addresses: [String; 4],
    users: Child,
    products: Child,
    orders: Child,
}

impl Drop for Processes {
    fn drop(&mut self) {
        for child in [&mut self.users, &mut self.products, &mut self.orders] {
            end(child);
        }
    }
}

fn end(child: &mut Child) {
    // It may have ended already.
    let _ = child.kill();
    let _ = child.wait();
}

/// Addresses that differ: all are taken before the first is free again.
fn free_addresses<const N: usize>() -> [String; N] {
    let listeners: [TcpListener; N] =
        std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().to_string())
}

impl Processes {
    /// Starts them, orders on a database that may be another one.
    async fn start(folder: &Path, database: &str, of_orders: &str) -> Self {
        let addresses = free_addresses();
        let start =
            |parts: &[&str], own, database: &str| start(folder, &addresses, parts, own, database);
        let [public, users, products, orders] = [0, 1, 2, 3].map(|own| addresses[own].as_str());
        let processes = Self {
            users: start(
                &["users", "gateway"],
                &["--listen", public, "--internal-listen", users],
                database,
            ),
            products: start(&["products"], &["--listen", products], database),
            orders: start(&["orders"], &["--listen", orders], of_orders),
            shop: Shop::elsewhere(&format!("http://{public}")),
            folder: folder.to_owned(),
            addresses: addresses.clone(),
        };
        processes.ready().await;
        processes
    }

    /// Ends the process of products, and starts another on another database.
    async fn move_products(&mut self, database: &str) {
        end(&mut self.products);
        let own = ["--listen", self.addresses[2].as_str()];
        self.products = start(&self.folder, &self.addresses, &["products"], &own, database);
        self.ready().await;
    }

    async fn ready(&self) {
        wait_until(PATIENCE, "the processes find each other", || async {
            tokio::net::TcpStream::connect(&self.addresses[0]).await.is_ok()
                && self.shop.anybody().get("/readyz").await.status == 200
        })
        .await;
    }

    /// Returns when orders have found that stock is kept in their database, or that it is not.
    async fn found(&self, together: bool) {
        let line = format!("found where stock is kept together={together}");
        wait_until(PATIENCE, &line, || async {
            let log = std::fs::read_to_string(self.folder.join("orders.log")).unwrap();
            log.lines()
                .rfind(|line| line.contains("found where"))
                .is_some_and(|last| last.ends_with(&line))
        })
        .await;
    }
}

fn start(
    folder: &Path,
    [_, users, products, orders]: &[String; 4],
    parts: &[&str],
    listen: &[&str],
    database: &str,
) -> Child {
    let log =
        File::options().create(true).append(true).open(folder.join(format!("{}.log", parts[0])));
    let settings = [
        ("HOLDFAST_CLUSTER_SECRET", "a-secret-for-the-processes-of-a-test"),
        ("HOLDFAST_RATE_LIMITS", "off"),
        ("DB_CONNECTION_STRING", database),
    ];
    command(folder, &settings.map(|(name, value)| (name.to_owned(), value.to_owned())))
        .env("HOLDFAST_DATA_DIR", folder.join(parts[0]))
        .arg("serve")
        .args(parts)
        .args(listen)
        .args(["--users", &format!("http://{users}")])
        .args(["--products", &format!("http://{products}")])
        .args(["--orders", &format!("http://{orders}")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log.unwrap())
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn in_one_database_orders_do_without_a_process_of_products() {
    for engine in Engine::ALL {
        let folder = tempfile::tempdir().unwrap();
        let Some(home) = Home::of(engine) else { continue };
        let mut processes = Processes::start(folder.path(), &home.url(), &home.url()).await;
        let mut admin = processes.shop.admin().await;
        let teapot = admin.product("Teapot", 5).await;
        processes.found(true).await;
        end(&mut processes.products);
        admin.order(&teapot, 1).await.expect(201).unwrap();
        let what = "the control: nobody is there";
        wait_until(PATIENCE, what, || async {
            processes.shop.anybody().get("/readyz").await.status == 503
        })
        .await;
    }
}

/// A copy has every secret of its original, marks included, and is another database all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_the_database_is_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let url = |name: &str| format!("sqlite:{}", folder.path().join(name).display());
    let copy = |from: &str, to: &str| {
        let settings = [("DB_CONNECTION_STRING".to_owned(), url(from))];
        let ran = run(folder.path(), &["backup", to], &settings);
        assert_eq!(ran.code, 0, "{ran:?}");
    };
    let mut processes = Processes::start(folder.path(), &url("shop.db"), &url("shop.db")).await;
    let teapot = processes.shop.admin().await.product("Teapot", 5).await;
    processes.found(true).await;
    processes.shop.admin().await.order(&teapot, 1).await.expect(201).unwrap();
    copy("shop.db", "first.db");

    // Products go to the copy: orders ask them from now on.
    processes.move_products(&url("first.db")).await;
    processes.found(false).await;
    let mut admin = processes.shop.admin().await;
    admin.order(&teapot, 1).await.expect(201).unwrap();
    assert_eq!(admin.stock(&teapot).await, (5, 2), "taken where products have it");
    processes.move_products(&url("shop.db")).await;
    processes.found(true).await;
    assert_eq!(processes.shop.admin().await.stock(&teapot).await, (5, 1));
    copy("shop.db", "second.db");
    drop(processes);

    // Orders start on a copy of where products are.
    let processes = Processes::start(folder.path(), &url("shop.db"), &url("second.db")).await;
    processes.found(false).await;
    let mut admin = processes.shop.admin().await;
    admin.order(&teapot, 2).await.expect(201).unwrap();
    assert_eq!(admin.stock(&teapot).await, (5, 3));
}
