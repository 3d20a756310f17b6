//! Orders and products in processes of their own: where products keep their stock, orders take it there.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use holdfast_testkit::{Engine, Home};
use serde_json::json;

use crate::shop::{ADMIN_PASSWORD, Client, Shop, wait_until};

/// Long enough for orders to find out where stock is kept.
const FOUND: Duration = Duration::from_secs(20);

/// A process for users and the gateway, one for products, one for orders.
struct Processes {
    shop: Shop,
    users: Child,
    products: Child,
    orders: Child,
}

impl Drop for Processes {
    fn drop(&mut self) {
        for child in [&mut self.users, &mut self.products, &mut self.orders] {
            // It may have been ended by the test.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

impl Processes {
    /// Starts them: orders with a database that may be another one.
    async fn start(folder: &Path, database: &str, database_of_orders: &str) -> Self {
        let [public, users, products, orders] = std::array::from_fn(|_| free_address());
        let start = |parts: &[&str], listen: [&str; 4], database: &str| {
            Command::new(env!("CARGO_BIN_EXE_holdfast"))
                .arg("serve")
                .args(parts)
                .args(&listen[..])
                .args(["--users", &format!("http://{users}")])
                .args(["--products", &format!("http://{products}")])
                .args(["--orders", &format!("http://{orders}")])
                .current_dir(folder)
                .env_clear()
                .env("HOLDFAST_CLUSTER_SECRET", "a-secret-for-the-processes-of-a-test")
                .env("HOLDFAST_ADMIN_PASSWORD", ADMIN_PASSWORD)
                .env("HOLDFAST_RATE_LIMITS", "off")
                .env("HOLDFAST_DATA_DIR", folder.join(parts[0]))
                .env("DB_CONNECTION_STRING", database)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        };
        let own = |address| ["--listen", address, "--internal-listen", ""];
        let shared = ["--listen", &public, "--internal-listen", &users];
        let processes = Self {
            users: start(&["users", "gateway"], shared, database),
            products: start(&["products"], own(&products), database),
            orders: start(&["orders"], own(&orders), database_of_orders),
            shop: Shop::elsewhere(&format!("http://{public}")),
        };
        wait_until(FOUND, "the processes find each other", || async {
            tokio::net::TcpStream::connect(&public).await.is_ok()
                && processes.shop.anybody().get("/readyz").await.status == 200
        })
        .await;
        processes
    }
}

fn file(folder: &Path, name: &str) -> (PathBuf, String) {
    let path = folder.join(name);
    let url = format!("sqlite:{}", path.display());
    (path, url)
}

async fn orders_one(client: &mut Client, product: &serde_json::Value) -> bool {
    client.order(product, 1).await.status == 201
}

#[tokio::test(flavor = "multi_thread")]
async fn in_one_database_orders_do_without_a_process_of_products() {
    for engine in Engine::ALL {
        let folder = tempfile::tempdir().unwrap();
        let Some(home) = Home::of(engine) else { continue };
        let mut processes = Processes::start(folder.path(), &home.url(), &home.url()).await;
        let mut admin = processes.shop.admin().await;
        let teapot = admin.product("Teapot", 5).await;
        assert!(orders_one(&mut admin, &teapot).await);
        // Orders asks again and again until it is answered.
        tokio::time::sleep(Duration::from_secs(1)).await;
        processes.products.kill().unwrap();
        processes.products.wait().unwrap();
        assert!(orders_one(&mut admin, &teapot).await, "{}", engine.name());
        assert_eq!(admin.get("/readyz").await.status, 503, "the control: nobody is there");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_the_database_of_products_is_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let (original, url) = file(folder.path(), "shop.db");
    let (copy, url_of_copy) = file(folder.path(), "copy.db");
    let together = Processes::start(folder.path(), &url, &url).await;
    let mut admin = together.shop.admin().await;
    let teapot = admin.product("Teapot", 5).await;
    assert!(orders_one(&mut admin, &teapot).await);
    drop(together);
    // The log goes with it: nobody had the time to move it.
    std::fs::copy(&original, &copy).unwrap();
    std::fs::copy(folder.path().join("shop.db-wal"), folder.path().join("copy.db-wal")).unwrap();

    let apart = Processes::start(folder.path(), &url, &url_of_copy).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut admin = apart.shop.admin().await;
    let order = admin.order(&teapot, 2).await.expect(201).unwrap();
    assert_eq!(admin.stock(&teapot).await, (5, 3), "taken where products have it");
    let path = format!("/api/orders/{}/cancel", order["id"].as_str().unwrap());
    admin.post(&path, &json!({})).await.expect(200).unwrap();
    assert_eq!(admin.stock(&teapot).await, (5, 1), "and given back there");
}
