//! A shop moves from engine to engine as one file, and loses nothing on the way.

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    path::Path,
    time::Duration,
};

use flate2::read::MultiGzDecoder;
use holdfast_storage::{Database, Location};
use holdfast_testkit::{Engine, Home};
use serde_json::json;

use crate::{
    crash::assert_check_is_clean,
    shop::{PASSWORD, Shop, items},
};

/// A shop with a bit of everything; returns an order that was placed under the key `kept`.
async fn furnish(shop: &Shop) -> serde_json::Value {
    let mut admin = shop.admin().await;
    let teapot = admin.product("Teapot", 10).await;
    let gone = admin.product("Gone", 3).await;
    let path = format!("/api/products/{}", gone["id"].as_str().unwrap());
    admin.delete(&format!("{path}?version=1")).await.expect(204).unwrap_or_default();
    let mut ada = shop.customer("Ada").await;
    let mut leaver = shop.customer("leaver").await;
    leaver.order(&teapot, 1).await.expect(201).unwrap();
    let mut orders = Vec::new();
    for _ in 0..3 {
        orders.push(ada.order(&teapot, 1).await.expect(201).unwrap());
    }
    let path = |order: &serde_json::Value| format!("/api/orders/{}", order["id"].as_str().unwrap());
    ada.post(&format!("{}/cancel", path(&orders[0])), &json!({})).await.expect(200).unwrap();
    for step in ["pay", "ship"] {
        admin.post(&format!("{}/{step}", path(&orders[1])), &json!({})).await.expect(200).unwrap();
    }

    let goodbye = json!({"password": PASSWORD});

    assert_eq!(leaver.post("/api/users/me/delete", &goodbye).await.status, 204);
    let kept = ada.post_under("kept", "/api/orders", &items(&[(&teapot, 2)])).await;
    // All of it has come into the log, and has left the outboxes.
    admin.events("", 20).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    kept.expect(201).unwrap()
}

/// The records of an export, in any order.
fn records(file: &Path) -> BTreeSet<String> {
    let mut text = String::new();
    MultiGzDecoder::new(std::fs::File::open(file).unwrap()).read_to_string(&mut text).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_moves_from_engine_to_engine() {
    let homes: Vec<Home> = Engine::ALL.into_iter().filter_map(Home::of).collect();
    let mut shop = Shop::start_at(&homes[0].url());
    let order = furnish(&shop).await;
    let mut exports = Vec::new();
    for (number, home) in homes.iter().enumerate().skip(1) {
        // While the shop goes on.
        let name = format!("export-{number}");
        let exported = shop.run(&["export", "--all", &name]);
        assert_eq!(exported.code, 0, "{exported:?}");
        let file = shop.folder.path().join(&name);
        exports.push(records(&file));
        let file = file.to_string_lossy();
        let settings = [("DB_CONNECTION_STRING".to_owned(), home.url())];
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let imported = crate::shop::run(folder.path(), &["import", "--all", &file], &settings);
            assert!(imported.code == 0 && imported.out.contains("Clean"), "{imported:?}");
        }
        shop = Shop::start_at(&home.url());
        let mut ada = shop.sign_in("ada", PASSWORD).await;
        let product = json!({"id": order["items"][0]["productId"]});
        let body = items(&[(&product, 2)]);
        let again = ada.post_under("kept", "/api/orders", &body).await.expect(201).unwrap();
        assert_eq!(again, order, "a key names one order for good");
        assert_eq!(ada.stock(&product).await, (9, 4));
        assert_check_is_clean(&shop);
    }
    let last = shop.run(&["export", "--all", "last"]);
    assert_eq!(last.code, 0, "{last:?}");
    exports.push(records(&shop.folder.path().join("last")));
    for export in &exports[1..] {
        let differences: Vec<_> = exports[0].symmetric_difference(export).collect();
        assert!(differences.is_empty(), "{differences:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_or_foreign_file_is_refused() {
    let shop = Shop::start();
    let other = Shop::start();
    assert_eq!(shop.run(&["export", "--all", "whole"]).code, 0);
    let whole = shop.folder.path().join("whole");
    let onto_another = other.run(&["import", "--all", &whole.to_string_lossy()]);
    assert!(
        onto_another.code != 0 && onto_another.err.contains("another shop"),
        "{onto_another:?}"
    );
    let bytes = std::fs::read(&whole).unwrap();
    std::fs::write(&whole, &bytes[..bytes.len() / 2]).unwrap();
    let cut = shop.run(&["restore", &whole.to_string_lossy()]);
    assert!(cut.code != 0 && cut.err.contains("line"), "{cut:?}");
    let lines = [
        r#"{"holdfast":{"format":1,"version":"0"}}"#,
        r#"{"record":["users","users",{"id":"01a20f64-8a66-7001-946e-a705318d994a"}]}"#,
        r#"{"end":1}"#,
    ];
    let file = std::fs::File::create(&whole).unwrap();
    let mut zipped = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    zipped.write_all(lines.join("\n").as_bytes()).unwrap();
    zipped.finish().unwrap();
    let torn = shop.run(&["restore", &whole.to_string_lossy()]);
    assert!(torn.code != 0 && torn.err.contains("line 2: missing field"), "{torn:?}");
    let missing = shop.run(&["restore", "nothing"]);
    assert!(missing.code != 0, "{missing:?}");
}

/// Copies of several databases that were taken at different moments: stock follows the orders.
#[tokio::test(flavor = "multi_thread")]
async fn repair_makes_stock_follow_the_orders() {
    let settings =
        [("HOLDFAST_RATE_LIMITS", "off"), ("HOLDFAST_PRODUCTS_DB", "sqlite:products.db")];
    let mut shop = Shop::start_with(&settings);
    let teapot = shop.admin().await.product("Teapot", 10).await;
    let mut ada = shop.customer("ada").await;
    let order = ada.order(&teapot, 4).await.expect(201).unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    shop.kill();
    let (products, copy) =
        (shop.folder.path().join("products.db"), shop.folder.path().join("copy.db"));
    rusqlite::Connection::open(&products)
        .unwrap()
        .execute("VACUUM INTO ?1", [copy.to_str()])
        .unwrap();
    shop.start_again();
    let path = format!("/api/orders/{}/cancel", order["id"].as_str().unwrap());
    shop.sign_in("ada", PASSWORD).await.post(&path, &json!({})).await.expect(200).unwrap();
    shop.kill();
    // The mark is about what is replaced.
    for suffix in ["-wal", "-shm", "-mark"] {
        let _ = std::fs::remove_file(shop.folder.path().join(format!("products.db{suffix}")));
    }
    std::fs::rename(copy, products).unwrap();
    let check = shop.run(&["check"]);
    assert_eq!(check.code, 1, "the control: {check:?}");
    let repaired = shop.run(&["check", "--repair"]);
    assert!(repaired.code == 0 && repaired.out.contains("Reconciled 1"), "{repaired:?}");
}

/// As `serve` does, a restore makes the folder that it needs.
#[tokio::test(flavor = "multi_thread")]
async fn a_shop_is_restored_where_there_was_none() {
    let shop = Shop::start();
    shop.admin().await.product("Teapot", 10).await;
    assert_eq!(shop.run(&["export", "--all", "whole"]).code, 0);
    let (file, folder) = (shop.folder.path().join("whole"), tempfile::tempdir().unwrap());
    let run = |arguments: &[&str]| crate::shop::run(folder.path(), arguments, &[]);
    assert_ne!(run(&["restore", "nothing"]).code, 0);
    assert!(!folder.path().join("data").exists(), "nothing is made for a file that is not there");
    let restored = run(&["restore", file.to_str().unwrap()]);
    assert!(restored.code == 0 && restored.out.contains("Clean"), "{restored:?}");
    assert_eq!(run(&["check"]).code, 0);
}

/// A restore that was cut leaves half a shop: nobody serves it, and running the restore again finishes it.
#[tokio::test(flavor = "multi_thread")]
async fn half_a_restored_shop_is_refused() {
    for home in Engine::ALL.into_iter().filter_map(Home::of) {
        let shop = Shop::start_as(&[], &[]);
        shop.admin().await.product("Teapot", 10).await;
        assert_eq!(shop.run(&["export", "--all", "whole"]).code, 0);
        let file = shop.folder.path().join("whole");
        let folder = tempfile::tempdir().unwrap();
        // Two tests must never meet at the usual port.
        let settings = [("DB_CONNECTION_STRING", home.url()), ("PORT", "0".to_owned())];
        let settings = settings.map(|(name, value)| (name.to_owned(), value));
        let run = |arguments: &[&str]| crate::shop::run(folder.path(), arguments, &settings);
        assert_eq!(run(&["migrate"]).code, 0);
        let location = Location::of(Some(&home.url()), folder.path()).unwrap();
        // As a restore does that is killed after its first step.
        Database::open(&location).await.unwrap().begin_restore().await.unwrap();
        for command in ["serve", "check"] {
            let refused = run(&[command]);
            assert!(refused.code == 2 && refused.err.contains("half a shop"), "{refused:?}");
        }
        let restored = run(&["restore", file.to_str().unwrap()]);
        assert!(restored.code == 0 && restored.out.contains("Clean"), "{restored:?}");
        assert_eq!(run(&["check"]).code, 0);
    }
}
